using System.Globalization;
using System.Text;

namespace Hexabase.DrConsole.Lab.Postgres;

/// <summary>The rows that hold prose, as lines of COPY's text format. The same size gives the same rows but for the dates, which end now.</summary>
internal sealed class ShopRows(LabSize size, DateTimeOffset now)
{
    internal const string CustomerColumns =
        "customers (id, email, full_name, address, phone_numbers, preferences, born, marketing_consent, joined_at)";

    internal const string ProductColumns =
        "products (id, name, description, attributes, supplier_sheet, price, weight_grams, sale_prices, thumbnail, added_at)";

    internal const string OrderColumns = "orders (id, ordered_at, customer_id, status, total, ship_to, note, updated_at)";

    internal const string ReviewColumns = "reviews (product_id, customer_id, stars, body, written_at)";

    internal const string NoteColumns = "customer_notes (customer_id, region, author, body)";

    private static readonly string[] s_statuses = ["placed", "paid", "packed", "shipped", "delivered", "delivered", "delivered", "returned"];

    internal IEnumerable<string> Customers()
    {
        var prose = new Prose(11);
        for (var id = 1; id <= size.Customers; id++)
        {
            var name = prose.Name();
            var mail = $"{Ascii(name)}.{id}@example.org";
            var preferences = id % 3 == 0 ? $"\"newsletter\"=>\"{(id % 2 == 0 ? "weekly" : "NULL")}\", \"colour\"=>\"{prose.Quality()}\"" : null;
            yield return Line(
                id, mail, name, Address(prose), "{" + $"+41 44 {prose.Random.Next(100, 999)} {id % 100:00} 00" + "}", preferences,
                id % 97 == 0 ? "infinity" : DateOnly.FromDateTime(now.Date).AddDays(-7000 - (id * 37 % 20000)).ToString("O", null),
                id % 4 == 0, Ago(TimeSpan.FromHours(id % 20000)));
        }
    }

    internal IEnumerable<string> Products()
    {
        var prose = new Prose(12);
        for (var n = 0; n < size.Products; n++)
        {
            var material = prose.Material();
            var thumbnail = new byte[n % 5 == 0 ? 900 : 0];
            prose.Random.NextBytes(thumbnail);
            yield return Line(
                1000 + n, prose.Product(), prose.Text(900),
                $$"""{"material": "{{material}}", "colours": ["{{prose.Quality()}}", "{{prose.Quality()}}"], "stock": {{n * 17 % 300}}, "eco": {{(n % 2 == 0 ? "true" : "null")}}}""",
                n % 3 == 0 ? $$"""{ "supplier" : "{{prose.Town()}} {{material}} Co.", "moq":{{n % 50}}, "moq":{{n % 50 + 1}} }""" : null,
                (5 + (n * 31 % 20000 / 100m)).ToString(CultureInfo.InvariantCulture), n % 11 == 0 ? null : 120 + (n * 53 % 9000),
                n % 4 == 0 ? $"[{n % 40},{n % 40 + 10})" : null,
                thumbnail.Length == 0 ? null : "\\x" + Convert.ToHexStringLower(thumbnail), Ago(TimeSpan.FromHours(n % 15000)));
        }
    }

    internal IEnumerable<string> Orders()
    {
        var prose = new Prose(13);
        for (var id = 1; id <= size.Orders; id++)
        {
            // Most of the last twelve months; every 40th long ago, for the default partition.
            var age = id % 40 == 0 ? TimeSpan.FromDays(700 + (id % 2500)) : TimeSpan.FromDays(365) * (1 - (id / (double)size.Orders));
            var moment = Ago(age + TimeSpan.FromMinutes(1));
            yield return Line(
                id, moment, prose.Random.Next(1, size.Customers + 1), s_statuses[id * 7 % s_statuses.Length],
                (prose.Random.Next(500, 90000) / 100m).ToString(CultureInfo.InvariantCulture), id % 6 == 0 ? Address(prose) : null,
                id % 4 == 0 ? prose.Text(60) : null, moment);
        }
    }

    internal IEnumerable<string> Reviews()
    {
        var prose = new Prose(14);
        for (var n = 1; n <= size.Reviews; n++)
        {
            yield return Line(
                1000 + prose.Random.Next(size.Products), prose.Random.Next(1, size.Customers + 1), 1 + (n * 3 % 5),
                prose.Text(prose.Random.Next(100, 1100)), Ago(TimeSpan.FromMinutes(n)));
        }
    }

    internal IEnumerable<string> Notes()
    {
        var prose = new Prose(15);
        for (var n = 1; n <= size.Customers / 3; n++)
        {
            yield return Line(n, n % 2 == 0 ? "north" : "south", "shop_app", prose.Text(200));
        }
    }

    private static string Address(Prose prose) =>
        $"(\"{prose.Street()}\",{prose.Town()},{prose.Random.Next(1000, 9999)},{(prose.Random.Next(5) == 0 ? "" : "CH")})";

    private static string Ascii(string name) => new([
        .. name.Normalize(NormalizationForm.FormD).Where(letter => char.IsAsciiLetter(letter) || letter == ' ')
            .Select(letter => letter == ' ' ? '.' : char.ToLowerInvariant(letter)),
    ]);

    private static string Line(params ReadOnlySpan<object?> values)
    {
        var line = new StringBuilder();
        for (var n = 0; n < values.Length; n++)
        {
            line.Append(n == 0 ? "" : "\t");
            switch (values[n])
            {
                case null:
                    line.Append("\\N");
                    break;
                case bool flag:
                    line.Append(flag ? 't' : 'f');
                    break;
                case string text:
                    Escape(line, text);
                    break;
                default:
                    line.Append(CultureInfo.InvariantCulture, $"{values[n]}");
                    break;
            }
        }

        return line.Append('\n').ToString();
    }

    private static void Escape(StringBuilder line, string text)
    {
        foreach (var letter in text)
        {
            _ = letter switch
            {
                '\\' => line.Append("\\\\"),
                '\n' => line.Append("\\n"),
                '\t' => line.Append("\\t"),
                _ => line.Append(letter),
            };
        }
    }

    private string Ago(TimeSpan age) => (now - age).ToString("O", CultureInfo.InvariantCulture);
}
