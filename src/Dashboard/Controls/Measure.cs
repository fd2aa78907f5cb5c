namespace Hexabase.DrConsole.Dashboard.Controls;

/// <summary>How a figure is known; decides its fill.</summary>
public enum Measure
{
    /// <summary>Solid.</summary>
    Measured,

    /// <summary>Hatched: estimated, forecast, or stored but not read back.</summary>
    Estimated,

    /// <summary>Hollow and dashed: unknown.</summary>
    None,
}
