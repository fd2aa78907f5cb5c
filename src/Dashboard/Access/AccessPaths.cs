namespace Hexabase.DrConsole.Dashboard.Access;

/// <summary>Where people come in, go out and are turned away.</summary>
public static class AccessPaths
{
    public const string SignIn = "/sign-in";
    public const string SignOut = "/sign-out";
    public const string Denied = "/denied";
}
