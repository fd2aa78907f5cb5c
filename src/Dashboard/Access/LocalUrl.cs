namespace Hexabase.DrConsole.Dashboard.Access;

/// <summary>Keeps redirects after sign-in inside the console.</summary>
public static class LocalUrl
{
    /// <summary>
    /// <paramref name="url"/> where it is a path on this host, else <c>/</c>. Browsers read <c>//host</c>,
    /// <c>/\host</c> and control characters inside them as another host.
    /// </summary>
    public static string OrRoot(string? url)
    {
        if (string.IsNullOrEmpty(url) || url[0] != '/' || url.Any(char.IsControl))
        {
            return "/";
        }

        var isOtherHost = url.Length > 1 && url[1] is ('/' or '\\');
        var isSignIn = url.StartsWith(AccessPaths.SignIn, StringComparison.OrdinalIgnoreCase)
            || url.StartsWith(AccessPaths.SignOut, StringComparison.OrdinalIgnoreCase);
        return isOtherHost || isSignIn ? "/" : url;
    }
}
