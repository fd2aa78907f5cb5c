namespace Hexabase.DrConsole.Dashboard.Controls;

/// <summary>What the marks of slots mean.</summary>
public partial class SlotLegend
{
    private static readonly Status[] States =
        [Status.Proven, Status.ReadBack, Status.Stored, Status.Behind, Status.Damaged, Status.Missing, Status.NotDue, Status.NotKept];
}
