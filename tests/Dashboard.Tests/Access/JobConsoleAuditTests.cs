using System.Text.Json;
using Hexabase.DrConsole.Dashboard.Access;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Primitives;

namespace Hexabase.DrConsole.Dashboard.Tests.Access;

public sealed class JobConsoleAuditTests
{
    [Fact]
    public void DetailsOf_names_the_jobs_of_the_form_and_no_endless_list_of_them()
    {
        Assert.Equal("""{"jobs":["schedule"],"count":1}""", Details(new StringValues("schedule")));
        Assert.Equal("""{"jobs":[],"count":0}""", Details(StringValues.Empty));

        var many = JsonElement.Parse(Details(new StringValues([.. Enumerable.Range(0, 1000).Select(_ => new string('x', 5000))])));
        Assert.Equal((1000, 100), (many.GetProperty("count").GetInt32(), many.GetProperty("jobs").GetArrayLength()));
        Assert.All(many.GetProperty("jobs").EnumerateArray(), job => Assert.Equal(201, job.GetString()!.Length));
    }

    private static string Details(StringValues jobs) =>
        JsonSerializer.Serialize(JobConsoleAudit.DetailsOf(new FormCollection(new Dictionary<string, StringValues> { ["jobs[]"] = jobs })), JsonSerializerOptions.Web);
}
