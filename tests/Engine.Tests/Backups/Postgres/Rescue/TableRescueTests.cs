using Hexabase.DrConsole.Engine.Backups.Postgres;
using Hexabase.DrConsole.Engine.Backups.Postgres.Rescue;
using Hexabase.DrConsole.Engine.Tests.Support;
using Npgsql;
using static Hexabase.DrConsole.Engine.Tests.Backups.Postgres.DriverFixture;

namespace Hexabase.DrConsole.Engine.Tests.Backups.Postgres.Rescue;

/// <summary>Two databases of the lab stand for the past and the present; how the past is recovered is another test's.</summary>
public sealed class TableRescueTests(PostgresLab lab)
{
    private const string Made = """
        CREATE TYPE "a mood" AS ENUM ('sad', 'glad');
        CREATE SCHEMA "Odd ones";
        CREATE TABLE "Odd ones"."My things" (
          id int, part text COLLATE "C", mood "a mood", "when" timestamptz, cost numeric(8,2), doc jsonb, raw bytea, twice int GENERATED ALWAYS AS (id * 2) STORED,
          PRIMARY KEY (id, part));
        INSERT INTO "Odd ones"."My things" SELECT n, 'ä' || n, 'sad', '2026-01-01 12:00:00+00', n / 3.0, jsonb_build_object('n', n), decode('00ff', 'hex') FROM generate_series(1, 500) n;
        CREATE TABLE plain (a int, b text);
        INSERT INTO plain VALUES (1, 'one'), (1, 'one'), (2, NULL);
        """;

    [Fact]
    public async Task Rows_that_are_gone_new_and_changed_are_told_apart_and_the_missing_ones_copied()
    {
        await using var then = await lab.CreateDatabaseAsync(Ct);
        await using var now = await lab.CreateDatabaseAsync(Ct);
        await ExecuteAsync(then, Made);
        await ExecuteAsync(now, Made + """
            DELETE FROM "Odd ones"."My things" WHERE id <= 120;
            UPDATE "Odd ones"."My things" SET mood = 'glad', doc = NULL WHERE id = 300;
            INSERT INTO "Odd ones"."My things" (id, part) VALUES (900, 'new');
            """);
        await using var rescue = await OpenAsync(then, now, "Odd ones", "My things");

        var found = rescue.Difference;
        Assert.Equal((500, 381, 120, 1, 1), (found.PastRows, found.LiveRows, found.OnlyPast, found.OnlyLive, found.Changed));
        Assert.Equal(["id", "part"], found.KeyColumns);
        Assert.Equal(102, found.Examples.Count);
        var changed = Assert.Single(found.Examples, row => row.State == RowStates.Changed);
        Assert.Equal("(300,ä300)", changed.Key);
        Assert.Equal([new ValueDifference("mood", "sad", "glad"), new ValueDifference("doc", "{\"n\": 300}", null)], changed.Columns);
        Assert.Equal("(900,new)", Assert.Single(found.Examples, row => row.State == RowStates.OnlyLive).Key);

        Assert.Equal(120, await rescue.FillAsync("some", onlyMissing: true));
        Assert.Equal(500, await rescue.FillAsync("all", onlyMissing: false));
        Assert.Equal(120L, await ScalarAsync(now, "SELECT count(*) FROM \"Odd ones\".some WHERE mood = 'sad' AND twice = id * 2 AND raw = decode('00ff', 'hex')"));
        Assert.Equal("C", await ScalarAsync(now, "SELECT c.collname::text FROM pg_attribute a JOIN pg_collation c ON c.oid = a.attcollation WHERE attrelid = '\"Odd ones\".all'::regclass AND attname = 'part'"));
        Assert.Equal("numeric(8,2)", await ScalarAsync(now, "SELECT format_type(atttypid, atttypmod) FROM pg_attribute WHERE attrelid = '\"Odd ones\".all'::regclass AND attname = 'cost'"));
        Assert.Equal(0L, await ScalarAsync(now, "SELECT count(*) FROM (SELECT * FROM \"Odd ones\".all EXCEPT SELECT * FROM \"Odd ones\".\"My things\" WHERE id > 120 AND id <> 300) x WHERE id > 120 AND id <> 300"));
        Assert.Equal(381L, await ScalarAsync(now, "SELECT count(*) FROM \"Odd ones\".\"My things\""));
        Assert.Equal(120L, await SideTable.FindAsync(rescue.Live, "Odd ones", "some", "R-1", Ct));
        Assert.Null(await SideTable.FindAsync(rescue.Live, "Odd ones", "none", "R-1", Ct));
        Assert.Equal("side-table-exists", (await Assert.ThrowsAsync<EngineException>(() => SideTable.FindAsync(rescue.Live, "Odd ones", "some", "R-2", Ct))).Code);
    }

    [Fact]
    public async Task Table_without_a_key_or_gone_altogether_is_compared_by_whole_rows()
    {
        await using var then = await lab.CreateDatabaseAsync(Ct);
        await using var now = await lab.CreateDatabaseAsync(Ct);
        await ExecuteAsync(then, Made);
        await ExecuteAsync(now, Made + "DELETE FROM plain WHERE ctid = '(0,1)'; UPDATE plain SET b = 'two' WHERE a = 2; ALTER TABLE plain ADD COLUMN c int; DROP TABLE \"Odd ones\".\"My things\"");

        await using (var plain = await OpenAsync(then, now, "public", "plain"))
        {
            Assert.Equal((3, 2, 2, 1, 0), (plain.Difference.PastRows, plain.Difference.LiveRows, plain.Difference.OnlyPast, plain.Difference.OnlyLive, plain.Difference.Changed));
            Assert.Equal((0, 1), (plain.Difference.KeyColumns.Count, plain.Difference.LiveColumns.Count));
            // Of two equal rows one is there yet.
            Assert.Equal(2, await plain.FillAsync("plain side", onlyMissing: true));
            Assert.Equal("1 one,2 ", await ScalarAsync(now, "SELECT string_agg(a || ' ' || coalesce(b, ''), ',' ORDER BY a) FROM \"plain side\""));
        }

        await using var gone = await OpenAsync(then, now, "Odd ones", "My things");
        Assert.Equal((500, 500, false), (gone.Difference.PastRows, gone.Difference.OnlyPast, gone.Difference.IsLive));
        Assert.Equal(500, await gone.FillAsync("back", onlyMissing: true));
    }

    [Fact]
    public async Task Role_that_may_not_create_is_told_what_to_grant_and_nothing_is_left()
    {
        await using var then = await lab.CreateDatabaseAsync(Ct);
        await using var now = await lab.CreateDatabaseAsync(Ct);
        await ExecuteAsync(then, Made);
        await ExecuteAsync(now, Made + "GRANT SELECT ON plain TO backup");
        await using var rescue = await OpenAsync(then, now, "public", "plain", asBackup: true);

        var denied = await Assert.ThrowsAsync<EngineException>(() => rescue.FillAsync("side", onlyMissing: false));

        Assert.Equal("privilege-missing", denied.Code);
        Assert.Contains("GRANT CREATE ON SCHEMA \"public\" TO \"backup\"", denied.Hint, StringComparison.Ordinal);
        Assert.Equal(0L, await ScalarAsync(now, "SELECT count(*) FROM pg_class WHERE relname = 'side'"));
    }

    [Theory]
    [InlineData("orders", "orders_rescued_20261124_143210")]
    [InlineData("ääääääääääääääääääääääääääääääääääää", "äääääääääääääääääää_rescued_20261124_143210")]
    public void Side_tables_name_fits_and_says_when(string table, string name)
    {
        Assert.Equal(name, SideTable.NameOf(table, new DateTimeOffset(2026, 11, 24, 14, 32, 10, TimeSpan.Zero)));
    }

    private static async Task<Rescue> OpenAsync(LabDatabase then, LabDatabase now, string schema, string table, bool asBackup = false)
    {
        var live = new PostgresSource
        {
            Host = now.Admin.Host!, Port = now.Admin.Port, Database = now.Name, Username = asBackup ? "backup" : "postgres",
            PasswordFile = asBackup ? now.Server.BackupPasswordFile : now.Server.AdminPasswordFile,
        };
        var (past, reader) = (await ConnectAsync(then), await ConnectAsync(then));
        await using var present = await live.OpenAsync(Ct);
        await ContentFactsReader.PinAsync(present, Ct);
        var shape = (await TableShape.ReadAsync(past, schema, table, Ct))!;
        var comparer = new TableComparer(past, reader, present);
        var difference = await comparer.CompareAsync(shape, await TableShape.ReadAsync(present, schema, table, Ct), null, Ct);
        await reader.DisposeAsync();
        return new Rescue(past, live, shape, comparer.ComparedBy, difference);
    }

    private static async Task<NpgsqlConnection> ConnectAsync(LabDatabase database)
    {
        var settings = database.Admin;
        settings.Pooling = false;
        var connection = new NpgsqlConnection(settings.ConnectionString);
        await connection.OpenAsync(Ct);
        await ContentFactsReader.PinAsync(connection, Ct);
        return connection;
    }

    private static async Task ExecuteAsync(LabDatabase database, string text)
    {
        await using var connection = await ConnectAsync(database);
        await using var command = new NpgsqlCommand("SET search_path = public; " + text, connection);
        await command.ExecuteNonQueryAsync(Ct);
    }

    private static async Task<object?> ScalarAsync(LabDatabase database, string text)
    {
        await using var connection = await ConnectAsync(database);
        await using (var path = new NpgsqlCommand("SET search_path = public", connection))
        {
            await path.ExecuteNonQueryAsync(Ct);
        }

        await using var command = new NpgsqlCommand(text, connection);
        return await command.ExecuteScalarAsync(Ct);
    }

    private sealed record Rescue(NpgsqlConnection Past, PostgresSource Live, TableShape Shape, IReadOnlyList<string> By, TableDifference Difference) : IAsyncDisposable
    {
        public Task<long> FillAsync(string name, bool onlyMissing) => new SideTable(Past, Live, Shape, By, name, "R-1").FillAsync(onlyMissing, null, Ct);

        public ValueTask DisposeAsync() => Past.DisposeAsync();
    }
}
