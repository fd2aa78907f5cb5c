namespace Hexabase.DrConsole.Engine.Estate;

/// <summary>Reads the <c>VCluster</c> of a source.</summary>
internal static class VClusterConfiguration
{
    public static VClusterSettings Read(ConfigurationReader settings)
    {
        settings.AllowOnly("Namespace", "Name", "Kubeconfig", "Server", "PauseForBackup", "Etcd", "DataDirectory", "VolumesDirectory", "ParallelRequests", "MayBeEmptied");
        settings.RequiredText("Kubeconfig");
        return new VClusterSettings(settings.RequiredText("Namespace"), settings.FilePath("Kubeconfig") ?? "", settings.Flag("PauseForBackup", false))
        {
            Name = settings.Text("Name"),
            Server = Address(settings, "Server"),
            Etcd = settings.Has("Etcd") ? ReadEtcd(settings.Section("Etcd")) : null,
            DataDirectory = settings.FilePath("DataDirectory"),
            VolumesDirectory = settings.FilePath("VolumesDirectory"),
            ParallelRequests = settings.Number("ParallelRequests", 4, 1, 64),
            MayBeEmptied = settings.Flag("MayBeEmptied", false),
        };
    }

    private static EtcdSettings ReadEtcd(ConfigurationReader settings)
    {
        settings.AllowOnly("Endpoint", "CertificateAuthority", "Certificate", "Key");
        settings.RequiredText("Endpoint");
        if (settings.Has("Certificate") != settings.Has("Key"))
        {
            settings.Problem("Certificate", "and Key go together: give both or none");
        }

        foreach (var name in (string[])["CertificateAuthority", "Certificate", "Key"])
        {
            if (settings.FilePath(name) is { } path && !File.Exists(path))
            {
                settings.Problem(name, $"there is no file {path}");
            }
        }

        return new EtcdSettings(
            Address(settings, "Endpoint") ?? new Uri("http://127.0.0.1:2379"), settings.FilePath("CertificateAuthority"), settings.FilePath("Certificate"), settings.FilePath("Key"));
    }

    private static Uri? Address(ConfigurationReader settings, string name)
    {
        var text = settings.Text(name);
        if (text is null)
        {
            return null;
        }

        if (Uri.TryCreate(text, UriKind.Absolute, out var address) && address.Scheme is "http" or "https")
        {
            return address;
        }

        settings.Problem(name, $"'{text}' is not an address; use https://host:port");
        return null;
    }
}
