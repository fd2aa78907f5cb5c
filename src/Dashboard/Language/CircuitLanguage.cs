using System.Globalization;
using Microsoft.AspNetCore.Components.Server.Circuits;

namespace Hexabase.DrConsole.Dashboard.Language;

/// <summary>
/// The language that a circuit began with, for as long as it lives: a page must not become half another one when the same browser
/// chooses anew in another tab and this connection comes back with that cookie.
/// </summary>
public sealed class CircuitLanguage : CircuitHandler
{
    private readonly CultureInfo _culture = CultureInfo.CurrentCulture;
    private readonly CultureInfo _uiCulture = CultureInfo.CurrentUICulture;

    /// <inheritdoc/>
    public override Func<CircuitInboundActivityContext, Task> CreateInboundActivityHandler(Func<CircuitInboundActivityContext, Task> next) => async activity =>
    {
        Speak();
        await next(activity);
    };

    /// <summary>
    /// Does what somebody outside of the circuit caused (another reader's act, a background service), who speaks another language or
    /// none, in the language of this one.
    /// </summary>
    public async Task SpeakAsync(Func<Task> act)
    {
        Speak();
        await act();
    }

    // The culture belongs to the flow of one asynchronous method: its caller keeps its own.
    private void Speak() => (CultureInfo.CurrentCulture, CultureInfo.CurrentUICulture) = (_culture, _uiCulture);
}
