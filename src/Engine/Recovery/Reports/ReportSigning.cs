using System.Security.Cryptography;
using Hexabase.DrConsole.Engine.Audit;
using Hexabase.DrConsole.Engine.Runs;
using Npgsql;

namespace Hexabase.DrConsole.Engine.Recovery.Reports;

/// <summary>Gives a report out as a signed file. That one was signed, and for whom, is in the audit before it leaves.</summary>
public sealed class ReportSigning(NpgsqlDataSource catalog, ReportWriter writer, ReportKey key)
{
    /// <summary>The file.</summary>
    /// <exception cref="EngineException">As <see cref="ReportWriter.WriteAsync"/>.</exception>
    public async Task<byte[]> SignAsync(RunId run, string actor, CancellationToken cancellationToken)
    {
        var report = await writer.WriteAsync(run, cancellationToken);
        var file = SignedReport.Write(report, key);
        await using var connection = await catalog.OpenConnectionAsync(cancellationToken);
        await using var transaction = await connection.BeginTransactionAsync(cancellationToken);
        await AuditLog.AppendAsync(transaction, actor, "report.signed", report.Run, new { sha256 = Convert.ToHexStringLower(SHA256.HashData(file)) }, cancellationToken);
        await transaction.CommitAsync(cancellationToken);
        return file;
    }

    /// <summary>What the file is called where it is kept.</summary>
    public static string NameOf(RunId run) => FormattableString.Invariant($"report-r-{run.Value}.json");
}
