using Hexabase.DrConsole.Dashboard.Resources;
using Hexabase.DrConsole.Engine;
using Microsoft.AspNetCore.Components;

namespace Hexabase.DrConsole.Dashboard.Controls;

/// <summary>
/// What went wrong and what to do. An <see cref="EngineException"/> speaks for itself; anything else is a fault of the
/// console, whose details are in its log and not on the page.
/// </summary>
public partial class ErrorPanel
{
    /// <summary>What was caught.</summary>
    [Parameter, EditorRequired]
    public Exception Fault { get; set; } = default!;

    /// <summary>Tries the same again; without it there is no button.</summary>
    [Parameter]
    public EventCallback OnRetry { get; set; }

    private string Title => Fault is EngineException fault ? Sentence(fault.Message) : Texts.ErrorUnexpected;

    private string Hint => Fault is EngineException fault
        ? fault.Hint is null ? string.Empty : Sentence(fault.Hint)
        : Texts.ErrorUnexpectedHint;

    private string? Code => (Fault as EngineException)?.Code;

    // Engine messages are lower case, as on the command line; a page writes sentences.
    private static string Sentence(string text)
        => text.Length == 0 ? text : char.ToUpperInvariant(text[0]) + text[1..];
}
