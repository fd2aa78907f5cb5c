using System.Runtime.CompilerServices;
using Hexabase.DrConsole.Engine.Storage;

namespace Hexabase.DrConsole.Engine.Tests.Storage;

/// <summary>Which calls fail. Shares are of 1; the seed decides which ones, in the order in which calls come.</summary>
/// <param name="Seed">Names the run.</param>
/// <param name="ErrorShare">Calls that fail without doing anything, or (half of the writes) after having done it.</param>
/// <param name="TornShare">Puts that leave half of the object under its name and then fail, as a server without a rename would.</param>
/// <param name="BrokenStreamShare">Streams that break off somewhere.</param>
/// <param name="BrokenListingShare">Entries of a listing after which it breaks off.</param>
/// <param name="MayTear">Keys that may be torn; all where null.</param>
public sealed record FaultPlan(
    int Seed, double ErrorShare = 0, double TornShare = 0, double BrokenStreamShare = 0, double BrokenListingShare = 0, Func<string, bool>? MayTear = null);

/// <summary>A store whose calls fail by a plan.</summary>
public sealed class FaultyStore(IObjectStore inner, FaultPlan plan) : IObjectStore
{
    private readonly Random _random = new(plan.Seed);
    private readonly Lock _gate = new();

    public string Url => inner.Url;

    /// <summary>The status with which a server answers each read of an object's bytes, "" where none answers; null where it gives them.</summary>
    public Func<string, string?> Errs { get; set; } = _ => null;

    public int Errors { get; private set; }

    public int TornWrites { get; private set; }

    public int BrokenStreams { get; private set; }

    public int BrokenListings { get; private set; }

    public async Task PutAsync(string key, ReadOnlyMemory<byte> content, CancellationToken cancellationToken)
    {
        ObjectKey.Check(key);
        if (Strikes(plan.TornShare) && plan.MayTear?.Invoke(key) != false)
        {
            Count(() => TornWrites++);
            await inner.PutAsync(key, content[..(content.Length / 2)], cancellationToken);
            throw Fault($"the upload of {key} was cut off");
        }

        await AroundAsync(() => inner.PutAsync(key, content, cancellationToken), key);
    }

    public async Task ReadAsync(string key, long offset, Memory<byte> buffer, CancellationToken cancellationToken)
    {
        ThrowIfErring(key);
        ThrowAtTimes(key);
        await inner.ReadAsync(key, offset, buffer, cancellationToken);
    }

    public async Task<Stream> OpenReadAsync(string key, CancellationToken cancellationToken)
    {
        ThrowIfErring(key);
        ThrowAtTimes(key);
        var stream = await inner.OpenReadAsync(key, cancellationToken);
        if (!Strikes(plan.BrokenStreamShare))
        {
            return stream;
        }

        Count(() => BrokenStreams++);
        return new BreakingStream(stream, (await inner.StatAsync(key, cancellationToken))!.Value.Length / 3, () => Fault($"{key} broke off"));
    }

    public async Task<ObjectInfo?> StatAsync(string key, CancellationToken cancellationToken)
    {
        ThrowAtTimes(key);
        return await inner.StatAsync(key, cancellationToken);
    }

    public async IAsyncEnumerable<ObjectInfo> ListAsync(string prefix, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        ThrowAtTimes(prefix);
        await foreach (var item in inner.ListAsync(prefix, cancellationToken))
        {
            yield return item;
            if (Strikes(plan.BrokenListingShare))
            {
                Count(() => BrokenListings++);
                throw Fault("the listing broke off");
            }
        }
    }

    public async Task DeleteAsync(string key, CancellationToken cancellationToken) => await AroundAsync(() => inner.DeleteAsync(key, cancellationToken), key);

    public ValueTask DisposeAsync() => inner.DisposeAsync();

    private static EngineException Fault(string what) => new("store-unreachable", ErrorKind.Unavailable, what) { IsTransient = true };

    /// <summary>A write may have been done although its answer got lost.</summary>
    private async Task AroundAsync(Func<Task> write, string key)
    {
        var fails = Strikes(plan.ErrorShare);
        if (fails && Strikes(0.5))
        {
            Count(() => Errors++);
            throw Fault($"{key}: no connection");
        }

        await write();
        if (fails)
        {
            Count(() => Errors++);
            throw Fault($"{key}: the answer got lost");
        }
    }

    private void ThrowIfErring(string key)
    {
        if (Errs(key) is { } status)
        {
            Count(() => Errors++);
            throw new EngineException("store-failed", ErrorKind.Unavailable, $"{Url} answers {status} for {key}")
            {
                IsTransient = true,
                Context = new Dictionary<string, string> { [StoreFaults.Status] = status },
            };
        }
    }

    private void ThrowAtTimes(string key)
    {
        if (Strikes(plan.ErrorShare))
        {
            Count(() => Errors++);
            throw Fault($"{key}: no connection");
        }
    }

    private bool Strikes(double share)
    {
        lock (_gate)
        {
            return share > 0 && _random.NextDouble() < share;
        }
    }

    private void Count(Action count)
    {
        lock (_gate)
        {
            count();
        }
    }

    private sealed class BreakingStream(Stream inner, long at, Func<EngineException> fault) : ForwardReadStream
    {
        private long _left = at;

        public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
        {
            if (_left <= 0)
            {
                throw fault();
            }

            var read = await inner.ReadAsync(buffer[..(int)Math.Min(buffer.Length, _left)], cancellationToken);
            _left -= read;
            return read;
        }

        protected override void Dispose(bool disposing)
        {
            inner.Dispose();
            base.Dispose(disposing);
        }
    }
}
