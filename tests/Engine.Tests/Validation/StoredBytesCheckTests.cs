using Hexabase.DrConsole.Engine.Repository;
using Hexabase.DrConsole.Engine.Repository.Crypto;
using Hexabase.DrConsole.Engine.Validation;

namespace Hexabase.DrConsole.Engine.Tests.Validation;

public sealed class StoredBytesCheckTests
{
    private static readonly ChunkReport s_sound = new(12, 4096, [], 0, 0, 0, 0, []);

    [Fact]
    public void Judge_sound_chunks_pass_with_how_much_was_read()
    {
        var outcome = StoredBytesCheck.Judge(s_sound, "12 chunks open");
        Assert.Equal((ValidationStepStatus.Passed, "12 chunks open, 0.0 MiB"), (outcome.Status, outcome.Reason));
    }

    [Fact]
    public void Judge_faults_are_counted_by_layer_and_named()
    {
        var outcome = StoredBytesCheck.Judge(
            s_sound with
            {
                EncryptionFaults = 1,
                Missing = 1,
                Damaged = [new ChunkDamage("aa", "p1", BlobFault.Encryption), new ChunkDamage("bb", null, BlobFault.Missing)],
            }, "");

        Assert.Equal(ValidationStepStatus.Failed, outcome.Status);
        Assert.Equal("of 12 chunks 1 fails its authentication tag, 1 is missing: aa in pack p1; bb in pack none", outcome.Reason);
        Assert.Equal(["aa in pack p1", "bb in pack none"], outcome.Damaged);
    }

    [Theory]
    [InlineData("pack-damaged", ErrorKind.Damaged, ValidationStepStatus.Failed)]
    [InlineData("pg-restore-failed", ErrorKind.Unavailable, ValidationStepStatus.Failed)]
    [InlineData("pg-restore-failed", ErrorKind.OutOfSpace, ValidationStepStatus.NotRun)]
    [InlineData("postgres-start-failed", ErrorKind.Unavailable, ValidationStepStatus.NotRun)]
    [InlineData("store-unreachable", ErrorKind.Unavailable, ValidationStepStatus.NotRun)]
    public void From_a_fault_of_the_surroundings_says_nothing_about_the_restore_point(string code, ErrorKind kind, ValidationStepStatus status)
    {
        var outcome = StepOutcome.From(new EngineException(code, kind, "it happened", "do this"));
        Assert.Equal((status, status == ValidationStepStatus.NotRun), (outcome.Status, outcome.NotProvable));
        Assert.Contains("it happened", outcome.Reason, StringComparison.Ordinal);
    }
}
