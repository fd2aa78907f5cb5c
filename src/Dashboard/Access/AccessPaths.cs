namespace Hexabase.DrConsole.Dashboard.Access;

/// <summary>Where people come in, go out and are turned away.</summary>
public static class AccessPaths
{
    public const string SignIn = "/sign-in";

    /// <summary>Where only this browser could be signed out: the catalog could not be told.</summary>
    public const string SignInNotEnded = "/sign-in?ended=false";

    public const string SignOut = "/sign-out";

    /// <summary>Ends every session of the person, in all browsers.</summary>
    public const string SignOutEverywhere = "/sign-out/everywhere";

    public const string Denied = "/denied";
}
