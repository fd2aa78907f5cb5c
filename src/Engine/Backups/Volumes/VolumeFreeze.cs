using Hexabase.DrConsole.Engine.Audit;
using Hexabase.DrConsole.Engine.Estate;
using Hexabase.DrConsole.Engine.Servers;
using Hexabase.DrConsole.Engine.Storage;
using Npgsql;

namespace Hexabase.DrConsole.Engine.Backups.Volumes;

/// <summary>
/// Holds volumes still. What is frozen is thawed again whatever happens: after the capture, after its failure or cancel, after
/// the longest time that writers may be held up, and after a kill -9 by the next start, which finds it on record.
/// </summary>
/// <param name="ledger">Keeps what is frozen on this machine.</param>
/// <param name="registry">Knows this process.</param>
/// <param name="catalog">Where both outcomes are audited.</param>
/// <param name="estate">Whose own file systems are never frozen.</param>
public sealed class VolumeFreeze(FreezeLedger ledger, ProcessRegistry registry, NpgsqlDataSource catalog, ProtectedEstate estate, TimeProvider time)
{
    /// <summary>The file system itself.</summary>
    public const string Fsfreeze = "fsfreeze";

    private const string Actor = "engine";

    /// <summary>Does something while a volume is held still, where something says how; it is thawed as soon as that is done.</summary>
    /// <param name="place">As of <see cref="HoldAsync"/>.</param>
    /// <param name="aim">What it has to come to before the time is over, as in "before all of it was read".</param>
    /// <param name="work">What is done; its token ends when writers were held up for too long.</param>
    /// <returns>What the work gave, how long writers were held up, and how; null where they were not.</returns>
    /// <exception cref="EngineException"><c>frozen-too-long</c>, <c>frozen-no-more</c>; as <see cref="HoldAsync"/>; what the work says.</exception>
    internal async Task<(T Result, TimeSpan Held, string? How)> WhileHeldAsync<T>(
        Source source, VolumePlace? place, string aim, Func<CancellationToken, Task<T>> work, Action<string, string>? log, CancellationToken cancellationToken)
    {
        var frozen = await HoldAsync(source, place, log, cancellationToken);
        if (frozen is null)
        {
            return (await work(cancellationToken), TimeSpan.Zero, null);
        }

        await using (frozen)
        {
            using var either = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, frozen.Expired);
            T result;
            try
            {
                result = await work(either.Token);
            }
            catch (OperationCanceledException) when (frozen.Expired.IsCancellationRequested && !cancellationToken.IsCancellationRequested)
            {
                throw TooLong(source, aim);
            }

            var wasFrozen = await frozen.ThawAsync();
            // It may have run out between the last byte and the thaw, or another may have thawed it: then nobody knows whether a writer came between.
            return frozen.HasExpired ? throw TooLong(source, aim)
                : wasFrozen ? (result, frozen.Held, frozen.Record.How)
                : throw new EngineException("frozen-no-more", ErrorKind.Conflict, $"{source.Name} was thawed by somebody else before {aim}; no restore point was made",
                    "Look what else freezes and thaws this file system, such as a snapshot tool, and let it run at another time.");
        }
    }

    /// <summary>Freezes a volume, or gives null where nothing says how.</summary>
    /// <param name="place">Where it is on this machine; null where it is not here, which only commands can freeze.</param>
    /// <exception cref="EngineException"><c>freeze-refused</c>, <c>freeze-failed</c>, <c>frozen-by-another</c>, <c>thaw-failed</c>; it is not frozen by us then, or the message says so.</exception>
    public async Task<FrozenVolume?> HoldAsync(Source source, VolumePlace? place, Action<string, string>? log, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(source);
        if (source.Volume?.Hooks is not { } hooks)
        {
            return null;
        }

        await ThawLeftAsync(source.Name, log);
        var how = hooks.Fsfreeze ? Fsfreeze : "command";
        if (hooks.Fsfreeze)
        {
            RefuseOwnFileSystem(place!);
        }

        IReadOnlyList<string> freeze = hooks.Fsfreeze ? [Fsfreeze, "-f", place!.MountPoint] : hooks.FreezeCommand!;
        IReadOnlyList<string> thaw = hooks.Fsfreeze ? [Fsfreeze, "-u", place!.MountPoint] : hooks.ThawCommand!;
        var record = new FreezeRecord(source.Name, place?.Path ?? source.Volume.Place, how, thaw, hooks.Timeout.TotalSeconds, registry.Owner, time.GetUtcNow());
        // Before the command: a process that dies in it leaves a volume that the next start thaws.
        ledger.Write(record);
        var isAnothers = false;
        var frozen = new FrozenVolume(record, hooks.FrozenLimit, time, () => isAnothers ? ForgetAsync(record) : ThawAsync(record, log));
        try
        {
            log?.Invoke("freeze", $"{string.Join(' ', freeze)}");
            if (await ledger.RunAsync(record, freeze, cancellationToken) is { } fault)
            {
                // The system's word for a file system that is frozen already; what we had left frozen was thawed above.
                isAnothers = hooks.Fsfreeze && fault.Contains("Device or resource busy", StringComparison.Ordinal);
                if (isAnothers)
                {
                    throw new EngineException("frozen-by-another", ErrorKind.Conflict, $"{place!.MountPoint} of {source.Name} is frozen by somebody else already, who may thaw it at any moment",
                        "It was left as it is, and nothing was backed up. Wait for the other backup, or look who froze it (another volume on the same file system, a snapshot tool).");
                }

                throw new EngineException("freeze-failed", ErrorKind.Unavailable, $"{source.Name} could not be frozen: {fault}",
                    "It was thawed again, and nothing was backed up. Look at FreezeCommand and HookTimeout of the volume.");
            }

            // The catalog may be slow, or away: writers are held up for no longer than allowed all the same.
            frozen.Begin();
            await AuditAsync("volume.frozen", record, new { record.Path, record.How, limitSeconds = hooks.FrozenLimit.TotalSeconds }, cancellationToken);
            return frozen;
        }
        catch (Exception fault)
        {
            try
            {
                // First: the catalog may not answer for as long as it likes, and writers wait.
                await frozen.DisposeAsync();
            }
            finally
            {
                if (fault is EngineException { Code: "freeze-failed" or "frozen-by-another" } failed)
                {
                    await AuditAsync("volume.freeze-failed", record, new { record.Path, record.How, reason = failed.Message }, CancellationToken.None);
                }
            }

            throw;
        }
    }

    /// <summary>Writes into the audit what the start found frozen, and forgets what is thawed.</summary>
    public static async Task TellAsync(IReadOnlyList<LeftFreeze> left, FreezeLedger ledger, NpgsqlDataSource catalog, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(left);
        ArgumentNullException.ThrowIfNull(ledger);
        foreach (var (record, fault) in left)
        {
            await AppendAsync(catalog, fault is null ? "volume.thawed" : "volume.thaw-failed", record,
                new { record.Path, record.How, reason = fault ?? "found frozen at the start, by a process that had died" }, cancellationToken);
            if (fault is null)
            {
                ledger.Remove(record);
            }
        }
    }

    private static EngineException TooLong(Source source, string aim) => new(
        "frozen-too-long", ErrorKind.Unavailable, $"{source.Name} was frozen for {source.Volume!.Hooks!.FrozenLimit:c} and thawed before {aim}; no restore point was made",
        "Give more time with FrozenLimit, leave out what need not be of the same instant, or take a snapshot: Snapshot of a claim, or a FreezeCommand that makes one.");

    /// <summary>What an attempt left that died with its worker, while this process lives on.</summary>
    private async Task ThawLeftAsync(string source, Action<string, string>? log)
    {
        if (ledger.Find(source) is not { } record)
        {
            return;
        }

        if (record.Owner != registry.Owner && record.Owner.IsAlive())
        {
            throw new EngineException("freeze-failed", ErrorKind.Conflict, $"{source} is frozen by process {record.Owner.Pid}, which lives", "Wait for its backup.");
        }

        log?.Invoke("freeze", "an interrupted attempt had left it frozen; thawing it first");
        await ThawAsync(record, log);
    }

    /// <summary>What another froze is another's to thaw.</summary>
    private Task<bool> ForgetAsync(FreezeRecord record)
    {
        ledger.Remove(record);
        return Task.FromResult(false);
    }

    /// <returns>True where it was frozen until now.</returns>
    private async Task<bool> ThawAsync(FreezeRecord record, Action<string, string>? log)
    {
        var began = time.GetTimestamp();
        var (fault, wasFrozen) = await ledger.TryThawAsync(record);
        if (fault is not null)
        {
            // Once more: what stays frozen holds up everybody who writes there.
            fault = await ledger.ThawAsync(record);
        }

        log?.Invoke("freeze", !wasFrozen ? "it was frozen no more" : fault is null ? $"thawed in {time.GetElapsedTime(began).TotalSeconds:0.00} s" : $"NOT thawed: {fault}");
        await AuditAsync(fault is null ? "volume.thawed" : "volume.thaw-failed", record,
            new { record.Path, record.How, reason = wasFrozen ? fault : "it was frozen no more: somebody else had thawed it" }, CancellationToken.None);
        if (fault is not null)
        {
            throw new EngineException("thaw-failed", ErrorKind.Unavailable, $"{record.Source} is still frozen: {fault}",
                $"Thaw it now: {string.Join(' ', record.ThawCommand)}. The console tries again before its next backup and at its next start.");
        }

        ledger.Remove(record);
        return wasFrozen;
    }

    /// <summary>Frozen under the console itself, nobody could ever write that it is to be thawed.</summary>
    private void RefuseOwnFileSystem(VolumePlace place)
    {
        var own = new[] { "/", "/tmp", "/var/lib", AppContext.BaseDirectory, estate.DataDirectory }
            .Concat(estate.Tiers.Select(tier => StoreUrl.Parse(tier.Store).LocalFolder).OfType<string>());
        if (own.FirstOrDefault(path => Lies(path, place.Device)) is { } used)
        {
            throw new EngineException("freeze-refused", ErrorKind.Input, $"{place.MountPoint} cannot be frozen: {used} lies on the same file system, and the console itself would stop",
                "Put the volume on a file system of its own, or name a FreezeCommand of the application.");
        }
    }

    private static bool Lies(string path, string device)
    {
        var existing = path;
        while (!Path.Exists(existing) && Path.GetDirectoryName(existing) is { } parent)
        {
            existing = parent;
        }

        return VolumePlace.Look(existing).Device == device;
    }

    private Task AuditAsync(string action, FreezeRecord record, object details, CancellationToken cancellationToken) =>
        AppendAsync(catalog, action, record, details, cancellationToken);

    private static async Task AppendAsync(NpgsqlDataSource catalog, string action, FreezeRecord record, object details, CancellationToken cancellationToken)
    {
        await using var connection = await catalog.OpenConnectionAsync(cancellationToken);
        await using var transaction = await connection.BeginTransactionAsync(cancellationToken);
        await AuditLog.AppendAsync(transaction, Actor, action, record.Source, details, cancellationToken);
        await transaction.CommitAsync(cancellationToken);
    }
}

/// <summary>A volume that is held still. Disposing thaws it.</summary>
public sealed class FrozenVolume : IAsyncDisposable
{
    private readonly TimeSpan _limit;
    private readonly TimeProvider _time;
    private readonly Lazy<Task<bool>> _thaw;
    private readonly CancellationTokenSource _expired = new();
    private readonly CancellationTokenSource _ended = new();
    private Task _watch = Task.CompletedTask;
    private volatile bool _hasExpired;
    private long _began;

    internal FrozenVolume(FreezeRecord record, TimeSpan limit, TimeProvider time, Func<Task<bool>> thaw)
    {
        (Record, _limit, _time, _thaw) = (record, limit, time, new Lazy<Task<bool>>(thaw));
        _began = time.GetTimestamp();
    }

    public FreezeRecord Record { get; }

    /// <summary>Set when writers were held up for too long: it is thawed then, and what was read is of no one instant.</summary>
    public CancellationToken Expired => _expired.Token;

    /// <summary>True from the moment at which the time was over, before it is thawed.</summary>
    public bool HasExpired => _hasExpired;

    /// <summary>How long writers were held up.</summary>
    public TimeSpan Held { get; private set; }

    /// <summary>Thaws it; once, whoever asks.</summary>
    /// <returns>False where it was frozen no more: somebody else had thawed it, nobody knows when.</returns>
    /// <exception cref="EngineException"><c>thaw-failed</c>.</exception>
    public async Task<bool> ThawAsync()
    {
        await _ended.CancelAsync();
        try
        {
            return await _thaw.Value;
        }
        finally
        {
            Held = Held == TimeSpan.Zero ? _time.GetElapsedTime(_began) : Held;
        }
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        try
        {
            await ThawAsync();
        }
        finally
        {
            await _watch.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            _expired.Dispose();
            _ended.Dispose();
        }
    }

    internal void Begin()
    {
        _began = _time.GetTimestamp();
        _watch = WatchAsync();
    }

    private async Task WatchAsync()
    {
        await Task.Delay(_limit, _time, _ended.Token);
        _hasExpired = true;
        // First the writers, who wait; the reading may take its time to end.
        await ((Task)_thaw.Value).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        await _expired.CancelAsync();
    }
}
