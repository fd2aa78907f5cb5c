using System.Globalization;
using Hexabase.DrConsole.Dashboard.Resources;

namespace Hexabase.DrConsole.Dashboard.Controls;

/// <summary>How durations, ages, sizes and moments are written, in the reader's language.</summary>
public static class Figures
{
    private static readonly string[] ByteUnits = ["B", "kB", "MB", "GB", "TB", "PB"];

    /// <summary>Two units at most: <c>0.4s</c>, <c>4s</c>, <c>3m 06s</c>, <c>1h 47m</c>, <c>3d 4h</c>.</summary>
    public static string Duration(TimeSpan length)
    {
        if (length < TimeSpan.Zero)
        {
            length = TimeSpan.Zero;
        }

        return length switch
        {
            { TotalSeconds: < 0.95 } when length > TimeSpan.Zero => Format(Texts.DurationTenths, Math.Max(0.1, length.TotalSeconds)),
            { TotalSeconds: < 59.5 } => Format(Texts.DurationSeconds, Math.Round(length.TotalSeconds)),
            { TotalMinutes: < 60 } => Minutes(length),
            { TotalHours: < 24 } => Pair(Texts.DurationHours, Texts.DurationHoursMinutes, (int)length.TotalHours, length.Minutes),
            _ => Pair(Texts.DurationDays, Texts.DurationDaysHours, (int)length.TotalDays, length.Hours),
        };
    }

    /// <summary>Whole targets, one unit where they are round: <c>5m</c>, <c>24h</c>, <c>7d</c>.</summary>
    public static string Target(TimeSpan length) => length switch
    {
        { TotalDays: >= 7 } when length.Ticks % TimeSpan.TicksPerDay == 0 => Format(Texts.DurationDays, length.Days),
        { TotalHours: >= 1 } when length.Ticks % TimeSpan.TicksPerHour == 0 => Format(Texts.DurationHours, (int)length.TotalHours),
        { TotalMinutes: >= 1 } when length.Ticks % TimeSpan.TicksPerMinute == 0 => Format(Texts.DurationMinutes, (int)length.TotalMinutes),
        _ => Duration(length),
    };

    /// <summary><c>6s ago</c>, <c>44m ago</c>, <c>1d 2h ago</c>, <c>41d ago</c>. Never "just now".</summary>
    public static string Age(TimeSpan age) => Format(Texts.AgeAgo, age switch
    {
        { TotalSeconds: < 60 } => Format(Texts.DurationSeconds, Math.Max(1, (int)age.TotalSeconds)),
        { TotalMinutes: < 60 } => Format(Texts.DurationMinutes, (int)age.TotalMinutes),
        { TotalHours: < 24 } => Format(Texts.DurationHours, (int)age.TotalHours),
        { TotalDays: < 7 } => Pair(Texts.DurationDays, Texts.DurationDaysHours, (int)age.TotalDays, age.Hours),
        _ => Format(Texts.DurationDays, (int)age.TotalDays),
    });

    /// <summary>Decimal units: <c>11 kB</c>, <c>2.1 MB</c>, <c>118.6 GB</c>, <c>1.84 TB</c>.</summary>
    public static string Bytes(long bytes)
    {
        double value = bytes;
        var unit = 0;
        while (value >= 999.5 && unit < ByteUnits.Length - 1)
        {
            value /= 1000;
            unit++;
        }

        var pattern = (unit, value) switch
        {
            (< 2, _) => "0",
            (2, < 9.95) or (3, _) => "0.0",
            (2, _) => "0",
            (_, < 9.995) => "0.00",
            _ => "0.0",
        };
        return $"{value.ToString(pattern, CultureInfo.CurrentCulture)} {ByteUnits[unit]}";
    }

    /// <summary><c>318.6 of 404.2 GB</c>; the first unit is said where it is another: <c>88 MB of 1.2 GB</c>.</summary>
    public static string BytesOf(long part, long whole)
    {
        var (partText, wholeText) = (Bytes(part), Bytes(whole));
        var isSameUnit = partText[partText.IndexOf(' ')..] == wholeText[wholeText.IndexOf(' ')..];
        return Format(Texts.UsedOf, isSameUnit ? partText[..partText.IndexOf(' ')] : partText, wholeText);
    }

    /// <summary><c>812 MB/s</c>.</summary>
    public static string Rate(double bytesPerSecond) => $"{Bytes((long)bytesPerSecond)}/s";

    /// <summary><c>79 %</c>, rounded down, so that 100 % means all.</summary>
    public static string Percent(double share) => Format(Texts.Percent, Math.Floor(Math.Clamp(share, 0, 1) * 100));

    /// <summary>Grouped digits: <c>9,412,008</c>.</summary>
    public static string Count(long count) => count.ToString("N0", CultureInfo.CurrentCulture);

    /// <summary>Of today the time with seconds, <c>03:12:44</c>; else with its day, <c>Tue 24 Nov 02:00</c>, and of another year with that.</summary>
    public static string Moment(DateTimeOffset at, TimeProvider time)
    {
        var zone = time.LocalTimeZone;
        var local = TimeZoneInfo.ConvertTime(at, zone);
        var today = TimeZoneInfo.ConvertTime(time.GetUtcNow(), zone);
        var pattern = local.Date == today.Date ? Texts.MomentToday : local.Year == today.Year ? Texts.MomentThisYear : Texts.MomentOtherYear;
        return local.ToString(pattern, CultureInfo.CurrentCulture);
    }

    /// <summary><c>UTC</c>, <c>UTC+09:00</c>: by its distance now, since the system says a zone's name in the language that asked first.</summary>
    public static string Zone(TimeProvider time)
    {
        var local = TimeZoneInfo.ConvertTime(time.GetUtcNow(), time.LocalTimeZone);
        return local.Offset == TimeSpan.Zero ? Texts.ZoneUtc : Format(Texts.ZoneOffset, local);
    }

    /// <summary>Date, time, zone and UTC, for a title; said once where the zone is UTC.</summary>
    public static string Exact(DateTimeOffset at, TimeProvider time)
        => TimeZoneInfo.ConvertTime(at, time.LocalTimeZone) is var local && local.Offset == TimeSpan.Zero
            ? Format(Texts.MomentUtc, local)
            : Format(Texts.MomentExact, local, at.ToUniversalTime());

    /// <summary><c>hot, warm</c>.</summary>
    public static string List(IEnumerable<string?> parts) => string.Join(Texts.ListSeparator, parts);

    /// <summary>A moment's day, week or month, by one of the patterns of the texts, such as <see cref="Texts.DayPattern"/>.</summary>
    public static string Named(DateTime at, string pattern) => at.ToString(pattern, CultureInfo.CurrentCulture);

    /// <summary>A share as CSS wants it: <c>37.2%</c>, whatever the reader's language.</summary>
    internal static string Css(double share)
        => string.Create(CultureInfo.InvariantCulture, $"{Math.Clamp(share, 0, 1) * 100:0.##}%");

    /// <summary>
    /// A text of the resources with its values, in the reader's culture. <c>{0:object|objects}</c> is the first word where the
    /// number is one, else the second.
    /// </summary>
    public static string Format(string format, params object[] values) => string.Format(NumberedWords.Provider, format, values);

    private static string Minutes(TimeSpan length)
    {
        var seconds = (int)Math.Round(length.TotalSeconds);
        return seconds < 3600 ? Format(Texts.DurationMinutesSeconds, seconds / 60, seconds % 60) : Format(Texts.DurationHours, 1);
    }

    private static string Pair(string single, string both, int large, int small)
        => small == 0 ? Format(single, large) : Format(both, large, small);

    /// <summary>Chooses a word by a number; everything else is formatted as the culture does.</summary>
    private sealed class NumberedWords : IFormatProvider, ICustomFormatter
    {
        public static readonly NumberedWords Provider = new();

        public object? GetFormat(Type? formatType) => formatType == typeof(ICustomFormatter) ? this : CultureInfo.CurrentCulture.GetFormat(formatType);

        public string Format(string? format, object? arg, IFormatProvider? formatProvider)
        {
            if (format?.Split('|') is [var one, var many])
            {
                return Convert.ToInt64(arg, CultureInfo.InvariantCulture) == 1 ? one : many;
            }

            return arg is IFormattable value ? value.ToString(format, CultureInfo.CurrentCulture) : arg?.ToString() ?? "";
        }
    }
}
