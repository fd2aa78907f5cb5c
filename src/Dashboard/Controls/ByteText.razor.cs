using Microsoft.AspNetCore.Components;

namespace Hexabase.DrConsole.Dashboard.Controls;

/// <summary>A size in decimal units, with the exact count on hover.</summary>
public partial class ByteText
{
    /// <summary>The count, or null where it was not measured.</summary>
    [Parameter, EditorRequired]
    public long? Bytes { get; set; }
}
