using System.Globalization;

namespace Hexabase.DrConsole.Engine;

/// <summary>A number with its noun in English: <c>1 pack</c>, <c>1,204 packs</c>.</summary>
public static class Counted
{
    /// <summary>The number and the noun, which takes an s unless it is one.</summary>
    public static string Of(long count, string noun) => string.Create(CultureInfo.InvariantCulture, $"{count:N0} {noun}{(count == 1 ? "" : "s")}");

    /// <summary>The same with a verb that agrees: <c>1 pack waits</c>, <c>2 packs wait</c>.</summary>
    public static string Of(long count, string noun, string one, string many) => $"{Of(count, noun)} {(count == 1 ? one : many)}";

    /// <summary><c>1 of 1 pack</c>, <c>1 of 3 packs</c>.</summary>
    public static string Of(long part, long whole, string noun) => string.Create(CultureInfo.InvariantCulture, $"{part:N0} of {Of(whole, noun)}");
}
