using System.Text.Json.Nodes;

namespace Hexabase.DrConsole.Engine.Backups.VClusters.Restoring;

/// <summary>
/// The service accounts that a subject of a binding means. It may name one as what it is, or as the user, or all of a namespace as
/// the group, that each of them also is by a name that holds its namespace.
/// </summary>
/// <param name="Namespace">Where they are.</param>
/// <param name="Name">Which one; null for all of the namespace.</param>
internal sealed record SubjectAccounts(string Namespace, string? Name)
{
    private const string User = "system:serviceaccount:";
    private const string Group = "system:serviceaccounts:";

    /// <summary>Reads a subject; null where it means people, or accounts of every namespace.</summary>
    public static SubjectAccounts? Of(JsonObject subject)
    {
        var name = subject["name"]?.GetValue<string>() ?? "";
        return subject["kind"]?.GetValue<string>() switch
        {
            "ServiceAccount" when subject["namespace"]?.GetValue<string>() is { } own => new SubjectAccounts(own, name),
            "User" when name.StartsWith(User, StringComparison.Ordinal) && name[User.Length..].Split(':') is [var ns, var account] => new SubjectAccounts(ns, account),
            "Group" when name.StartsWith(Group, StringComparison.Ordinal) => new SubjectAccounts(name[Group.Length..], null),
            _ => null,
        };
    }

    /// <summary>The same accounts as a restore names them.</summary>
    public SubjectAccounts Mapped(RestoreSelection selection) => this with { Namespace = selection.NamespaceMap.GetValueOrDefault(Namespace, Namespace) };

    /// <summary>Gives a subject that was read the namespace that they have in the target.</summary>
    public void WriteTo(JsonObject subject)
    {
        if (subject["kind"]?.GetValue<string>() == "ServiceAccount")
        {
            subject["namespace"] = Namespace;
        }
        else
        {
            subject["name"] = Name is null ? Group + Namespace : $"{User}{Namespace}:{Name}";
        }
    }

    public override string ToString() => Name is null ? $"the service accounts of {Namespace}" : $"service account {Namespace}/{Name}";
}
