using System.Text.Json.Nodes;

namespace Hexabase.DrConsole.Engine.Backups.VClusters.Api;

/// <summary>Labels as an API server is asked for them.</summary>
public static class KubeLabels
{
    /// <summary>A workload's <c>spec.selector</c> as the text of <c>labelSelector=</c>, not yet escaped.</summary>
    public static string SelectorOf(JsonNode? selector)
    {
        var equal = (selector?["matchLabels"] as JsonObject ?? []).Select(label => $"{label.Key}={label.Value!.GetValue<string>()}");
        var others = (selector?["matchExpressions"] as JsonArray ?? []).OfType<JsonObject>().Select(one =>
        {
            var key = one["key"]!.GetValue<string>();
            var values = string.Join(',', (one["values"] as JsonArray ?? []).Select(value => value!.GetValue<string>()));
            return one["operator"]!.GetValue<string>() switch
            {
                "In" => $"{key} in ({values})",
                "NotIn" => $"{key} notin ({values})",
                "Exists" => key,
                _ => "!" + key,
            };
        });
        return string.Join(',', equal.Concat(others));
    }
}
