using Hexabase.DrConsole.Engine.Repository.Trees;
using Hexabase.DrConsole.Engine.Servers;
using Microsoft.Win32.SafeHandles;

namespace Hexabase.DrConsole.Engine.Backups;

/// <summary>Gives a folder with all in it to a user: what was restored belongs to whom the source's server ran as.</summary>
internal static class OwnedFolder
{
    /// <summary>Changes the owner of everything below, links themselves and not what they lead to. Nothing for an ordinary user.</summary>
    /// <exception cref="EngineException"><c>folder-owner</c>.</exception>
    public static void Give(string path, ServerUser owner)
    {
        if (!ServerUser.IsRoot)
        {
            return;
        }

        try
        {
            using var folder = Posix.OpenDirectoryHandle(Posix.ToPath(path));
            GiveContent(folder, owner);
            Posix.SetOwnerOf(Posix.LiveName(folder), owner.UserId, owner.GroupId);
        }
        catch (PosixException fault)
        {
            throw NotGiven(path, owner, fault);
        }
    }

    /// <summary>The same of an item in a folder that is held open.</summary>
    /// <exception cref="EngineException"><c>folder-owner</c>.</exception>
    public static void Give(SafeFileHandle folder, string name, ServerUser owner)
    {
        if (!ServerUser.IsRoot)
        {
            return;
        }

        try
        {
            GiveItem(folder, Posix.ToPath(name), owner);
        }
        catch (PosixException fault)
        {
            throw NotGiven(name, owner, fault);
        }
    }

    private static void GiveContent(SafeFileHandle folder, ServerUser owner)
    {
        foreach (var name in Posix.List(folder, Posix.ToPath(".")))
        {
            GiveItem(folder, [.. name, 0], owner);
        }
    }

    /// <summary>
    /// The folder itself last: whose it is may change what is in it, and lead whoever goes by paths elsewhere by a link. That is also
    /// why each is opened in the one above it, and never over a link.
    /// </summary>
    private static void GiveItem(SafeFileHandle folder, byte[] name, ServerUser owner)
    {
        if (Posix.TryStatAt(folder, name) is { Kind: TreeNodeKind.Directory })
        {
            using var below = Posix.OpenDirectoryAt(folder, name);
            GiveContent(below, owner);
            Posix.SetOwnerOf(Posix.LiveName(below), owner.UserId, owner.GroupId);
            return;
        }

        using var item = Posix.OpenItemAt(folder, name);
        Posix.SetOwnerOf(Posix.LiveName(item), owner.UserId, owner.GroupId);
    }

    private static EngineException NotGiven(string path, ServerUser owner, PosixException fault) => new(
        "folder-owner", ErrorKind.Denied, $"{path}: cannot be given to user id {owner.UserId}: {fault.Message}",
        "run the console as root, or let one user own everything", fault);
}
