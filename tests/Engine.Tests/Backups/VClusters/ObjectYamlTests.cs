using System.Text.Json;
using System.Text.Json.Nodes;
using CsCheck;
using Hexabase.DrConsole.Engine.Backups.VClusters.Objects;

namespace Hexabase.DrConsole.Engine.Tests.Backups.VClusters;

public sealed class ObjectYamlTests
{
    [Theory]
    [InlineData("""{"n":9007199254740993,"big":12345678901234567890,"ratio":1.50,"e":1e3,"neg":-0.0}""")]
    [InlineData("""{"s":"1e3","o":"0755","t":"true","no":"no","null":"null","tilde":"~","empty":"","space":" x ","colon":"a: b","hash":"a #b","dash":"- a"}""")]
    [InlineData("""{"crlf":"a\r\nb\r\n","lf":"a\nb\n","lf2":"a\nb\n\n","open":"a\nb","lead":"\n a","tab":"\ta\nb","trail":"a \nb","indent":"  a\nb","bom":"\ufeffa","ctl":"\u0000\u001b\u0085\u2028"}""")]
    [InlineData("""{"emoji":"🚀 データ","日本":"値","quote":"\"'\\","block":"日本\n語\n","percent":"%a","at":"@a","star":"*a","amp":"&a","bang":"!a","doc":"---","end":"..."}""")]
    [InlineData("""{"e":{},"l":[],"nested":[[],[{}],[[1,[2]]],{"a":[{"b":null}]}],"null":null,"t":true,"f":false}""")]
    public void Object_as_yaml_and_back_is_the_same(string json)
    {
        var value = (JsonObject)JsonNode.Parse(json)!;
        Assert.Equal(value.ToJsonString(), ObjectYaml.ReadOne(ObjectYaml.Write(value)).ToJsonString());
    }

    [Fact]
    public void Any_text_as_yaml_and_back_is_the_same() =>
        Gen.String[Gen.Frequency((5, Gen.Char[' ', '~']), (2, Gen.Const('\n')), (1, Gen.Const('\r')), (1, Gen.Char['\u0000', '\u3000']))].Array[1, 4].Sample(texts =>
        {
            var value = new JsonObject();
            for (var at = 0; at < texts.Length; at++)
            {
                value["k" + at] = texts[at];
            }

            Assert.Equal(value.ToJsonString(), ObjectYaml.ReadOne(ObjectYaml.Write(value)).ToJsonString());
        }, iter: 3000);

    [Fact]
    public void Several_documents_are_read_one_by_one()
    {
        var text = string.Concat(Enumerable.Range(0, 3).Select(at => ObjectYaml.Write(new JsonObject { ["at"] = at, ["text"] = "a\n--- b\n" })));
        Assert.Equal(["0", "1", "2"], ObjectYaml.Read(new StringReader(text)).Select(found => found["at"]!.ToJsonString()));
    }

    [Fact]
    public void Torn_document_is_a_fault_that_says_where() =>
        Assert.Equal("yaml-unreadable", Assert.Throws<EngineException>(() => ObjectYaml.ReadOne("a: [1, 2\nb: }")).Code);

    [Fact]
    public void Text_that_a_person_reads_is_readable() =>
        Assert.Equal("---\nkind: ConfigMap\ndata:\n  start.sh: |\n    #!/bin/sh\n    exec app\n  port: \"80\"\n",
            ObjectYaml.Write((JsonObject)JsonSerializer.Deserialize<JsonNode>("""{"kind":"ConfigMap","data":{"start.sh":"#!/bin/sh\nexec app\n","port":"80"}}""")!));
}
