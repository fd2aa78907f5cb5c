namespace Hexabase.DrConsole.Dashboard.Access;

/// <summary>What a password is given for. Wrong ones are counted, and lock, apart.</summary>
public enum PasswordUse
{
    /// <summary>To sign in: anybody who reaches the sign-in page may try.</summary>
    SignIn,

    /// <summary>To confirm an act inside of a session: only whoever holds one of that person's may try.</summary>
    Confirmation,
}
