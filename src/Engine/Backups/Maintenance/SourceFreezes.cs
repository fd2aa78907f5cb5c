using System.Buffers.Binary;
using System.Collections.Concurrent;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Hexabase.DrConsole.Engine.Catalog;
using Hexabase.DrConsole.Engine.Repository;
using Hexabase.DrConsole.Engine.Repository.Prune;

namespace Hexabase.DrConsole.Engine.Backups.Maintenance;

/// <summary>
/// Carries the freeze of retention into the repositories: while corruption of a source is suspected, an attestation in every
/// tier keeps all its restore points, so that a prune from the command line, or by another machine, obeys too. The catalog is
/// the truth for this console's own runs; a tier that was away is told later, and by its next retention run before that deletes.
/// </summary>
public sealed class SourceFreezes(FreezeCatalog freezes, RestorePointCatalog points, TierRepositories tiers)
{
    private readonly ConcurrentDictionary<(string Tier, string Workspace), string> _told = new();

    /// <summary>Tells all tiers that were not told of the present state; returns those that could not be, with the reason.</summary>
    public async Task<IReadOnlyList<string>> TellTiersAsync(CancellationToken cancellationToken)
    {
        var away = new List<string>();
        var states = await freezes.StatesAsync(cancellationToken);
        foreach (var tier in tiers.Tiers)
        {
            foreach (var workspace in await points.WorkspacesAsync(tier.Name, cancellationToken))
            {
                // Opening a repository costs a key derivation; where nothing was ever frozen there is nothing to say.
                var state = states.GetValueOrDefault(workspace, "");
                if (_told.GetValueOrDefault((tier.Name, workspace), "") == state)
                {
                    continue;
                }

                try
                {
                    await using var repository = await tiers.OpenAsync(tier, workspace, cancellationToken);
                    await TellAsync(repository, workspace, cancellationToken);
                    _told[(tier.Name, workspace)] = state;
                }
                catch (EngineException fault)
                {
                    away.Add($"{tier.Name}: {fault.Message}");
                }
            }
        }

        return away;
    }

    /// <summary>Brings one repository up to what the incidents say; returns how many freezes and releases were written.</summary>
    public async Task<int> TellAsync(BackupRepository repository, string workspace, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(repository);
        var open = (await freezes.OpenAsync(workspace, cancellationToken)).ToDictionary(row => IdOf(row.Since, $"freeze {row.Incident} {row.Source}"));
        var standing = Attestations.Freezes((await repository.LoadAttestationsAsync(cancellationToken)).Readable);
        var written = 0;
        foreach (var (id, row) in open)
        {
            var content = JsonSerializer.SerializeToElement(new
            {
                row.Source, row.Incident, SinceMs = row.Since.ToUnixTimeMilliseconds(), Reason = $"corruption is suspected since {row.Since.UtcDateTime:yyyy-MM-dd HH:mm:ss} UTC",
            }, JsonSerializerOptions.Web);
            written += await repository.EnsureAttestationAsync(id, Attestations.Freeze, null, content, cancellationToken) ? 1 : 0;
        }

        foreach (var freeze in standing.Where(freeze => !open.ContainsKey(Guid.ParseExact(freeze.Id, "N"))))
        {
            // Only what this catalog itself froze: one that was made anew, or restored from an older state, knows nothing of it.
            if (Number(freeze, "incident") is { } incident && Number(freeze, "sinceMs") is { } since && await freezes.KnowsAsync(incident, since, cancellationToken))
            {
                var content = JsonSerializer.SerializeToElement(new { attestation = freeze.Id, reason = "the incident is over" }, JsonSerializerOptions.Web);
                var id = IdOf(DateTimeOffset.FromUnixTimeMilliseconds(since), $"release {freeze.Id}");
                written += await repository.EnsureAttestationAsync(id, Attestations.Release, null, content, cancellationToken) ? 1 : 0;
            }
        }

        return written;
    }

    private static long? Number(SourceFreeze freeze, string name) =>
        freeze.Content.TryGetProperty(name, out var value) && value.TryGetInt64(out var number) ? number : null;

    /// <summary>A version 7 UUID that is the same for every process that says the same: written twice it is one object.</summary>
    private static Guid IdOf(DateTimeOffset since, string what)
    {
        Span<byte> bytes = stackalloc byte[SHA256.HashSizeInBytes];
        SHA256.HashData(Encoding.UTF8.GetBytes($"{what} {since.ToUnixTimeMilliseconds()}"), bytes);
        BinaryPrimitives.WriteUInt16BigEndian(bytes, (ushort)(since.ToUnixTimeMilliseconds() >> 32));
        BinaryPrimitives.WriteUInt32BigEndian(bytes[2..], (uint)since.ToUnixTimeMilliseconds());
        bytes[6] = (byte)((bytes[6] & 0x0f) | 0x70);
        bytes[8] = (byte)((bytes[8] & 0x3f) | 0x80);
        return new Guid(bytes[..16], bigEndian: true);
    }
}
