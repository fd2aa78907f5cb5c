namespace Hexabase.DrConsole.Engine.Servers.Kubernetes;

/// <summary>The programs of a Kubernetes control plane on this machine.</summary>
/// <param name="ApiServer">kube-apiserver.</param>
/// <param name="Etcd">etcd, version 3.</param>
/// <param name="ControllerManager">kube-controller-manager, where there is one.</param>
/// <param name="EtcdTool">etcdctl, which looks at snapshots and restores them; where there is one.</param>
public sealed record KubernetesBinaries(string ApiServer, string Etcd, string? ControllerManager, string? EtcdTool)
{
    /// <summary>The folder of a machine that was given the programs, as envtest has it; used before everything else.</summary>
    public const string AssetsVariable = "KUBEBUILDER_ASSETS";

    /// <summary>Where <c>setup.sh</c> builds what no package has.</summary>
    public static string BuildFolder
    {
        get
        {
            // As the shell that built it sees them: HOME may be another folder than the one in the system's list of users.
            var cache = Environment.GetEnvironmentVariable("XDG_CACHE_HOME");
            var home = Environment.GetEnvironmentVariable("HOME");
            return Path.Combine(
                string.IsNullOrEmpty(cache) ? Path.Combine(string.IsNullOrEmpty(home) ? ServerUser.Current.Home : home, ".cache") : cache, "hexabase-drconsole", "kubernetes-1.20.2");
        }
    }

    /// <summary>The installed programs, or null where API server or etcd is missing.</summary>
    public static KubernetesBinaries? Find()
    {
        var assets = Environment.GetEnvironmentVariable(AssetsVariable);
        List<string> folders = string.IsNullOrEmpty(assets) ? [] : [assets];
        if (File.Exists(Path.Combine(BuildFolder, "complete")))
        {
            folders.Add(BuildFolder);
        }

        folders.AddRange((Environment.GetEnvironmentVariable("PATH") ?? "").Split(':', StringSplitOptions.RemoveEmptyEntries));
        return In(folders, "kube-apiserver") is { } server && In(folders, "etcd") is { } etcd
            ? new KubernetesBinaries(server, etcd, In(folders, "kube-controller-manager"), FindEtcdTool())
            : null;
    }

    /// <summary>etcdctl alone: a snapshot can be looked at where no API server can be started.</summary>
    public static string? FindEtcdTool() => Find("etcdctl");

    /// <summary>etcd alone, for the same reason.</summary>
    public static string? FindEtcd() => Find("etcd");

    private static string? Find(string program) =>
        In([Environment.GetEnvironmentVariable(AssetsVariable) ?? "", .. (Environment.GetEnvironmentVariable("PATH") ?? "").Split(':')], program);

    private static string? In(IEnumerable<string> folders, string program) =>
        folders.Where(folder => folder.Length > 0).Select(folder => Path.Combine(folder, program)).FirstOrDefault(File.Exists);
}
