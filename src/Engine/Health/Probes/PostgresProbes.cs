using System.Globalization;
using System.Net.Sockets;
using Hexabase.DrConsole.Engine.Backups.Postgres;
using Hexabase.DrConsole.Engine.Catalog;
using Hexabase.DrConsole.Engine.Estate;
using Npgsql;

namespace Hexabase.DrConsole.Engine.Health.Probes;

/// <summary>The probes of PostgreSQL sources.</summary>
public sealed class PostgresProbes(ProtectedEstate estate) : IProbeSource
{
    /// <inheritdoc/>
    public IReadOnlyList<IHealthProbe> Probes { get; } = [.. estate.Sources.Where(source => source.Postgres is not null).SelectMany(source => Of(source, estate.Health))];

    private static IEnumerable<IHealthProbe> Of(Source source, HealthSettings health)
    {
        var settings = source.Postgres!;
        var subject = HealthSubject.Of(source);
        var server = new PostgresSource
        {
            Host = settings.Host, Port = settings.Port, Database = settings.Database, Username = settings.Username, PasswordFile = settings.PasswordFile,
        };
        yield return new TcpProbe(subject, settings.Host, settings.Port);
        yield return new PostgresProbe(subject, "handshake", ProbeKind.Protocol, server, health.Timeout, (_, _) => Task.FromResult(ProbeFinding.Answered));
        yield return new PostgresProbe(subject, "read", ProbeKind.Query, server, health.Timeout, PostgresReading.ReadBlockAsync);
        yield return new PostgresProbe(subject, "checksums", ProbeKind.Integrity, server, health.Timeout, PostgresReading.ChecksumFailuresAsync);
        if (health.AmcheckEvery is { } every)
        {
            var indexes = new IndexTurns();
            var limit = TimeSpan.FromMinutes(5) < every ? TimeSpan.FromMinutes(5) : every;
            yield return new PostgresProbe(subject, "amcheck", ProbeKind.Integrity, server, limit, indexes.CheckNextAsync) { Every = every };
        }

        var directory = settings.Node is null ? settings.DataDirectory : null;
        yield return new DiskProbe(subject, directory, health.MinimumFreePercent) { WhyUnseen = settings.Node is null ? DiskProbe.NoDirectory : DiskProbe.OnANode };
        if (WalElsewhere(directory) is { } wal)
        {
            yield return new DiskProbe(subject, wal, health.MinimumFreePercent, "disk-wal");
        }
    }

    /// <summary>Where the WAL lies when it is not in the data directory: a server whose WAL finds no room stops.</summary>
    private static string? WalElsewhere(string? data)
    {
        try
        {
            return data is null ? null : Directory.ResolveLinkTarget(Path.Combine(data, "pg_wal"), returnFinalTarget: true)?.FullName;
        }
        catch (Exception fault) when (fault is IOException or UnauthorizedAccessException)
        {
            // This process does not see it; the data directory's own probe says so.
            return null;
        }
    }
}

/// <summary>Asks a PostgreSQL server something over a connection of its own.</summary>
/// <param name="limit">Given to the server as <c>statement_timeout</c> too, so that no query outlives its asking.</param>
internal sealed class PostgresProbe(
    HealthSubject subject, string name, ProbeKind kind, PostgresSource server, TimeSpan limit, Func<NpgsqlConnection, CancellationToken, Task<ProbeFinding>> ask) : IHealthProbe
{
    public HealthSubject Subject => subject;

    public string Name => name;

    public ProbeKind Kind => kind;

    public TimeSpan? Every { get; init; }

    public TimeSpan? Timeout => limit;

    /// <inheritdoc/>
    public async Task<ProbeFinding> AskAsync(CancellationToken cancellationToken)
    {
        try
        {
            var settings = new NpgsqlConnectionStringBuilder(await server.ConnectionStringAsync(cancellationToken))
            {
                ApplicationName = "drconsole health", Timeout = Math.Max(1, (int)Math.Ceiling(limit.TotalSeconds)), KeepAlive = 0,
            };
            await using var connection = new NpgsqlConnection(settings.ConnectionString);
            await connection.OpenAsync(cancellationToken);
            if (kind != ProbeKind.Protocol)
            {
                var milliseconds = (int)limit.TotalMilliseconds;
                await new NpgsqlCommand($"SET statement_timeout = {milliseconds}; SET lock_timeout = {Math.Max(1, milliseconds / 4)}; SET default_transaction_read_only = on", connection)
                    .RunAsync(cancellationToken);
            }

            return await ask(connection, cancellationToken);
        }
        catch (EngineException fault)
        {
            return new ProbeFinding(ProbeAnswer.Denied, fault.Message, fault.Code);
        }
        catch (Exception fault) when (PostgresFault.Recognises(fault))
        {
            return From(fault);
        }
    }

    private ProbeFinding From(Exception fault)
    {
        if (fault is not PostgresException refusal)
        {
            for (var inner = fault; inner is not null; inner = inner.InnerException)
            {
                if (inner is SocketException socket)
                {
                    return TcpProbe.FromSocket(socket);
                }
            }

            return new ProbeFinding(
                ProbeAnswer.NoAnswer,
                fault is TimeoutException || fault.InnerException is TimeoutException ? string.Create(CultureInfo.InvariantCulture, $"no answer within {limit.TotalSeconds:0.#} s") : fault.Message);
        }

        var answer = refusal.SqlState switch
        {
            // data_corrupted, index_corrupted, io_error, and a file that should be there.
            "XX001" or "XX002" or "58030" or "58P01" => ProbeAnswer.Corrupt,
            // Too many connections is one of them: it serves those that it has, and no restore would give it more.
            "28P01" or "28000" or "42501" or "53300" => ProbeAnswer.Denied,
            // Somebody holds the table; that the server says so is an answer.
            "55P03" => ProbeAnswer.Answered,
            "57014" => ProbeAnswer.NoAnswer,
            // What the server has not got, or an extension that is missing: nothing can be told by it.
            "42P01" or "42883" or "0A000" or "42704" or "55000" => ProbeAnswer.NotDetectable,
            _ => kind == ProbeKind.Integrity ? ProbeAnswer.NotDetectable : ProbeAnswer.Refused,
        };
        return new ProbeFinding(answer, refusal.MessageText, refusal.SqlState);
    }
}
