using System.Text;
using Hexabase.DrConsole.Engine.Backups.VClusters.Objects;
using Hexabase.DrConsole.Engine.Backups.VClusters.Restoring;
using Hexabase.DrConsole.Engine.Validation;

namespace Hexabase.DrConsole.Engine.Tests.Validation;

/// <summary>What a proof of etcd's snapshot says, and what it takes out of the store.</summary>
public sealed class EtcdProofTests
{
    private static readonly KubeObjectKey s_key = new("", "ConfigMap", "shop", "a");

    [Fact]
    public void Store_without_what_was_captured_fails_and_of_another_version_shows_nothing()
    {
        var whole = new IdentityCheck(100, [s_key], [], []);
        Assert.Equal(ValidationStepStatus.Passed, EtcdProof.Judge(whole, "v1.20.2", "v1.20.2").Status);
        Assert.Contains("99 of 100", EtcdProof.Judge(whole, "v1.20.2", "v1.20.2").Reason, StringComparison.Ordinal);

        var blind = EtcdProof.Judge(new IdentityCheck(100, [], ["9 objects of kind Database were not compared"], []), "v1.20.2", "v1.20.2");
        Assert.Equal((ValidationStepStatus.NotRun, true), (blind.Status, blind.NotProvable));
        Assert.Contains("9 objects of kind Database", blind.Reason, StringComparison.Ordinal);

        var lost = new IdentityCheck(100, [.. Enumerable.Repeat(s_key, 50)], [], []);
        Assert.Equal(ValidationStepStatus.Failed, EtcdProof.Judge(lost, "v1.20.2", "v1.20.9").Status);
        Assert.Equal((ValidationStepStatus.NotRun, true), EtcdProof.Judge(lost, "v1.31.0", "v1.20.2") is var other ? (other.Status, other.NotProvable) : default);
        Assert.NotEqual(ValidationStepStatus.Passed, EtcdProof.Judge(new IdentityCheck(0, [], ["all could not be listed"], []), "v1.20.2", "v1.20.2").Status);
    }

    [Theory]
    [InlineData(ValidationStepStatus.Passed, ValidationStepStatus.Passed, ValidationStepStatus.Passed)]
    [InlineData(ValidationStepStatus.Failed, ValidationStepStatus.Passed, ValidationStepStatus.Failed)]
    [InlineData(ValidationStepStatus.Passed, ValidationStepStatus.Failed, ValidationStepStatus.Failed)]
    [InlineData(ValidationStepStatus.NotRun, ValidationStepStatus.Passed, ValidationStepStatus.NotRun)]
    [InlineData(ValidationStepStatus.NotRun, ValidationStepStatus.Failed, ValidationStepStatus.Failed)]
    public void Worse_of_both_proofs_counts(ValidationStepStatus etcd, ValidationStepStatus objects, ValidationStepStatus both)
    {
        var found = EtcdProof.Both(new StepOutcome(etcd, "of etcd"), new StepOutcome(objects, "of objects") { RestoreSeconds = 3 });
        Assert.Equal((both, both == ValidationStepStatus.NotRun, (double?)3), (found.Status, found.NotProvable, found.RestoreSeconds));
        Assert.Equal("of etcd; of objects", found.Reason);
        Assert.Equal("of objects", EtcdProof.Both(null, new StepOutcome(objects, "of objects")).Reason);
    }

    [Fact]
    public void Conversion_webhook_is_taken_out_of_a_definition_and_nothing_else()
    {
        var closed = EtcdProof.WithoutConversion("""{"kind":"CustomResourceDefinition","metadata":{"uid":"u"},"spec":{"group":"g","conversion":{"strategy":"Webhook","webhook":{"clientConfig":{"url":"https://elsewhere/"}}}}}"""u8);
        Assert.Equal("""{"kind":"CustomResourceDefinition","metadata":{"uid":"u"},"spec":{"group":"g","conversion":{"strategy":"None"}}}""", Encoding.UTF8.GetString(closed!));
        Assert.Null(EtcdProof.WithoutConversion("""{"spec":{"conversion":{"strategy":"None"}}}"""u8));
        Assert.Throws<EngineException>(() => EtcdProof.WithoutConversion("k8s\0"u8));
    }
}
