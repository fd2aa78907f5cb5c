using Hexabase.DrConsole.Engine.Backups.VClusters.Objects;

namespace Hexabase.DrConsole.Engine.Backups.VClusters.Restoring;

/// <summary>What must be there before what: definitions before their objects, rights before who uses them, webhooks last.</summary>
public static class RestoreOrder
{
    /// <summary>Custom resources and other kinds that no list names: after what they may refer to, before what runs.</summary>
    private const int Others = 150;

    private static readonly Dictionary<string, int> s_ranks = Ranks(
    [
        "CustomResourceDefinition.apiextensions.k8s.io", "Namespace", "PriorityClass.scheduling.k8s.io", "StorageClass.storage.k8s.io", "CSIDriver.storage.k8s.io",
        "RuntimeClass.node.k8s.io", "VolumeSnapshotClass.snapshot.storage.k8s.io", "VolumeSnapshotContent.snapshot.storage.k8s.io", "VolumeSnapshot.snapshot.storage.k8s.io",
        "PodSecurityPolicy.policy", "IngressClass.networking.k8s.io", "ClusterRole.rbac.authorization.k8s.io", "Role.rbac.authorization.k8s.io",
        "ServiceAccount", "ClusterRoleBinding.rbac.authorization.k8s.io", "RoleBinding.rbac.authorization.k8s.io", "Secret", "ConfigMap", "LimitRange", "PersistentVolume",
        "PersistentVolumeClaim", "NetworkPolicy.networking.k8s.io", "Endpoints", "EndpointSlice.discovery.k8s.io", "Service",
    ], 10);

    private static readonly Dictionary<string, int> s_late = Ranks(
    [
        "Pod", "ReplicationController", "ReplicaSet.apps", "StatefulSet.apps", "DaemonSet.apps", "Deployment.apps", "Job.batch", "CronJob.batch", "Ingress.networking.k8s.io",
        "HorizontalPodAutoscaler.autoscaling", "PodDisruptionBudget.policy", "ResourceQuota", "APIService.apiregistration.k8s.io",
        "ValidatingWebhookConfiguration.admissionregistration.k8s.io", "MutatingWebhookConfiguration.admissionregistration.k8s.io",
    ], 200);

    /// <summary>Lower comes first.</summary>
    public static int RankOf(KubeObjectKey key)
    {
        var kind = key.Kind + (key.Group.Length > 0 ? "." + key.Group : "");
        return s_ranks.TryGetValue(kind, out var rank) || s_late.TryGetValue(kind, out rank) ? rank : Others;
    }

    /// <summary>True for what may use claims, or lets others do: Pods and what makes them, and custom resources, whose operators are not known.</summary>
    public static bool MayUseClaims(KubeObjectKey key) => RankOf(key) >= Others;

    /// <summary>True for what makes the server ask others: from then on any write may be refused for their sake.</summary>
    public static bool IsOfOtherServers(KubeObjectKey key) => RankOf(key) >= s_late["APIService.apiregistration.k8s.io"];

    private static Dictionary<string, int> Ranks(string[] kinds, int first) =>
        kinds.Select((kind, at) => (kind, first + at)).ToDictionary(pair => pair.kind, pair => pair.Item2, StringComparer.Ordinal);
}
