using Bunit;
using Bunit.TestDoubles;
using Hexabase.DrConsole.Dashboard.Access;
using Hexabase.DrConsole.Dashboard.Live;
using Hexabase.DrConsole.Engine;
using Hexabase.DrConsole.Engine.Backups;
using Hexabase.DrConsole.Engine.Backups.Drivers;
using Hexabase.DrConsole.Engine.Catalog;
using Hexabase.DrConsole.Engine.Estate;
using Hexabase.DrConsole.Engine.Runs;
using Hexabase.DrConsole.Engine.Strategies;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Time.Testing;
using Npgsql;

namespace Hexabase.DrConsole.Dashboard.Tests.Live;

/// <summary>Who may ask for a restore from a page is asked when the restore is, and again of what it writes over.</summary>
public sealed class AskRestoreTests : BunitContext
{
    private static readonly RestorePlan s_over = new()
    {
        FormatVersion = RestorePlan.CurrentVersion, RestorePointId = "0123456789abcdef", ManifestHash = "00", Source = "uploads", Kind = "volume", Target = "dir:/srv/uploads?inPlace=true", Artifacts = [],
        Notes = ["~ letter"], Difference = "ab",
    };

    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("drconsole-ask-");
    private readonly NpgsqlDataSource _nowhere = NpgsqlDataSource.Create("Host=/nowhere");
    private readonly RunFeed _feed;
    private readonly TierRepositories _tiers;
    private readonly RecordingGate _gate = new();
    private readonly RunRequests _requests;

    public AskRestoreTests()
    {
        _feed = new RunFeed(_nowhere, TimeProvider.System, NullLogger<RunFeed>.Instance);
        Services.AddSingleton(_feed);
        Services.AddSingleton<TimeProvider>(new FakeTimeProvider());
        var estate = new ProtectedEstate("test", _folder.FullName, ProtectionClass.Defaults, [], [], []);
        var points = new RestorePointCatalog(_nowhere);
        _tiers = new TierRepositories(estate, TimeProvider.System);
        _requests = new RunRequests(
            new RunStore(_nowhere), points, new RestorePointAccess(points, _tiers), new SourceDrivers([]), new RestoreDrivers([]), _gate, new NoTrigger(), estate,
            DataFolder.Open(Path.Combine(_folder.FullName, "data")), NullLogger<RunRequests>.Instance);
    }

    [Fact]
    public async Task Viewer_does_not_come_as_far_as_a_plan()
    {
        AddAuthorization().SetAuthorized("vera").SetPolicies(Policies.CanView);
        var page = Render<AskingPage>();

        await AskAsync(page, _ => Assert.Fail("the dialog was opened"));

        Assert.Equal("role-missing", CodeOf(page));
    }

    [Fact]
    public async Task Operator_may_not_write_over_what_lives()
    {
        AddAuthorization().SetAuthorized("otto").SetPolicies(Policies.CanOperate);
        var page = Render<AskingPage>();

        await AskAsync(page);

        Assert.Equal("role-missing", CodeOf(page));
        Assert.Empty(_gate.Asked);
    }

    [Fact]
    public async Task Admin_asks_in_their_own_name_and_the_gate_is_asked_first()
    {
        AddAuthorization().SetAuthorized("ada").SetPolicies(Policies.CanOperate, Policies.CanAdminister);
        var page = Render<AskingPage>();

        await AskAsync(page);

        Assert.Equal(("approvers-missing", "ada"), (CodeOf(page), Assert.Single(_gate.Asked)));
    }

    [Fact]
    public async Task Role_that_was_taken_away_while_the_plan_was_read_counts()
    {
        var authorization = AddAuthorization().SetAuthorized("ada").SetPolicies(Policies.CanOperate, Policies.CanAdminister);
        var page = Render<AskingPage>();

        await AskAsync(page, _ => authorization.SetPolicies(Policies.CanOperate));

        Assert.Equal("role-missing", CodeOf(page));
        Assert.Empty(_gate.Asked);
    }

    [Fact]
    public async Task Operator_who_lost_the_role_while_the_dialog_was_open_restores_nothing_into_a_new_place_either()
    {
        var authorization = AddAuthorization().SetAuthorized("otto").SetPolicies(Policies.CanOperate);
        var page = Render<AskingPage>();

        await page.InvokeAsync(() => page.Instance.AskAsync(async (request, _) =>
        {
            authorization.SetPolicies(Policies.CanView);
            await request(_requests, s_over with { Target = "dir:/srv/new", Difference = null });
        }));

        Assert.Equal("role-missing", CodeOf(page));
    }

    protected override void Dispose(bool disposing)
    {
        base.Dispose(disposing);
        // An end that is awaited says false here as well.
        _feed.Dispose();
        _tiers.Dispose();
        _nowhere.Dispose();
        if (Directory.Exists(_folder.FullName))
        {
            _folder.Delete(recursive: true);
        }
    }

    private Task AskAsync(IRenderedComponent<AskingPage> page, Action<RestorePlan>? meanwhile = null) => page.InvokeAsync(() => page.Instance.AskAsync(async (request, _) =>
    {
        meanwhile?.Invoke(s_over);
        await request(_requests, s_over);
    }));

    private static string? CodeOf(IRenderedComponent<AskingPage> page) => (page.Instance.Shown as EngineException)?.Code;

    private sealed class AskingPage : LivePage
    {
        public Exception? Shown => Fault;

        public Task AskAsync(Func<RestoreRequester, CancellationToken, Task> act) => AskRestoreAsync(act);

        protected override Task ReadAsync(CancellationToken cancellationToken) => Task.CompletedTask;
    }

    /// <summary>Finds nobody who could approve, so that no request is written anywhere.</summary>
    private sealed class RecordingGate : IRestoreGate
    {
        public List<string> Asked { get; } = [];

        public Task RequireApproversAsync(RestorePlan plan, string requester, CancellationToken cancellationToken)
        {
            Asked.Add(requester);
            throw new EngineException("approvers-missing", ErrorKind.Denied, "nobody is there", "add somebody");
        }

        public Task RequireAsync(RunContext context, RestorePlan plan, bool hasBegun) => Task.CompletedTask;
    }

    private sealed class NoTrigger : IRunTrigger
    {
        public Task TriggerAsync(RunId run, CancellationToken cancellationToken) => Task.CompletedTask;
    }
}
