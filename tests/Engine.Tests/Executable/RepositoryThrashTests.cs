namespace Hexabase.DrConsole.Engine.Tests.Executable;

/// <summary>Backups, copies, checks and prunes of one repository at the same time, in processes that are killed at random.</summary>
public sealed class RepositoryThrashTests
{
    [Fact]
    public async Task Killed_beside_one_another_repository_commands_damage_no_restore_point()
    {
        var rounds = Number("DRCONSOLE_CAMPAIGN_ROUNDS", 10);
        using var thrash = new RepositoryThrash(Number("DRCONSOLE_CAMPAIGN_SEED", 20261124));
        var report = new List<string>();
        await thrash.RunAsync(rounds, line =>
        {
            report.Add(line);
            TestContext.Current.TestOutputHelper!.WriteLine(line);
            if (Environment.GetEnvironmentVariable("DRCONSOLE_CAMPAIGN_REPORT") is { Length: > 0 } path)
            {
                File.WriteAllLines(path, report);
            }
        });
    }

    private static int Number(string variable, int fallback) =>
        int.TryParse(Environment.GetEnvironmentVariable(variable), out var number) ? number : fallback;
}
