using System.Globalization;
using Hexabase.DrConsole.Engine.Backups.Postgres.Physical.InPlace;
using NpgsqlTypes;

namespace Hexabase.DrConsole.Engine.Backups;

/// <summary>
/// A new data directory for a cluster, recovered to a moment: <c>pgdata:/new/dir?port=P&amp;time=2026-11-24T14:32:10Z</c>, or
/// <c>&amp;lsn=0/16B3748</c>, <c>&amp;name=before_upgrade</c>, <c>&amp;end=true</c>. Without one of them it is the restore point itself;
/// with a time and the end it is whichever comes first. Where timelines parted, <c>&amp;timeline=2</c> says along which. With <c>&amp;inPlace=aside</c> or <c>&amp;inPlace=delta</c> it is a directory
/// that exists, whose server is stopped.
/// </summary>
/// <param name="Path">Absolute; it does not exist or is empty, but where it is restored in place.</param>
/// <param name="Port">The server is left running there on 127.0.0.1; null leaves it stopped.</param>
/// <param name="Time">Recover to the last commit before this.</param>
/// <param name="Lsn">Recover to this place in the WAL.</param>
/// <param name="Name">Recover to this named restore point.</param>
/// <param name="ToEnd">True: recover as far as there is WAL.</param>
/// <param name="InPlace">Over the directory that is there, in this form; null: into a new one.</param>
/// <param name="Timeline">Along this timeline; null: along the newest that holds the moment.</param>
public sealed record PgDataTarget(
    string Path, int? Port = null, DateTimeOffset? Time = null, string? Lsn = null, string? Name = null, bool ToEnd = false, InPlaceForm? InPlace = null, uint? Timeline = null) : RestoreTarget
{
    private static readonly string[] s_known = ["port", "time", "lsn", "name", "end", "inPlace", "timeline"];

    /// <summary>True where WAL beyond the restore point's own is wanted.</summary>
    public bool IsPointInTime => Time is not null || Lsn is not null || Name is not null || ToEnd;

    /// <summary>The moment in words.</summary>
    public string MomentText => $"{BareMomentText}{(Timeline is { } timeline ? $" along timeline {timeline}" : "")}";

    private string BareMomentText => Time is { } time ? $"{time.UtcDateTime:yyyy-MM-dd HH:mm:ss.ffffff} UTC{(ToEnd ? ", or the end of the WAL where that comes first" : "")}"
        : Lsn is not null ? $"LSN {Lsn}"
        : Name is not null ? $"restore point '{Name}'"
        : ToEnd ? "the end of the WAL"
        : "the end of the backup";

    /// <inheritdoc/>
    public override string ToText()
    {
        var options = new List<string>();
        if (ToEnd)
        {
            options.Add("end=true");
        }

        Add("inPlace", InPlace?.ToString().ToLowerInvariant());
        Add("lsn", Lsn);
        Add("name", Name);
        Add("port", Port?.ToString(CultureInfo.InvariantCulture));
        Add("time", Time?.UtcDateTime.ToString("O", CultureInfo.InvariantCulture));
        Add("timeline", Timeline?.ToString(CultureInfo.InvariantCulture));
        return $"pgdata:{Escaped(Path)}{(options.Count > 0 ? "?" + string.Join('&', options) : "")}";

        void Add(string name, string? value)
        {
            if (value is not null)
            {
                options.Add($"{name}={Escaped(value)}");
            }
        }
    }

    /// <summary>Reads one; mistakes are collected.</summary>
    internal static PgDataTarget Parse(string text, string baseFolder, List<string> faults)
    {
        var parts = text["pgdata:".Length..].Split('?', 2);
        var path = Uri.UnescapeDataString(parts[0]);
        if (path.Length == 0)
        {
            faults.Add("a path is missing after pgdata:");
        }

        var options = ReadOptions(parts.Length == 2 ? parts[1] : "", s_known, faults);
        var target = new PgDataTarget(
            System.IO.Path.TrimEndingDirectorySeparator(System.IO.Path.GetFullPath(path.Length > 0 ? path : ".", baseFolder)),
            ReadPort(options, faults), ReadTime(options, faults), ReadLsn(options, faults), options.GetValueOrDefault("name"), Flag(options, "end", faults), ReadForm(options, faults),
            ReadTimeline(options, faults));
        if (new[] { target.Time is not null, target.Lsn is not null, target.Name is not null, target.ToEnd && target.Time is null }.Count(given => given) > 1)
        {
            faults.Add("only one of time, lsn, name and end can be given, or time and end");
        }

        if (target is { Timeline: not null, IsPointInTime: false })
        {
            faults.Add("timeline is given without time, lsn, name or end: a restore point by itself is of one timeline only");
        }

        return target;
    }

    private static InPlaceForm? ReadForm(Dictionary<string, string> options, List<string> faults)
    {
        if (options.GetValueOrDefault("inPlace") is not { } text)
        {
            return null;
        }

        if (Enum.GetValues<InPlaceForm>().Where(form => form.ToString().Equals(text, StringComparison.OrdinalIgnoreCase)).Select(form => (InPlaceForm?)form).FirstOrDefault() is { } form)
        {
            return form;
        }

        faults.Add($"inPlace is '{text}'; it is aside (the whole directory is kept beside) or delta (what is right already stays)");
        return null;
    }

    private static uint? ReadTimeline(Dictionary<string, string> options, List<string> faults)
    {
        if (options.GetValueOrDefault("timeline") is not { } text)
        {
            return null;
        }

        if (uint.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var timeline) && timeline > 0)
        {
            return timeline;
        }

        faults.Add($"timeline {text} is none; write its number in decimal");
        return null;
    }

    private static int? ReadPort(Dictionary<string, string> options, List<string> faults)
    {
        if (options.GetValueOrDefault("port") is not { } text)
        {
            return null;
        }

        if (int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var port) && port is > 0 and < 65536)
        {
            return port;
        }

        faults.Add($"port {text} is no port");
        return null;
    }

    private static DateTimeOffset? ReadTime(Dictionary<string, string> options, List<string> faults)
    {
        if (options.GetValueOrDefault("time") is not { } text)
        {
            return null;
        }

        if (DateTimeOffset.TryParse(text, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal | DateTimeStyles.AdjustToUniversal, out var time))
        {
            return time;
        }

        faults.Add($"time {text} is no ISO 8601 time; write 2026-11-24T14:32:10Z");
        return null;
    }

    private static string? ReadLsn(Dictionary<string, string> options, List<string> faults)
    {
        if (options.GetValueOrDefault("lsn") is not { } text)
        {
            return null;
        }

        if (NpgsqlLogSequenceNumber.TryParse(text, out var lsn))
        {
            return lsn.ToString();
        }

        faults.Add($"lsn {text} is no place in the WAL; write 0/16B3748");
        return null;
    }
}
