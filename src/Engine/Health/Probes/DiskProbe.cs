using System.Globalization;

namespace Hexabase.DrConsole.Engine.Health.Probes;

/// <summary>Looks at the space left where something keeps its files on this machine.</summary>
/// <param name="folder">The folder, or null where this process cannot see it.</param>
/// <param name="leastPercent">Less free space than this share is trouble.</param>
/// <param name="name">Tells it from others of the subject.</param>
public sealed class DiskProbe(HealthSubject subject, string? folder, int leastPercent, string name = "disk") : IHealthProbe
{
    /// <summary>Nothing says where the files are.</summary>
    internal const string NoDirectory = "this process does not see where its files are; DataDirectory says it for PostgreSQL";

    /// <summary>They are another machine's.</summary>
    internal const string OnANode = "it lies on another node, whose agent backs it up";

    /// <summary>What is answered where there is no folder.</summary>
    internal string WhyUnseen { get; init; } = NoDirectory;

    public HealthSubject Subject => subject;

    public string Name => name;

    public ProbeKind Kind => ProbeKind.Disk;

    /// <inheritdoc/>
    public Task<ProbeFinding> AskAsync(CancellationToken cancellationToken)
    {
        if (folder is null)
        {
            return Task.FromResult(new ProbeFinding(ProbeAnswer.NotDetectable, WhyUnseen));
        }

        try
        {
            var drive = new DriveInfo(folder);
            var share = drive.TotalSize == 0 ? 1 : (double)drive.AvailableFreeSpace / drive.TotalSize;
            var detail = string.Create(CultureInfo.InvariantCulture, $"{share * 100:0.#} % free at {folder}");
            return Task.FromResult(new ProbeFinding(share * 100 < leastPercent ? ProbeAnswer.Exceeded : ProbeAnswer.Answered, detail, null, Math.Round(share, 4)));
        }
        catch (Exception fault) when (fault is IOException or UnauthorizedAccessException or ArgumentException)
        {
            return Task.FromResult(new ProbeFinding(ProbeAnswer.NotDetectable, fault.Message));
        }
    }
}
