namespace Hexabase.DrConsole.Engine.Recovery.Drills;

/// <summary>The scratch folder of a drill's attempt. Only on the machine that made it can anybody see whether something of it is left.</summary>
/// <param name="Machine">Empty where nobody wrote it down.</param>
/// <param name="Name">The folder's name, unique for ever.</param>
internal sealed record DrillPlace(string Machine, string Name)
{
    /// <summary>Whether this machine made it.</summary>
    public bool IsHere => Machine == Environment.MachineName;

    public static DrillPlace Here(string name) => new(Environment.MachineName, name);

    /// <summary>Reads what <see cref="ToString"/> wrote.</summary>
    public static DrillPlace Parse(string text)
    {
        var cut = text.LastIndexOf('/');
        return new DrillPlace(cut < 0 ? "" : text[..cut], text[(cut + 1)..]);
    }

    /// <summary>As the catalog and people have it: <c>machine/folder</c>.</summary>
    public override string ToString() => $"{Machine}/{Name}";
}
