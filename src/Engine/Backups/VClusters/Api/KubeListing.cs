using System.Globalization;
using System.Text.Json.Nodes;

namespace Hexabase.DrConsole.Engine.Backups.VClusters.Api;

/// <summary>Reads all objects of a kind, page by page, all of one revision.</summary>
public static class KubeListing
{
    private const int Restarts = 5;

    /// <summary>
    /// Hands over each page. A list whose continue token has expired begins again, since what follows would be of another
    /// revision: <paramref name="restart"/> then throws away what was handed over.
    /// </summary>
    /// <param name="api">The server.</param>
    /// <param name="resource">The kind.</param>
    /// <param name="query">Further parameters, such as <c>labelSelector=…</c>; null for none.</param>
    /// <param name="page">Gets the objects of a page, with apiVersion and kind, which lists leave out.</param>
    /// <param name="restart">Told that the list begins again.</param>
    /// <param name="ns">Only this namespace; null for all.</param>
    /// <param name="cancellationToken">Ends the reading.</param>
    /// <exception cref="EngineException">What the server refused; <c>api-list-expired</c> where it expires again and again.</exception>
    public static async Task ReadAsync(
        KubeApi api, KubeResource resource, string? query, Func<IReadOnlyList<JsonObject>, ValueTask> page, Func<ValueTask> restart, string? ns, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(api);
        ArgumentNullException.ThrowIfNull(resource);
        for (var attempt = 1; !await TryReadAsync(api, resource, query, page, ns, cancellationToken).ConfigureAwait(false); attempt++)
        {
            if (attempt == Restarts)
            {
                throw new EngineException(
                    "api-list-expired", ErrorKind.Unavailable, $"the list of {resource.Name} at {api.Address} expired {Restarts} times before its end",
                    "the API server forgets too fast or answers too slowly; look at its load and at etcd's compaction") { IsTransient = true };
            }

            await restart().ConfigureAwait(false);
        }
    }

    /// <summary>All objects of a kind at once, where they are known to be few.</summary>
    public static async Task<List<JsonObject>> AllAsync(KubeApi api, KubeResource resource, string? query, string? ns, CancellationToken cancellationToken)
    {
        var found = new List<JsonObject>();
        await ReadAsync(
            api, resource, query,
            page =>
            {
                found.AddRange(page);
                return ValueTask.CompletedTask;
            },
            () =>
            {
                found.Clear();
                return ValueTask.CompletedTask;
            },
            ns, cancellationToken).ConfigureAwait(false);
        return found;
    }

    /// <summary>The revision that a server's store is at, which each write to it raises; null where it counts none.</summary>
    /// <exception cref="EngineException">What the server refused; <c>api-unreachable</c>.</exception>
    public static async Task<long?> RevisionAsync(KubeApi api, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(api);
        // Of a list that is read from the store itself: the server's own memory may lag behind it.
        var list = await api.GetAsync("/api/v1/namespaces?limit=1", cancellationToken).ConfigureAwait(false);
        return long.TryParse(list["metadata"]?["resourceVersion"]?.GetValue<string>(), NumberStyles.None, CultureInfo.InvariantCulture, out var revision) ? revision : null;
    }

    private static async Task<bool> TryReadAsync(
        KubeApi api, KubeResource resource, string? query, Func<IReadOnlyList<JsonObject>, ValueTask> page, string? ns, CancellationToken cancellationToken)
    {
        // Small before the objects' size is known: a page of 1 MB ConfigMaps must not fill the memory.
        var limit = Math.Min(100, api.Budget.PageItems);
        var token = "";
        do
        {
            var path = $"{resource.PathOf(ns)}?limit={limit}{(token.Length > 0 ? "&continue=" + Uri.EscapeDataString(token) : "")}{(query is null ? "" : "&" + query)}";
            var answer = await api.SendAsync(HttpMethod.Get, path, null, null, cancellationToken).ConfigureAwait(false);
            if (answer.IsExpired)
            {
                return false;
            }

            if (answer is not { IsSuccess: true, Body: { } body })
            {
                throw answer.ToFault($"listing {resource.Name}");
            }

            var items = (body["items"] as JsonArray ?? []).OfType<JsonObject>().ToList();
            foreach (var item in items)
            {
                // At the beginning, where a single object has them and people look for them.
                item.Remove("apiVersion");
                item.Remove("kind");
                item.Insert(0, "apiVersion", resource.ApiVersion);
                item.Insert(1, "kind", resource.Kind);
            }

            await page(items).ConfigureAwait(false);
            token = body["metadata"]?["continue"]?.GetValue<string>() ?? "";
            limit = items.Count == 0 ? limit : (int)Math.Clamp(api.Budget.PageBytes / Math.Max(1, answer.Bytes / items.Count), 5, api.Budget.PageItems);
        }
        while (token.Length > 0);

        return true;
    }
}
