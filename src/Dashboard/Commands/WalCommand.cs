using System.CommandLine;
using System.Globalization;
using Hexabase.DrConsole.Engine.Catalog;
using Hexabase.DrConsole.Engine.Estate;

namespace Hexabase.DrConsole.Dashboard.Commands;

/// <summary><c>drconsole wal status</c>: how far the WAL of each source is safe.</summary>
internal static class WalCommand
{
    public static Command Create() => new("wal", "continuous WAL of PostgreSQL sources") { Status() };

    private static Command Status()
    {
        var options = new ConsoleOptions();
        var source = new Argument<string?>("SOURCE") { Description = "only of this source", Arity = ArgumentArity.ZeroOrOne };
        var command = new Command("status", "receivers, what each tier holds with its measured lag, and gaps") { source };
        options.AddTo(command);
        command.Options.Add(options.Json);
        command.SetAction((parsed, stopping) => CommandRunner.RunAsync(async () =>
        {
            await using var session = await CatalogSession.OpenAsync(parsed, options, stopping);
            var rows = await ReadAsync(session, parsed.GetValue(source), stopping);
            if (parsed.GetValue(options.Json))
            {
                CommandRunner.PrintJson(rows);
            }
            else
            {
                foreach (var row in rows)
                {
                    Print(row);
                }
            }

            return ExitCodes.Done;
        }));
        return command;
    }

    private static async Task<IReadOnlyList<WalStatus>> ReadAsync(CatalogSession session, string? source, CancellationToken stopping)
    {
        var (estate, catalog) = (session.Get<ProtectedEstate>(), session.Get<WalCatalog>());
        if (source is not null)
        {
            _ = estate.SourceNamed(source);
        }

        var receivers = await catalog.ReceiversAsync(source, stopping);
        var tiers = await catalog.TiersAsync(source, stopping);
        var gaps = await catalog.GapsAsync(source, onlyOpen: true, stopping);
        var wanted = estate.Sources.Where(one => estate.WalOf(one) is not null && (source is null || one.Name == source)).Select(one => one.Name);
        return
        [
            .. wanted.Union(receivers.Select(row => row.Source)).Order(StringComparer.Ordinal).Select(name =>
            {
                var row = receivers.FirstOrDefault(one => one.Source == name);
                return new WalStatus(
                    name, row switch { null => "not started", { IsAlive: false, State: not "failed" } => "stopped", _ => row.State }, row?.StateSince, row?.SystemIdentifier, row?.Timeline,
                    row?.ServerLsn?.ToString(), row?.ConfirmedLsn?.ToString(), row?.MeasuredAt, row?.Message, row?.Notices ?? [],
                    [.. tiers.Where(one => one.Source == name).Select(one => new WalTierStatus(
                        one.Tier, one.State, one.Timeline, one.DurableLsn?.ToString(), one.DurableAt, one.LagBytes, one.LagSeconds, one.ReadBackLsn?.ToString(), one.ReadBackAt, one.Message,
                        one.LookedAt, [.. one.Holes.Select(hole => new WalHoleStatus(hole.Timeline, hole.From, hole.To, hole.IsDamaged))]))],
                    [.. gaps.Where(one => one.Source == name).Select(one => new WalGapStatus(one.Timeline, one.FromLsn.ToString(), one.ToLsn.ToString(), one.Reason, one.FoundAt, one.RequestedAt))]);
            }),
        ];
    }

    private static void Print(WalStatus row)
    {
        Console.WriteLine($"{row.Source,-24} {row.State}{(row.StateSince is { } since ? $" since {since:u}" : "")}{(row.ServerLsn is null ? "" : $"; timeline {row.Timeline}, server at {row.ServerLsn}, confirmed {row.ConfirmedLsn}")}");
        if (row.Message is not null)
        {
            Console.WriteLine($"  {row.Message}");
        }

        foreach (var tier in row.Tiers)
        {
            var lag = tier.LagBytes is { } bytes ? string.Create(CultureInfo.InvariantCulture, $"behind {bytes:N0} bytes, {tier.LagSeconds ?? 0:0.0} s") : "lag unknown";
            Console.WriteLine($"  {tier.Tier,-12} {tier.State,-12} durable {tier.DurableLsn ?? "nothing"}; {lag}; read back {tier.ReadBackLsn ?? "not yet"}{(tier.Message is null ? "" : $"; {tier.Message}")}");
            foreach (var hole in tier.Holes)
            {
                Console.WriteLine($"    {(hole.IsDamaged ? "damaged WAL" : "hole")} on timeline {hole.Timeline} from {hole.From} to {hole.To}, seen {tier.LookedThroughAt:u}");
            }
        }

        foreach (var gap in row.Gaps)
        {
            Console.WriteLine($"  gap on timeline {gap.Timeline} from {gap.FromLsn} to {gap.ToLsn}: {gap.Reason}");
        }

        foreach (var notice in row.Notices)
        {
            Console.WriteLine($"  note: {notice}");
        }
    }

    private sealed record WalStatus(
        string Source, string State, DateTimeOffset? StateSince, string? SystemIdentifier, long? Timeline, string? ServerLsn, string? ConfirmedLsn, DateTimeOffset? MeasuredAt,
        string? Message, IReadOnlyList<string> Notices, IReadOnlyList<WalTierStatus> Tiers, IReadOnlyList<WalGapStatus> Gaps);

    private sealed record WalTierStatus(
        string Tier, string State, long? Timeline, string? DurableLsn, DateTimeOffset? DurableAt, long? LagBytes, double? LagSeconds, string? ReadBackLsn, DateTimeOffset? ReadBackAt,
        string? Message, DateTimeOffset? LookedThroughAt, IReadOnlyList<WalHoleStatus> Holes);

    private sealed record WalHoleStatus(long Timeline, string From, string To, bool IsDamaged);

    private sealed record WalGapStatus(long Timeline, string FromLsn, string ToLsn, string Reason, DateTimeOffset FoundAt, DateTimeOffset? BaseBackupAskedAt);
}
