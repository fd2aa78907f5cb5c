using System.Text;
using System.Text.Json.Nodes;

namespace Hexabase.DrConsole.Engine.Backups.VClusters.Objects;

/// <summary>Where a Secret holds what is not shown by the way: its values, and the copy of them that kubectl apply keeps in an annotation.</summary>
public static class SecretValues
{
    /// <summary>What stands in place of a value.</summary>
    public const string Hidden = "(hidden)";

    private const string Copy = "last-applied";
    private static readonly string[] s_fields = ["data", "stringData"];

    /// <summary>Whether an object is a Secret.</summary>
    public static bool Has(JsonObject document) => KubeObjectKey.Of(document) is { Kind: "Secret", Group: "" };

    /// <summary>The document with the length of each value in a Secret instead of the value; other kinds as they are.</summary>
    public static JsonObject Masked(JsonObject document)
    {
        ArgumentNullException.ThrowIfNull(document);
        if (!Has(document))
        {
            return document;
        }

        var masked = WithoutCopies(document)!.AsObject();
        foreach (var field in s_fields)
        {
            foreach (var (key, value) in (document[field] as JsonObject)?.ToList() ?? [])
            {
                masked[field]![key] = $"(hidden, {LengthOf(value, isEncoded: field == "data")} bytes)";
            }
        }

        return masked;
    }

    /// <summary>A part of a Secret, without what is not shown.</summary>
    /// <param name="path">Where it is in the document, as <c>data.password</c>.</param>
    /// <param name="part">The part.</param>
    public static JsonNode MaskedAt(string path, JsonNode part)
    {
        ArgumentNullException.ThrowIfNull(path);
        var isHidden = path.Contains(Copy, StringComparison.Ordinal) || Array.Exists(s_fields, field => path == field || path.StartsWith(field + ".", StringComparison.Ordinal));
        return isHidden ? JsonValue.Create(Hidden) : WithoutCopies(part)!;
    }

    private static JsonNode? WithoutCopies(JsonNode? part) => part switch
    {
        JsonObject map => new JsonObject(map.Select(member => KeyValuePair.Create(
            member.Key, member.Key.Contains(Copy, StringComparison.Ordinal) ? JsonValue.Create(Hidden) : WithoutCopies(member.Value)))),
        JsonArray list => new JsonArray([.. list.Select(WithoutCopies)]),
        _ => part?.DeepClone(),
    };

    private static int LengthOf(JsonNode? value, bool isEncoded)
    {
        var text = value?.GetValue<string>() ?? "";
        return isEncoded && Convert.TryFromBase64String(text, new byte[text.Length], out var length) ? length : Encoding.UTF8.GetByteCount(text);
    }
}
