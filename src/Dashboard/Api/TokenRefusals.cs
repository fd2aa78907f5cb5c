namespace Hexabase.DrConsole.Dashboard.Api;

/// <summary>
/// Says which refusals of tokens go into the audit, which is never shortened: that a token tried is there, once an hour for each
/// thing that it tried. A program that asks in a loop fills nothing.
/// </summary>
internal sealed class TokenRefusals(TimeProvider time)
{
    private const int Most = 4096;
    private static readonly TimeSpan s_silence = TimeSpan.FromHours(1);
    private readonly Lock _gate = new();
    private readonly Dictionary<(string Token, string What), DateTimeOffset> _told = [];

    /// <summary>True where it has to be told; the next hour it has not.</summary>
    public bool IsNew(string token, string what)
    {
        var now = time.GetUtcNow();
        lock (_gate)
        {
            if (_told.TryGetValue((token, what), out var at) && now - at < s_silence)
            {
                return false;
            }

            if (_told.Count >= Most)
            {
                _told.Clear();
            }

            _told[(token, what)] = now;
            return true;
        }
    }
}
