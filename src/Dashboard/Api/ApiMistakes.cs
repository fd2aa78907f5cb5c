using Hexabase.DrConsole.Engine;

namespace Hexabase.DrConsole.Dashboard.Api;

/// <summary>What is wrong with the values of a request: all of it is said at once, before anything is asked of the engine.</summary>
internal static class ApiMistakes
{
    /// <param name="looks">Each value: whether it will do, and what is said where it will not.</param>
    /// <exception cref="EngineException"><c>values-invalid</c>.</exception>
    public static void Require(params ReadOnlySpan<(bool IsFit, string Mistake)> looks)
    {
        var mistakes = new List<string>();
        foreach (var (isFit, mistake) in looks)
        {
            if (!isFit)
            {
                mistakes.Add(mistake);
            }
        }

        if (mistakes.Count > 0)
        {
            throw new EngineException("values-invalid", ErrorKind.Input, string.Join("; ", mistakes), "Correct it and send it again; nothing was changed.");
        }
    }
}
