using System.Globalization;
using System.Security.Cryptography;
using Hexabase.DrConsole.Engine.Backups.Drivers;
using Hexabase.DrConsole.Engine.Backups.Volumes;
using Hexabase.DrConsole.Engine.Repository;
using Hexabase.DrConsole.Engine.Servers;

namespace Hexabase.DrConsole.Engine.Validation;

/// <summary>
/// Proves volumes. Four reads the whole tree and counts it against the facts. Five restores it into a scratch folder that only
/// this user enters, and compares every file's content and metadata with what the backup saw.
/// </summary>
internal sealed class VolumeProver : IContentProver
{
    /// <inheritdoc/>
    public bool Proves(Manifest manifest) => manifest is { Kind: VolumeDriver.ManifestKind };

    /// <inheritdoc/>
    public IContentProof Begin(ProofWork work) => new Proof(work);

    private sealed class Proof(ProofWork work) : IContentProof
    {
        private readonly string _name = ProcessRegistry.NewName("scratch-volume");
        private string? _folder;

        public async Task<StepOutcome> CheckStructureAsync(CancellationToken cancellationToken)
        {
            var facts = VolumeFacts.Of(work.Manifest);
            var artifact = work.Manifest.Artifacts[0];
            if (artifact.Type == StoredArtifact.StreamType)
            {
                return StepOutcome.Passed(string.Create(CultureInfo.InvariantCulture, $"one raw image of {artifact.Length} bytes, as the facts say"));
            }

            var counts = await work.Repository.CountTreeAsync(work.Manifest, artifact.Name, cancellationToken);
            List<string> wrong = [];
            Compare("files", facts.Files, counts.Files);
            Compare("directories", facts.Directories, counts.Directories);
            Compare("links", facts.Links, counts.Links);
            Compare("hard links", facts.HardLinks, counts.HardLinks);
            Compare("special files", facts.Others, counts.Others);
            Compare("bytes of content", facts.ContentBytes, counts.ContentBytes);
            return wrong.Count > 0
                ? StepOutcome.Failed($"the tree is not what its facts say: {string.Join("; ", wrong)}", [artifact.Name])
                : StepOutcome.Passed(string.Create(CultureInfo.InvariantCulture,
                    $"{facts.Files} files, {facts.Directories} directories, {facts.Links + facts.HardLinks} links and {facts.Others} special files in order, as the facts say{Missing(facts)}"));

            void Compare(string what, long said, long found)
            {
                if (said != found)
                {
                    wrong.Add(string.Create(CultureInfo.InvariantCulture, $"{found} {what} instead of {said}"));
                }
            }
        }

        public async Task<StepOutcome> RestoreAsync(CancellationToken cancellationToken)
        {
            var part = await VolumePart.FindAsync(work.Repository, work.Manifest, null, cancellationToken);
            LocalFolder.CreatePassage(work.Options.ScratchRoot);
            var space = FileSystemSpace.Of(work.Options.ScratchRoot);
            if (space.FreeBytes < part.ContentBytes || space.FreeInodes < part.Items)
            {
                return StepOutcome.CannotProve(string.Create(CultureInfo.InvariantCulture,
                    $"{part.ContentBytes} bytes in {part.Items} files do not fit into {work.Options.ScratchRoot}, where {space.FreeBytes} bytes are free"));
            }

            _folder = Path.Combine(Path.GetFullPath(work.Options.ScratchRoot), _name);
            // On record before it exists, so that after a crash the next start removes it.
            work.Registry.Write(work.Registry.NewRecord(_name, $"scratch folder of {work.Manifest.Source}", Afterlife.Ended, _folder, isServer: false));
            LocalFolder.CreatePrivate(_folder);
            work.Log?.Invoke(ValidationSteps.Restorability, $"restoring into {_folder}");
            var began = work.Time.GetTimestamp();
            var target = Path.Combine(_folder, "restored");
            Directory.CreateDirectory(target);
            var restore = new RestoreWork(work.Repository, work.Manifest, null!, "", _name, work.Progress, work.Log);
            var restored = await VolumeRestore.WriteAsync(restore, part, target, cancellationToken);
            var seconds = work.Time.GetElapsedTime(began).TotalSeconds;
            work.Log?.Invoke(ValidationSteps.Restorability, string.Create(CultureInfo.InvariantCulture, $"restored in {seconds:0.0} s; comparing every file"));
            return await CompareAsync(part, part.RootIn(target), restored, cancellationToken) with { RestoreSeconds = seconds };
        }

        public ValueTask DisposeAsync()
        {
            if (_folder is not null)
            {
                BackupRepository.RemoveTree(_folder);
                work.Registry.RemoveForGood(_name);
            }

            return ValueTask.CompletedTask;
        }

        private async Task<StepOutcome> CompareAsync(VolumePart part, string root, TreeRestoreResult restored, CancellationToken cancellationToken)
        {
            if (part.IsStream)
            {
                await using var image = File.OpenRead(root);
                var digest = Convert.ToHexStringLower(await SHA256.HashDataAsync(image, cancellationToken));
                return digest == part.Artifact.Sha256
                    ? StepOutcome.Passed(string.Create(CultureInfo.InvariantCulture, $"restored; all {part.Artifact.Length} bytes have the digest that was read")) with { ComparedObjects = 1 }
                    : StepOutcome.Failed($"the restored image has the digest {digest}, not {part.Artifact.Sha256}", [part.Artifact.Name]);
            }

            var found = await work.Repository.CompareFullyAsync(work.Manifest, part.Artifact.Name, root, work.Progress, cancellationToken);
            var objects = (int)Math.Min(found.Items, int.MaxValue);
            if (!found.IsEqual)
            {
                var why = found.Differences.Take(5).Concat(restored.Warnings.Take(5));
                return StepOutcome.Failed(string.Create(CultureInfo.InvariantCulture, $"{found.DifferenceCount} of {found.Items} items differ: {string.Join("; ", why)}"), found.Differences) with { ComparedObjects = objects };
            }

            var facts = VolumeFacts.Of(work.Manifest);
            return StepOutcome.Passed(string.Create(CultureInfo.InvariantCulture,
                $"restored; all {found.Items} items are equal in content, kind, owner, mode, time, links, attributes and holes{Missing(facts)}{(facts.IsConsistent ? "" : "; the volume was read as it was, not held still")}"))
                with { ComparedObjects = objects };
        }

        private static string Missing(VolumeFacts facts) =>
            facts.Unreadable == 0 ? "" : string.Create(CultureInfo.InvariantCulture, $"; {facts.Unreadable} items could not be read at the backup and are missing");
    }
}
