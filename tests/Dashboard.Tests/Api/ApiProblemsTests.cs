using Hexabase.DrConsole.Dashboard.Api;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.HttpResults;
using Npgsql;

namespace Hexabase.DrConsole.Dashboard.Tests.Api;

public sealed class ApiProblemsTests
{
    [Fact]
    public async Task CatchAsync_tells_a_value_that_PostgreSQL_refuses_from_a_catalog_that_is_away_and_from_a_bug()
    {
        Assert.Equal((400, "value-invalid"), await CaughtAsync(new PostgresException("invalid byte sequence", "ERROR", "ERROR", "22021")));
        Assert.Equal((503, "catalog-unavailable"), await CaughtAsync(new PostgresException("it shuts down", "FATAL", "FATAL", "57P01")));
        Assert.Equal((503, "catalog-unavailable"), await CaughtAsync(new NpgsqlException("no connection")));
        await Assert.ThrowsAsync<PostgresException>(() => CaughtAsync(new PostgresException("no such column", "ERROR", "ERROR", "42703")));
    }

    private static async Task<(int Status, string Code)> CaughtAsync(NpgsqlException fault)
    {
        var said = Assert.IsType<JsonHttpResult<ApiProblem>>(await ApiProblems.CatchAsync(EndpointFilterInvocationContext.Create(new DefaultHttpContext()), _ => throw fault));
        return (said.StatusCode!.Value, said.Value!.Code);
    }
}
