using System.Text.RegularExpressions;
using Hexabase.DrConsole.Engine.Backups.VClusters.Api;

namespace Hexabase.DrConsole.Engine.Backups.VClusters.Restoring;

/// <summary>
/// Webhooks of the target whose backends are away. The server itself answers, and takes what they are not asked about: such an object is
/// one that was not restored, and the others go on.
/// </summary>
public sealed partial class ObjectRestore
{
    private readonly HashSet<string> _away = new(StringComparer.Ordinal);

    /// <summary>Asks for one object. A webhook that stays away is waited for once, not for each object that it would be asked about.</summary>
    private async Task<(string Uid, string? Digest)> AskAsync(PlannedObject one, Func<Task<(string Uid, string? Digest)>> apply, CancellationToken cancellationToken)
    {
        try
        {
            return await _server.AskAsync(apply, cancellationToken).ConfigureAwait(false);
        }
        catch (EngineException fault) when (NoteAway(fault))
        {
            _failed.Add($"{one.Target}: {ReasonOf(fault)}");
            return ("", null);
        }
    }

    /// <summary>As <see cref="ServerPatience.Require"/>; of a webhook that was waited for in vain the fault does not pass.</summary>
    private void RequireServer(KubeAnswer answer, string what)
    {
        if (answer.Status >= 500 && WebhookIn(answer.Message) is { } hook && _away.Contains(hook))
        {
            throw new EngineException("webhook-away", ErrorKind.Unavailable, $"{what}: {answer.Message}", "look at the webhook's backend");
        }

        ServerPatience.Require(answer, what);
    }

    /// <summary>What the server said, behind what it was asked for.</summary>
    private static string ReasonOf(EngineException fault) => fault.Message.Split(": ", 2)[^1];

    private bool NoteAway(EngineException fault)
    {
        if (WebhookIn(fault.Message) is not { } hook)
        {
            return false;
        }

        _away.Add(hook);
        return true;
    }

    /// <summary>The webhook that a server's answer is about, for admission or for conversion; null where it is about none.</summary>
    private static string? WebhookIn(string message) => Webhook().Match(message) is { Success: true } found ? found.Groups["name"].Value : null;

    [GeneratedRegex("failed calling webhook \"(?<name>[^\"]+)\"|conversion webhook for (?<name>.+?) failed", RegexOptions.ExplicitCapture)]
    private static partial Regex Webhook();
}
