using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using Hexabase.DrConsole.Engine.Repository;

namespace Hexabase.DrConsole.Engine.Backups.Volumes;

/// <summary>How a directory differs from a restore point, item by item: what a restore in place will do.</summary>
/// <param name="Place">The directory, as <see cref="HeldDirectory.Identity"/>: the same changes of another one are another difference.</param>
/// <param name="Changes">Sorted by path; what is right and what is left alone is not among them.</param>
/// <param name="Result">The same counted, with what stays as it is.</param>
internal sealed record VolumeDifference(string Place, IReadOnlyList<RestoreChange> Changes, TreeRestoreResult Result)
{
    /// <summary>So many changes a person reads before confirming.</summary>
    public const int Shown = 200;

    private const string More = "and ";

    /// <summary>SHA-256 of the directory and every change, lower-case hex.</summary>
    public string Digest
    {
        get
        {
            using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
            hash.AppendData(Encoding.UTF8.GetBytes($"{Place}\n"));
            foreach (var change in Changes)
            {
                hash.AppendData(Encoding.UTF8.GetBytes($"{change.Kind}\0{change.Path}\n"));
            }

            return Convert.ToHexStringLower(hash.GetHashAndReset());
        }
    }

    /// <summary>Compares; changes nothing.</summary>
    public static async Task<VolumeDifference> ReadAsync(
        BackupRepository repository, Manifest manifest, VolumePart part, DirectoryTarget target, HeldDirectory held, IProgress<TransferProgress>? progress, CancellationToken cancellationToken)
    {
        var changes = new List<RestoreChange>();
        var root = part.RootIn(target.Path);
        var result = await repository.RestoreTreeAsync(manifest, part.Artifact.Name, root, new TreeRestoreOptions
        {
            Held = held.TargetOf(root),
            Path = part.Part,
            Delta = true,
            DryRun = true,
            Delete = target.Delete,
            VerifyContent = target.Verify,
            OnChange = changes.Add,
        }, progress, cancellationToken);
        changes.Sort((left, right) => string.CompareOrdinal(left.Path, right.Path));
        return new VolumeDifference(held.Identity, changes, result);
    }

    /// <summary>What a person reads: the counts, and the first changes by name.</summary>
    /// <param name="shown">So many by name.</param>
    public IEnumerable<string> Notes(int shown = Shown)
    {
        yield return string.Create(CultureInfo.InvariantCulture,
            $"{Result.Created} created, {Result.Replaced} changed, {Result.Adjusted} only in owner, mode, time or attributes, {Result.Deleted} deleted, {Result.LeftAlone} left alone that the restore point has not, {Result.Unchanged} right already");
        if (Result.Blocked > 0)
        {
            yield return string.Create(CultureInfo.InvariantCulture, $"{Result.Blocked} NOT restored: a directory that holds something is in their way; delete=true takes it away");
        }

        foreach (var change in Changes.Take(shown))
        {
            yield return $"{Word(change.Kind)} {(change.Path.Length > 0 ? change.Path : ".")}";
        }

        if (Changes.Count > shown)
        {
            yield return string.Create(CultureInfo.InvariantCulture, $"{More}{Changes.Count - shown} more{(shown == Shown ? "; the plan's hash covers each of them" : "")}");
        }
    }

    /// <summary>True for a line of <see cref="Notes"/> that names a change, or counts those that no line names.</summary>
    public static bool IsOfFiles(string note) => note.StartsWith(More, StringComparison.Ordinal) || (note is [_, ' ', ..] && Enum.GetValues<RestoreChangeKind>().Any(kind => note[0] == Word(kind)[0]));

    private static string Word(RestoreChangeKind kind) => kind switch
    {
        RestoreChangeKind.Create => "+",
        RestoreChangeKind.Replace => "~",
        RestoreChangeKind.Metadata => "m",
        RestoreChangeKind.Delete => "-",
        _ => "!",
    };
}
