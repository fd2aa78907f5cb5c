using System.Buffers.Binary;
using System.Globalization;
using System.Text.RegularExpressions;
using Hexabase.DrConsole.Engine.Repository;
using Hexabase.DrConsole.Engine.Repository.Trees;
using Hexabase.DrConsole.Engine.Servers;

namespace Hexabase.DrConsole.Engine.Backups.Postgres.Physical.InPlace;

/// <summary>
/// Restores a cluster over a data directory that exists, with a way back. The directory's server must be stopped, and the
/// configuration files in it stay: the restored cluster takes the old one's place, archiving and replication included. What is
/// killed at any point is finished by doing it again, or taken back by the undo.
/// </summary>
/// <param name="registry">Records servers and programs.</param>
/// <param name="time">The clock.</param>
public sealed partial class InPlaceRestore(ProcessRegistry registry, TimeProvider time)
{
    /// <summary>Files that stay as the directory has them, or does not have them.</summary>
    internal static readonly string[] Configuration = ["postgresql.conf", "postgresql.auto.conf", "pg_hba.conf", "pg_ident.conf"];

    /// <summary>Called before each change, for tests that end the process there.</summary>
    internal Action<string>? OnStep { get; init; }

    /// <summary>Says what would be kept, fetched and moved aside; changes nothing. A server may still run on the directory.</summary>
    /// <exception cref="EngineException">
    /// <c>not-a-physical-backup</c>, <c>postgres-missing</c>, <c>run-name-invalid</c>, <c>run-name-used</c>, <c>data-directory-missing</c>,
    /// <c>data-directory-other-major</c>, <c>data-directory-is-mounted</c>, <c>data-directory-of-another-user</c>,
    /// <c>configuration-elsewhere</c>, <c>recovery-out-of-reach</c>, <c>wal-missing</c>.
    /// </exception>
    public async Task<InPlacePlan> PlanAsync(InPlaceOrder order, IProgress<TransferProgress>? progress, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(order);
        var facts = await RequireReadyAsync(order, cancellationToken);
        var notes = new List<string>
        {
            $"restore point {order.RestorePoint.Id.Short} of {order.RestorePoint.Source}, recovered to {order.Target.MomentText} by PostgreSQL {PostgresBinaries.Find(facts.ServerMajor).Version}",
        };
        if (order.Target.IsPointInTime)
        {
            notes.AddRange((await PhysicalRestore.FindPathAsync(order.Repository, order.RestorePoint, facts, order.Target, cancellationToken)).SteadyNotes);
        }

        if (SystemOf(order.Target.Path) is { } system && system != facts.SystemIdentifier)
        {
            notes.Add($"the directory holds another cluster: its system identifier is {system}, the restore point's {facts.SystemIdentifier}");
        }

        var running = DirectoryUse.FindProcess(order.Target.Path);
        if (running is not null)
        {
            notes.Add("a server runs on the directory: it must be stopped first, and what it still writes changes the numbers");
        }

        notes.Add($"the configuration files of the directory stay ({string.Join(", ", Configuration)}): archiving and replication are as they are there");
        if (facts.Tablespaces.Count > 0)
        {
            notes.Add($"{Counted.Of(facts.Tablespaces.Count, "tablespace")} are unpacked into {order.TablespacesPath}; the old ones stay where they are");
        }

        return order.Form == InPlaceForm.Aside ? PlanAside(order, running, notes) : await PlanDeltaAsync(order, facts, running, notes, progress, cancellationToken);
    }

    /// <summary>Executes it. Done again under the same run name after a crash it finishes; done again after its end it changes nothing.</summary>
    /// <exception cref="EngineException">
    /// As <see cref="PlanAsync"/>; <c>server-running</c>; <c>port-in-use</c>; <c>in-place-conflict</c>; <c>recovery-target-not-reached</c>; <c>cluster-damaged</c>.
    /// After a failure the directory may be half-made: it has no control file then. Repeat it or undo it.
    /// </exception>
    public async Task<InPlaceResult> ExecuteAsync(InPlaceOrder order, IProgress<TransferProgress>? progress, Action<string, string>? log, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(order);
        var facts = await RequireReadyAsync(order, cancellationToken);
        PhysicalRestoreResult? recovered = null;
        if (!IsFinished(order))
        {
            // A server of an attempt that was killed is ours to end; any other is not.
            await RecoveryWork.RemoveAsync(registry, NameOf(order), FolderOf(order), cancellationToken);
            DirectoryUse.RequireStopped(order.Target.Path);
            RequireFreePort(order);
            recovered = order.Form == InPlaceForm.Aside
                ? await ExecuteAsideAsync(order, facts, progress, log, cancellationToken)
                : await ExecuteDeltaAsync(order, facts, progress, log, cancellationToken);
            log?.Invoke("publish", $"{order.Target.Path} is recovered; what was there is in {order.AsidePath}");
        }

        if (order.Target.Port is { } port)
        {
            await LastingServer.StartAsync(
                order.Target.Path, port, [string.Create(CultureInfo.InvariantCulture, $"--options=-p {port}")], PostgresBinaries.Find(facts.ServerMajor), registry, log, cancellationToken);
        }

        return new InPlaceResult(order.Target.Path, order.AsidePath, recovered?.Phases ?? [], recovered?.LastTransaction, recovered?.Warnings ?? []);
    }

    /// <summary>
    /// Puts the old directory, or its files, back; what the restore had made, and what its server wrote since, is kept under
    /// <see cref="InPlaceOrder.UndonePath"/>. Possible at any time after an execution began, also one that was killed.
    /// </summary>
    /// <exception cref="EngineException"><c>server-running</c>; <c>in-place-conflict</c> where somebody else made a directory at the place.</exception>
    public async Task<InPlaceUndo> UndoAsync(InPlaceOrder order, IProgress<TransferProgress>? progress, Action<string, string>? log, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(order);
        RequireName(order);
        await RecoveryWork.RemoveAsync(registry, NameOf(order), FolderOf(order), cancellationToken);
        DirectoryUse.RequireStopped(order.Target.Path);
        var changed = order.Form == InPlaceForm.Aside
            ? UndoAside(order)
            : await PlacingOf(order, await ClusterFacts.ReadAsync(order.Repository, order.RestorePoint, cancellationToken)).UndoAsync(progress, cancellationToken);
        var kept = Directory.Exists(order.UndonePath) ? order.UndonePath : null;
        if (!changed && kept is null)
        {
            // Nothing leads there: an attempt died before it put its data directory in place.
            await LocalFolder.RemoveAsync(order.TablespacesPath, time, cancellationToken);
        }

        var text = changed ? $"{order.Target.Path} is what it was; what the restore had made is in {kept}" : $"nothing of {order.Target.Path} had been changed";
        log?.Invoke("undo", text);
        return new InPlaceUndo(changed, changed, kept, text);
    }

    private static InPlacePlan PlanAside(InPlaceOrder order, int? running, List<string> notes)
    {
        var trees = order.RestorePoint.Artifacts.Where(artifact => artifact.Type == StoredArtifact.TreeType).ToList();
        var there = new DirectoryInfo(order.Target.Path).EnumerateFiles("*", new EnumerationOptions { RecurseSubdirectories = true, AttributesToSkip = FileAttributes.ReparsePoint }).ToList();
        notes.Add($"the undo is two renames, exact for as long as {order.AsidePath} is kept; what is committed after the restore is lost to it");
        return new InPlacePlan(
            order.Form, order.Target.Path, order.AsidePath, running, default,
            new InPlaceAmount(trees.Sum(tree => tree.Items ?? 0), trees.Sum(tree => tree.Length)), new InPlaceAmount(there.Count, there.Sum(file => file.Length)), notes);
    }

    private async Task<InPlacePlan> PlanDeltaAsync(
        InPlaceOrder order, ClusterFacts facts, int? running, List<string> notes, IProgress<TransferProgress>? progress, CancellationToken cancellationToken)
    {
        var items = await PlacingOf(order, facts).CompareAsync(progress, cancellationToken);
        notes.Add("the undo is exact until a server first writes; after that files that were right are fetched from the restore point again, and what the server wrote is lost to the undo");
        return new InPlacePlan(
            order.Form, order.Target.Path, order.AsidePath, running,
            Sum(items.Where(item => item.State == TreeItemState.Right), item => item.Bytes),
            Sum(items.Where(item => item.State is TreeItemState.Wrong or TreeItemState.Missing), item => item.Bytes),
            Sum(items.Where(item => item.State is TreeItemState.Wrong or TreeItemState.Extra), item => item.BytesThere), notes);

        static InPlaceAmount Sum(IEnumerable<ComparedItem> some, Func<ComparedItem, long> bytes)
        {
            var list = some.ToList();
            return new InPlaceAmount(list.Count, list.Sum(bytes));
        }
    }

    private async Task<PhysicalRestoreResult> ExecuteDeltaAsync(
        InPlaceOrder order, ClusterFacts facts, IProgress<TransferProgress>? progress, Action<string, string>? log, CancellationToken cancellationToken)
    {
        var placing = PlacingOf(order, facts);
        var place = new RecoveryPlace(order.Target.Path, placing.PlaceAsync, placing.BeforeReplay);
        var work = new RecoveryWork(order.Repository, order.RestorePoint, facts, order.Target, FolderOf(order), NameOf(order), registry, time, place);
        var recovered = await work.RunAsync(progress, log, cancellationToken);
        WriteMarker(order, order.Target.Path);
        await RecoveryWork.RemoveAsync(registry, NameOf(order), FolderOf(order), CancellationToken.None);
        return recovered;
    }

    private static async Task<ClusterFacts> RequireReadyAsync(InPlaceOrder order, CancellationToken cancellationToken)
    {
        RequireName(order);
        PhysicalRestore.RequirePhysical(order.RestorePoint);
        var facts = await ClusterFacts.ReadAsync(order.Repository, order.RestorePoint, cancellationToken);
        PostgresBinaries.Find(facts.ServerMajor);
        if (Directory.Exists(order.UndonePath))
        {
            throw new EngineException("run-name-used", ErrorKind.Conflict, $"a restore named {order.RunName} was undone: {order.UndonePath} is there", "use another run name");
        }

        if (!Directory.Exists(order.AsidePath))
        {
            RequireDataDirectory(order, facts);
        }

        return facts;
    }

    private static void RequireDataDirectory(InPlaceOrder order, ClusterFacts facts)
    {
        var data = order.Target.Path;
        if (!File.Exists(Path.Combine(data, "PG_VERSION")))
        {
            throw new EngineException("data-directory-missing", ErrorKind.NotFound, $"{data} is no data directory of PostgreSQL", "restore into a new directory instead; nothing was changed");
        }

        if (PhysicalRestore.MajorOf(data) is var major && major != facts.ServerMajor)
        {
            throw new EngineException("data-directory-other-major", ErrorKind.Conflict, $"{data} is of PostgreSQL {major}, the restore point of {facts.ServerMajor}", "restore into a new directory instead");
        }

        var (there, above) = (Posix.Stat(Posix.ToPath(data)), Posix.Stat(Posix.ToPath(Path.GetDirectoryName(data)!), follow: true));
        if (there.Kind != TreeNodeKind.Directory || there.Device != above.Device)
        {
            throw new EngineException("data-directory-is-mounted", ErrorKind.Unsupported, $"{data} is a mount point or a link: nothing can be renamed beside it",
                "name the directory that the link leads to, or restore into a new directory");
        }

        if (there.User != ServerUser.ForPostgres().UserId)
        {
            throw new EngineException("data-directory-of-another-user", ErrorKind.Denied, $"{data} belongs to user {there.User}, and PostgreSQL would run here as {ServerUser.ForPostgres().Name}",
                "run the console as the user who runs that server, or restore into a new directory");
        }

        if (order.Target.Port is not null && !File.Exists(Path.Combine(data, Configuration[0])))
        {
            throw new EngineException("configuration-elsewhere", ErrorKind.Unsupported, $"the configuration of {data} lies outside of it",
                "leave the port out, and start the server afterwards the way it is always started");
        }
    }

    private static void RequireName(InPlaceOrder order)
    {
        if (!NameShape().IsMatch(order.RunName))
        {
            throw new EngineException("run-name-invalid", ErrorKind.Input, $"'{order.RunName}' cannot name a restore in place", "use letters, digits, dots, dashes and underscores, at most 60");
        }
    }

    private static void RequireFreePort(InPlaceOrder order)
    {
        if (order.Target.Port is { } port && FreePort.IsTaken(port))
        {
            throw new EngineException("port-in-use", ErrorKind.Conflict, $"port {port} is in use on this machine", "stop what listens there, or choose another one; nothing was changed");
        }
    }

    private static string? SystemOf(string data)
    {
        var control = Path.Combine(data, ClusterFiles.Control);
        if (!File.Exists(control))
        {
            return null;
        }

        Span<byte> number = stackalloc byte[sizeof(ulong)];
        using var file = File.OpenRead(control);
        file.ReadExactly(number);
        return BinaryPrimitives.ReadUInt64LittleEndian(number).ToString(CultureInfo.InvariantCulture);
    }

    /// <summary>True where an execution under this run's name has come to its end.</summary>
    internal static bool IsFinished(InPlaceOrder order) => PhysicalRestore.IsMarked(order.Target.Path, OperationOf(order));

    private static void WriteMarker(InPlaceOrder order, string data) => LocalFolder.WritePrivateFile(
        Path.Combine(data, PhysicalRestore.Marker), PhysicalRestore.MarkerOf(OperationOf(order), order.RestorePoint.Id.Value, order.Target, ""), ServerUser.ForPostgres());

    /// <summary>In brackets, so that no run's name is found in a longer one.</summary>
    private static string OperationOf(InPlaceOrder order) => $"in place [{order.RunName}]";

    /// <summary>Short: the path of a socket must fit.</summary>
    private static string NameOf(InPlaceOrder order) => PhysicalRestore.NameOf($"{OperationOf(order)} {order.Target.Path}");

    private static string FolderOf(InPlaceOrder order) => $"{order.Target.Path}.{NameOf(order)}";

    private DeltaPlacing PlacingOf(InPlaceOrder order, ClusterFacts facts) => new(order, facts, time) { OnStep = OnStep };

    [GeneratedRegex("^[A-Za-z0-9][A-Za-z0-9._-]{0,59}$")]
    private static partial Regex NameShape();
}
