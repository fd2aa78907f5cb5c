using Bunit;
using Hexabase.DrConsole.Dashboard.Controls;
using Hexabase.DrConsole.Dashboard.Layout;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Options;
using Microsoft.Extensions.Time.Testing;
using MudBlazor.Services;

namespace Hexabase.DrConsole.Dashboard.Tests.Controls;

/// <summary>What the components need around them: a clock that stands until it is moved, and a browser that says nothing.</summary>
public abstract class ControlTests : BunitContext
{
    protected ControlTests()
    {
        JSInterop.Mode = JSRuntimeMode.Loose;
        Time.SetLocalTimeZone(TimeZoneInfo.Utc);
        Services.AddMudServices();
        Services.AddSingleton<TimeProvider>(Time);
        Services.AddScoped<PageClock>();
        Services.AddScoped<QueryFilters>();
        Services.AddScoped<ShellState>();
        Services.AddSingleton(Options.Create(new DashboardOptions { DataProtectionKeysDirectory = "unused", EstateName = "lab" }));
    }

    protected static DateTimeOffset Start { get; } = new(2026, 11, 24, 3, 12, 44, TimeSpan.Zero);

    protected FakeTimeProvider Time { get; } = new(Start);

    protected static TimeSpan Seconds(double count) => TimeSpan.FromSeconds(count);
}
