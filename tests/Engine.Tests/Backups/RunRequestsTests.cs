using Hexabase.DrConsole.Engine.Tests.Support;

namespace Hexabase.DrConsole.Engine.Tests.Backups;

public sealed class RunRequestsTests(CatalogServer catalog, PostgresLab lab)
{
    [Theory]
    [InlineData("key")]
    [InlineData("data/keys/catalog-owner.pw")]
    public async Task PlanRestore_never_reads_the_consoles_own_secrets_for_somebodys_server(string secret)
    {
        await using var rig = await BackupRig.CreateAsync(catalog, lab);
        var target = $"postgres://postgres@127.0.0.1:1/copy?passwordFile={Uri.EscapeDataString(rig.Store(secret))}";

        var refused = await Assert.ThrowsAsync<EngineException>(() => rig.Requests.PlanRestoreAsync("0", target, "/", BackupRig.Ct));

        Assert.Equal(("password-file-refused", ErrorKind.Denied), (refused.Code, refused.Kind));
    }
}
