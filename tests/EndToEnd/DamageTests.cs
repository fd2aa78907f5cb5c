using System.Text.RegularExpressions;
using Hexabase.DrConsole.EndToEnd.Support;
using Microsoft.Playwright;

namespace Hexabase.DrConsole.EndToEnd;

/// <summary>A byte that rots in a tier.</summary>
public sealed class DamageTests(PublishedConsole console) : ConsoleVisit(console)
{
    [Fact]
    public async Task Flipped_byte_in_a_pack_fails_step_one_by_the_packs_name_and_nothing_stays_green()
    {
        await Console.ProvenPointAsync(Cancellation);
        var older = Console.PacksOf("hot");
        var point = await Console.BackUpAsync(Cancellation);
        var pack = Console.PacksOf("hot").First(one => older.All(known => known.FullName != one.FullName));
        await FlipAsync(pack.FullName);
        var admin = await AdminAsync();
        await admin.OpenAsync($"/restore-points/{point}");
        await admin.Page.GetByRole(AriaRole.Button, new() { Name = "Validate now" }).ClickAsync();
        await Expect(admin.Page.GetByRole(AriaRole.Heading, new() { Name = "Validation of orders" })).ToBeVisibleAsync();
        await admin.ExpectStateAsync("Failed");

        await admin.OpenAsync($"/restore-points/{point}");
        await admin.ExpectStateAsync("Failed validation");
        await Expect(admin.Page.GetByRole(AriaRole.Alert)).ToContainTextAsync("This point did not stand its validation in hot");
        await Expect(admin.Page.GetByRole(AriaRole.Alert)).ToContainTextAsync(pack.Name);
        await Expect(admin.Page.GetByText("Failed at step 1 of 5")).ToBeVisibleAsync();
        await Expect(Step(admin, "File integrity", "Failed")).ToBeVisibleAsync();
        foreach (var step in new[] { "Encryption", "Compression", "Content structure", "Restorability" })
        {
            await Expect(Step(admin, step, "Not run")).ToBeVisibleAsync();
        }

        await admin.OpenAsync("/");
        await Expect(admin.Page.GetByRole(AriaRole.Heading, new() { Name = "Not proven." })).ToBeVisibleAsync();
        await Expect(admin.Page.Locator("main .sources")).ToContainTextAsync("failed its validation; an older point is proven");
        await Expect(admin.Page.Locator("main .page-header .tone-proven, main .sources .proof .tone-proven")).ToHaveCountAsync(0);
    }

    private static ILocator Step(Visitor visitor, string name, string state) =>
        visitor.Page.GetByRole(AriaRole.Row, new() { NameRegex = new Regex($"{name}.* {state}", RegexOptions.Singleline) });

    private static async Task FlipAsync(string path)
    {
        var bytes = await File.ReadAllBytesAsync(path, Cancellation);
        bytes[bytes.Length / 2] ^= 1;
        File.SetUnixFileMode(path, UnixFileMode.UserRead | UnixFileMode.UserWrite);
        await File.WriteAllBytesAsync(path, bytes, Cancellation);
    }
}
