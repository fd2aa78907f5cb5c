namespace Hexabase.DrConsole.Engine.Recovery.Actions;

/// <summary>The actions that put a restore point in the place of what is there: by them a plan restores, and a drill or a recovery has shown that it does.</summary>
internal static class RestoringActions
{
    /// <summary>The same for SQL, behind <c>IN</c>.</summary>
    public const string Sql = $"('{RestoreFromBackup.ActionName}', '{RestoreInPlace.ActionName}')";

    public static bool Contains(string action) => action is RestoreFromBackup.ActionName or RestoreInPlace.ActionName;
}
