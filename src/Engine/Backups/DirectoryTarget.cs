namespace Hexabase.DrConsole.Engine.Backups;

/// <summary>
/// A directory: <c>dir:/path</c>, new or empty, for a volume's files or the raw artifacts of any kind. Of a volume also a part
/// (<c>?part=photos/2024</c>), or a directory that is brought to the state of the restore point
/// (<c>?inPlace=true&amp;delete=true&amp;verify=true</c>), or back to what it was before that (<c>?undo=true</c>). In the path
/// <c>%3F</c> stands for a question mark and <c>%25</c> for a percent sign.
/// </summary>
/// <param name="Path">Absolute.</param>
public sealed record DirectoryTarget(string Path) : RestoreTarget
{
    private static readonly string[] s_known = ["part", "inPlace", "delete", "verify", "exchange", "undo"];

    /// <summary>Only this folder or file of the volume, from its root; null for all of it. A folder's content becomes the directory's.</summary>
    public string? Part { get; init; }

    /// <summary>True: the directory exists; what is right already is left as it is, what is replaced is kept aside.</summary>
    public bool InPlace { get; init; }

    /// <summary>In place: true to take away what is not in the restore point; it is kept aside too.</summary>
    public bool Delete { get; init; }

    /// <summary>In place: true to compare contents; else a file of the same size and time counts as right.</summary>
    public bool Verify { get; init; }

    /// <summary>
    /// In place: true where the plan is made while others may still write, as a recovery's is before anybody stops them. What differs when it is
    /// carried out is replaced, and kept aside, whatever it is by then. Else that is done which the plan saw, and nothing else.
    /// </summary>
    public bool Exchange { get; init; }

    /// <summary>True to take the last restore in place back.</summary>
    public bool Undo { get; init; }

    /// <summary>True where it is more than a new directory for everything.</summary>
    public bool HasOptions => Part is not null || InPlace || Delete || Verify || Exchange || Undo;

    /// <inheritdoc/>
    public override string ToText()
    {
        var options = new List<string>();
        Add("delete", Delete);
        Add("exchange", Exchange);
        Add("inPlace", InPlace);
        if (Part is not null)
        {
            options.Add($"part={Escaped(Part)}");
        }

        Add("undo", Undo);
        Add("verify", Verify);
        var path = Path.Replace("%", "%25", StringComparison.Ordinal).Replace("?", "%3F", StringComparison.Ordinal);
        return $"dir:{path}{(options.Count > 0 ? "?" + string.Join('&', options) : "")}";

        void Add(string name, bool value)
        {
            if (value)
            {
                options.Add($"{name}=true");
            }
        }
    }

    /// <summary>Reads one; mistakes are collected.</summary>
    internal static DirectoryTarget Parse(string text, string baseFolder, List<string> faults)
    {
        var pieces = text["dir:".Length..].Split('?', 2);
        var path = Uri.UnescapeDataString(pieces[0]);
        if (path.Length == 0)
        {
            faults.Add("a path is missing after dir:");
        }

        var options = ReadOptions(pieces.Length == 2 ? pieces[1] : "", s_known, faults);
        var target = new DirectoryTarget(System.IO.Path.TrimEndingDirectorySeparator(System.IO.Path.GetFullPath(path.Length > 0 ? path : ".", baseFolder)))
        {
            Part = options.GetValueOrDefault("part")?.Trim('/') is { Length: > 0 } part ? part : null,
            InPlace = Flag(options, "inPlace", faults),
            Delete = Flag(options, "delete", faults),
            Verify = Flag(options, "verify", faults),
            Exchange = Flag(options, "exchange", faults),
            Undo = Flag(options, "undo", faults),
        };
        if ((target.Delete || target.Verify || target.Exchange) && !target.InPlace)
        {
            faults.Add("delete, verify and exchange are for inPlace=true");
        }

        if (target.Undo && (target.InPlace || target.Part is not null))
        {
            faults.Add("undo stands alone");
        }

        return target;
    }
}
