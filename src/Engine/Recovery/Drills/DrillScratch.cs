using System.Globalization;
using Hexabase.DrConsole.Engine.Recovery.Plans;
using Hexabase.DrConsole.Engine.Servers;
using Hexabase.DrConsole.Engine.Validation;

namespace Hexabase.DrConsole.Engine.Recovery.Drills;

/// <summary>Where one attempt of a drill works: a scratch folder, and of a drill of several sources one of its own in it for each.</summary>
internal sealed class DrillScratch
{
    private readonly Dictionary<string, ScratchFolder> _parts;

    private DrillScratch(ScratchFolder whole, Dictionary<string, ScratchFolder> parts) => (Whole, _parts) = (whole, parts);

    /// <summary>All of it: what is removed in the end.</summary>
    public ScratchFolder Whole { get; }

    /// <summary>The folder of a step.</summary>
    /// <param name="part">The source that it is about; null in a drill of one.</param>
    public ScratchFolder Of(string? part) => part is null ? Whole : _parts[part];

    /// <summary>The name of a part's folder: short, since the path of a socket has few bytes.</summary>
    /// <param name="index">From 0, in the order of the plan.</param>
    public static string NameOf(int index) => (index + 1).ToString(CultureInfo.InvariantCulture);

    /// <summary>Makes the folders. What there is of them when it fails, whoever knows the name removes.</summary>
    /// <exception cref="EngineException"><c>drill-not-provable</c>: this machine cannot keep them apart.</exception>
    public static async Task<DrillScratch> CreateAsync(RecoveryPlan plan, string name, ValidationOptions options, ProcessRegistry registry, CancellationToken cancellationToken)
    {
        var whole = Apart(await ScratchFolder.CreateAsync(options.ScratchRoot, options.ProtectedPaths, registry, cancellationToken, name));
        var parts = new Dictionary<string, ScratchFolder>();
        foreach (var (index, part) in (plan.Several?.Parts ?? []).Index())
        {
            parts.Add(part.Source, Apart(await whole.WithinAsync(NameOf(index), options.ProtectedPaths, cancellationToken)));
        }

        return new DrillScratch(whole, parts);
    }

    private static ScratchFolder Apart(ScratchFolder folder) => folder.Isolation.IsComplete
        ? folder
        : throw new EngineException("drill-not-provable", ErrorKind.Unavailable, $"a drill is not possible here: {folder.Isolation.Reason}",
            "let this machine keep scratch servers apart (bubblewrap, or root), then drill again");
}
