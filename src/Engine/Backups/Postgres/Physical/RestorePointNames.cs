using System.Buffers.Binary;
using System.Text;
using Hexabase.DrConsole.Engine.Repository.Wal;

namespace Hexabase.DrConsole.Engine.Backups.Postgres.Physical;

/// <summary>A named restore point in the WAL.</summary>
/// <param name="Name">Its name; one may be there more than once.</param>
/// <param name="Lsn">Where its record begins.</param>
internal readonly record struct NamedPlace(string Name, Lsn Lsn);

/// <summary>
/// Looks for named restore points in WAL that was fetched (access/transam/xlogreader.c), so that a name nobody ever gave is
/// found before anything is unpacked over a directory.
/// </summary>
/// <param name="from">Where the first byte is: the beginning of a segment.</param>
/// <param name="until">The byte after the last that counts; zeros follow.</param>
/// <param name="segments">The server's segments.</param>
internal sealed class RestorePointNames(ulong from, ulong until, WalSegmentSize segments)
{
    private const int PageBytes = 8192, ShortHeader = 24, LongHeader = 40, RecordHeader = 24;
    private const ushort ContinuesRecord = 1, HasLongHeader = 2, OverwritesRecord = 8;
    private const byte XlogManager = 0, Switch = 0x40, RestorePoint = 0x70, ShortData = 255;
    private const int NamesShown = 5;
    private const int NameAt = RecordHeader + 2 + 8, NameBytes = 64;

    /// <summary>A larger record is none that this looks for: only its length counts.</summary>
    private readonly byte[] _head = new byte[NameAt + NameBytes];

    private ulong _skipTo;
    private ulong _recordAt;
    private long _need;
    private long _have;
    private bool _isOver;

    /// <summary>What was found, by place.</summary>
    public List<NamedPlace> Found { get; } = [];

    /// <summary>Reads segment files, one after the other, without a gap between them.</summary>
    public async Task ReadAsync(IEnumerable<string> files, CancellationToken cancellationToken)
    {
        var page = new byte[PageBytes];
        var at = from;
        foreach (var path in files)
        {
            await using var file = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.Read, 1 << 20, FileOptions.Asynchronous | FileOptions.SequentialScan);
            while (!_isOver && at < until && await file.ReadAtLeastAsync(page, PageBytes, throwOnEndOfStream: false, cancellationToken) == PageBytes)
            {
                ReadPage(page, at);
                at += PageBytes;
            }
        }
    }

    /// <summary>Makes sure that a recovery to a name ends there: at the first place of that name on its way.</summary>
    /// <param name="name">The name.</param>
    /// <param name="fetched">The WAL on the way, all of it.</param>
    /// <param name="facts">The base backup's.</param>
    /// <param name="cancellationToken">Ends it.</param>
    /// <exception cref="EngineException"><c>restore-point-name-unknown</c>, with the names that there are; <c>recovery-out-of-reach</c> where it lies before the base backup is consistent.</exception>
    public static async Task RequireAsync(string name, WalFetch fetched, ClusterFacts facts, CancellationToken cancellationToken)
    {
        var size = new WalSegmentSize(facts.WalSegmentBytes);
        var names = new RestorePointNames(fetched.StartLsn, fetched.EndLsn, size);
        await names.ReadAsync(fetched.Files.Where(file => size.TryParseFileName(file, out _, out _)).Select(file => Path.Combine(fetched.Directory, file)), cancellationToken);
        var ahead = names.Found.Where(place => place.Lsn >= Lsn.Parse(facts.StartLsn)).ToList();
        if (ahead.Select(place => (NamedPlace?)place).FirstOrDefault(place => place!.Value.Name == name) is not { } first)
        {
            var known = ahead.Where(place => place.Lsn >= Lsn.Parse(facts.StopLsn)).Select(place => $"'{place.Name}'").Distinct().TakeLast(NamesShown).ToList();
            throw new EngineException("restore-point-name-unknown", ErrorKind.NotFound,
                $"no restore point '{name}' is in the WAL of timeline {fetched.Timeline} from {new Lsn(fetched.StartLsn)} to {new Lsn(fetched.EndLsn)}{(known.Count > 0 ? $"; the last ones are {string.Join(", ", known)}" : "")}",
                "look at its spelling, or name another timeline; nothing was unpacked");
        }

        if (first.Lsn < Lsn.Parse(facts.StopLsn))
        {
            throw new EngineException("recovery-out-of-reach", ErrorKind.NotFound,
                $"restore point '{name}' at {first.Lsn} lies before {facts.StopLsn}, from where on the base backup is consistent", "choose an older base backup");
        }
    }

    private void ReadPage(ReadOnlySpan<byte> page, ulong at)
    {
        if (at < _skipTo)
        {
            return;
        }

        var info = BinaryPrimitives.ReadUInt16LittleEndian(page[2..]);
        var position = (info & HasLongHeader) != 0 ? LongHeader : ShortHeader;
        if (BinaryPrimitives.ReadUInt64LittleEndian(page[8..]) != at)
        {
            _isOver = true;
            return;
        }

        if ((info & OverwritesRecord) != 0)
        {
            // A crash had cut the record that was begun: it counts no more.
            (_have, _need) = (0, 0);
        }
        else if ((info & ContinuesRecord) != 0 && _need == 0)
        {
            // The first page: what began before it is passed over.
            (_need, _recordAt) = (BinaryPrimitives.ReadUInt32LittleEndian(page[16..]) + (long)_head.Length, 0);
            _have = _head.Length;
        }

        var end = (int)Math.Min(PageBytes, until - at);
        while (position < end && !_isOver && at >= _skipTo)
        {
            position = Take(page, position, end, at);
        }
    }

    private int Take(ReadOnlySpan<byte> page, int position, int end, ulong at)
    {
        if (_need == 0)
        {
            // Records begin at multiples of eight, so their length is never cut by the end of a page.
            position = (position + 7) & ~7;
            if (position + sizeof(uint) > end)
            {
                return end;
            }

            (_need, _have, _recordAt) = (BinaryPrimitives.ReadUInt32LittleEndian(page[position..]), 0, at + (ulong)position);
            if (_need < RecordHeader)
            {
                _isOver = true;
                return end;
            }
        }

        var some = (int)Math.Min(_need - _have, end - position);
        if (_have < _head.Length)
        {
            page.Slice(position, Math.Min(some, _head.Length - (int)_have)).CopyTo(_head.AsSpan((int)_have));
        }

        _have += some;
        position += some;
        if (_have == _need)
        {
            Complete(at + (ulong)position);
        }

        return position;
    }

    private void Complete(ulong end)
    {
        var (length, kind) = (_need, _head[16] & 0xF0);
        (_need, _have) = (0, 0);
        if (_recordAt == 0 || _head[17] != XlogManager)
        {
            return;
        }

        if (kind == Switch)
        {
            // The rest of the segment is nothing.
            _skipTo = segments.StartOf(segments.SegmentOf(end - 1) + 1);
        }
        else if (kind == RestorePoint && length >= _head.Length && _head[RecordHeader] == ShortData)
        {
            var name = _head.AsSpan(NameAt, NameBytes);
            Found.Add(new NamedPlace(Encoding.UTF8.GetString(name[..(name.IndexOf((byte)0) is >= 0 and var zero ? zero : NameBytes)]), new Lsn(_recordAt)));
        }
    }
}
