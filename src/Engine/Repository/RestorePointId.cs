using System.Text.Json.Serialization;

namespace Hexabase.DrConsole.Engine.Repository;

/// <summary>Names one restore point in every tier: 32 lower-case hex digits, the first 12 from the time of the backup.</summary>
/// <param name="Value">The 32 hex digits.</param>
[JsonConverter(typeof(RestorePointIdConverter))]
public readonly record struct RestorePointId(string Value)
{
    /// <summary>All digits of the time: fewer would be the same for what was backed up within a minute.</summary>
    private const int ShortDigits = 12;

    /// <summary>The first twelve digits, as pages and messages show it.</summary>
    public string Short => ShortOf(Value);

    /// <summary>The same of an identifier that is text.</summary>
    public static string ShortOf(string id)
    {
        ArgumentNullException.ThrowIfNull(id);
        return id.Length > ShortDigits ? id[..ShortDigits] : id;
    }

    /// <inheritdoc/>
    public override string ToString() => Value;
}
