using System.Globalization;
using Hexabase.DrConsole.Dashboard.Controls;
using Hexabase.DrConsole.Dashboard.Live;
using Hexabase.DrConsole.Dashboard.Resources;
using Hexabase.DrConsole.Engine.Estate;
using Hexabase.DrConsole.Engine.Health;
using Hexabase.DrConsole.Engine.Recovery;
using Microsoft.AspNetCore.Components;

namespace Hexabase.DrConsole.Dashboard.Pages.Incidents;

/// <summary>The kept rounds judged again with other thresholds, which are the page's address.</summary>
public partial class ReplayPage : LivePage
{
    private IReadOnlyList<ReplayedIncident>? _replayed;
    private IReadOnlyList<HealthRound> _rounds = [];
    private IReadOnlyDictionary<ReplayedIncident, IReadOnlyList<ShadowProposal>> _proposals = new Dictionary<ReplayedIncident, IReadOnlyList<ShadowProposal>>();

    [SupplyParameterFromQuery]
    public int? Suspect { get; set; }

    [SupplyParameterFromQuery]
    public int? Confirm { get; set; }

    [SupplyParameterFromQuery]
    public int? Kinds { get; set; }

    [SupplyParameterFromQuery]
    public int? Healthy { get; set; }

    [Inject]
    private HealthHistory History { get; set; } = default!;

    [Inject]
    private ShadowProposals Shadow { get; set; } = default!;

    [Inject]
    private ProtectedEstate Estate { get; set; } = default!;

    [Inject]
    private QueryFilters Filters { get; set; } = default!;

    private static string Title => Figures.Format(HealthTexts.ReplayTitle, Figures.Target(Replays.Reach));

    private static IReadOnlyList<Crumb> Crumbs => [new Crumb(Texts.NavIncidents, IncidentWords.List), new Crumb(HealthTexts.LinkReplay)];

    private HealthThresholds Configured => Estate.Health.Thresholds;

    private HealthThresholds Thresholds
    {
        get
        {
            var suspect = Within(Suspect, Configured.SuspectAfter);
            return Configured with
            {
                SuspectAfter = suspect, ConfirmAfter = Math.Max(suspect, Within(Confirm, Configured.ConfirmAfter)), KindsToConfirm = Within(Kinds, Configured.KindsToConfirm),
                HealthyAfter = Within(Healthy, Configured.HealthyAfter),
            };
        }
    }

    private TimeSpan Kept => _rounds.Count == 0 ? TimeSpan.Zero : _rounds[^1].At - _rounds[0].At;

    private IEnumerable<(string Name, string Label, int Value, int Usual)> Fields =>
    [
        (nameof(Suspect), HealthTexts.ReplaySuspect, Thresholds.SuspectAfter, Configured.SuspectAfter),
        (nameof(Confirm), HealthTexts.ReplayConfirm, Thresholds.ConfirmAfter, Configured.ConfirmAfter),
        (nameof(Kinds), HealthTexts.ReplayKinds, Thresholds.KindsToConfirm, Configured.KindsToConfirm),
        (nameof(Healthy), HealthTexts.ReplayHealthy, Thresholds.HealthyAfter, Configured.HealthyAfter),
    ];

    /// <inheritdoc/>
    protected override async Task ReadAsync(CancellationToken cancellationToken)
    {
        // Read once: a day of rounds is much, and what is judged should stand still while thresholds are turned.
        if (_rounds.Count == 0)
        {
            var now = Time.GetUtcNow();
            _rounds = await History.RoundsAsync(now - Replays.Reach, now, cancellationToken);
        }

        var replayed = ShadowReplay.Run(_rounds, Thresholds);
        (_proposals, _replayed) = (await Shadow.OfAsync(replayed, cancellationToken), replayed);
    }

    private static int Within(int? asked, int usual) => asked is >= 1 and <= ReplayThresholds.Most ? asked.Value : usual;

    private void Set(string name, ChangeEventArgs args)
    {
        var isNumber = int.TryParse(args.Value as string, CultureInfo.InvariantCulture, out var number);
        Filters.Set(name.ToLowerInvariant(), isNumber ? number.ToString(CultureInfo.InvariantCulture) : null);
    }
}
