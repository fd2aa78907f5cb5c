using CsCheck;
using Hexabase.DrConsole.Engine.Backups.Postgres.Wal;
using Hexabase.DrConsole.Engine.Repository;
using Hexabase.DrConsole.Engine.Repository.Wal;
using Hexabase.DrConsole.Engine.Tests.Repository;
using Hexabase.DrConsole.Engine.Tests.Repository.Wal;
using Hexabase.DrConsole.Engine.Tests.Storage;
using static Hexabase.DrConsole.Engine.Tests.Repository.RepositoryFixture;
using static Hexabase.DrConsole.Engine.Tests.Repository.Wal.WalFixture;

namespace Hexabase.DrConsole.Engine.Tests.Backups.Receiving;

public sealed class WalWindowTests
{
    [Fact]
    public async Task Two_tiers_at_any_pace_end_with_all_bytes_and_few_pieces() =>
        await Gen.Int[0, 3].Select(Gen.Int[1, 150_000]).Array[5, 60].SampleAsync(
            async acts =>
            {
                await using var first = new CrashStore();
                await using var second = new CrashStore();
                await using var repository = await InitializeAsync(first);
                await using var tier = await BackupRepository.InitializeFromAsync(second, repository, Ct);
                WalArchive[] archives = [await repository.OpenDescribedAsync(), await tier.OpenDescribedAsync()];
                var window = new WalWindow(archives[0], new WalSegmentSize(SegmentBytes), 1, 5);
                ulong[] durable = [At(5), At(5)];
                var received = 0;
                async Task StoreAsync(int which, bool all)
                {
                    while (window.NextFor(durable[which]) is { } step)
                    {
                        await archives[which].StoreAsync(step.Object, Ct);
                        durable[which] = step.DurableLsn;
                        window.Release(durable.Min());
                        if (!all)
                        {
                            return;
                        }
                    }
                }

                foreach (var (act, length) in acts)
                {
                    switch (act)
                    {
                        case 0 or 1:
                            await window.AppendAsync(window.EndLsn, new MemoryStream(Content(received, length)), Ct);
                            received += length;
                            break;
                        case 2:
                            window.Flush();
                            break;
                        default:
                            await StoreAsync(length % 2, all: false);
                            break;
                    }

                    // No tier may fall so far behind that the one who receives would wait for it here.
                    await StoreAsync(received / SegmentBytes % 2, all: true);
                    await StoreAsync(1 - (received / SegmentBytes % 2), all: window.EndLsn - durable.Min() > 2 * SegmentBytes);
                }

                window.Flush();
                await StoreAsync(0, all: true);
                await StoreAsync(1, all: true);
                foreach (var archive in archives.Where(_ => received > 0))
                {
                    Assert.Equal([(At(5), At(5) + (ulong)received)], await archive.SpansAsync());
                    using var folder = new TemporaryFolder();
                    await archive.FetchAsync(1, At(5), null, folder.Path, null, Ct);
                    var whole = Directory.GetFiles(folder.Path).Order(StringComparer.Ordinal).SelectMany(File.ReadAllBytes).Take(received).ToArray();
                    AssertSame(Content(0, received), whole);
                }
            },
            iter: 25, threads: 1);

    [Fact]
    public async Task A_segment_that_fills_slowly_leaves_few_pieces_at_any_time_and_writes_each_byte_few_times()
    {
        await using var store = new CrashStore();
        await using var repository = await InitializeAsync(store);
        var archive = await repository.OpenDescribedAsync();
        var window = new WalWindow(archive, new WalSegmentSize(SegmentBytes), 1, 0);
        var (durable, written, most) = (0UL, 0L, 0);
        for (var flush = 0; flush < 500; flush++)
        {
            await window.AppendAsync(window.EndLsn, new MemoryStream(Content(flush * 100, 100)), Ct);
            window.Flush();
            var step = window.NextFor(durable)!.Value;
            await archive.StoreAsync(step.Object, Ct);
            (durable, written) = (step.DurableLsn, written + step.Object.Length);
            most = Math.Max(most, store.KeysOf("wal/").Count(key => WalName.TryParse(key) is { To: > 0 }));
        }

        Assert.InRange(most, 1, 9);
        Assert.InRange(written, 50_000, 50_000 * 6);
        Assert.Equal([(0UL, 50_000UL)], await archive.SpansAsync());
    }

    [Fact]
    public async Task Receiving_waits_while_the_window_is_full()
    {
        await using var store = new CrashStore();
        await using var repository = await InitializeAsync(store);
        var archive = await repository.OpenDescribedAsync();
        var window = new WalWindow(archive, new WalSegmentSize(SegmentBytes), 1, 0);
        var receiving = window.AppendAsync(0, new MemoryStream(new byte[8 * SegmentBytes]), Ct);
        Assert.False(receiving.IsCompleted);
        Assert.Equal((ulong)WalWindow.MaxSegments * SegmentBytes, window.EndLsn);
        var durable = 0UL;
        while (durable < 8UL * SegmentBytes)
        {
            if (window.NextFor(durable) is { } step)
            {
                durable = step.DurableLsn;
                window.Release(durable);
            }
            else
            {
                // Whoever receives is about to go on.
                await Task.Delay(1, Ct);
            }
        }

        await receiving;
        Assert.Equal(8UL * SegmentBytes, window.EndLsn);
    }

    private static byte[] Content(int from, int length) => [.. Enumerable.Range(from, length).Select(at => (byte)(at * 31 / 1000 + at))];
}
