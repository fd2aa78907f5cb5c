namespace Hexabase.DrConsole.Engine.Storage;

/// <summary>A store whose listing gives nothing before all of it is read: that it goes on shows here alone.</summary>
public interface IListingProgress
{
    /// <summary>Called for each entry that a listing meets, on the thread that lists; null for nobody.</summary>
    Action? OnEntry { get; set; }
}
