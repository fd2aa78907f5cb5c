namespace Hexabase.DrConsole.Engine.Estate;

/// <summary>Reads a source's <c>Volume</c>.</summary>
internal static class VolumeConfiguration
{
    private static readonly TimeSpan s_longestTimeout = TimeSpan.FromMinutes(10);
    private static readonly TimeSpan s_longestFreeze = TimeSpan.FromHours(1);
    private static readonly TimeSpan s_shortestStep = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan s_longestStep = TimeSpan.FromHours(2);

    public static VolumeSettings Read(ConfigurationReader settings)
    {
        settings.AllowOnly("Path", "Exclude", "OneFileSystem", "RequireMount", "MayBeEmptied", "FreezeCommand", "ThawCommand", "Fsfreeze", "HookTimeout", "FrozenLimit", "Node", "Claim", "Snapshot");
        var node = EstateConfiguration.ReadNode(settings);
        var path = settings.FilePath("Path") is { } file ? System.IO.Path.TrimEndingDirectorySeparator(file) : null;
        return new VolumeSettings(path)
        {
            Claim = ReadClaim(settings, path, node),
            Snapshot = ReadSnapshot(settings),
            Exclude = [.. settings.Items("Exclude").Select(item => settings.Section("Exclude").Text(item.Key)).OfType<string>()],
            OneFileSystem = settings.Flag("OneFileSystem", false),
            RequireMount = settings.Text("RequireMount") is null ? null : settings.Flag("RequireMount", false),
            MayBeEmptied = settings.Flag("MayBeEmptied", false),
            Hooks = ReadHooks(settings),
            Node = node,
        };
    }

    private static ClaimSettings? ReadClaim(ConfigurationReader settings, string? path, string? node)
    {
        if (!settings.Has("Claim"))
        {
            if (path is null)
            {
                settings.Problem("Path", "is missing; name a directory, an image, a device, or instead of it a Claim with Kubeconfig, Namespace and Name");
            }

            return null;
        }

        if (path is not null)
        {
            settings.Problem("Path", "does not go with Claim, whose directory its cluster knows; choose one of them");
        }

        var claim = settings.Section("Claim");
        claim.AllowOnly("Kubeconfig", "Namespace", "Name", "VolumesDirectory", "KubeletDirectory");
        var (kubeconfig, ns) = KubernetesPlace.Read(claim, isElsewhere: node is not null);
        var name = claim.RequiredText("Name");
        if (name.Length > 0 && !KubernetesPlace.ObjectName().IsMatch(name))
        {
            claim.Problem("Name", $"'{name}' is no name of a claim");
        }

        return new ClaimSettings(kubeconfig, ns, name)
        {
            VolumesDirectory = claim.FilePath("VolumesDirectory"),
            KubeletDirectory = claim.FilePath("KubeletDirectory") ?? ClaimSettings.DefaultKubeletDirectory,
        };
    }

    private static SnapshotSettings? ReadSnapshot(ConfigurationReader settings)
    {
        if (!settings.Has("Snapshot"))
        {
            // Somebody who writes an empty section wants a snapshot, and would not get one.
            if (settings.IsNamed("Snapshot"))
            {
                settings.Problem("Snapshot", $"is empty; write for example {{ \"ReadyTimeout\": \"{SnapshotSettings.DefaultReadyTimeout:c}\" }}, or leave it out to read the volume itself");
            }

            return null;
        }

        if (!settings.Has("Claim"))
        {
            settings.Problem("Snapshot", "is for a Claim; of a directory no cluster takes snapshots");
        }

        var snapshot = settings.Section("Snapshot");
        snapshot.AllowOnly("Class", "StorageClass", "ReadyTimeout", "PodImage");
        foreach (var key in (string[])["Class", "StorageClass"])
        {
            if (snapshot.Text(key) is { } name && !KubernetesPlace.ObjectName().IsMatch(name))
            {
                snapshot.Problem(key, $"'{name}' is no name of a class");
            }
        }

        return new SnapshotSettings(snapshot.Duration("ReadyTimeout", SnapshotSettings.DefaultReadyTimeout, s_shortestStep, s_longestStep))
        {
            Class = snapshot.Text("Class"),
            StorageClass = snapshot.Text("StorageClass"),
            PodImage = snapshot.Text("PodImage") ?? SnapshotSettings.DefaultPodImage,
        };
    }

    private static VolumeHooks? ReadHooks(ConfigurationReader settings)
    {
        var (freeze, thaw) = (settings.Words("FreezeCommand"), settings.Words("ThawCommand"));
        var isFsfreeze = settings.Flag("Fsfreeze", false);
        foreach (var (key, words, other) in new[] { ("FreezeCommand", freeze, thaw), ("ThawCommand", thaw, freeze) })
        {
            if (words is null && other is not null)
            {
                settings.Problem(key, "is missing; what is frozen must be thawed again, and the other way round");
            }
            else if (words is not null && isFsfreeze)
            {
                settings.Problem(key, "does not go with Fsfreeze; choose one of them");
            }
        }

        var timeout = Bounded(settings, "HookTimeout", VolumeHooks.DefaultTimeout, s_longestTimeout);
        var limit = Bounded(settings, "FrozenLimit", VolumeHooks.DefaultFrozenLimit, s_longestFreeze);
        return freeze is not null || isFsfreeze ? new VolumeHooks(freeze, thaw, isFsfreeze, timeout, limit) : null;
    }

    private static TimeSpan Bounded(ConfigurationReader settings, string key, TimeSpan fallback, TimeSpan longest)
    {
        var value = settings.Duration(key, fallback);
        if (value > longest)
        {
            settings.Problem(key, $"{value:c} is longer than {longest:c}; writers would be held up for so long");
        }

        return value;
    }
}
