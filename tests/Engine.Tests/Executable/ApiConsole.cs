using System.Net;
using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using System.Text.RegularExpressions;
using Hexabase.DrConsole.Engine.Catalog;
using Hexabase.DrConsole.Engine.Jobs;
using Hexabase.DrConsole.Engine.Servers;
using Hexabase.DrConsole.Engine.Tests.Repository;
using Hexabase.DrConsole.Engine.Tests.Support;
using Microsoft.AspNetCore.SignalR.Client;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Npgsql;

namespace Hexabase.DrConsole.Engine.Tests.Executable;

/// <summary>Tests that share one console, one after the other.</summary>
[CollectionDefinition(nameof(ApiConsole))]
public sealed class ApiConsoleTests : ICollectionFixture<ApiConsole>;

/// <summary>A console that answers programs, with a token of each role; it protects a database and a volume.</summary>
public sealed partial class ApiConsole(PostgresLab lab, ConsoleSeed seed) : IAsyncLifetime
{
    /// <summary>A volume that is recovered in place.</summary>
    public const string Uploads = "uploads";

    private const string ReadyFile = "ready";

    private ConsoleProcess _console = null!;
    private EngineSetup? _beside;
    private ServiceProvider? _engine;

    internal ConsoleEstate Estate { get; private set; } = null!;

    internal NpgsqlDataSource Catalog { get; private set; } = null!;

    public Uri Address { get; private set; } = null!;

    /// <summary>Made by the command line.</summary>
    public string OperatorToken { get; private set; } = null!;

    public async ValueTask InitializeAsync()
    {
        Estate = await ConsoleEstate.CreateAsync(lab, seed, changes: new EstateChanges
        {
            MoreSources = folder =>
            [
                new
                {
                    Name = Uploads, Kind = "volume", Class = "critical", ConsoleEstate.Workspace, Volume = new { Path = Path.Combine(folder, Uploads) },
                    Recovery = new { Checks = new[] { new { Name = "ready", Command = new[] { "/usr/bin/test", "-e", Path.Combine(folder, ReadyFile) } } } },
                },
            ],
        });
        Directory.CreateDirectory(Estate.Combine(Uploads));
        _console = await Estate.ServeAsync();
        Address = ConsoleBrowser.AddressOf(_console);
        Catalog = Estate.OpenCatalog();
        OperatorToken = (await Estate.RunAsync("token", "add", "ci", "--role", "Operator")).AssertDone().Output.Trim();
        foreach (var role in new[] { "Viewer", "Approver", "Admin" })
        {
            await AddTokenAsync(role.ToLowerInvariant(), role);
        }
    }

    public async ValueTask DisposeAsync()
    {
        await Catalog.DisposeAsync();
        if (_engine is not null)
        {
            await _engine.DisposeAsync();
            await _beside!.DisposeAsync();
        }

        await _console.StopAsync();
        await _console.DisposeAsync();
        await Estate.DisposeAsync();
    }

    /// <summary>A token whose text follows from its name.</summary>
    public async Task<string> AddTokenAsync(string name, string role)
    {
        await Catalog.Command("INSERT INTO api_token (name, digest, role, created_by) VALUES ($1, $2, $3, 'tester')", name, SHA256.HashData(Encoding.UTF8.GetBytes(TokenOf(name))), role)
            .RunAsync(CancellationToken.None);
        return TokenOf(name);
    }

    public string TokenOf(string name) => name == "operator" ? OperatorToken : $"drc_{name}-of-the-test";

    /// <summary>A program with a token, or without any.</summary>
    public HttpClient Program(string? name)
    {
        var client = new HttpClient(new HttpClientHandler { AllowAutoRedirect = false, UseCookies = false }) { BaseAddress = Address };
        if (name is not null)
        {
            client.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", TokenOf(name));
        }

        return client;
    }

    /// <summary>A hub's client with a token, or without any.</summary>
    public HubConnection Hub(string? token) => new HubConnectionBuilder()
        .WithUrl(new Uri(Address, "/hubs/live"), options => options.AccessTokenProvider = () => Task.FromResult(token is null ? null : TokenOf(token))).Build();

    public async Task<HttpResponseMessage> GetAsync(string? token, string path, CancellationToken ct)
    {
        using var program = Program(token);
        return await program.GetAsync(new Uri(path, UriKind.Relative), ct);
    }

    public async Task<HttpResponseMessage> PostAsync(string? token, string path, object? body, CancellationToken ct)
    {
        using var program = Program(token);
        return await program.PostAsJsonAsync(path, body ?? new { }, ct);
    }

    /// <summary>What an answer holds; fails where it is a refusal.</summary>
    public static async Task<JsonElement> ReadAsync(HttpResponseMessage answer, CancellationToken ct)
    {
        ArgumentNullException.ThrowIfNull(answer);
        var text = await answer.Content.ReadAsStringAsync(ct);
        Assert.True(answer.IsSuccessStatusCode, $"{answer.StatusCode}: {text}");
        return JsonElement.Parse(text);
    }

    /// <summary>The first admin's browser, signed in.</summary>
    public async Task<(HttpClient Browser, string Password)> AdminAsync(CancellationToken ct)
    {
        var password = (await File.ReadAllTextAsync(PasswordLine().Match(_console.Said).Groups[1].Value, ct)).Trim();
        return (await ConsoleBrowser.SignInAsync(Address, "admin", password, ct), password);
    }

    /// <summary>A person who is added on the command line and signed in.</summary>
    public async Task<HttpClient> PersonAsync(string name, string role, string password, CancellationToken ct)
    {
        using var folder = new TemporaryFolder();
        LocalFolder.WritePrivateFile(folder.Combine("password"), Encoding.UTF8.GetBytes(password));
        (await Estate.RunAsync("user", "add", name, "--role", role, "--password-file", folder.Combine("password"))).AssertDone();
        return await ConsoleBrowser.SignInAsync(Address, name, password, ct);
    }

    /// <summary>Whether the recovered volume is found to be in order by the check of its operators.</summary>
    public void SetReady(bool isReady)
    {
        File.Delete(Estate.Combine(ReadyFile));
        if (isReady)
        {
            File.WriteAllText(Estate.Combine(ReadyFile), "");
        }
    }

    /// <summary>Does what only pages do, with the engine of a command beside the console: the console carries it out.</summary>
    internal async Task<T> EngineAsync<T>()
        where T : notnull
    {
        if (_engine is null)
        {
            _beside = await EngineSetup.StartAsync(
                (IConfigurationRoot)new ConfigurationBuilder().AddJsonFile(Estate.Configuration).Build(), Estate.Data, mayBeGuest: true, TimeProvider.System, CancellationToken.None);
            _engine = new ServiceCollection().AddLastingLogging().AddEngine(_beside).AddJobClient(_beside.Connection).BuildServiceProvider();
        }

        return _engine.GetRequiredService<T>();
    }

    /// <summary>A gate that waits, of a run that nobody advances.</summary>
    public async Task<long> OpenGateAsync(string requester)
    {
        var source = $"gated-{Guid.NewGuid():n}";
        var run = (long)(await Catalog.Command(
            "INSERT INTO run (kind, source, request, request_hash, requested_by, state) VALUES ('recovery', $1, '{}', 'x', $2, 'waiting') RETURNING id", source, requester)
            .FirstAsync(row => (object)row.GetInt64(0), CancellationToken.None))!;
        await Catalog.Command(
            "INSERT INTO recovery (run_id, plan, plan_version, plan_hash, source, disaster, is_drill) VALUES ($1, 'postgres-corruption', 1, 'hash', $2, 'DATABASE_CORRUPTION', false)", run, source)
            .RunAsync(CancellationToken.None);
        return (long)(await Catalog.Command(
            """
            INSERT INTO approval_gate (run_id, subject_hash, risk, needed, requester, approve_until, execute_within)
            VALUES ($1, 'hash', 'high', 1, $2, clock_timestamp() + interval '1 hour', interval '30 minutes') RETURNING id
            """, run, requester).FirstAsync(row => (object)row.GetInt64(0), CancellationToken.None))!;
    }

    /// <summary>What a refusal says; fails where it is no problem with a code and a hint.</summary>
    public static async Task<string> CodeOfAsync(HttpResponseMessage refused, HttpStatusCode status, CancellationToken ct)
    {
        ArgumentNullException.ThrowIfNull(refused);
        var text = await refused.Content.ReadAsStringAsync(ct);
        Assert.True(refused.StatusCode == status, $"{refused.StatusCode}: {text}");
        Assert.Equal("application/problem+json", refused.Content.Headers.ContentType?.MediaType);
        var problem = JsonElement.Parse(text);
        Assert.Equal((int)status, problem.GetProperty("status").GetInt32());
        Assert.NotEmpty(problem.GetProperty("title").GetString()!);
        Assert.NotEmpty(problem.GetProperty("hint").GetString()!);
        return problem.GetProperty("code").GetString()!;
    }

    [GeneratedRegex(@"its password is in (\S+)")]
    private static partial Regex PasswordLine();
}
