using System.Text.Json.Serialization;

namespace Hexabase.DrConsole.Engine.Repository;

/// <summary>Names one restore point in every tier: 32 lower-case hex digits, the first 12 from the time of the backup.</summary>
/// <param name="Value">The 32 hex digits.</param>
[JsonConverter(typeof(RestorePointIdConverter))]
public readonly record struct RestorePointId(string Value)
{
    /// <summary>The first eight digits, as pages and messages show it.</summary>
    public string Short => Value.Length > 8 ? Value[..8] : Value;

    /// <inheritdoc/>
    public override string ToString() => Value;
}
