using System.Text.Json.Nodes;
using Hexabase.DrConsole.Engine.Backups.Volumes.Claims;
using Hexabase.DrConsole.Engine.Servers;
using Hexabase.DrConsole.Engine.Tests.Support;

namespace Hexabase.DrConsole.Engine.Tests.Backups.Volumes.Claims;

/// <summary>Removing what was made for a snapshot, where the API server answers as it should not.</summary>
public sealed class SnapshotRemovalTests
{
    private const string Claim = "/api/v1/namespaces/shop/persistentvolumeclaims/drconsole-1";
    private const string Volume = "/api/v1/persistentvolumes/pv-1";

    [Theory]
    [InlineData(500, false)]
    [InlineData(429, false)]
    [InlineData(401, false)]
    [InlineData(403, true)]
    [InlineData(404, true)]
    public async Task Claim_goes_only_where_its_volume_is_let_go_gone_or_out_of_sight(int status, bool isRemoved)
    {
        await using var api = new ScriptedApi();
        api.Put(Claim, (JsonObject)JsonNode.Parse("""{"metadata":{"name":"drconsole-1","labels":{"app.kubernetes.io/managed-by":"drconsole"}},"spec":{"volumeName":"pv-1"}}""")!);
        api.Answers = (_, path) => path == Volume ? status : null;
        var record = new SnapshotRecord("uploads", "kubeconfig", "shop", "drconsole-1", 1, ProcessIdentity.Current, DateTimeOffset.UnixEpoch) { Made = 2 };

        var fault = await Record.ExceptionAsync(() => new SnapshotRemoval(api.Api, record, new HastyTime()).RunAsync());

        Assert.Equal(isRemoved, api.Find(Claim) is null);
        // Left for the next attempt, which finds the volume by it.
        Assert.Equal(isRemoved ? null : "snapshot-left", (fault as EngineException)?.Code);
    }
}
