using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;

namespace Hexabase.DrConsole.Engine.Tests.Support;

/// <summary>Logging for services with a client of the job library.</summary>
internal static class LastingLogging
{
    /// <summary>The library keeps the first factory that it gets for the whole process: one that goes with its test would fail whichever comes after it.</summary>
    public static IServiceCollection AddLastingLogging(this IServiceCollection services) =>
        services.AddSingleton<ILoggerFactory>(NullLoggerFactory.Instance).AddLogging();
}
