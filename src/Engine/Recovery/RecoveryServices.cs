using Hexabase.DrConsole.Engine.Backups;
using Hexabase.DrConsole.Engine.Recovery.Actions;
using Hexabase.DrConsole.Engine.Recovery.Approvals;
using Hexabase.DrConsole.Engine.Recovery.Drills;
using Hexabase.DrConsole.Engine.Recovery.Execution;
using Hexabase.DrConsole.Engine.Recovery.Plans;
using Hexabase.DrConsole.Engine.Recovery.Readiness;
using Hexabase.DrConsole.Engine.Recovery.Reports;
using Hexabase.DrConsole.Engine.Runs;
using Microsoft.Extensions.DependencyInjection;

namespace Hexabase.DrConsole.Engine.Recovery;

/// <summary>Registers the room.</summary>
internal static class RecoveryServices
{
    public static IServiceCollection AddRecovery(this IServiceCollection services)
    {
        services.AddSingleton<ServiceControls>();
        services.AddSingleton(provider => new OperatorChecks(new HttpClient(), provider.GetRequiredService<Servers.ProcessRegistry>()));
        services.AddSingleton<IRecoveryAction, StopDatabaseService>();
        services.AddSingleton<IRecoveryAction, IsolateCorruptedData>();
        services.AddSingleton<IRecoveryAction, RestoreFromBackup>();
        services.AddSingleton<IRecoveryAction, VerifyDataIntegrity>();
        services.AddSingleton<IRecoveryAction, RestartServices>();
        services.AddSingleton<IRecoveryAction, RestoreInPlace>();
        services.AddSingleton<IRecoveryAction, SwitchTraffic>();
        services.AddSingleton<IRecoveryAction, CheckServices>();
        services.AddSingleton<IRecoveryAction, HoldApplication>();
        services.AddSingleton<IRecoveryAction, ReleaseApplication>();
        services.AddSingleton<RecoveryActions>();
        services.AddSingleton<PlanLibrary>();
        services.AddSingleton<PointChoice>();
        services.AddSingleton<StepDurations>();
        services.AddSingleton<InPlacePlans>();
        services.AddSingleton<PlanMaker>();
        services.AddSingleton<SeveralPlans>();
        services.AddSingleton<SeveralSubjects>();
        services.AddSingleton<RecoveryCatalog>();
        services.AddSingleton<ApprovalCatalog>();
        services.AddSingleton<ApprovalDesk>();
        services.AddSingleton<IRestoreGate, RestoreGate>();
        services.AddSingleton<HandOver>(provider => provider.GetRequiredService<RunRequests>().HandOverAsync);
        services.AddSingleton<RecoveryRequests>();
        services.AddSingleton<RecoveryProposals>();
        services.AddSingleton<ShadowProposals>();
        services.AddSingleton<LastLook>();
        services.AddSingleton<IRunHandler, RecoveryRun>();
        services.AddSingleton<PlanDrillCatalog>();
        services.AddSingleton<DrillPlans>();
        services.AddSingleton<DrillRequests>();
        services.AddSingleton<IRunHandler, DrillRun>();
        services.AddSingleton<ReportWriter>();
        services.AddSingleton<ReportKey>();
        services.AddSingleton<ReportSigning>();
        services.AddSingleton<ReadinessCatalog>();
        services.AddSingleton<PlanReadiness>();
        services.AddSingleton<ReadinessWatch>();
        services.AddSingleton<RecoveryWatch>();
        return services;
    }
}
