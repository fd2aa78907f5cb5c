namespace Hexabase.DrConsole.Engine.Servers;

/// <summary>Gives a folder with all in it to a user: what was restored belongs to whom the source's server ran as.</summary>
internal static class OwnedFolder
{
    /// <summary>Changes the owner of everything below, links themselves and not what they lead to. Nothing for an ordinary user.</summary>
    public static void Give(string path, ServerUser owner)
    {
        if (!ServerUser.IsRoot)
        {
            return;
        }

        LibC.ChangeOwner(path, owner.UserId, owner.GroupId);
        var all = new EnumerationOptions { RecurseSubdirectories = true, AttributesToSkip = 0, IgnoreInaccessible = false };
        foreach (var entry in Directory.EnumerateFileSystemEntries(path, "*", all))
        {
            LibC.ChangeOwner(entry, owner.UserId, owner.GroupId);
        }
    }
}
