using System.Text.Json;
using Hexabase.DrConsole.Engine.Recovery.Plans;
using Hexabase.DrConsole.Engine.Servers;

namespace Hexabase.DrConsole.Engine.Recovery.Actions;

/// <summary>
/// Moves the damaged data directory aside, whole, by one rename: nothing of it is read or lost. Undone by moving it back. Its
/// tablespaces stay where they are, since the links to them move with it. Where nothing is there, as on a new disk or after a recovery
/// that was ended between its steps, there is nothing to move, and the place is free already.
/// </summary>
public sealed class IsolateCorruptedData : IRecoveryAction
{
    public const string ActionName = "isolate_corrupted_data";

    public string Name => ActionName;

    public StepSafety Safety => StepSafety.Probeable;

    public WayBack WayBack => WayBack.Always;

    public string? NotInDrills => "it would move the living data directory, and in a scratch folder there is none to move";

    /// <summary>Where a run puts the directory.</summary>
    public static string AsideOf(string dataDirectory, string tag) => $"{dataDirectory}.aside-{tag}";

    public IReadOnlyList<string> Describe(RecoveryTarget target, RecoveryBasis basis, IReadOnlyDictionary<string, string> parameters) =>
        [$"rename {target.DataDirectory} to {AsideOf(target.DataDirectory, "RUN")}, where it is there; it is kept until a person deletes it"];

    public Task<JsonElement> CaptureAsync(ActionContext context)
    {
        var directory = context.Target.DataDirectory;
        RequireStopped(directory);
        return Task.FromResult(ActionContext.Data(new Found(Aside(context), !Directory.Exists(directory))));
    }

    public Task<StepEffect> ActAsync(ActionContext context)
    {
        var directory = context.Target.DataDirectory;
        RequireStopped(directory);
        if (WasMissing(context))
        {
            return Directory.Exists(directory)
                ? throw new EngineException("isolate-failed", ErrorKind.Conflict, $"{directory} was not there, and somebody made it meanwhile", "look who did, then try again")
                : Task.FromResult(Nothing(context));
        }

        try
        {
            Directory.Move(directory, Aside(context));
        }
        catch (IOException fault)
        {
            // A mount point cannot be renamed, nor can a directory cross file systems.
            throw new EngineException("isolate-failed", ErrorKind.Conflict, $"{directory} cannot be moved aside: {fault.Message}",
                "where it is a mount point, let the data directory be a folder in it", fault);
        }

        LocalFolder.Flush(Path.GetDirectoryName(directory)!);
        return Task.FromResult(Moved(context));
    }

    public Task<EffectProbe> ProbeAsync(ActionContext context)
    {
        var isAside = Directory.Exists(Aside(context));
        var isThere = Directory.Exists(context.Target.DataDirectory);
        return Task.FromResult<EffectProbe>((isAside, isThere) switch
        {
            (false, false) when WasMissing(context) => new EffectProbe.Done(Nothing(context)),
            (true, false) => new EffectProbe.Done(Moved(context)),
            (false, true) => new EffectProbe.NotDone(),
            (true, true) => new EffectProbe.Unknown($"{Aside(context)} is there, and so is {context.Target.DataDirectory}: somebody made it anew"),
            _ => new EffectProbe.Unknown($"neither {context.Target.DataDirectory} nor {Aside(context)} is there"),
        });
    }

    public Task<StepVerification> VerifyAsync(ActionContext context)
    {
        var isFree = !Directory.Exists(context.Target.DataDirectory);
        return Task.FromResult(
            !isFree ? new StepVerification(false, $"{context.Target.DataDirectory} is still there, or there again")
            : Directory.Exists(Aside(context)) ? new StepVerification(true, $"{Aside(context)} holds the old data; its place is free")
            : WasMissing(context) ? new StepVerification(true, $"{context.Target.DataDirectory} was not there; its place is free")
            : new StepVerification(false, $"{Aside(context)} is gone, and with it the old data"));
    }

    public Task<string> RollBackAsync(ActionContext context)
    {
        var (directory, aside) = (context.Target.DataDirectory, Aside(context));
        if (!Directory.Exists(aside))
        {
            return WasMissing(context) ? Task.FromResult($"{directory} was not there before")
                : Directory.Exists(directory) ? Task.FromResult($"{directory} is at its place")
                : throw new EngineException("isolate-undo", ErrorKind.NotFound, $"neither {directory} nor {aside} is there", "look where the data went");
        }

        if (Directory.Exists(directory))
        {
            throw new EngineException("isolate-undo", ErrorKind.Conflict, $"{directory} is taken, so that {aside} cannot go back", "move what lies there away, then try again");
        }

        Directory.Move(aside, directory);
        LocalFolder.Flush(Path.GetDirectoryName(directory)!);
        return Task.FromResult($"{directory} is back at its place");
    }

    private static string Aside(ActionContext context) => AsideOf(context.Target.DataDirectory, context.Tag);

    /// <summary>What the snapshot says; one of an older build says nothing, and then the directory was there.</summary>
    private static bool WasMissing(ActionContext context) => context.SnapshotOf<Found>(ActionName) is { WasMissing: true };

    private static StepEffect Nothing(ActionContext context) => new($"{context.Target.DataDirectory} is not there: nothing to move aside");

    private static StepEffect Moved(ActionContext context) =>
        new($"{context.Target.DataDirectory} is now {Aside(context)}", ActionContext.Data(new { aside = Aside(context) }));

    private static void RequireStopped(string directory)
    {
        if (PostmasterFile.FindLiving(directory) is { } living)
        {
            throw new EngineException("service-running", ErrorKind.Conflict, $"a server (process {living.Process.Pid}) runs on {directory}", "stop it first");
        }
    }

    /// <summary>What was there before.</summary>
    private sealed record Found(string Aside, bool WasMissing);
}
