using System.Text.Json.Nodes;
using Hexabase.DrConsole.Engine.Backups.VClusters.Objects;

namespace Hexabase.DrConsole.Engine.Tests.Backups.VClusters;

public sealed class ObjectCleaningTests
{
    [Theory]
    // What a server gives: gone. What was asked for, finalizers and owners: stays.
    [InlineData(
        """{"kind":"ConfigMap","metadata":{"name":"a","uid":"u","resourceVersion":"1","generation":2,"selfLink":"/x","creationTimestamp":"t","deletionTimestamp":"t","deletionGracePeriodSeconds":0,"generateName":"a-","managedFields":[],"finalizers":["f"],"ownerReferences":[{"uid":"o"}],"annotations":{},"labels":{"l":"1"}},"data":{"status":"x"},"status":{"a":1}}""",
        """{"kind":"ConfigMap","metadata":{"name":"a","finalizers":["f"],"ownerReferences":[{"uid":"o"}],"labels":{"l":"1"}},"data":{"status":"x"}}""")]
    // An address that was assigned goes, a headless Service stays headless.
    [InlineData(
        """{"kind":"Service","metadata":{"name":"s","managedFields":[]},"spec":{"clusterIP":"10.0.0.1","clusterIPs":["10.0.0.1"],"healthCheckNodePort":30001,"ports":[{"port":80,"nodePort":30000}]}}""",
        """{"kind":"Service","metadata":{"name":"s"},"spec":{"ports":[{"port":80}]}}""")]
    [InlineData("""{"kind":"Service","metadata":{"name":"s"},"spec":{"clusterIP":"None"}}""", """{"kind":"Service","metadata":{"name":"s"},"spec":{"clusterIP":"None"}}""")]
    // A node port that somebody asked for: by the field's owner, or by kubectl apply.
    [InlineData(
        """{"kind":"Service","metadata":{"name":"s","managedFields":[{"fieldsV1":{"f:spec":{"f:ports":{"k:{\"port\":80,\"protocol\":\"TCP\"}":{"f:nodePort":{}}}}}}]},"spec":{"ports":[{"port":80,"nodePort":30000},{"port":81,"nodePort":30001}]}}""",
        """{"kind":"Service","metadata":{"name":"s"},"spec":{"ports":[{"port":80,"nodePort":30000},{"port":81}]}}""")]
    [InlineData(
        """{"kind":"Service","metadata":{"name":"s","managedFields":[],"annotations":{"kubectl.kubernetes.io/last-applied-configuration":"{\"spec\":{\"ports\":[{\"port\":80,\"nodePort\":30000}]}}"}},"spec":{"ports":[{"port":80,"nodePort":30000}]}}""",
        """{"kind":"Service","metadata":{"name":"s","annotations":{"kubectl.kubernetes.io/last-applied-configuration":"{\"spec\":{\"ports\":[{\"port\":80,\"nodePort\":30000}]}}"}},"spec":{"ports":[{"port":80,"nodePort":30000}]}}""")]
    [InlineData(
        """{"kind":"PersistentVolumeClaim","metadata":{"name":"c","annotations":{"pv.kubernetes.io/bind-completed":"yes","volume.kubernetes.io/selected-node":"n","keep":"1"}},"spec":{"volumeName":"v"}}""",
        """{"kind":"PersistentVolumeClaim","metadata":{"name":"c","annotations":{"keep":"1"}},"spec":{"volumeName":"v"}}""")]
    [InlineData(
        """{"kind":"PersistentVolume","metadata":{"name":"v"},"spec":{"claimRef":{"name":"c","uid":"u","resourceVersion":"7"}}}""",
        """{"kind":"PersistentVolume","metadata":{"name":"v"},"spec":{"claimRef":{"name":"c"}}}""")]
    [InlineData(
        """{"kind":"Job","metadata":{"name":"j","labels":{"controller-uid":"u"}},"spec":{"selector":{"matchLabels":{"controller-uid":"u"}},"template":{"metadata":{"labels":{"controller-uid":"u","batch.kubernetes.io/controller-uid":"u","job-name":"j"}}}}}""",
        """{"kind":"Job","metadata":{"name":"j"},"spec":{"template":{"metadata":{"labels":{"job-name":"j"}}}}}""")]
    [InlineData(
        """{"kind":"Pod","metadata":{"name":"p"},"spec":{"nodeName":"n","priority":0,"serviceAccountName":"web","volumes":[{"name":"web-token-x1"},{"name":"data"}],"containers":[{"name":"c","volumeMounts":[{"name":"web-token-x1"}]}]}}""",
        """{"kind":"Pod","metadata":{"name":"p"},"spec":{"serviceAccountName":"web","volumes":[{"name":"data"}],"containers":[{"name":"c"}]}}""")]
    [InlineData(
        """{"kind":"Secret","type":"kubernetes.io/service-account-token","metadata":{"name":"s","annotations":{"kubernetes.io/service-account.name":"web","kubernetes.io/service-account.uid":"u"}},"data":{"token":"x","ca.crt":"x","namespace":"x"}}""",
        """{"kind":"Secret","type":"kubernetes.io/service-account-token","metadata":{"name":"s","annotations":{"kubernetes.io/service-account.name":"web"}}}""")]
    [InlineData(
        """{"kind":"ServiceAccount","metadata":{"name":"web"},"secrets":[{"name":"web-token-abcde"},{"name":"registry"}]}""",
        """{"kind":"ServiceAccount","metadata":{"name":"web"},"secrets":[{"name":"registry"}]}""")]
    [InlineData(
        """{"kind":"CustomResourceDefinition","metadata":{"name":"d"},"spec":{"versions":[{"subresources":{"status":{}}}]},"status":{"storedVersions":["v1"]}}""",
        """{"kind":"CustomResourceDefinition","metadata":{"name":"d"},"spec":{"versions":[{"subresources":{"status":{}}}]}}""")]
    public void Cleaned_object_keeps_what_was_asked_for(string given, string expected)
    {
        var cleaned = ObjectCleaning.Clean((JsonObject)JsonNode.Parse(given)!);
        Assert.True(JsonNode.DeepEquals(JsonNode.Parse(expected), cleaned), cleaned.ToJsonString());
        var again = cleaned.ToJsonString();
        Assert.Equal(again, ObjectCleaning.Clean(cleaned).ToJsonString());
    }
}
