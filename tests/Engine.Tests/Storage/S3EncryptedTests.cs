using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Amazon.S3.Model;
using Hexabase.DrConsole.Engine.Repository;
using Hexabase.DrConsole.Engine.Storage;
using Hexabase.DrConsole.Engine.Storage.Decorators;
using Hexabase.DrConsole.Engine.Tests.Repository;
using Hexabase.DrConsole.Engine.Tests.Support;
using Hexabase.DrConsole.Lab.Stores;

namespace Hexabase.DrConsole.Engine.Tests.Storage;

/// <summary>A real S3 server whose certificate an authority of its own signed.</summary>
public sealed class S3EncryptedTests(StoreLab lab)
{
    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Repository_behind_an_authority_of_its_own_backs_up_checks_and_restores()
    {
        var server = await lab.GetS3Async(Ct);
        await using var store = StoreUrl.Parse(UrlOf(server, Guid.NewGuid().ToString("N"), server.EncryptedEndpoint, server.AuthorityFile)).Open();
        await using var repository = await RepositoryFixture.InitializeAsync(store);
        // Long enough for an upload in parts.
        var content = RepositoryFixture.Noise(40_000_000, 3);

        var point = await repository.BackupAsync(content);

        RepositoryFixture.AssertSame(content, await repository.ReadAsync(point));
        Assert.True((await repository.CheckAsync(CheckLevel.L3, CheckSlice.All, null, Ct)).IsSound);
    }

    [Fact]
    public async Task Server_that_the_named_authority_does_not_vouch_for_is_refused_before_anything_is_written()
    {
        var server = await lab.GetS3Async(Ct);
        var prefix = Guid.NewGuid().ToString("N");
        var stranger = await lab.NewFolderAsync();
        await File.WriteAllTextAsync(stranger, Stranger(), Ct);
        var byName = server.EncryptedEndpoint.Replace("127.0.0.1", "localhost", StringComparison.Ordinal);

        foreach (var (endpoint, authority) in ((string, string?)[])[(server.EncryptedEndpoint, null), (server.EncryptedEndpoint, stranger), (byName, server.AuthorityFile)])
        {
            await using var store = new RetryingStore(StoreUrl.Parse(UrlOf(server, prefix, endpoint, authority)).Open());
            var fault = await Assert.ThrowsAsync<EngineException>(() => RepositoryFixture.InitializeAsync(store));
            Assert.Equal(("s3-certificate", ErrorKind.Denied, false), (fault.Code, fault.Kind, fault.IsTransient));
            Assert.Contains("ca=FILE", fault.Hint, StringComparison.Ordinal);
        }

        await AssertNothingWrittenAsync(server, prefix);
    }

    [Theory]
    [InlineData("")]
    [InlineData("no certificate at all")]
    [InlineData("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----")]
    public async Task Authority_that_is_no_certificate_is_refused_as_such(string content)
    {
        var server = await lab.GetS3Async(Ct);
        var file = await lab.NewFolderAsync();
        await File.WriteAllTextAsync(file, content, Ct);
        var prefix = Guid.NewGuid().ToString("N");
        await using var store = StoreUrl.Parse(UrlOf(server, prefix, server.EncryptedEndpoint, file)).Open();

        var fault = await Assert.ThrowsAsync<EngineException>(() => RepositoryFixture.InitializeAsync(store));

        Assert.Equal(("s3-ca-unreadable", ErrorKind.Input), (fault.Code, fault.Kind));
        Assert.Contains(file, fault.Message, StringComparison.Ordinal);
        await AssertNothingWrittenAsync(server, prefix);
    }

    private static string UrlOf(LabS3 server, string prefix, string endpoint, string? authority) =>
        $"s3://{StoreLab.Bucket}/{prefix}?endpoint={endpoint}&credentials={server.CredentialsFile}{(authority is null ? "" : $"&ca={authority}")}";

    private static async Task AssertNothingWrittenAsync(LabS3 server, string prefix)
    {
        using var client = server.CreateClient();
        Assert.Equal(0, (await client.ListObjectsV2Async(new ListObjectsV2Request { BucketName = StoreLab.Bucket, Prefix = prefix }, Ct)).KeyCount);
    }

    /// <summary>An authority that is as good as the server's, but another.</summary>
    private static string Stranger()
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest("CN=drconsole lab", key, HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(certificateAuthority: true, hasPathLengthConstraint: false, 0, critical: true));
        using var authority = request.CreateSelfSigned(TimeProvider.System.GetUtcNow().AddDays(-1), TimeProvider.System.GetUtcNow().AddDays(1));
        return authority.ExportCertificatePem();
    }
}
