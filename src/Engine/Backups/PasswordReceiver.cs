using Hexabase.DrConsole.Engine.Backups.Postgres;

namespace Hexabase.DrConsole.Engine.Backups;

/// <summary>A server that is sent a password, and how well the way there is protected.</summary>
/// <param name="Protocol">Of the kind of server: the same port may speak another one to another program.</param>
/// <param name="Host">As it is written: an alias of it may be another listener.</param>
/// <param name="Port">TCP port.</param>
/// <param name="Protection">Within the protocol; more is better.</param>
/// <param name="CaFile">Whose certificates are believed; null where the system's are.</param>
internal sealed record PasswordReceiver(string Protocol, string Host, int Port, int Protection, string? CaFile)
{
    /// <param name="sslMode">One of <see cref="PostgresSource.SslModes"/>; null is libpq's default, <c>prefer</c>.</param>
    public static PasswordReceiver OfPostgres(string host, int port, string? sslMode) =>
        new("postgres", host, port, PostgresSource.SslModes.ToList().IndexOf(sslMode ?? "prefer"), null);

    public static PasswordReceiver OfRedis(string host, int port, bool tls, string? caFile) => new("redis", host, port, tls ? 1 : 0, caFile);

    /// <summary>Whether they are one server: by the text, since <c>localhost</c>, <c>127.0.0.1</c> and <c>::1</c> may be three.</summary>
    public bool IsSameAs(PasswordReceiver? other) =>
        other is not null && Protocol == other.Protocol && Port == other.Port && string.Equals(Host, other.Host, StringComparison.OrdinalIgnoreCase);

    /// <summary>Whether a password of this one may go the other way: no less protected, and trusting nobody whom this one does not.</summary>
    public bool IsNoBetterProtectedThan(PasswordReceiver other) =>
        other.Protection >= Protection && (other.CaFile == CaFile || (other.CaFile is null && Protection == 0));
}
