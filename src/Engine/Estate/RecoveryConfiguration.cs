using System.Globalization;

namespace Hexabase.DrConsole.Engine.Estate;

/// <summary>Reads a source's <c>Recovery</c>: how it is stopped and started, and what is asked of it when it is back.</summary>
internal static class RecoveryConfiguration
{
    public static RecoverySettings Read(ConfigurationReader source)
    {
        if (!source.Has("Recovery"))
        {
            return RecoverySettings.None;
        }

        var settings = source.Section("Recovery");
        settings.AllowOnly("Service", "Checks", "SwitchTraffic", "SwitchBack");
        var there = settings.Words("SwitchTraffic");
        var back = settings.Words("SwitchBack");
        if ((there is null) != (back is null))
        {
            settings.Problem(there is null ? "SwitchTraffic" : "SwitchBack", "is missing; traffic that is switched must be switched back where the recovery is undone");
        }

        return new RecoverySettings(
            settings.Has("Service") ? ReadService(settings.Section("Service")) : null, [.. settings.Items("Checks").Select(ReadCheck)], there, back);
    }

    private static ServiceSettings? ReadService(ConfigurationReader service)
    {
        service.AllowOnly("Driver", "Unit", "Start", "Stop", "Status");
        if (service.Choice<ServiceDriver>("Driver", null) is not { } driver)
        {
            return null;
        }

        var settings = new ServiceSettings(driver, service.Text("Unit"), service.Words("Start"), service.Words("Stop"), service.Words("Status"));
        if (driver == ServiceDriver.Systemd)
        {
            service.RequiredText("Unit");
        }

        if (driver == ServiceDriver.Command)
        {
            foreach (var (key, words) in new[] { ("Start", settings.Start), ("Stop", settings.Stop), ("Status", settings.Status) })
            {
                if (words is null)
                {
                    service.Problem(key, "is missing; write program and arguments as a list");
                }
            }
        }

        return settings;
    }

    private static OperatorCheck ReadCheck(ConfigurationReader check)
    {
        check.AllowOnly("Name", "Sql", "Http", "Command", "Expected");
        var one = new OperatorCheck(check.RequiredText("Name"), check.Text("Sql"), check.Text("Http"), check.Words("Command"), check.Text("Expected"));
        if (new object?[] { one.Sql, one.Http, one.Command }.Count(way => way is not null) != 1)
        {
            check.Problem("Sql", "one of Sql, Http and Command is needed, and only one");
        }

        if (one.Http is not null && !(Uri.TryCreate(one.Http, UriKind.Absolute, out var address) && address.Scheme is "http" or "https"))
        {
            check.Problem("Http", $"'{one.Http}' is no http or https address");
        }

        if (one is { Http: not null, Expected: { } status } && !(int.TryParse(status, CultureInfo.InvariantCulture, out var number) && number is >= 100 and <= 599))
        {
            check.Problem("Expected", $"'{status}' is no HTTP status");
        }

        return one;
    }
}
