using Hexabase.DrConsole.Engine;
using Hexabase.DrConsole.Engine.Runs;

namespace Hexabase.DrConsole.Dashboard.Api;

/// <summary>
/// Plans that were made for whoever asked, until they ask for one by its hash: one that is made a second time is another plan, and one
/// that is sent back could hold any command.
/// </summary>
/// <param name="hashOf">A plan's hash.</param>
/// <param name="address">Where such a plan is made, for the refusal.</param>
internal sealed class KeptPlans<TPlan>(Func<TPlan, string> hashOf, string address, TimeProvider time)
    where TPlan : class
{
    /// <summary>Longer than it takes to read one; what it would destroy is looked at again before its first step anyway.</summary>
    private static readonly TimeSpan s_kept = TimeSpan.FromMinutes(30);

    /// <summary>Of each who asks: the oldest goes where another one is made.</summary>
    private const int MostKept = 10;

    private readonly Lock _lock = new();
    private readonly List<Given> _given = [];

    /// <summary>Asks for a plan that was given, once: who asks again, since the answer was lost, gets the same run.</summary>
    /// <param name="ask">Asks for it; where it fails nothing was asked for, and the plan may be asked for again.</param>
    /// <exception cref="EngineException"><c>plan-not-given</c>; whatever <paramref name="ask"/> throws.</exception>
    public async Task<Run> AskOnceAsync(string actor, string hash, Func<TPlan, Task<Run>> ask, CancellationToken cancellationToken)
    {
        var given = Find(actor, hash);
        await given.Asking.WaitAsync(cancellationToken);
        try
        {
            return given.Run ??= await ask(given.Plan);
        }
        finally
        {
            given.Asking.Release();
        }
    }

    /// <returns>Until when it is kept.</returns>
    public DateTimeOffset Keep(TPlan plan, string actor)
    {
        lock (_lock)
        {
            var now = time.GetUtcNow();
            _given.RemoveAll(one => one.Until <= now);
            if (_given.Count(one => one.Actor == actor) >= MostKept)
            {
                _given.Remove(_given.First(one => one.Actor == actor));
            }

            _given.Add(new Given(actor, hashOf(plan), plan, now + s_kept));
            return now + s_kept;
        }
    }

    private Given Find(string actor, string hash)
    {
        lock (_lock)
        {
            return _given.FindLast(one => one.Actor == actor && one.Hash == hash && one.Until > time.GetUtcNow()) ?? throw new EngineException(
                "plan-not-given", ErrorKind.NotFound, $"no plan with this hash was made for {actor} by this process of the console in the last {s_kept.TotalMinutes:0} minutes",
                $"Make it with POST {ApiEndpoints.Root}/v1{address}, look at it, and ask for it by its hash. Nothing was changed.");
        }
    }

    private sealed class Given(string actor, string hash, TPlan plan, DateTimeOffset until)
    {
        public string Actor => actor;

        public string Hash => hash;

        public TPlan Plan => plan;

        public DateTimeOffset Until => until;

        /// <summary>One request for it at a time.</summary>
        public SemaphoreSlim Asking { get; } = new(1);

        /// <summary>What it was asked for with; null before.</summary>
        public Run? Run { get; set; }
    }
}
