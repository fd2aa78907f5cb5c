using System.Text.Json.Nodes;

namespace Hexabase.DrConsole.Engine.Backups.VClusters.Api;

/// <summary>What an API server said: a status code, and an object or a reason.</summary>
/// <param name="Status">HTTP status code.</param>
/// <param name="Body">The object, or the server's Status object; null where it said nothing that is JSON.</param>
/// <param name="Bytes">Length of the body.</param>
public sealed record KubeAnswer(int Status, JsonObject? Body, long Bytes)
{
    /// <summary>The object's kind is missing in lists' items; nothing is wrong with this one.</summary>
    public bool IsSuccess => Status is >= 200 and < 300;

    /// <summary>The server's word for a refusal, such as <c>AlreadyExists</c>, <c>Expired</c>, <c>Forbidden</c>.</summary>
    public string? Reason => IsSuccess ? null : Body?["reason"]?.GetValue<string>();

    /// <summary>The server's sentence for a refusal.</summary>
    public string Message => Body?["message"]?.GetValue<string>() ?? $"HTTP {Status}";

    /// <summary>True where a list's continue token, or the revision that it reads at, is no longer kept.</summary>
    public bool IsExpired => Status == 410;

    internal EngineException ToFault(string what) => new(
        Status switch
        {
            401 => "api-unauthorized",
            403 => "api-forbidden",
            404 => "api-object-missing",
            409 => "api-conflict",
            _ => "api-refused",
        },
        Status switch
        {
            401 or 403 => ErrorKind.Denied,
            404 => ErrorKind.NotFound,
            409 => ErrorKind.Conflict,
            >= 500 or 429 or 410 => ErrorKind.Unavailable,
            _ => ErrorKind.Input,
        },
        $"{what}: {Message}",
        Status is 401 or 403 ? "give the kubeconfig's user the right to it" : "look at the API server's log")
    {
        IsTransient = Status is >= 500 or 429 or 410,
    };
}
