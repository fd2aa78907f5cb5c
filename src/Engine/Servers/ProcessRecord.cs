using System.Text.Json.Serialization;

namespace Hexabase.DrConsole.Engine.Servers;

/// <summary>What becomes of a process that outlived the console which started it.</summary>
public enum Afterlife
{
    /// <summary>It is of no use any more and is ended: a tool, a scratch server.</summary>
    Ended,

    /// <summary>It goes on and is taken over: the server of the catalog.</summary>
    Adopted,
}

/// <summary>A child process of the engine, written down before it is used, so that the next start knows what may still run.</summary>
public sealed record ProcessRecord
{
    /// <summary>Unique name and file name of the record: lower-case letters, digits, <c>-</c>.</summary>
    public required string Name { get; init; }

    /// <summary>What it is for, in words for messages: <c>pg_dump of orders</c>.</summary>
    public required string Purpose { get; init; }

    /// <summary>What becomes of it when its console is gone.</summary>
    public required Afterlife Afterlife { get; init; }

    /// <summary>True for a database server, which is ended by its own signals.</summary>
    public bool IsServer { get; init; }

    /// <summary>A folder that goes with it: removed when it has ended.</summary>
    public string? Folder { get; init; }

    /// <summary>A random mark in the child's environment: finds it where the console died between starting and recording it.</summary>
    public required string Mark { get; init; }

    /// <summary>The console that started or adopted it. While that one lives nobody else touches the child.</summary>
    public required ProcessIdentity Owner { get; init; }

    /// <summary>The child, or null where it was about to be started.</summary>
    public ProcessIdentity? Child { get; init; }

    /// <summary>When it was recorded.</summary>
    public required DateTimeOffset RecordedAt { get; init; }
}

/// <summary>What <see cref="ProcessRegistry.SettleAsync"/> found and did.</summary>
/// <param name="Adoptable">Still alive and to be taken over by whoever starts that server.</param>
/// <param name="Ended">Were still alive and have been ended.</param>
/// <param name="Gone">Had ended by themselves; what they left behind is removed.</param>
/// <param name="Unreadable">Record files that could not be read; removed.</param>
public sealed record SettleReport(
    IReadOnlyList<ProcessRecord> Adoptable, IReadOnlyList<ProcessRecord> Ended, IReadOnlyList<ProcessRecord> Gone,
    IReadOnlyList<string> Unreadable);

[JsonSourceGenerationOptions(WriteIndented = true, UseStringEnumConverter = true)]
[JsonSerializable(typeof(ProcessRecord))]
internal sealed partial class ProcessRecordJson : JsonSerializerContext;
