using Npgsql;

namespace Hexabase.DrConsole.Engine.Servers;

/// <summary>
/// A PostgreSQL server on this machine that the engine initialises, starts, adopts and stops. It is started directly, never
/// by pg_ctl, so that its process id is known and recorded from the first instant. Not safe for calls at the same time.
/// </summary>
public sealed class PostgresCluster : IAsyncDisposable
{
    private static readonly TimeSpan s_poll = TimeSpan.FromMilliseconds(50);

    private readonly PostgresClusterOptions _options;
    private readonly ProcessRegistry _registry;
    private readonly TimeProvider _time;
    private readonly ServerLog _log;
    private readonly ServerUser _user;
    private ChildProcess? _child;
    private ProcessIdentity? _postmaster;
    private bool _isShared;
    private bool _wasReady;

    /// <summary>Describes a cluster; touches nothing.</summary>
    public PostgresCluster(PostgresClusterOptions options, ProcessRegistry registry, TimeProvider? time = null)
    {
        _options = options with
        {
            DataFolder = Path.GetFullPath(options.DataFolder),
            SocketFolder = Path.GetFullPath(options.SocketFolder),
        };
        _registry = registry;
        _time = time ?? TimeProvider.System;
        _log = new ServerLog(Path.GetFullPath(options.LogFile));
        _user = options.RunAs ?? ServerUser.ForPostgres();
        Port = options.Port;
    }

    /// <summary>Where its data is.</summary>
    public string DataFolder => _options.DataFolder;

    /// <summary>The host for a connection by the unix socket.</summary>
    public string SocketFolder => _options.SocketFolder;

    /// <summary>The port it runs on; known once started.</summary>
    public int Port { get; private set; }

    /// <summary>The postmaster while it is known to run, else null.</summary>
    public ProcessIdentity? Postmaster => _postmaster;

    /// <summary>The programs it runs with; known once initialised or started.</summary>
    public PostgresBinaries? Binaries { get; private set; }

    /// <summary>Initialises the data folder where it is not yet. True where it was made now.</summary>
    /// <exception cref="EngineException">
    /// <c>postgres-missing</c>; <c>data-folder-other-major</c>; <c>data-folder-not-postgres</c>: it holds something else;
    /// <c>folder-not-enterable</c>: the server's user cannot get there; <c>initdb-failed</c>.
    /// </exception>
    public async Task<bool> InitializeAsync(CancellationToken cancellationToken)
    {
        using var gate = await StartGate.EnterAsync(_registry, _options.Name, _options.StartTimeout, cancellationToken).ConfigureAwait(false);
        return await EnsureDataAsync(cancellationToken).ConfigureAwait(false);
    }

    /// <summary>
    /// Starts the server and waits until it answers; initialises it first where needed. A server that already runs on the
    /// data folder is adopted or shared, unless it runs on another port or socket than is wanted: then it is restarted.
    /// </summary>
    /// <exception cref="EngineException">
    /// As <see cref="InitializeAsync"/>; <c>postgres-start-failed</c> with the end of its log; <c>port-in-use</c>;
    /// <c>postgres-start-busy</c>; <c>postgres-password</c>: the data folder was made with another password; <c>socket-path-too-long</c>.
    /// </exception>
    public async Task<ClusterStart> StartAsync(CancellationToken cancellationToken, ClusterClaim claim = ClusterClaim.Own)
    {
        using var gate = await StartGate.EnterAsync(_registry, _options.Name, _options.StartTimeout, cancellationToken).ConfigureAwait(false);
        await EnsureDataAsync(cancellationToken).ConfigureAwait(false);
        var deadline = new Deadline(_time, _options.StartTimeout);
        while (true)
        {
            if (PostmasterFile.FindLiving(DataFolder) is { } living)
            {
                var start = Join(living, claim);
                if (start == ClusterStart.Adopted && !IsAsWanted(living))
                {
                    await StopAsync(cancellationToken).ConfigureAwait(false);
                }
                else if (await WaitReadyAsync(deadline, cancellationToken).ConfigureAwait(false))
                {
                    return start;
                }
            }
            else
            {
                Launch();
                if (await WaitReadyAsync(deadline, cancellationToken).ConfigureAwait(false))
                {
                    return ClusterStart.Started;
                }
            }

            await Task.Delay(s_poll * 4, _time, cancellationToken).ConfigureAwait(false);
        }
    }

    /// <summary>True where the server answers a query of its superuser.</summary>
    public async Task<bool> ProbeAsync(CancellationToken cancellationToken)
    {
        try
        {
            await PostgresLaunch.QueryAsync(ConnectionString(), cancellationToken).ConfigureAwait(false);
            return true;
        }
        catch (NpgsqlException)
        {
            return false;
        }
    }

    /// <summary>
    /// Stops the server: fast shutdown, then immediate, then KILL, and always waits for the end. A server that is shared, or
    /// that another living process has taken over meanwhile, is left running.
    /// </summary>
    public Task StopAsync(CancellationToken cancellationToken) =>
        StopAsync(_options.IsScratch ? ProcessEnding.ScratchServer : ProcessEnding.Server(_options.StopPatience), cancellationToken);

    /// <summary>The same with a fast shutdown also of a scratch server: its files are wanted as a server leaves them.</summary>
    public Task ShutDownAsync(CancellationToken cancellationToken) => StopAsync(ProcessEnding.Server(_options.StopPatience), cancellationToken);

    private async Task StopAsync(IReadOnlyList<EndingStep> ladder, CancellationToken cancellationToken)
    {
        if (_postmaster is { } postmaster && !_isShared && !_registry.IsHeldByAnother(_options.Name))
        {
            await ProcessEnding.EndAsync(postmaster, ladder, _time, cancellationToken).ConfigureAwait(false);
            RemoveRecord();
        }

        Forget();
    }

    /// <summary>Stops a server that runs on the data folder though this object did not start it. True where there was one.</summary>
    public async Task<bool> StopLeftoverAsync(CancellationToken cancellationToken)
    {
        if (PostmasterFile.FindLiving(DataFolder) is not { } living || _registry.IsHeldByAnother(_options.Name))
        {
            return false;
        }

        Join(living, ClusterClaim.Own);
        await StopAsync(cancellationToken).ConfigureAwait(false);
        return true;
    }

    /// <summary>Ends the postmaster by KILL, as a crash would; its record and files stay. For fault tests and the lab.</summary>
    public async Task KillAsync(CancellationToken cancellationToken)
    {
        if (_postmaster is { } postmaster)
        {
            LibC.Signal(postmaster, UnixSignal.Kill);
            await ProcessEnding.WaitGoneAsync(postmaster, TimeSpan.FromSeconds(10), _time, cancellationToken).ConfigureAwait(false);
        }

        Forget();
    }

    /// <summary>Settings for a connection as the superuser by the unix socket.</summary>
    public NpgsqlConnectionStringBuilder ConnectionString(string database = "postgres") => new()
    {
        Host = SocketFolder,
        Port = Port,
        Username = _options.Superuser,
        Password = _options.Password,
        Database = database,
        IncludeErrorDetail = true,
    };

    /// <summary>Stops the server where this object runs it.</summary>
    public async ValueTask DisposeAsync() => await StopAsync(CancellationToken.None).ConfigureAwait(false);

    private async Task<bool> EnsureDataAsync(CancellationToken cancellationToken)
    {
        var initialization = new PostgresInitialization(_options, _user, _registry);
        (Binaries, var isNew) = await initialization.EnsureAsync(cancellationToken).ConfigureAwait(false);
        return isNew;
    }

    private ClusterStart Join(PostmasterFile living, ClusterClaim claim)
    {
        _postmaster = living.Process;
        Port = living.Port;
        _isShared = claim == ClusterClaim.Share && _registry.IsHeldByAnother(_options.Name);
        if (_isShared)
        {
            return ClusterStart.Shared;
        }

        _registry.Write(NewRecord() with { Child = living.Process });
        return ClusterStart.Adopted;
    }

    private bool IsAsWanted(PostmasterFile living) =>
        living.SocketFolder == SocketFolder
        && (_options.Port == 0 || living.Port == _options.Port)
        && living.ListenAddress == (_options.ListenAddress ?? "");

    private void Launch()
    {
        PostmasterFile.RemoveStale(DataFolder, SocketFolder);
        LocalFolder.CreatePrivate(SocketFolder, _user);
        // A server that was ready once and is started again keeps its port: pools and other processes know it by that.
        Port = _options.Port != 0 ? _options.Port : _wasReady ? Port : FreePort.Choose();
        var command = PostgresLaunch.Describe(_options, Binaries!, Port, _user, _log.Path);
        _log.Open();
        _child = ChildProcess.Start(command, NewRecord(), _registry);
        _postmaster = _child.Identity;
        _isShared = false;
    }

    /// <summary>True when it answers; false where the start is worth another try (a port just taken, an old backend still ending).</summary>
    private async Task<bool> WaitReadyAsync(Deadline deadline, CancellationToken cancellationToken)
    {
        while (true)
        {
            var isAlive = _postmaster?.IsAlive() == true;
            try
            {
                await PostgresLaunch.QueryAsync(ConnectionString(), cancellationToken).ConfigureAwait(false);
                RecordRealPostmaster();
                return _wasReady = true;
            }
            catch (PostgresException exception) when (exception.SqlState is "28P01" or "28000")
            {
                throw new EngineException(
                    "postgres-password", ErrorKind.Denied,
                    $"the server on {DataFolder} refuses its superuser {_options.Superuser}: it was made with another password",
                    "put the password file that was made with this data folder back, or set the password by hand", exception);
            }
            catch (NpgsqlException) when (isAlive && !deadline.IsOver)
            {
                await Task.Delay(s_poll, _time, cancellationToken).ConfigureAwait(false);
            }
            catch (NpgsqlException exception)
            {
                if (!isAlive && !deadline.IsOver && IsWorthAnotherTry())
                {
                    return false;
                }

                throw await StartFailedAsync(isAlive, exception).ConfigureAwait(false);
            }
        }
    }

    // An isolating command may stand between the child and the server; the server's own file has the last word.
    private void RecordRealPostmaster()
    {
        if (!_isShared && PostmasterFile.FindLiving(DataFolder) is { } living && living.Process != _postmaster)
        {
            _postmaster = living.Process;
            _registry.Write(NewRecord() with { Child = living.Process });
        }
    }

    private bool IsWorthAnotherTry()
    {
        var tail = _log.Tail();
        var portTaken = _options.Port == 0 && tail.Contains("Address already in use", StringComparison.Ordinal);
        var oldBackends = tail.Contains("pre-existing shared memory block", StringComparison.Ordinal);
        return portTaken || oldBackends || PostmasterFile.FindLiving(DataFolder) is not null;
    }

    private async Task<EngineException> StartFailedAsync(bool isAlive, NpgsqlException exception)
    {
        var tail = _log.Tail();
        if (isAlive)
        {
            await StopAsync(CancellationToken.None).ConfigureAwait(false);
        }
        else
        {
            RemoveRecord();
            Forget();
        }

        return tail.Contains("Address already in use", StringComparison.Ordinal)
            ? new EngineException(
                "port-in-use", ErrorKind.Conflict, $"port {Port} is already in use on this machine",
                "choose another port, or 0 for one that is free", exception)
            : new EngineException(
                "postgres-start-failed", ErrorKind.Unavailable,
                $"PostgreSQL on {DataFolder} {(isAlive ? $"did not answer within {_options.StartTimeout}" : "ended at once")}: {tail}",
                $"the whole log is {_log.Path}", exception);
    }

    private ProcessRecord NewRecord() => _registry.NewRecord(
        _options.Name, $"PostgreSQL server {_options.Name}", _options.IsScratch ? Afterlife.Ended : Afterlife.Adopted,
        _options.ScratchFolder, isServer: true);

    // The record of a scratch server also names its folder: it goes when that is removed.
    private void RemoveRecord()
    {
        if (_options.ScratchFolder is null)
        {
            _registry.Remove(_options.Name);
        }
    }

    private void Forget()
    {
        _postmaster = null;
        _isShared = false;
        _child?.Dispose();
        _child = null;
    }
}
