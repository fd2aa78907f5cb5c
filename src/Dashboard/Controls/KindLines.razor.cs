using Microsoft.AspNetCore.Components;

namespace Hexabase.DrConsole.Dashboard.Controls;

/// <summary>What a restore point holds and what it cost its source, as the second lines of a row; nothing where nothing is known.</summary>
public partial class KindLines
{
    /// <summary>What its kind says of it.</summary>
    [Parameter, EditorRequired]
    public KindSheet Sheet { get; set; } = KindSheet.None;
}
