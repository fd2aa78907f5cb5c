using System.Text;

namespace Hexabase.DrConsole.Lab.Postgres;

/// <summary>
/// Sentences of a web shop: real words with real frequencies of reuse, so that compression and deduplication meet
/// text as it is and not random letters. The same seed gives the same text.
/// </summary>
internal sealed class Prose(int seed)
{
    private static readonly string[] s_qualities = Words(
        "small large light heavy sturdy folding wooden blue green red bright quiet waterproof old-fashioned simple modern round flat soft "
        + "warm handmade recycled Japanese Swiss Danish everyday reliable elegant generous compact deep narrow smooth oiled brushed");

    private static readonly string[] s_things = Words(
        "kettle teapot lamp lantern map compass knife basket blanket bench chair shelf ladder notebook pencil scissors broom bucket "
        + "watering-can spade rake glove apron mug bowl plate tray candle mirror clock umbrella rucksack tent hammock saw hammer "
        + "screwdriver drill torch thermometer barometer whistle");

    private static readonly string[] s_materials = Words(
        "oak beech ash bamboo linen cotton wool leather enamel steel copper brass glass stoneware porcelain cork felt canvas aluminium slate");

    private static readonly string[] s_verbs = Words(
        "keeps holds carries lasts folds opens closes dries shines works fits feels looks stands hangs weighs costs arrived broke helped "
        + "surprised replaced survived needs");

    private static readonly string[] s_places = Words(
        "kitchen garden workshop balcony cellar hallway office bathroom cabin boat train mountains beach allotment attic");

    private static readonly string[] s_links = Words("and but so because although while until since when before after");

    private static readonly string[] s_fillers = Words(
        "the a our my this every another your very quite rather almost really always never often again already still even just only too "
        + "with without for from in on under over near beside between against");

    private static readonly string[] s_forenames = Words(
        "Anna Lukas Mia Noah Emma Léa Jürg Zoë Marta Søren Aiko Haruto Ngozi Fatima Tomás Inês Piotr Chloé Björn Siân Mehmet Olena");

    private static readonly string[] s_surnames = Words(
        "Müller Meier Keller Weber Dubois Rossi Tanaka Sato Okafor O'Brien Nowak Lindqvist García Ferreira Çelik Kovač Hansen Bianchi");

    private static readonly string[] s_towns = Words("Zürich Bern Genève Lugano København Lyon Porto Kraków Osaka Malmö Galway Lagos");

    private readonly Random _random = new(seed);

    internal Random Random => _random;

    internal string Name() => $"{Pick(s_forenames)} {Pick(s_surnames)}";

    internal string Town() => Pick(s_towns);

    internal string Street() => $"{Capital(Pick(s_places))} Street {_random.Next(1, 190)}";

    internal string Quality() => Pick(s_qualities);

    internal string Material() => Pick(s_materials);

    internal string Product() => $"{Capital(Pick(s_qualities))} {Pick(s_things)} of {Pick(s_materials)}";

    /// <summary>Whole sentences, at least as long as asked, with a paragraph now and then.</summary>
    internal string Text(int length)
    {
        var text = new StringBuilder(length + 160);
        while (text.Length < length)
        {
            if (text.Length > 0)
            {
                text.Append(_random.Next(12) == 0 ? "\n\n" : " ");
            }

            Sentence(text);
        }

        return text.ToString();
    }

    private static string[] Words(string words) => words.Split(' ');

    private static string Capital(string word) => char.ToUpperInvariant(word[0]) + word[1..];

    private void Sentence(StringBuilder text)
    {
        var start = text.Length;
        Clause(text);
        if (_random.Next(3) > 0)
        {
            text.Append(", ").Append(Pick(s_links)).Append(' ');
            Clause(text);
        }

        text[start] = char.ToUpperInvariant(text[start]);
        text.Append(_random.Next(15) == 0 ? '!' : '.');
    }

    private void Clause(StringBuilder text)
    {
        text.Append(Pick(s_fillers)).Append(' ').Append(Pick(s_qualities)).Append(' ').Append(Pick(s_things)).Append(' ')
            .Append(Pick(s_verbs)).Append(' ').Append(Pick(s_fillers)).Append(' ').Append(Pick(s_places));
        switch (_random.Next(6))
        {
            case 0:
                text.Append(' ').Append(Pick(s_fillers)).Append(' ').Append(_random.Next(2, 400)).Append(" days");
                break;
            case 1:
                text.Append(", all ").Append(Pick(s_materials)).Append(" from ").Append(Pick(s_towns));
                break;
            default:
                break;
        }
    }

    // Words of a language are not equally frequent: the smaller of two draws prefers the first ones.
    private string Pick(string[] words) => words[Math.Min(_random.Next(words.Length), _random.Next(words.Length))];
}
