namespace Hexabase.DrConsole.Dashboard.Controls;

/// <summary>One figure of a strip. Without a second line, which says how and when it was measured, there is no figure.</summary>
/// <param name="Label">What is measured.</param>
/// <param name="Value">The figure, or why there is none.</param>
/// <param name="Second">How and when it was measured.</param>
/// <param name="Icon">A state to draw beside the label, or null.</param>
/// <param name="Tone">The state whose colour the value takes, or null for ink. Headlines are ink: colour only what is wrong.</param>
public sealed record Figure(string Label, string Value, string Second, Status? Icon = null, Status? Tone = null);

/// <summary>One step of the way to a page.</summary>
/// <param name="Text">Its name.</param>
/// <param name="Href">Its page, or null for this one.</param>
public sealed record Crumb(string Text, string? Href = null);
