using System.Globalization;

namespace Hexabase.DrConsole.Benchmarks;

/// <summary>
/// The data that is backed up. <c>share</c> is a copy of /usr/share: many small files. <c>mix</c> is 4 GB of what volumes
/// hold: a tar of /usr/lib, a PostgreSQL data directory with text, a sparse image, random data.
/// </summary>
internal sealed class SampleTrees(string work, double scale)
{
    private const long MiB = 1024 * 1024;

    /// <summary>Makes a tree, or takes the one that an earlier run left untouched; returns its path.</summary>
    public async Task<string> MakeAsync(string name, CancellationToken ct)
    {
        var tree = Path.Combine(work, name);
        var wanted = scale.ToString(CultureInfo.InvariantCulture);
        if (Directory.Exists(tree) && File.Exists(MarkerOf(tree)) && await File.ReadAllTextAsync(MarkerOf(tree), ct) == wanted)
        {
            return tree;
        }

        await ShellAsync($"rm -rf '{tree}'", ct);
        await (name == "share" ? MakeShareAsync(tree, ct) : MakeMixAsync(tree, ct));
        await File.WriteAllTextAsync(MarkerOf(tree), wanted, ct);
        return tree;
    }

    /// <summary>
    /// Changes one byte in a hundred and keeps all lengths: small files whole, one in a hundred of them; in larger files runs
    /// of 256 KiB. Bytes are counted up by one, so the data stays as compressible as it was.
    /// </summary>
    public static void ChangeOnePercent(string tree, int seed)
    {
        const long Small = 512 * 1024;
        const int Run = 256 * 1024;
        File.Delete(MarkerOf(tree));
        var random = new Random(seed);
        var buffer = new byte[Run];
        var options = new EnumerationOptions { RecurseSubdirectories = true, AttributesToSkip = FileAttributes.ReparsePoint };
        foreach (var file in new DirectoryInfo(tree).EnumerateFiles("*", options).OrderBy(f => f.FullName, StringComparer.Ordinal))
        {
            if (file.Length <= Small)
            {
                if (random.Next(100) == 0)
                {
                    CountUp(file.FullName, 0, (int)file.Length);
                }

                continue;
            }

            for (var budget = file.Length / 100.0; random.NextDouble() < budget / Run; budget -= Run)
            {
                CountUp(file.FullName, random.NextInt64(file.Length - Run), Run);
            }
        }

        void CountUp(string path, long offset, int length)
        {
            using var handle = File.OpenHandle(path, FileMode.Open, FileAccess.ReadWrite);
            var bytes = length <= buffer.Length ? buffer.AsSpan(0, length) : new byte[length];
            var read = RandomAccess.Read(handle, bytes, offset);
            foreach (ref var value in bytes[..read])
            {
                value++;
            }

            RandomAccess.Write(handle, bytes[..read], offset);
        }
    }

    private static string MarkerOf(string tree) => tree + ".scale";

    private async Task MakeShareAsync(string tree, CancellationToken ct)
    {
        if (scale >= 1)
        {
            await ShellAsync($"cp -a /usr/share '{tree}'", ct);
            return;
        }

        // Whole folders, each by its chance: a part of the machine's files, not a part of each file.
        Directory.CreateDirectory(tree);
        var random = new Random(1);
        foreach (var folder in Directory.EnumerateDirectories("/usr/share").Order(StringComparer.Ordinal))
        {
            if (random.NextDouble() < scale)
            {
                await ShellAsync($"cp -a '{folder}' '{tree}/'", ct);
            }
        }
    }

    private async Task MakeMixAsync(string tree, CancellationToken ct)
    {
        Directory.CreateDirectory(tree);
        var archive = (long)(1800 * MiB * scale);
        await ShellAsync($"tar -C /usr -cf - lib 2>/dev/null | head -c {archive} > '{tree}/usr-lib.tar' || true", ct);
        await ShellAsync($"head -c {(long)(500 * MiB * scale)} /dev/urandom > '{tree}/random.bin'", ct);
        await MakeSparseAsync(Path.Combine(tree, "image.raw"), archive, ct);
        await MakeDatabaseAsync(Path.Combine(tree, "pgdata"), (long)(2_800_000 * scale), ct);
    }

    /// <summary>An image of 4 GiB with data in one run of eight.</summary>
    private async Task MakeSparseAsync(string path, long archive, CancellationToken ct)
    {
        const int Run = (int)(4 * MiB);
        var length = (long)(4096 * MiB * scale);
        using var image = File.OpenHandle(path, FileMode.CreateNew, FileAccess.Write);
        using var source = File.OpenHandle(Path.Combine(Path.GetDirectoryName(path)!, "usr-lib.tar"));
        RandomAccess.SetLength(image, length);
        var buffer = new byte[Run];
        for (var at = 0L; at + Run < length; at += 8 * Run)
        {
            // Reversed, so that no program finds it again in the archive.
            var read = await RandomAccess.ReadAsync(source, buffer, at / 8 % Math.Max(1, archive - Run), ct);
            buffer.AsSpan(0, read).Reverse();
            await RandomAccess.WriteAsync(image, buffer.AsMemory(0, read), at, ct);
        }
    }

    /// <summary>A database of wide text rows; about 400 bytes a row with its index.</summary>
    private static async Task MakeDatabaseAsync(string folder, long rows, CancellationToken ct)
    {
        var tools = Directory.EnumerateDirectories("/usr/lib/postgresql").OrderDescending(StringComparer.Ordinal).First() + "/bin";
        var isRoot = Environment.UserName == "root";
        var asUser = isRoot ? "runuser -u postgres -- " : "";
        if (isRoot)
        {
            await ShellAsync($"install -d -o postgres -m 700 '{folder}'", ct);
        }

        await ShellAsync($"cd / && {asUser}{tools}/initdb -D '{folder}' --data-checksums -E UTF8 --locale=C >/dev/null", ct);
        var statement =
            $"CREATE TABLE notes AS SELECT i AS id, md5(i::text) AS token, repeat(md5((i % 5000)::text), 4) || ' ' || md5((i * 7)::text) AS body, "
            + $"now() - (i || ' seconds')::interval AS at FROM generate_series(1, {rows}) i;";
        await ShellAsync(
            $"cd / && printf '%s\\n' \"{statement}\" 'CREATE INDEX ON notes (token);' 'CHECKPOINT;' | {asUser}{tools}/postgres --single -D '{folder}' -c wal_level=minimal -c max_wal_senders=0 postgres >/dev/null", ct);
    }

    private static Task<Measured> ShellAsync(string line, CancellationToken ct) => ProcessMeter.RunAsync(Invocation.Shell(line, "/"), ct);
}
