using System.Runtime.CompilerServices;

namespace Hexabase.DrConsole.Engine.Storage.Decorators;

/// <summary>
/// Makes calls again that failed for a reason that may pass. All calls of the port may be repeated: objects never change, a
/// put of the same bytes replaces them, and deleting what is gone is no error. An object that is not given for all that time while
/// others are is damaged, and not the store away (<see cref="ServedObjects"/>).
/// </summary>
/// <param name="inner">The store.</param>
/// <param name="policy">When and how long.</param>
/// <param name="time">The clock of the pauses; its jumps do not matter, only its timer does.</param>
/// <param name="random">Chooses the pauses.</param>
/// <param name="onRetry">Hears of each retry, on the thread that waits.</param>
/// <param name="shared">Shared with other stores of the same place.</param>
public sealed class RetryingStore(
    IObjectStore inner, RetryPolicy? policy = null, TimeProvider? time = null, Random? random = null, Action<RetryNotice>? onRetry = null,
    SharedPatience? shared = null) : IObjectStore, IStoreCapacity, IErasableStore
{
    private readonly RetryPolicy _policy = policy ?? RetryPolicy.Default;
    private readonly TimeProvider _time = time ?? TimeProvider.System;
    private readonly Random _random = random ?? Random.Shared;
    private readonly Action<RetryNotice>? _onRetry = onRetry;
    private readonly SharedPatience _shared = shared ?? new SharedPatience();
    private readonly ServedObjects _served = new(inner, time ?? TimeProvider.System);
    private readonly Lock _randomGate = new();

    /// <inheritdoc/>
    public string Url => inner.Url;

    /// <inheritdoc/>
    public Task PutAsync(string key, ReadOnlyMemory<byte> content, CancellationToken cancellationToken) => RepeatAsync(
        async () =>
        {
            await inner.PutAsync(key, content, cancellationToken);
            return true;
        },
        cancellationToken);

    /// <inheritdoc/>
    public Task ReadAsync(string key, long offset, Memory<byte> buffer, CancellationToken cancellationToken) => RepeatAsync(
        async () =>
        {
            await inner.ReadAsync(key, offset, buffer, cancellationToken);
            return true;
        },
        cancellationToken, new Reading(key, offset));

    /// <inheritdoc/>
    public async Task<Stream> OpenReadAsync(string key, CancellationToken cancellationToken)
    {
        var stream = await RepeatAsync(() => inner.OpenReadAsync(key, cancellationToken), cancellationToken, new Reading(key, 0));
        return new ResumingStream(this, key, stream);
    }

    /// <inheritdoc/>
    public Task<ObjectInfo?> StatAsync(string key, CancellationToken cancellationToken) =>
        RepeatAsync(() => inner.StatAsync(key, cancellationToken), cancellationToken);

    /// <summary>A listing that breaks off begins again after the last key that was given out: keys come in order.</summary>
    public async IAsyncEnumerable<ObjectInfo> ListAsync(string prefix, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var attempts = new Attempts(this);
        string? last = null;
        while (true)
        {
            EngineException? broken = null;
            var rest = inner is IResumableListing resumable ? resumable.ListAfterAsync(prefix, last, cancellationToken) : inner.ListAsync(prefix, cancellationToken);
            await using var listing = rest.GetAsyncEnumerator(cancellationToken);
            while (true)
            {
                try
                {
                    if (!await listing.MoveNextAsync())
                    {
                        break;
                    }
                }
                catch (EngineException fault) when (fault.IsTransient)
                {
                    broken = fault;
                    break;
                }

                if (last is null || string.CompareOrdinal(listing.Current.Key, last) > 0)
                {
                    last = listing.Current.Key;
                    // It gets on: the time for trying again counts from the last step forward.
                    attempts = new Attempts(this);
                    _shared.Renew();
                    yield return listing.Current;
                }
            }

            if (broken is null)
            {
                _shared.Renew();
                yield break;
            }

            await attempts.PauseOrThrowAsync(broken, cancellationToken);
        }
    }

    /// <inheritdoc/>
    public Task DeleteAsync(string key, CancellationToken cancellationToken) => RepeatAsync(
        async () =>
        {
            await inner.DeleteAsync(key, cancellationToken);
            return true;
        },
        cancellationToken);

    /// <inheritdoc/>
    Task<int> IErasableStore.EraseAsync(string prefix, CancellationToken cancellationToken) => RepeatAsync(() => StoreErasure.EraseAsync(inner, prefix, cancellationToken), cancellationToken);

    /// <inheritdoc/>
    public Task<StoreCapacity?> CapacityAsync(CancellationToken cancellationToken) =>
        inner is IStoreCapacity capacity ? RepeatAsync(() => capacity.CapacityAsync(cancellationToken), cancellationToken) : Task.FromResult<StoreCapacity?>(null);

    /// <inheritdoc/>
    public ValueTask DisposeAsync() => inner.DisposeAsync();

    /// <param name="call">What is tried.</param>
    /// <param name="cancellationToken">Ends it.</param>
    /// <param name="reading">What it reads; null where it reads no object's bytes.</param>
    private async Task<T> RepeatAsync<T>(Func<Task<T>> call, CancellationToken cancellationToken, Reading? reading = null)
    {
        if (reading is not null)
        {
            _served.RequireGiven(reading.Key);
        }

        var attempts = new Attempts(this, reading?.Key);
        while (true)
        {
            try
            {
                var result = await call();
                _shared.Renew();
                if (reading is not null)
                {
                    _served.Given(reading.Key, reading.Offset);
                }

                return result;
            }
            catch (EngineException fault) when (fault.IsTransient)
            {
                await attempts.PauseOrThrowAsync(fault, cancellationToken);
            }
        }
    }

    /// <summary>Bytes of an object that are asked for.</summary>
    private sealed record Reading(string Key, long Offset);

    /// <summary>The attempts of one call.</summary>
    /// <param name="store">The store.</param>
    /// <param name="read">The object that is read; null where none is.</param>
    private sealed class Attempts(RetryingStore store, string? read = null)
    {
        /// <summary>Where one object was found that is not given, the next is found in a part of the time: many of them must not take days.</summary>
        private const int ShareOfLater = 6;

        private readonly TimeSpan _total = read is not null && store._served.HasFound ? store._policy.TotalTime / ShareOfLater : store._policy.TotalTime;
        private int _retries;
        private long _since;
        private bool _isOfServer = true;
        private bool _isLast;

        public async Task PauseOrThrowAsync(EngineException fault, CancellationToken cancellationToken)
        {
            cancellationToken.ThrowIfCancellationRequested();
            _isOfServer &= StoreFaults.IsServerError(fault);
            if (_retries++ == 0)
            {
                _since = store._time.GetTimestamp();
            }

            double share;
            lock (store._randomGate)
            {
                share = store._random.NextDouble();
            }

            var pause = store._policy.Pause(_retries, share);
            if (store._shared.IsOver)
            {
                throw fault;
            }

            if (store._time.GetElapsedTime(_since) + pause > _total)
            {
                if (read is not null && _isOfServer && _retries >= ServedObjects.LeastTries && await store._served.AreOthersGivenAsync(read, cancellationToken))
                {
                    if (_isLast)
                    {
                        throw store._served.NotGiven(read, fault);
                    }

                    // Once more, now that the server is known to serve.
                    _isLast = true;
                    return;
                }

                store._shared.End();
                throw _retries == 1 ? fault : new EngineException(
                    fault.Code, fault.Kind, $"{fault.Message} (tried {_retries} times)", fault.Hint, fault)
                {
                    IsTransient = true,
                    Context = fault.Context,
                };
            }

            store._onRetry?.Invoke(new RetryNotice(fault, _retries, pause));
            await Task.Delay(pause, store._time, cancellationToken);
        }
    }
}
