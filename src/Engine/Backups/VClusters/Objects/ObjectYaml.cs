using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using YamlDotNet.Core;
using YamlDotNet.Core.Events;

namespace Hexabase.DrConsole.Engine.Backups.VClusters.Objects;

/// <summary>
/// Objects as YAML and back, exactly: every number keeps its digits, every string its characters. It works on YAML's events,
/// since serializers of typed models lose what they do not know.
/// </summary>
public static partial class ObjectYaml
{
    private static readonly EmitterSettings s_settings = new EmitterSettings().WithBestIndent(2).WithBestWidth(int.MaxValue).WithMaxSimpleKeyLength(1024);

    /// <summary>Words that some reader of YAML takes for something else than text.</summary>
    private static readonly HashSet<string> s_reserved = new(StringComparer.OrdinalIgnoreCase) { "true", "false", "null", "yes", "no", "on", "off", "y", "n" };

    /// <summary>One object as one document, beginning with <c>---</c> and ending with a line end.</summary>
    public static string Write(JsonObject value)
    {
        using var text = new StringWriter { NewLine = "\n" };
        var emitter = new Emitter(text, s_settings);
        emitter.Emit(new StreamStart());
        emitter.Emit(new DocumentStart(null, null, isImplicit: false));
        WriteNode(emitter, value);
        emitter.Emit(new DocumentEnd(isImplicit: true));
        emitter.Emit(new StreamEnd());
        return text.ToString();
    }

    /// <summary>Reads document after document; an empty document is none.</summary>
    /// <exception cref="EngineException"><c>yaml-unreadable</c>, with the place.</exception>
    public static IEnumerable<JsonObject> Read(TextReader text)
    {
        var parser = new Parser(text);
        while (Next(parser))
        {
            if (parser.Current is DocumentStart)
            {
                Next(parser);
                if (ReadNode(parser) is JsonObject found)
                {
                    yield return found;
                }
            }
        }
    }

    /// <summary>Reads one object.</summary>
    /// <exception cref="EngineException"><c>yaml-unreadable</c>.</exception>
    public static JsonObject ReadOne(string text)
    {
        using var reader = new StringReader(text);
        return Read(reader).FirstOrDefault() ?? throw new EngineException("yaml-unreadable", ErrorKind.Damaged, "a stored document holds no object", "validate the restore point");
    }

    private static bool Next(Parser parser)
    {
        try
        {
            return parser.MoveNext();
        }
        catch (Exception exception) when (exception is YamlException or InvalidOperationException)
        {
            throw new EngineException("yaml-unreadable", ErrorKind.Damaged, $"a stored document is not YAML: {exception.Message}", "validate the restore point", exception);
        }
    }

    private static void WriteNode(Emitter emitter, JsonNode? node)
    {
        switch (node)
        {
            case JsonObject map:
                emitter.Emit(new MappingStart(AnchorName.Empty, TagName.Empty, true, map.Count == 0 ? MappingStyle.Flow : MappingStyle.Block));
                foreach (var (key, value) in map)
                {
                    emitter.Emit(Text(key));
                    WriteNode(emitter, value);
                }

                emitter.Emit(new MappingEnd());
                break;
            case JsonArray list:
                emitter.Emit(new SequenceStart(AnchorName.Empty, TagName.Empty, true, list.Count == 0 ? SequenceStyle.Flow : SequenceStyle.Block));
                foreach (var item in list)
                {
                    WriteNode(emitter, item);
                }

                emitter.Emit(new SequenceEnd());
                break;
            case JsonValue value when value.GetValueKind() == JsonValueKind.String:
                emitter.Emit(Text(value.GetValue<string>()));
                break;
            default:
                emitter.Emit(new Scalar(AnchorName.Empty, TagName.Empty, node?.ToJsonString() ?? "null", ScalarStyle.Plain, true, false));
                break;
        }
    }

    private static Scalar Text(string text)
    {
        var style = text.Length <= 128 && PlainShape().IsMatch(text) && !s_reserved.Contains(text) ? ScalarStyle.Plain
            : IsBlock(text) ? ScalarStyle.Literal
            : ScalarStyle.DoubleQuoted;
        return new Scalar(AnchorName.Empty, TagName.Empty, text, style, style == ScalarStyle.Plain, style != ScalarStyle.Plain);
    }

    /// <summary>Scripts and configuration files stay readable as blocks; whatever a block could change is quoted.</summary>
    private static bool IsBlock(string text)
    {
        if (!text.Contains('\n', StringComparison.Ordinal) || text[0] is '\n' or ' ' or '\t' || text.Contains(" \n", StringComparison.Ordinal) || text[^1] == ' ')
        {
            return false;
        }

        foreach (var c in text)
        {
            if (c != '\n' && (c < ' ' || c is >= '\x7f' and <= '\xa0' or '\u2028' or '\u2029' or '\ufeff' || char.IsSurrogate(c)))
            {
                return false;
            }
        }

        return true;
    }

    private static JsonNode? ReadNode(Parser parser)
    {
        switch (parser.Current)
        {
            case MappingStart:
                var map = new JsonObject();
                while (Next(parser) && parser.Current is not MappingEnd)
                {
                    var key = ((Scalar)parser.Current!).Value;
                    Next(parser);
                    map[key] = ReadNode(parser);
                }

                return map;
            case SequenceStart:
                var list = new JsonArray();
                while (Next(parser) && parser.Current is not SequenceEnd)
                {
                    list.Add(ReadNode(parser));
                }

                return list;
            case Scalar { Style: ScalarStyle.Plain } plain:
                return plain.Value switch
                {
                    "true" => JsonValue.Create(true),
                    "false" => JsonValue.Create(false),
                    "null" or "" => null,
                    var text when NumberShape().IsMatch(text) => JsonNode.Parse(text),
                    var text => JsonValue.Create(text),
                };
            case Scalar quoted:
                return JsonValue.Create(quoted.Value);
            default:
                throw new EngineException("yaml-unreadable", ErrorKind.Damaged, $"a stored document has an unexpected {parser.Current}", "validate the restore point");
        }
    }

    [GeneratedRegex(@"^[A-Za-z][A-Za-z0-9_./-]*\z")]
    private static partial Regex PlainShape();

    [GeneratedRegex(@"^-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?\z")]
    private static partial Regex NumberShape();
}
