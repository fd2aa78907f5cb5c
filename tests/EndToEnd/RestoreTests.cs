using Hexabase.DrConsole.EndToEnd.Support;
using Hexabase.DrConsole.Lab.Postgres;
using Microsoft.Playwright;
using Npgsql;

namespace Hexabase.DrConsole.EndToEnd;

/// <summary>A restore into a new database, through the dialog.</summary>
public sealed class RestoreTests(PublishedConsole console) : ConsoleVisit(console)
{
    private const string Name = "orders_back";
    private const string LabDatabase = LabPostgres.Orders;

    [Fact]
    public async Task Restore_into_a_new_database_brings_every_order_back_and_never_twice()
    {
        var point = await Console.ProvenPointAsync(Cancellation);
        var admin = await AdminAsync();
        await PlanAsync(admin, point);
        await Expect(admin.Page.GetByText("Nothing that exists is changed")).ToBeVisibleAsync();
        await Expect(admin.Page.GetByText("Plan, bound by hash")).ToBeVisibleAsync();
        var restore = admin.Page.GetByRole(AriaRole.Button, new() { Name = $"Restore into {Name}" });
        var word = admin.Page.GetByLabel($"Type {Name} to go on");
        await Expect(restore).ToBeDisabledAsync();
        await word.FillAsync("orders_bac");
        await Expect(restore).ToBeDisabledAsync();
        await word.FillAsync(Name);
        await restore.ClickAsync();

        await Expect(admin.Page.GetByRole(AriaRole.Heading, new() { Name = "Restore of orders" })).ToBeVisibleAsync();
        await admin.ExpectStateAsync("Done");
        Assert.Equal(await OrdersOfAsync(LabDatabase), await OrdersOfAsync(Name));
        Assert.Equal(await OrderOfAsync(LabDatabase), await OrderOfAsync(Name));

        await PlanAsync(admin, point);
        await Expect(admin.Page.GetByRole(AriaRole.Alert)).ToContainTextAsync(Name);
        await Expect(admin.Page.GetByRole(AriaRole.Alert)).ToContainTextAsync("exist");
        await Expect(restore).ToHaveCountAsync(0);
        Assert.Equal(await OrdersOfAsync(LabDatabase), await OrdersOfAsync(Name));
    }

    /// <summary>Opens the dialog on the restore point's page, fills it, and asks for the plan.</summary>
    private async Task PlanAsync(Visitor visitor, string point)
    {
        await visitor.OpenAsync($"/restore-points/{point}");
        await visitor.Page.GetByRole(AriaRole.Button, new() { Name = "Restore to…" }).ClickAsync();
        await visitor.Page.GetByRole(AriaRole.Textbox, new() { Name = "New database" }).FillAsync(Name);
        await visitor.Page.GetByRole(AriaRole.Textbox, new() { Name = "User", Exact = true }).FillAsync("postgres");
        await visitor.Page.GetByRole(AriaRole.Textbox, new() { Name = "Password file" }).FillAsync(Console.Lab.AdminPasswordFile);
        await visitor.Page.GetByRole(AriaRole.Button, new() { Name = "Show the plan" }).ClickAsync();
    }

    private Task<string> OrdersOfAsync(string database) =>
        AskAsync(database, "select count(*)::text || ', newest ' || max(id) from orders");

    private Task<string> OrderOfAsync(string database) =>
        AskAsync(database,
            "select row_to_json(o)::text || (select json_agg(i order by i.line)::text from order_items i where i.order_id = o.id) from orders o where o.id = 42");

    private async Task<string> AskAsync(string database, string sql)
    {
        var settings = Console.Lab.AdminConnection(database);
        settings.Pooling = false;
        await using var source = NpgsqlDataSource.Create(settings);
        await using var command = source.CreateCommand(sql);
        return Assert.IsType<string>(await command.ExecuteScalarAsync(Cancellation));
    }
}
