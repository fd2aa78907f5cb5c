using Microsoft.Win32.SafeHandles;

namespace Hexabase.DrConsole.Engine.Repository.Trees;

/// <summary>Sets owners, attributes, modes and times. What a file system refuses of it is a warning: content is worth more.</summary>
internal sealed class RestoredMetadata(RestoreTarget target, TreeWarnings warnings, bool inheritsNothing)
{
    private const uint OwnerOnly = 0x180;
    private const uint SpecialBits = 0xE00;
    private readonly uint _umask = ReadUmask();
    private readonly uint _group = Posix.EffectiveGroup;

    public bool IsRoot { get; } = Posix.EffectiveUser == 0;

    /// <summary>
    /// The mode to make a file with. Its own where nothing can go wrong with that, which saves a call for each file; where its
    /// owner or access list comes later, nobody else may read it before.
    /// </summary>
    public uint CreationMode(TreeNode node) => IsFinal(node) ? node.Mode : OwnerOnly;

    /// <summary>Of a file that was just made with <see cref="CreationMode"/>.</summary>
    public void SetOn(SafeFileHandle file, TreeNode node)
    {
        if (!IsFinal(node))
        {
            if (IsRoot)
            {
                Attempt(node, () => Posix.SetOwner(file, node.User, node.Group, node.Path));
            }

            foreach (var attribute in node.Attributes)
            {
                Attempt(node, () => Posix.SetAttribute(file, attribute, node.Path));
            }

            Attempt(node, () => Posix.SetMode(file, node.Mode, node.Path));
        }

        Attempt(node, () => Posix.SetTime(file, node.Modified, node.Path));
    }

    /// <summary>Of any item that is there; attributes that the node does not have are removed where it may have some.</summary>
    public void SetOn(SafeFileHandle directory, byte[] name, TreeNode node, bool mayHaveOthers)
    {
        using var item = Posix.OpenItemAt(directory, name);
        var live = Posix.LiveName(item);
        if (IsRoot)
        {
            Attempt(node, () => Posix.SetOwnerOf(live, node.User, node.Group));
        }

        if (mayHaveOthers)
        {
            foreach (var attribute in Posix.Attributes(Posix.LiveName(directory, name)).Where(there => !node.Attributes.Any(own => own.Name.AsSpan().SequenceEqual(there.Name))))
            {
                Attempt(node, () => Posix.RemoveAttributeOf(live, attribute.Name));
            }
        }

        foreach (var attribute in node.Attributes)
        {
            Attempt(node, () => Posix.SetAttributeOf(live, attribute));
        }

        if (node.Kind != TreeNodeKind.SymbolicLink)
        {
            Attempt(node, () => Posix.SetMode(live, node.Mode));
        }

        Attempt(node, () => Posix.SetTimeOf(live, node.Modified));
    }

    /// <summary>True where an item has the node's owner, mode, time and attributes.</summary>
    public bool IsRight(SafeFileHandle directory, byte[] name, in FileStat stat, TreeNode node)
    {
        if ((IsRoot && (stat.User != node.User || stat.Group != node.Group)) || stat.Modified != node.Modified
            || (node.Kind != TreeNodeKind.SymbolicLink && stat.Mode != node.Mode))
        {
            return false;
        }

        var there = Posix.Attributes(Posix.LiveName(directory, name));
        return there.Count == node.Attributes.Count && there.Zip(node.Attributes).All(pair =>
            pair.First.Name.AsSpan().SequenceEqual(pair.Second.Name) && pair.First.Value.AsSpan().SequenceEqual(pair.Second.Value));
    }

    /// <summary>True where a file comes into being with everything but its time.</summary>
    private bool IsFinal(TreeNode node) =>
        inheritsNothing && node.Attributes.Count == 0 && (node.Mode & (SpecialBits | _umask)) == 0 && (!IsRoot || (node.User == 0 && node.Group == _group));

    private void Attempt(TreeNode node, Action change)
    {
        try
        {
            change();
        }
        catch (PosixException error) when (error.Errno is not (PosixException.NoSpace or PosixException.QuotaExceeded))
        {
            warnings.Note($"{target.Show(node.Path)}: {error.Reason}");
        }
    }

    private static uint ReadUmask()
    {
        const string Field = "Umask:";
        var line = File.ReadLines("/proc/self/status").FirstOrDefault(l => l.StartsWith(Field, StringComparison.Ordinal));
        // Unknown: then no mode is final at once.
        return line is null ? 0x1FF : Convert.ToUInt32(line[Field.Length..].Trim(), 8);
    }
}
