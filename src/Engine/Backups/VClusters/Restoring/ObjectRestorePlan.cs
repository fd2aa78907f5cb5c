using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;
using System.Text.Json.Serialization;
using Hexabase.DrConsole.Engine.Backups.VClusters.Objects;

namespace Hexabase.DrConsole.Engine.Backups.VClusters.Restoring;

/// <summary>What a restore does with an object.</summary>
public enum ObjectAction
{
    /// <summary>It is not there and is created.</summary>
    Create,

    /// <summary>It is there, differs, and is changed.</summary>
    Change,

    /// <summary>It stays as it is; the reason says why.</summary>
    Leave,

    /// <summary>Something stands in its way that a restore must not decide.</summary>
    Conflict,

    /// <summary>The server said in a dry run that it would not take it.</summary>
    Refuse,
}

/// <summary>One object of a plan.</summary>
/// <param name="Source">Its key in the restore point.</param>
/// <param name="Target">Its key in the target.</param>
/// <param name="Action">What is done.</param>
/// <param name="Reason">Why, where the action alone does not say it.</param>
/// <param name="Differences">For a change, and for what is left alone although it differs: field by field.</param>
/// <param name="Digest">Digest of what the restore point has.</param>
/// <param name="LiveDigest">Digest of what is there; null where nothing is.</param>
public sealed record PlannedObject(
    KubeObjectKey Source, KubeObjectKey Target, ObjectAction Action, string? Reason, IReadOnlyList<FieldDifference> Differences, string Digest, string? LiveDigest)
{
    /// <summary>The document to put there, cleaned and mapped; owners are in it. Null where nothing is put there: then it is only compared.</summary>
    [JsonIgnore]
    internal JsonObject? Document { get; init; }

    /// <summary>What is there, cleaned; null where nothing is, or it stays.</summary>
    [JsonIgnore]
    internal JsonObject? Live { get; init; }

    /// <summary>Of a Service that is there: the node ports that its server chose.</summary>
    [JsonIgnore]
    internal IReadOnlyDictionary<string, int>? LivePorts { get; init; }

    /// <summary>True where the document follows what was found in the target: another version, a claim without its volume.</summary>
    [JsonIgnore]
    internal bool IsAdjusted { get; init; }

    /// <summary>
    /// Where the reason is the server's: the status code of its answer. Its words name other objects, times and requests, and may be
    /// others when it is asked again.
    /// </summary>
    public int? RefusedWith { get; init; }

    /// <summary>Where a part of the reason is what the server said of another namespace: the rest of it. That one's limits are none of the plan.</summary>
    [JsonIgnore]
    internal string? ReasonWithoutWords { get; init; }

    /// <summary>The reason as it stays the same while nothing changes.</summary>
    [JsonIgnore]
    internal string? SteadyReason => RefusedWith is { } status ? string.Create(CultureInfo.InvariantCulture, $"the server answered {status}") : ReasonWithoutWords ?? Reason;

    /// <summary>True where something will be done.</summary>
    [JsonIgnore]
    public bool IsEffect => Action is ObjectAction.Create or ObjectAction.Change;
}

/// <summary>
/// What a restore of objects into a running cluster will do, object by object, in the order in which it will be done. Its
/// hash covers all of it, but for the words of the server, and what was found in the target: a target that drifted gives another hash.
/// </summary>
/// <param name="Cluster">Address of the target.</param>
/// <param name="Objects">In the order of the work.</param>
public sealed record ObjectRestorePlan(string Cluster, IReadOnlyList<PlannedObject> Objects)
{
    /// <summary>Which cluster it was, whatever address it had: the identity of a namespace that lives as long as its store. Null where that is not on record.</summary>
    [JsonIgnore]
    internal string? Identity { get; init; }

    /// <summary>What is to be said of the selection as a whole: filters that take nothing, rights that stay behind.</summary>
    public IReadOnlyList<string> Notes { get; init; } = [];

    /// <summary>64 lower-case hex digits.</summary>
    public string Hash
    {
        get
        {
            var text = new StringBuilder("object-restore-plan-1\n").Append(Cluster).Append('\n');
            foreach (var one in Objects)
            {
                text.AppendJoin('\t', one.Source, one.Target, one.Action, one.SteadyReason, one.Digest, one.LiveDigest).Append('\n');
            }

            return Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(text.ToString())));
        }
    }

    /// <summary>How many objects an action takes.</summary>
    public int Count(ObjectAction action) => Objects.Count(one => one.Action == action);

    /// <summary>One line for a run's log and a page's head.</summary>
    public string Summary =>
        $"{Count(ObjectAction.Create)} created, {Count(ObjectAction.Change)} changed, {Count(ObjectAction.Leave)} left alone, {Count(ObjectAction.Conflict)} conflicting, {Count(ObjectAction.Refuse)} refused by the server";

    internal static string DigestOf(JsonObject value) => Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(ObjectYaml.Write(ObjectDifference.Comparable(value)))).AsSpan(0, 8));
}
