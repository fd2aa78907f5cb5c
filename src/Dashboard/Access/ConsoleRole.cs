namespace Hexabase.DrConsole.Dashboard.Access;

/// <summary>What a person may do. Stored by name in <c>console.app_user.role</c>.</summary>
public enum ConsoleRole
{
    /// <summary>Sees everything, changes nothing.</summary>
    Viewer,

    /// <summary>Starts and stops backups, validations and restores.</summary>
    Operator,

    /// <summary>Approves what others propose. Does not operate: who asks is not who approves.</summary>
    Approver,

    /// <summary>Both, and the users and settings.</summary>
    Admin,
}
