using System.Globalization;

namespace Hexabase.DrConsole.Dashboard.Tests.Language;

/// <summary>Makes the test a reader of one language until it is disposed.</summary>
internal sealed class ReadingIn : IDisposable
{
    private readonly CultureInfo _culture = CultureInfo.CurrentCulture;
    private readonly CultureInfo _uiCulture = CultureInfo.CurrentUICulture;

    public ReadingIn(string code) => CultureInfo.CurrentCulture = CultureInfo.CurrentUICulture = CultureInfo.GetCultureInfo(code);

    public void Dispose() => (CultureInfo.CurrentCulture, CultureInfo.CurrentUICulture) = (_culture, _uiCulture);
}
