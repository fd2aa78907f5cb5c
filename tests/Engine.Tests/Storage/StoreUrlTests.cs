using Hexabase.DrConsole.Engine.Storage;
using Hexabase.DrConsole.Engine.Storage.S3;

namespace Hexabase.DrConsole.Engine.Tests.Storage;

public sealed class StoreUrlTests
{
    private const string Fingerprint = "SHA256:AAAABBBBCCCCDDDDEEEEFFFFGGGGHHHHIIIIJJJJKK+";

    [Fact]
    public void Directories()
    {
        Assert.Equal("/var/backups/hot", StoreUrl.Parse("file:///var/backups/hot/").Path);
        Assert.Equal("/var/with space", StoreUrl.Parse("file:///var/with%20space").Path);
        Assert.Equal("/var/really?", StoreUrl.Parse("file:///var/really?").Path);
        Assert.Equal("file:///var/with%20space", new StoreUrl("/var/with space").ToString());
        Assert.Equal("/etc/app/data/hot", StoreUrl.Parse("file:data/hot", "/etc/app").Path);
        Assert.Equal("/a/shop", StoreUrl.Parse("file:///a").Combine("shop").Path);
        Assert.Equal("/a", StoreUrl.Parse("file:///a").LocalFolder);
    }

    [Fact]
    public void The_designs_S3_example()
    {
        var url = StoreUrl.Parse("s3://bucket/prefix?endpoint=http://127.0.0.1:7480&region=us-east-1&pathStyle=true");
        Assert.Equal(("prefix", "bucket", "http://127.0.0.1:7480/", "us-east-1", true), (url.Path, url.S3!.Bucket, url.S3.Endpoint!.ToString(), url.S3.Region, url.S3.PathStyle));
        Assert.Equal(ChecksumMode.WhenRequired, url.S3.Checksum);
        Assert.Null(url.LocalFolder);
        Assert.Equal("s3://bucket/prefix/shop?endpoint=http://127.0.0.1:7480", url.Combine("shop").Display);
        Assert.Equal(url, StoreUrl.Parse(url.ToString()));
    }

    [Fact]
    public void S3_with_every_option_survives_being_written()
    {
        const string Text = "s3://backups/warm/eu?endpoint=https://s3.example:9000&region=eu-1&pathStyle=false&checksum=whenSupported&storageClass=STANDARD_IA&objectLock=compliance&objectLockDays=30&ca=/etc/ca.pem&credentials=/etc/cred&profile=dr&connectTimeout=3&timeout=20";
        var url = StoreUrl.Parse(Text);
        Assert.Equal((ObjectLock.Compliance, 30, "STANDARD_IA", ChecksumMode.WhenSupported, "dr"), (url.S3!.Lock, url.S3.LockDays, url.S3.StorageClass, url.S3.Checksum, url.S3.Profile));
        Assert.Equal(Text, url.ToString());
        Assert.Equal([("ca", "/etc/ca.pem"), ("credentials", "/etc/cred")], url.Files);
        Assert.Equal("s3://bb/shop", StoreUrl.Parse("s3://bb").Combine("shop").ToString());
        Assert.Equal(ChecksumMode.WhenSupported, StoreUrl.Parse("s3://bb").S3!.Checksum);
    }

    [Fact]
    public void The_designs_SFTP_example_with_a_relative_key()
    {
        var url = StoreUrl.Parse("sftp://backup@127.0.0.1:2022/srv/cold?identity=keys/id_ed25519", "/etc/app");
        Assert.Equal(("backup", "127.0.0.1", 2022, "/srv/cold", "/etc/app/keys/id_ed25519"), (url.Sftp!.User, url.Sftp.Host, url.Sftp.Port, url.Path, url.Sftp.Identity));
        Assert.Equal("sftp://backup@127.0.0.1:2022/srv/cold/shop", url.Combine("shop").Display);
        Assert.Equal("sftp://backup@127.0.0.1:2022/srv/cold?identity=/etc/app/keys/id_ed25519", url.ToString());
        Assert.Equal(22, StoreUrl.Parse("sftp://b@host/x?passwordFile=/p").Sftp!.Port);
        Assert.Equal("[::1]:22", StoreUrl.Parse("sftp://b@[::1]/x?passwordFile=/p").Sftp!.Address);
    }

    [Fact]
    public void SFTP_with_every_option_survives_being_written()
    {
        const string Text = $"sftp://b@host:23/x?identity=/i&passphraseFile=/pp&passwordFile=/p&knownHosts=/k&hostKey={Fingerprint}&connections=2&connectTimeout=3&timeout=20";
        var url = StoreUrl.Parse(Text);
        Assert.Equal([Fingerprint], url.Sftp!.HostKeys);
        Assert.Equal(["/i", "/pp", "/p"], url.SecretFiles);
        Assert.Equal(Text, url.ToString());
    }

    [Theory]
    [InlineData("/plain/path", "is not a store's URL")]
    [InlineData("file://host/path", "has no host")]
    [InlineData("http://x", "of type http: are not known")]
    [InlineData("file:", "no directory")]
    [InlineData("s3://", "no bucket")]
    [InlineData("s3://b/p?endpoint=127.0.0.1:7480", "endpoint is not http")]
    [InlineData("s3://bb/../x", "not a plain path")]
    [InlineData("s3://bb/p?objectLock=governance", "belong together")]
    [InlineData("s3://bb/p?storageClass=glacier", "cannot be read at once")]
    [InlineData("sftp://user@host/?identity=/k", "no absolute path")]
    [InlineData("sftp://user@host/x", "neither identity=FILE")]
    [InlineData("sftp://host/x?identity=/k", "no user")]
    [InlineData("sftp://u@host:99999/x?identity=/k", "port")]
    [InlineData("sftp://u@host/x?identity=/k&hostKey=MD5:aa", "not a fingerprint")]
    public void A_URL_that_is_none_is_refused(string url, string why)
    {
        var fault = Assert.Throws<EngineException>(() => StoreUrl.Parse(url));
        Assert.Equal(("store-url-invalid", ErrorKind.Input), (fault.Code, fault.Kind));
        Assert.Contains(why, fault.Message, StringComparison.Ordinal);
        Assert.NotNull(fault.Hint);
    }

    [Fact]
    public void All_mistakes_are_named_at_once()
    {
        var fault = Assert.Throws<EngineException>(() => StoreUrl.Parse("s3://bb/p?endpoint=nowhere&pathStyle=maybe&timeout=0&regin=x&checksum=some"));
        foreach (var expected in new[] { "endpoint is not", "pathStyle is neither", "timeout is not a whole number", "no option 'regin'", "checksum is none of whenRequired, whenSupported" })
        {
            Assert.Contains(expected, fault.Message, StringComparison.Ordinal);
        }
    }

    [Theory]
    [InlineData("s3://AKIA:hunter2@bucket/p")]
    [InlineData("s3://bb/p?secretKey=hunter2")]
    [InlineData("s3://bb/p?endpoint=http://a:hunter2@host")]
    [InlineData("sftp://user:hunter2@host/x")]
    [InlineData("sftp://user@host/x?password=hunter2")]
    [InlineData("://user:hunter2@host/x")]
    public void A_secret_in_a_URL_is_refused_and_not_repeated(string url)
    {
        var fault = Assert.Throws<EngineException>(() => StoreUrl.Parse(url));
        Assert.DoesNotContain("hunter2", fault.ToText(), StringComparison.Ordinal);
    }

    [Fact]
    public void The_same_place_is_known_under_other_names()
    {
        using var folder = new Repository.TemporaryFolder();
        Directory.CreateDirectory(folder.Combine("real"));
        Directory.CreateSymbolicLink(folder.Combine("link"), folder.Combine("real"));
        AssertSame($"file://{folder.Path}/real/a", $"file://{folder.Path}/link/a/");
        AssertSame("s3://bb/p/?endpoint=http://LOCALHOST:80", "s3://bb/p?endpoint=http://127.0.0.1&region=x");
        AssertSame("sftp://a@localhost/x?identity=/a", "sftp://b@127.0.0.1:22//x/?passwordFile=/b");
        Assert.NotEqual(StoreUrl.Parse("s3://bb/p?endpoint=http://a").Place, StoreUrl.Parse("s3://bb/p?endpoint=http://b").Place);

        static void AssertSame(string one, string other) => Assert.Equal(StoreUrl.Parse(one).Place, StoreUrl.Parse(other).Place);
    }
}
