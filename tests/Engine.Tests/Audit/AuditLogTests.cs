using Hexabase.DrConsole.Engine.Audit;
using Hexabase.DrConsole.Engine.Catalog;
using Hexabase.DrConsole.Engine.Tests.Support;
using Npgsql;

namespace Hexabase.DrConsole.Engine.Tests.Audit;

public sealed class AuditLogTests(CatalogServer server)
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Append_from_many_writers_at_once_makes_one_unbroken_chain()
    {
        await Parallel.ForEachAsync(Enumerable.Range(0, 40), new ParallelOptions { MaxDegreeOfParallelism = 8, CancellationToken = Token }, async (number, token) =>
        {
            await using var connection = await server.Pool.OpenConnectionAsync(token);
            await using var transaction = await connection.BeginTransactionAsync(token);
            await AuditLog.AppendAsync(transaction, "tester", "test.parallel", $"number {number}", new { number, text = "ü\"<>" }, token);
            await transaction.CommitAsync(token);
        });

        var verified = await AuditLog.VerifyAsync(server.Pool, Token);
        Assert.True(verified.IsIntact, verified.Reason);
        Assert.True(verified.Events >= 40);
    }

    [Fact]
    public async Task Append_rolled_back_leaves_no_event_and_no_gap()
    {
        await using (var connection = await server.Pool.OpenConnectionAsync(Token))
        {
            await using var transaction = await connection.BeginTransactionAsync(Token);
            await AuditLog.AppendAsync(transaction, "tester", "test.never", "x", new { }, Token);
            await transaction.RollbackAsync(Token);
        }

        await foreach (var link in AuditLog.ReadAsync(server.Pool, 0, int.MaxValue, Token))
        {
            Assert.NotEqual("test.never", link.Action);
        }

        Assert.True((await AuditLog.VerifyAsync(server.Pool, Token)).IsIntact);
    }

    [Fact]
    public async Task Rewriting_history_is_refused_to_the_application_and_to_the_owner()
    {
        var refused = await Assert.ThrowsAsync<PostgresException>(() => server.Pool.Command("UPDATE audit_event SET actor = 'nobody'").RunAsync(Token));
        Assert.Equal(PostgresErrorCodes.InsufficientPrivilege, refused.SqlState);
        await using var owner = NpgsqlDataSource.Create(server.Connection.Owner);
        var stopped = await Assert.ThrowsAsync<PostgresException>(() => owner.Command("DELETE FROM console.audit_event").RunAsync(Token));
        Assert.Contains("append-only", stopped.MessageText, StringComparison.Ordinal);
    }

    [Fact]
    public void ComputeHash_changes_with_every_member()
    {
        var at = new DateTimeOffset(2026, 11, 24, 1, 2, 3, TimeSpan.Zero);
        byte[] Hash(long seq = 1, int seconds = 0, string actor = "a", string action = "b", string subject = "c", string details = "{}", byte previous = 0) =>
            AuditEvent.ComputeHash([previous], seq, at.AddSeconds(seconds), actor, action, subject, details);
        byte[][] all = [Hash(), Hash(seq: 2), Hash(seconds: 1), Hash(actor: "x"), Hash(action: "x"), Hash(subject: "x"), Hash(details: "{ }"), Hash(previous: 1)];
        Assert.Equal(all.Length, all.Select(Convert.ToHexString).Distinct().Count());
    }
}
