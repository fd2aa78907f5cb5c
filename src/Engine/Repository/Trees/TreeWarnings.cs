namespace Hexabase.DrConsole.Engine.Repository.Trees;

/// <summary>What went not quite well with a tree. Keeps the first thousand lines and counts the rest. Thread-safe.</summary>
internal sealed class TreeWarnings
{
    private const int MaxLines = 1000;
    private readonly Lock _lock = new();
    private readonly List<string> _lines = [];

    public long Count { get; private set; }

    /// <summary>Items that are missing because they could not be read.</summary>
    public long UnreadableCount { get; private set; }

    public IReadOnlyList<string> Lines
    {
        get
        {
            lock (_lock)
            {
                return [.. _lines];
            }
        }
    }

    public void Note(string line)
    {
        lock (_lock)
        {
            Count++;
            if (_lines.Count < MaxLines)
            {
                _lines.Add(line);
            }
        }
    }

    public void Unreadable(string line)
    {
        Note(line);
        lock (_lock)
        {
            UnreadableCount++;
        }
    }
}
