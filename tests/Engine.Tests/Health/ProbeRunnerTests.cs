using Hexabase.DrConsole.Engine.Estate;
using Hexabase.DrConsole.Engine.Health.Probes;
using Hexabase.DrConsole.Engine.Strategies;
using Microsoft.Extensions.Logging.Abstractions;

namespace Hexabase.DrConsole.Engine.Tests.Health;

/// <summary>A round waits for nobody longer than a probe may take, and for a silent subject only once.</summary>
public sealed class ProbeRunnerTests
{
    private static readonly HealthSettings s_settings = new() { Timeout = TimeSpan.FromMilliseconds(200), Parallel = 1 };

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task What_is_asked_now_and_then_is_asked_beside_the_rounds_and_its_last_answer_stands()
    {
        var answer = new TaskCompletionSource<ProbeFinding>();
        var slow = new Probe("slow", _ => answer.Task) { Every = TimeSpan.FromHours(1), Timeout = TimeSpan.FromMinutes(5) };
        var quick = new Probe("quick", _ => Task.FromResult(ProbeFinding.Answered));
        var runner = Runner(slow, quick);

        var first = await runner.AskAllAsync(Ct);

        Assert.Equal((ProbeAnswer.NotDetectable, ProbeAnswer.Answered), (Of(first, "slow"), Of(first, "quick")));
        answer.SetResult(new ProbeFinding(ProbeAnswer.Corrupt));
        var (asked, stands) = (await runner.AskAllAsync(Ct), await runner.AskAllAsync(Ct));
        Assert.Equal((ProbeAnswer.Corrupt, ProbeAnswer.Corrupt), (Of(asked, "slow"), Of(stands, "slow")));
        Assert.Equal((false, true), (asked.Single(one => one.Probe == slow).Result.IsRepeat, stands.Single(one => one.Probe == slow).Result.IsRepeat));
        Assert.Equal((1, 3), (slow.Asked, quick.Asked));
    }

    [Fact]
    public async Task All_questions_to_one_subject_are_asked_at_once()
    {
        var (all, there) = (new TaskCompletionSource(), 0);
        async Task<ProbeFinding> TogetherAsync(CancellationToken token)
        {
            if (Interlocked.Increment(ref there) == 3)
            {
                all.SetResult();
            }

            await all.Task.WaitAsync(token);
            return ProbeFinding.Answered;
        }

        var answers = await Runner([.. Enumerable.Range(1, 3).Select(at => new Probe($"probe{at}", TogetherAsync) { Timeout = TimeSpan.FromMinutes(1) })]).AskAllAsync(Ct);

        Assert.All(answers, one => Assert.Equal(ProbeAnswer.Answered, one.Result.Answer));
    }

    private static ProbeAnswer Of(IReadOnlyList<Asked> answers, string name) => answers.Single(one => one.Probe.Name == name).Result.Answer;

    private static ProbeRunner Runner(params IHealthProbe[] probes) => new(
        [new Probes(probes)], new ProtectedEstate("test", "/nowhere", ProtectionClass.Defaults, [], [], []) { Health = s_settings }, TimeProvider.System, NullLogger<ProbeRunner>.Instance);

    private sealed record Probes(IReadOnlyList<IHealthProbe> Of) : IProbeSource
    {
        IReadOnlyList<IHealthProbe> IProbeSource.Probes => Of;
    }

    private sealed class Probe(string name, Func<CancellationToken, Task<ProbeFinding>> ask) : IHealthProbe
    {
        private int _asked;

        public HealthSubject Subject { get; } = new("db1", SubjectKind.Database, "10.0.0.1:5432");

        public string Name => name;

        public ProbeKind Kind => ProbeKind.Query;

        public TimeSpan? Every { get; init; }

        public TimeSpan? Timeout { get; init; }

        public int Asked => _asked;

        public Task<ProbeFinding> AskAsync(CancellationToken cancellationToken)
        {
            Interlocked.Increment(ref _asked);
            return ask(cancellationToken);
        }
    }
}
