using System.Text.Json.Nodes;
using System.Text.RegularExpressions;

namespace Hexabase.DrConsole.Engine.Backups.VClusters.Api;

/// <summary>A selector as <c>kubectl -l</c> takes it, applied to documents: <c>app=web,tier!=cache,stage in (a,b),!legacy</c>.</summary>
public sealed partial class LabelSelector
{
    private readonly IReadOnlyList<(string Key, string Operator, IReadOnlyList<string> Values)> _terms;

    private LabelSelector(IReadOnlyList<(string, string, IReadOnlyList<string>)> terms) => _terms = terms;

    /// <summary>Reads one; null where the text is none, with the part that is not understood.</summary>
    public static LabelSelector? Parse(string text, out string? fault)
    {
        var terms = new List<(string, string, IReadOnlyList<string>)>();
        foreach (var part in BetweenTerms().Split(text).Select(part => part.Trim()))
        {
            if (Term().Match(part) is not { Success: true } match)
            {
                fault = part;
                return null;
            }

            var word = match.Groups["set"].Value + match.Groups["equal"].Value;
            var values = match.Groups["values"].Success ? match.Groups["values"].Value.Split(',', StringSplitOptions.TrimEntries) : [match.Groups["value"].Value];
            terms.Add((match.Groups["key"].Value, match.Groups["not"].Length > 0 ? "!" : word switch { "" => "exists", "=" or "==" => "in", "!=" => "notin", _ => word }, values));
        }

        fault = null;
        return new LabelSelector(terms);
    }

    /// <summary>Whether an object has such labels. As Kubernetes has it, one without a label is also not one of its values.</summary>
    public bool Takes(JsonObject document)
    {
        ArgumentNullException.ThrowIfNull(document);
        var labels = document["metadata"]?["labels"] as JsonObject;
        return _terms.All(term =>
        {
            var value = labels?[term.Key]?.GetValue<string>();
            return term.Operator switch
            {
                "in" => value is not null && term.Values.Contains(value),
                "notin" => value is null || !term.Values.Contains(value),
                "exists" => value is not null,
                _ => value is null,
            };
        });
    }

    /// <summary>A comma that is not in brackets.</summary>
    [GeneratedRegex(@",(?![^(]*\))")]
    private static partial Regex BetweenTerms();

    [GeneratedRegex(@"^(?:(?<not>!)\s*(?<key>[\w./-]+)|(?<key>[\w./-]+)(?:\s*(?<equal>==|=|!=)\s*(?<value>[\w.-]*)|\s+(?<set>in|notin)\s*\((?<values>[\w.,\s-]*)\))?)\z")]
    private static partial Regex Term();
}
