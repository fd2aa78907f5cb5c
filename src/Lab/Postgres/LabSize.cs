using Hexabase.DrConsole.Engine;

namespace Hexabase.DrConsole.Lab.Postgres;

/// <summary>How many rows the lab's database gets.</summary>
/// <param name="Name">Its word on the command line.</param>
/// <param name="Customers">Rows of customers.</param>
/// <param name="Products">Rows of products; at least 110, since the manuals are made of them.</param>
/// <param name="Orders">Rows of orders; order items are 2.5 times as many.</param>
/// <param name="Reviews">Rows of reviews, about 600 bytes of prose each.</param>
/// <param name="Events">Rows of events (jsonb) and of stock movements.</param>
/// <param name="Manuals">Large objects of about 30 KiB.</param>
public sealed record LabSize(string Name, int Customers, int Products, int Orders, int Reviews, int Events, int Manuals)
{
    /// <summary>For tests: about 5 MB of data, made in a second or two.</summary>
    public static LabSize Small { get; } = new("small", 300, 120, 2_000, 300, 500, 6);

    /// <summary>For the demo: about 300 MB.</summary>
    public static LabSize Demo { get; } = new("demo", 30_000, 6_000, 400_000, 100_000, 120_000, 300);

    /// <summary>The size of that name.</summary>
    /// <exception cref="EngineException"><c>lab-size</c>: there is no such size.</exception>
    public static LabSize Parse(string name) => name switch
    {
        "small" => Small,
        "demo" => Demo,
        _ => throw new EngineException("lab-size", ErrorKind.Input, $"'{name}' is no size of a lab", "say small or demo"),
    };
}
