using System.Globalization;
using Hexabase.DrConsole.Engine.Servers;

namespace Hexabase.DrConsole.Engine.Backups.Postgres.Physical.InPlace;

public sealed partial class InPlaceRestore
{
    /// <summary>
    /// Recovers beside the old directory, and exchanges the two when all is done: the old one is whole until then, and killed
    /// between the two renames there is none under its name, which the same call or the undo mends.
    /// </summary>
    private async Task<PhysicalRestoreResult> ExecuteAsideAsync(
        InPlaceOrder order, ClusterFacts facts, IProgress<TransferProgress>? progress, Action<string, string>? log, CancellationToken cancellationToken)
    {
        if (Directory.Exists(order.AsidePath) && Directory.Exists(order.Target.Path))
        {
            throw Conflict(order);
        }

        await LocalFolder.RemoveAsync(order.TablespacesPath, time, cancellationToken);
        var work = new RecoveryWork(order.Repository, order.RestorePoint, facts, order.Target, FolderOf(order), NameOf(order), registry, time);
        var recovered = await work.RunAsync(progress, log, cancellationToken);
        PublishAside(order, facts, work.Data, work.Tablespaces);
        Step("clear");
        await RecoveryWork.RemoveAsync(registry, NameOf(order), FolderOf(order), CancellationToken.None);
        return recovered;
    }

    /// <summary>Exchanges the directories, when the new one is whole.</summary>
    internal void PublishAside(InPlaceOrder order, ClusterFacts facts, string data, string tablespaces)
    {
        var old = Directory.Exists(order.AsidePath) ? order.AsidePath : order.Target.Path;
        TakeConfiguration(old, data);
        WriteMarker(order, data);
        if (facts.Tablespaces.Count > 0)
        {
            Step("tablespaces");
            DirectoryMoves.Rename(tablespaces, order.TablespacesPath);
            Relink(order, facts, data);
        }

        DirectoryMoves.Sync(data);
        DirectoryUse.RequireStopped(order.Target.Path);
        if (!Directory.Exists(order.AsidePath))
        {
            Step("aside");
            DirectoryMoves.Rename(order.Target.Path, order.AsidePath);
        }

        Step("publish");
        DirectoryMoves.Rename(data, order.Target.Path);
    }

    internal bool UndoAside(InPlaceOrder order)
    {
        if (!Directory.Exists(order.AsidePath))
        {
            return false;
        }

        if (Directory.Exists(order.Target.Path))
        {
            if (!IsFinished(order))
            {
                throw Conflict(order);
            }

            Step("undone");
            DirectoryMoves.Rename(order.Target.Path, order.UndonePath);
        }

        Step("back");
        DirectoryMoves.Rename(order.AsidePath, order.Target.Path);
        return true;
    }

    /// <summary>Exactly the configuration that the old directory had: what it lacked lies elsewhere.</summary>
    private static void TakeConfiguration(string old, string data)
    {
        foreach (var name in Configuration)
        {
            var (from, to) = (Path.Combine(old, name), Path.Combine(data, name));
            if (File.Exists(from))
            {
                LocalFolder.WritePrivateFile(to, File.ReadAllBytes(from), ServerUser.ForPostgres());
            }
            else
            {
                File.Delete(to);
            }
        }
    }

    private static void Relink(InPlaceOrder order, ClusterFacts facts, string data)
    {
        foreach (var space in facts.Tablespaces)
        {
            var name = space.Oid.ToString(CultureInfo.InvariantCulture);
            var link = Path.Combine(data, "pg_tblspc", name);
            File.Delete(link);
            File.CreateSymbolicLink(link, Path.Combine(order.TablespacesPath, name));
            LocalFolder.GiveTo(link, ServerUser.ForPostgres());
        }
    }

    private static EngineException Conflict(InPlaceOrder order) => new("in-place-conflict", ErrorKind.Conflict,
        $"{order.AsidePath} is there, and so is a directory {order.Target.Path} that this restore did not make", "look at both, and move away what is not wanted; nothing was changed");

    private void Step(string name) => OnStep?.Invoke(name);
}
