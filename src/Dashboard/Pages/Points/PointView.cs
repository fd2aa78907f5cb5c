using System.Text.RegularExpressions;
using System.Text.Json;
using System.Globalization;
using Hexabase.DrConsole.Dashboard.Controls;
using Hexabase.DrConsole.Dashboard.Resources;
using Hexabase.DrConsole.Engine.Backups.Postgres;
using Hexabase.DrConsole.Engine.Catalog;
using Hexabase.DrConsole.Engine.Validation;
using ValidationSteps = Hexabase.DrConsole.Engine.Validation.ValidationSteps;

namespace Hexabase.DrConsole.Dashboard.Pages.Points;

/// <summary>A compared object that is no table: a sequence, an extension, a kind of structure.</summary>
public sealed record OtherFact(string Kind, string Name, Status Status, string Word, string Detail);

/// <summary>What a restore point's last validation found, ready to draw.</summary>
internal sealed partial record PointView(
    IReadOnlyList<ValidationStepModel> Steps, string? Summary, ValidationStepModel? Failure, IReadOnlyList<string> Damaged, string Tier,
    IReadOnlyList<ContentFactModel> Tables, string? FactsSummary, string? NotCompared, IReadOnlyList<OtherFact> Others)
{
    /// <summary>What a reader must see: everything that is not equal.</summary>
    public IReadOnlyList<OtherFact> Unequal => [.. Others.Where(fact => fact.Status != Status.Equal)];

    /// <summary>What is equal, folded away.</summary>
    public IReadOnlyList<OtherFact> EqualOnes => [.. Others.Where(fact => fact.Status == Status.Equal)];

    /// <summary>Nothing is known yet.</summary>
    public static PointView None => new([], null, null, [], "", [], null, PageTexts.NotValidated, []);

    public static PointView From(ValidationRow? last, FactsSummary? totals, TimeProvider time)
    {
        if (last is null)
        {
            return None;
        }

        var steps = JsonSerializer.Deserialize<List<ValidationStep>>(last.StepsJson, WithNames)!;
        var models = steps.Select((step, index) => Model(step, index + 1)).ToList();
        var failed = steps.FirstOrDefault(step => step.Status == ValidationStepStatus.Failed);
        var comparison = last.ComparisonJson is null ? null : JsonSerializer.Deserialize<FactsComparison>(last.ComparisonJson, WithNames);
        return new PointView(
            models,
            Figures.Format(PageTexts.ValidationSummary, last.RunId is { } run ? $"R-{run}" : "", last.Tier, Figures.Moment(last.ValidatedAt, time)),
            models.FirstOrDefault(step => step.Status == Status.Failed), failed?.Damaged ?? [], last.Tier,
            comparison is null ? [] : [.. comparison.Results.Where(IsTable).Select(Table)],
            totals is null ? null : Figures.Format(PageTexts.CountedAt, totals.Tables, Figures.Moment(totals.TakenAt, time)),
            comparison is null ? PageTexts.NothingRestored : null,
            comparison is null ? [] : [.. comparison.Results.Where(result => !IsTable(result)).Select(Other)]);
    }

    private static readonly JsonSerializerOptions WithNames = new(JsonSerializerDefaults.Web)
    {
        Converters = { new System.Text.Json.Serialization.JsonStringEnumConverter() },
    };

    private static ValidationStepModel Model(ValidationStep step, int number) => new(
        number, Name(step.Name), How(step.Name),
        step.Status switch
        {
            ValidationStepStatus.Passed => Status.Passed,
            ValidationStepStatus.Failed => Status.Failed,
            _ => Status.NotRun,
        },
        step.Reason ?? "", step.StartedAt, step.Seconds is { } seconds ? TimeSpan.FromSeconds(seconds) : null);

    private static string Name(string step) => step switch
    {
        ValidationSteps.FileIntegrity => PageTexts.StepIntegrity,
        ValidationSteps.Encryption => PageTexts.StepEncryption,
        ValidationSteps.Compression => PageTexts.StepCompression,
        ValidationSteps.ContentStructure => PageTexts.StepStructure,
        _ => PageTexts.StepRestorability,
    };

    private static string How(string step) => step switch
    {
        ValidationSteps.FileIntegrity => PageTexts.StepIntegrityHow,
        ValidationSteps.Encryption => PageTexts.StepEncryptionHow,
        ValidationSteps.Compression => PageTexts.StepCompressionHow,
        ValidationSteps.ContentStructure => PageTexts.StepStructureHow,
        _ => PageTexts.StepRestorabilityHow,
    };

    /// <summary>A table with its rows; the count of all tables belongs to the structure.</summary>
    private static bool IsTable(FactResult result) => result.Kind == "table" && result.Name.Contains('.', StringComparison.Ordinal);

    private static ContentFactModel Table(FactResult result)
    {
        var (rows, digest) = Parse(result.Expected);
        var (rowsRestored, digestRestored) = Parse(result.Found);
        return new ContentFactModel(result.Name, rows, rowsRestored, digest, digestRestored);
    }

    private static (long? Rows, string? Digest) Parse(string? fact) =>
        fact is not null && TableFact().Match(fact) is { Success: true } match
            ? (long.Parse(match.Groups[1].ValueSpan, CultureInfo.InvariantCulture), match.Groups[2].Value)
            : (null, null);

    private static OtherFact Other(FactResult result)
    {
        var (status, word) = result.Outcome switch
        {
            FactOutcome.Equal => (Status.Equal, (string?)null),
            FactOutcome.Noted => (Status.NotCompared, PageTexts.Noted),
            FactOutcome.Missing => (Status.Differs, PageTexts.Missing),
            FactOutcome.Extra => (Status.Differs, PageTexts.Extra),
            _ => (Status.Differs, null),
        };
        var detail = result.Outcome == FactOutcome.Equal ? result.Expected ?? "" : result.ToText();
        return new OtherFact(result.Kind, result.Name, status, word ?? StatusWords.Of(status).Word, detail);
    }

    [GeneratedRegex(@"^(\d+) rows, digest ([^,]+)")]
    private static partial Regex TableFact();
}
