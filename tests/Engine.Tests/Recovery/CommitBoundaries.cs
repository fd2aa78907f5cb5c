using Hexabase.DrConsole.Engine.Catalog;
using Hexabase.DrConsole.Engine.Runs;
using Npgsql;

namespace Hexabase.DrConsole.Engine.Tests.Recovery;

/// <summary>On which side of a commit a process is stopped.</summary>
internal enum Side
{
    /// <summary>All of the transaction is written, and its commit not asked for.</summary>
    Before,

    /// <summary>The commit is asked for and takes place, and the process does not hear of it.</summary>
    After,
}

/// <summary>A commit of a run's life, by its audit event or by what it changes, and a side of it.</summary>
internal sealed record Boundary(string Name, Side Side);

/// <summary>
/// Stops whoever works on a run exactly at one of its commits, from outside: triggers in the catalog name each commit, and the one
/// that is asked for waits for a lock that the test holds, in the middle of the transaction or in the middle of its commit.
/// </summary>
internal sealed class CommitBoundaries : IAsyncDisposable
{
    private const string Install =
        """
        CREATE SCHEMA boundary;
        CREATE TABLE boundary.watched (run bigint NOT NULL);
        CREATE TABLE boundary.halt (name text NOT NULL, side text NOT NULL);
        CREATE TABLE boundary.met (id bigserial PRIMARY KEY, name text NOT NULL);
        CREATE FUNCTION boundary.meet() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = boundary, pg_catalog AS $$
        DECLARE
          n jsonb := to_jsonb(NEW);
          o jsonb := CASE WHEN TG_OP = 'UPDATE' THEN to_jsonb(OLD) ELSE '{}' END;
          of_run text := CASE TG_TABLE_NAME WHEN 'audit_event' THEN n->>'subject' WHEN 'run' THEN 'R-' || (n->>'id') ELSE 'R-' || (n->>'run_id') END;
          -- What has an audit event is named by it, and not again by what else it changes.
          passed text := CASE TG_TABLE_NAME
            WHEN 'audit_event' THEN (n->>'action') || coalesce(' ' || ((n->>'details')::jsonb->>'step'), '')
            WHEN 'approval_gate' THEN CASE WHEN n->>'state' = 'used' THEN 'gate used' END
            WHEN 'run' THEN CASE WHEN n->'attempt' <> o->'attempt' THEN 'taken up' WHEN n->>'state' = 'waiting' AND o->>'state' <> 'waiting' THEN 'parked' END
            ELSE CASE
              WHEN n->'outcome' <> o->'outcome' OR n->'pause_by' <> o->'pause_by' OR n->'decision' <> o->'decision' THEN NULL
              WHEN n->'waits_for' <> o->'waits_for' THEN coalesce('waits for ' || (n->>'waits_for'), 'goes on') END
            END;
        BEGIN
          IF passed IS NULL OR NOT EXISTS (SELECT FROM watched WHERE of_run = 'R-' || run OR passed = 'incident.closed') THEN
            RETURN NULL;
          END IF;
          IF TG_ARGV[0] = 'After' THEN
            INSERT INTO met (name) VALUES (passed);
          END IF;
          PERFORM pg_advisory_xact_lock(4711, 1) FROM halt WHERE name = passed AND side = TG_ARGV[0];
          RETURN NULL;
        END $$;
        """;

    private readonly NpgsqlConnection _holder;

    private CommitBoundaries(NpgsqlConnection holder) => _holder = holder;

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    public static async Task<CommitBoundaries> InstallAsync(CatalogConnection catalog)
    {
        var holder = new NpgsqlConnection(catalog.Owner + ";Pooling=false");
        await holder.OpenAsync(Ct);
        var boundaries = new CommitBoundaries(holder);
        await boundaries.ExecuteAsync(Install);
        foreach (var (table, when) in new[] { ("audit_event", "INSERT"), ("run", "UPDATE"), ("recovery", "UPDATE"), ("approval_gate", "UPDATE") })
        {
            await boundaries.ExecuteAsync($"CREATE TRIGGER boundary_before AFTER {when} ON console.{table} FOR EACH ROW EXECUTE FUNCTION boundary.meet('Before')");
            await boundaries.ExecuteAsync(
                $"CREATE CONSTRAINT TRIGGER boundary_after AFTER {when} ON console.{table} DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION boundary.meet('After')");
        }

        return boundaries;
    }

    /// <summary>From now on the commits of this run are met.</summary>
    public Task WatchAsync(RunId run) => ExecuteAsync($"DELETE FROM boundary.watched; DELETE FROM boundary.met; INSERT INTO boundary.watched VALUES ({run.Value})");

    /// <summary>The commits that took place, in their order.</summary>
    public async Task<IReadOnlyList<string>> MetAsync()
    {
        await using var command = new NpgsqlCommand("SELECT name FROM boundary.met ORDER BY id", _holder);
        return await command.ListAsync(row => row.GetString(0), Ct);
    }

    /// <summary>Whoever comes there next, stays there.</summary>
    public Task HaltAsync(Boundary at) => ExecuteAsync($"SELECT pg_advisory_lock(4711, 1); INSERT INTO boundary.halt VALUES ('{at.Name}', '{at.Side}')");

    /// <summary>Waits until somebody stands there.</summary>
    /// <param name="whyNot">Asked for where nobody comes.</param>
    public async Task<int> ReachedAsync(Func<string> whyNot)
    {
        for (var tries = 0; ; tries++, await Task.Delay(20, Ct))
        {
            await using var command = new NpgsqlCommand("SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND classid = 4711 AND NOT granted", _holder);
            if (await command.ExecuteScalarAsync(Ct) is int session)
            {
                return session;
            }

            Assert.True(tries < 2000, $"nobody came there; met were {string.Join(", ", await MetAsync())}\n{whyNot()}");
        }
    }

    /// <summary>Lets the session that stands there go on, to whatever its process has asked for.</summary>
    public Task ReleaseAsync() => ExecuteAsync("DELETE FROM boundary.halt; SELECT pg_advisory_unlock(4711, 1)");

    /// <summary>Waits until the server has ended a session.</summary>
    public async Task GoneAsync(int session)
    {
        await using var command = new NpgsqlCommand("SELECT count(*) FROM pg_stat_activity WHERE pid = $1", _holder) { Parameters = { new NpgsqlParameter { Value = session } } };
        while (await command.ExecuteScalarAsync(Ct) is not 0L)
        {
            await Task.Delay(20, Ct);
        }
    }

    public ValueTask DisposeAsync() => _holder.DisposeAsync();

    private async Task ExecuteAsync(string sql)
    {
        await using var command = new NpgsqlCommand(sql, _holder);
        await command.ExecuteNonQueryAsync(Ct);
    }
}
