using Hexabase.DrConsole.Dashboard.Access;

namespace Hexabase.DrConsole.Dashboard.Tests.Access;

public sealed class PasswordHasherTests
{
    private static readonly PasswordCost Cheap = new(64, 1);
    private readonly PasswordHasher _hasher = new(Cheap);

    [Fact]
    public void Verify_right_password_is_true()
        => Assert.True(_hasher.Verify(_hasher.Hash("påsswörd 復元"), "påsswörd 復元"));

    [Theory]
    [InlineData("")]
    [InlineData("Correct horse")]
    [InlineData("correct horse ")]
    public void Verify_other_password_is_false(string other)
        => Assert.False(_hasher.Verify(_hasher.Hash("correct horse"), other));

    [Fact]
    public void Verify_unknown_user_is_false() => Assert.False(_hasher.Verify(null, "correct horse"));

    // Made with: printf 'correct horse' | argon2 0123456789abcdef -id -t 3 -k 4096 -p 1 -l 32 -e
    [Fact]
    public void Verify_hash_of_another_implementation_is_true()
        => Assert.True(_hasher.Verify("$argon2id$v=19$m=4096,t=3,p=1$MDEyMzQ1Njc4OWFiY2RlZg$yKu3VvxpnGuioOMoo23yIk+ovTMwsjQzEGrIn1aXYmc", "correct horse"));

    [Theory]
    [InlineData("")]
    [InlineData("plain")]
    [InlineData("$argon2id$v=19$m=99999999,t=3,p=1$c2FsdHNhbHRzYWx0c2FsdA$c2FsdHNhbHRzYWx0c2FsdA")]
    [InlineData("$argon2id$v=19$m=64,t=1,p=1$!!$c2FsdHNhbHRzYWx0c2FsdA")]
    [InlineData("$argon2i$v=19$m=64,t=1,p=1$c2FsdHNhbHRzYWx0c2FsdA$c2FsdHNhbHRzYWx0c2FsdA")]
    public void Verify_unreadable_hash_is_false(string hash) => Assert.False(_hasher.Verify(hash, "correct horse"));

    [Fact]
    public void Hash_same_password_twice_differs() => Assert.NotEqual(_hasher.Hash("a"), _hasher.Hash("a"));

    [Fact]
    public void NeedsRenewal_other_cost_is_true()
    {
        Assert.True(_hasher.NeedsRenewal(new PasswordHasher(new PasswordCost(128, 1)).Hash("a")));
        Assert.False(_hasher.NeedsRenewal(_hasher.Hash("a")));
    }
}
