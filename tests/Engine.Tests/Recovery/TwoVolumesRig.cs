using Hexabase.DrConsole.Engine.Catalog;
using Hexabase.DrConsole.Engine.Health;
using Hexabase.DrConsole.Engine.Recovery.Approvals;
using Hexabase.DrConsole.Engine.Recovery.Plans;
using Hexabase.DrConsole.Engine.Runs;
using Hexabase.DrConsole.Engine.Tests.Support;

namespace Hexabase.DrConsole.Engine.Tests.Recovery;

/// <summary>Two volumes of one workspace, each with a restore point and damage after it, and a plan that puts both back in one recovery.</summary>
internal sealed class TwoVolumesRig : IAsyncDisposable
{
    private const string Good = "as it was";
    private const string Switch = """, { "name": "switch", "title": "Switch", "action": "switch_traffic", "estimateSeconds": 1, "timeoutSeconds": 60 }""";
    private readonly ServerFolder _folder = new();
    private readonly CatalogServer _catalog;
    private readonly string _mark = Guid.NewGuid().ToString("n")[..10];
    private EngineRig? _engine;

    private TwoVolumesRig(CatalogServer catalog) => _catalog = catalog;

    public static CancellationToken Ct => TestContext.Current.CancellationToken;

    public EngineRig Engine => _engine!;

    public string Workspace => $"shop-{_mark}";

    public IReadOnlyList<string> Sources => [$"letters-{_mark}", $"photos-{_mark}"];

    public string Plan => $"both-{_mark}";

    public static async Task<TwoVolumesRig> StartAsync(CatalogServer catalog, bool switches = false)
    {
        var rig = new TwoVolumesRig(catalog);
        rig._folder.Hold();
        foreach (var source in rig.Sources)
        {
            rig.Write(source, Good);
        }

        rig._engine = await EngineRig.StartAsync(catalog, rig._folder, $"\"Sources\": [ {string.Join(", ", rig.Sources.Select(source => $$"""
            { "Name": "{{source}}", "Kind": "volume", "Class": "standard", "Workspace": "{{rig.Workspace}}", "Volume": { "Path": "{{rig.PlaceOf(source)}}" }{{(switches ? """, "Recovery": { "SwitchTraffic": ["true"], "SwitchBack": ["true"] }""" : "")}} }
            """))} ]");
        foreach (var source in rig.Sources)
        {
            await rig.Engine.BackUpAsync(source);
            rig.Write(source, "damaged");
        }

        await rig.Engine.Get<PlanLibrary>().SaveAsync($$"""
            { "name": "{{rig.Plan}}", "title": "Put both back", "disasters": ["STORAGE_FAILURE"], "kind": "volume", "covers": "sources", "parallel": {{(switches ? 1 : 2)}},
              "gate": { "risk": "destructive" }, "onFailure": "roll-back-all",
              "steps": [ { "name": "restore", "title": "Restore", "action": "restore_in_place", "estimateSeconds": 1, "timeoutSeconds": 600, "parameters": { "verify": "true" } }{{(switches ? Switch : "")}} ] }
            """, "tester", "", 0, Ct);
        return rig;
    }

    public async Task<RecoveryPlan> PlanAsync(IncidentId? incident = null) =>
        (await Engine.Recoveries.PlanAsync(Plan, new SeveralRequest("STORAGE_FAILURE", []) { Sources = Sources, Incident = incident?.Value }, Ct)).Require();

    /// <summary>Both volumes hold what their restore points hold.</summary>
    public bool AreBack => Sources.All(source => Read(source) == Good);

    public string Read(string source) => File.ReadAllText(Path.Combine(PlaceOf(source), "letter"));

    /// <summary>A confirmed incident of some sources.</summary>
    public async Task<IncidentId> ConfirmAsync(params string[] sources)
    {
        await using var command = _catalog.Pool.Command(
            """
            INSERT INTO incident (kind, sources, state, first_evidence_at, suspected_at, confirmed_at, evidence)
            VALUES ('STORAGE_FAILURE', $1, 'confirmed', clock_timestamp(), clock_timestamp(), clock_timestamp(), '{}') RETURNING id
            """, (object)sources);
        return new IncidentId((long)(await command.ExecuteScalarAsync(Ct))!);
    }

    /// <summary>The incident is over.</summary>
    public Task ResolveAsync(IncidentId incident) => _catalog.Pool.Command("UPDATE incident SET state = 'resolved' WHERE id = $1", incident.Value).RunAsync(Ct);

    /// <summary>The restore points of both volumes are said to hold so much each; their manifests are not touched.</summary>
    public Task SizeAsync(long bytes) => _catalog.Pool.Command("UPDATE restore_point SET bytes = $2 WHERE source = ANY ($1)", Sources.ToArray(), bytes).RunAsync(Ct);

    /// <summary>The gate that a run waits at.</summary>
    public async Task<ApprovalGate> GateAsync(RunId run) => Assert.Single(await Engine.Get<ApprovalCatalog>().OfRunAsync(run, Ct));

    public async ValueTask DisposeAsync()
    {
        if (_engine is not null)
        {
            await _engine.DisposeAsync();
        }

        await _folder.DisposeAsync();
    }

    private string PlaceOf(string source) => _folder.Combine(source);

    private void Write(string source, string content)
    {
        Directory.CreateDirectory(PlaceOf(source));
        File.WriteAllText(Path.Combine(PlaceOf(source), "letter"), content);
    }
}
