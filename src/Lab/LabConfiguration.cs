using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using Hexabase.DrConsole.Engine.Servers;
using Hexabase.DrConsole.Lab.Postgres;

namespace Hexabase.DrConsole.Lab;

/// <summary>The configuration file by which a console protects this lab. Secrets are named by file, never written into it.</summary>
public static class LabConfiguration
{
    private static readonly JsonSerializerOptions s_json = new()
    {
        WriteIndented = true,
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
    };

    /// <summary>Writes the file, whole or not at all.</summary>
    public static void Write(LabFolder folder, LabPostgres postgres) =>
        LocalFolder.WritePrivateFile(folder.ConfigurationFile, Encoding.UTF8.GetBytes(ToJson(folder, postgres) + "\n"));

    private static string ToJson(LabFolder folder, LabPostgres postgres) => JsonSerializer.Serialize(
        new
        {
            DrConsole = new
            {
                DataDirectory = "data",
                Tiers = new[]
                {
                    Tier(folder, "hot"),
                    Tier(folder, "warm"),
                },
                Sources = new[]
                {
                    new
                    {
                        Name = "orders",
                        Kind = "postgres",
                        Class = "critical",
                        Workspace = "shop",
                        Postgres = new
                        {
                            LabPostgres.Host,
                            postgres.Port,
                            Database = LabPostgres.Orders,
                            Username = LabPostgres.BackupRole,
                            PasswordFile = "keys/orders.pw",
                            Mode = "logical",
                            Tables = Array.Empty<string>(),
                        },
                    },
                },
            },
        },
        s_json);

    private static object Tier(LabFolder folder, string name) => new
    {
        Name = name,
        Store = new Uri(folder.Combine("tiers", name)).AbsoluteUri,
        KeyFile = "keys/repository.key",
        Location = "local",
    };
}
