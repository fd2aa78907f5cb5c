using System.Diagnostics;
using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Text.Json;
using Hexabase.DrConsole.Engine.Servers;
using Hexabase.DrConsole.Lab;
using Hexabase.DrConsole.Lab.Redis;

namespace Hexabase.DrConsole.Benchmarks;

/// <summary>The published console on a configuration of its own: two volumes of a workspace, a real Redis, and a health round each second.</summary>
internal sealed class BenchConsole : IAsyncDisposable
{
    public const string Volume = "uploads";
    public const string Cache = "cache";
    private readonly string _folder;
    private readonly string _program;
    private readonly HttpClient _http = new();
    private Process? _process;

    private BenchConsole(string folder, string program)
    {
        (_folder, _program) = (folder, program);
        Redis = new LabRedis(new LabFolder(Path.Combine(folder, "lab")), new LabRedisOptions { SyncDelaySeconds = 0 });
    }

    public Uri Address { get; } = new($"http://127.0.0.1:{FreePort.Choose()}");

    public LabRedis Redis { get; }

    /// <summary>A token of an operator.</summary>
    public string Token { get; private set; } = "";

    public string AdminPassword => File.ReadAllText(Path.Combine(_folder, "data", "keys", "first-admin-password")).Trim();

    public const string ApproverPassword = "the password of paul";

    public static async Task<BenchConsole> StartAsync(string folder, string program, CancellationToken ct)
    {
        LocalFolder.CreatePassage(folder);
        var console = new BenchConsole(folder, program);
        await console.Redis.StartAsync(ct);
        console.WriteConfiguration();
        console._process = Process.Start(new ProcessStartInfo(
            program, ["serve", "--config", console.Configuration, "--data", Path.Combine(folder, "data"), "--urls", console.Address.GetLeftPart(UriPartial.Authority)]) { RedirectStandardOutput = true, RedirectStandardError = true })!;
        _ = console._process.StandardOutput.ReadToEndAsync(ct);
        _ = console._process.StandardError.ReadToEndAsync(ct);
        while (!await console.IsReadyAsync(ct))
        {
            await Task.Delay(200, ct);
        }

        var password = Path.Combine(folder, "paul.password");
        LocalFolder.WritePrivateFile(password, System.Text.Encoding.UTF8.GetBytes(ApproverPassword + "\n"));
        await console.CommandAsync(ct, "user", "add", "paul", "--role", "Approver", "--password-file", password);
        var said = await console.CommandAsync(ct, "token", "add", "bench", "--role", "Operator");
        console.Token = said.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries).First(word => word.StartsWith("drc_", StringComparison.Ordinal));
        console._http.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", console.Token);
        return console;
    }

    public async Task<JsonElement> GetAsync(string path, CancellationToken ct) => await _http.GetFromJsonAsync<JsonElement>(new Uri(Address, "/api/v1/" + path), ct);

    /// <summary>Asks for a backup; its run as the answer has it.</summary>
    public async Task<JsonElement> BackUpAsync(string source, CancellationToken ct)
    {
        using var answer = await _http.PostAsJsonAsync(new Uri(Address, $"/api/v1/sources/{source}/backups"), new { }, ct);
        answer.EnsureSuccessStatusCode();
        return await answer.Content.ReadFromJsonAsync<JsonElement>(ct);
    }

    public async Task WaitForEndAsync(long run, CancellationToken ct)
    {
        while ((await GetAsync($"runs/{run}", ct)).GetProperty("endedAt").ValueKind == JsonValueKind.Null)
        {
            await Task.Delay(100, ct);
        }
    }

    /// <summary>Something happens to both volumes.</summary>
    public void Spoil(int round)
    {
        File.WriteAllText(Path.Combine(_folder, Volume, "file"), $"spoilt {round}");
        File.WriteAllText(Path.Combine(_folder, "letters", "file"), $"spoilt {round}");
    }

    public async ValueTask DisposeAsync()
    {
        if (_process is { HasExited: false })
        {
            Process.Start("kill", ["-TERM", _process.Id.ToString(System.Globalization.CultureInfo.InvariantCulture)])!.WaitForExit();
            await _process.WaitForExitAsync();
        }

        await Redis.DisposeAsync();
        _http.Dispose();
        Directory.Delete(_folder, recursive: true);
    }

    private string Configuration => Path.Combine(_folder, "drconsole.json");

    private void WriteConfiguration()
    {
        foreach (var volume in new[] { Volume, "letters" })
        {
            Directory.CreateDirectory(Path.Combine(_folder, volume));
            File.WriteAllText(Path.Combine(_folder, volume, "file"), "a file of the benchmark");
        }

        string[] yes = ["true"];
        LocalFolder.WritePrivateFile(Configuration, JsonSerializer.SerializeToUtf8Bytes(new
        {
            DrConsole = new
            {
                Name = "bench",
                Health = new { Interval = "00:00:01", Timeout = "00:00:01" },
                Sources = new object[]
                {
                    new { Name = Volume, Kind = "volume", Class = "archive", Workspace = "shop", Volume = new { Path = Path.Combine(_folder, Volume) } },
                    new { Name = "letters", Kind = "volume", Class = "archive", Workspace = "shop", Volume = new { Path = Path.Combine(_folder, "letters") } },
                    new
                    {
                        Name = Cache, Kind = "redis", Class = "archive", Workspace = "tills",
                        Redis = new { Host = LabRedis.Host, Redis.Port, Username = LabRedis.BackupUser, PasswordFile = Redis.BackupPasswordFile, DataDirectory = Redis.DataFolder },
                        Recovery = new { Service = new { Driver = "command", Start = yes, Stop = yes, Status = yes } },
                    },
                },
                Workspaces = new[] { new { Name = "shop", Quiesce = yes, Resume = yes } },
            },
        }));
    }

    private async Task<bool> IsReadyAsync(CancellationToken ct)
    {
        try
        {
            using var answer = await _http.GetAsync(new Uri(Address, "/readyz"), ct);
            return answer.IsSuccessStatusCode;
        }
        catch (HttpRequestException)
        {
            return false;
        }
    }

    private async Task<string> CommandAsync(CancellationToken ct, params string[] arguments)
    {
        using var process = Process.Start(new ProcessStartInfo(_program, [.. arguments, "--config", Configuration, "--data", Path.Combine(_folder, "data")]) { RedirectStandardOutput = true })!;
        var output = await process.StandardOutput.ReadToEndAsync(ct);
        await process.WaitForExitAsync(ct);
        return process.ExitCode == 0 ? output : throw new InvalidOperationException($"drconsole {arguments[0]} ended with {process.ExitCode}");
    }
}
