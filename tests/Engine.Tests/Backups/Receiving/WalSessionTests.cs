using Hexabase.DrConsole.Engine.Backups.Postgres.Wal;
using Hexabase.DrConsole.Engine.Repository.Wal;
using Hexabase.DrConsole.Engine.Tests.Repository.Wal;
using Hexabase.DrConsole.Engine.Tests.Storage;
using static Hexabase.DrConsole.Engine.Tests.Repository.RepositoryFixture;
using static Hexabase.DrConsole.Engine.Tests.Repository.Wal.WalFixture;

namespace Hexabase.DrConsole.Engine.Tests.Backups.Receiving;

/// <summary>One tier of a session whose store does not give back what it took.</summary>
public sealed class WalSessionTests : IAsyncDisposable
{
    private static readonly TimeSpan s_limit = TimeSpan.FromSeconds(30);
    private readonly CrashStore _store = new();

    public ValueTask DisposeAsync() => _store.DisposeAsync();

    [Fact]
    public async Task What_did_not_read_back_when_it_was_written_does_not_count_when_the_tier_is_joined_again()
    {
        await using var repository = await InitializeAsync(_store);
        await using var rig = await Rig.CreateAsync(_store);
        var torn = 0;
        _store.Stored = key =>
        {
            if (IsWal(key) && torn++ == 0)
            {
                _store.Damage(key, bytes => bytes[..(bytes.Length / 2)]);
            }
        };
        await rig.ReceiveAsync(5000);

        await rig.WaitAsync(() => rig.Writer.Durable == At(5, 5000));

        Assert.True(torn > 1);
        Assert.Equal(At(5, 5000), await (await repository.OpenDescribedAsync()).ReadBackAsync(1, At(5, 5000), Ct));
    }

    [Fact]
    public async Task Whole_segment_that_does_not_read_back_any_more_is_written_again()
    {
        await using var repository = await InitializeAsync(_store);
        await using var rig = await Rig.CreateAsync(_store);
        await rig.ReceiveAsync(SegmentBytes);
        await rig.WaitAsync(() => rig.Writer.Durable == At(6));

        _store.Damage(_store.KeysOf("wal/").Single(IsWal), bytes => bytes[..^1]);

        var archive = await repository.OpenDescribedAsync();
        await rig.WaitAsync(async () => await archive.ReadBackAsync(1, At(6), Ct) == At(6));
        await rig.WaitAsync(() => rig.Writer.Durable == At(6));
    }

    private static bool IsWal(string key) => WalName.TryParse(key) is { IsWal: true };

    private sealed class Rig : IAsyncDisposable, IWalFence
    {
        private readonly CancellationTokenSource _stop = CancellationTokenSource.CreateLinkedTokenSource(Ct);
        private readonly WalSession _session;
        private Task _running = Task.CompletedTask;

        private Rig(CrashStore store)
        {
            _session = new WalSession("orders", Cluster, new WalSegmentSize(SegmentBytes), 15, [], this, TimeProvider.System) { ReadBackEvery = TimeSpan.FromMilliseconds(50) };
            Writer = new WalTierWriter(new WalTier("hot", async _ => await OpenAsync(store)), _session);
            _session.Add(Writer);
        }

        public WalTierWriter Writer { get; }

        public static async Task<Rig> CreateAsync(CrashStore store)
        {
            var rig = new Rig(store);
            await rig.Writer.TryOpenAsync(Ct);
            rig._session.Begin(new WalWindow(rig.Writer.Archive!, rig._session.Size, 1, 5));
            return rig;
        }

        /// <summary>Takes the first bytes of segment 5 and stores them.</summary>
        public async Task ReceiveAsync(int bytes)
        {
            await _session.Window.AppendAsync(At(5), new MemoryStream(Segment(5)[..bytes]), Ct);
            _session.Window.Flush();
            _running = Writer.RunAsync(_stop.Token);
        }

        public Task WaitAsync(Func<bool> isSo) => WaitAsync(() => Task.FromResult(isSo()));

        public async Task WaitAsync(Func<Task<bool>> isSo)
        {
            var began = TimeProvider.System.GetTimestamp();
            while (!await isSo())
            {
                Assert.True(TimeProvider.System.GetElapsedTime(began) < s_limit, $"durable up to {new Lsn(Writer.Durable)}: {Writer.Fault}");
                await Task.Delay(20, Ct);
            }
        }

        public Task RequireAsync(CancellationToken cancellationToken) => Task.CompletedTask;

        public async ValueTask DisposeAsync()
        {
            await _stop.CancelAsync();
            await _running.ContinueWith(_ => { }, CancellationToken.None, TaskContinuationOptions.ExecuteSynchronously, TaskScheduler.Default);
            await Writer.DisposeAsync();
            _stop.Dispose();
        }
    }
}
