using Hexabase.DrConsole.Dashboard.Access;
using Hexabase.DrConsole.Dashboard.Resources;
using Hexabase.DrConsole.Engine;
using Hexabase.DrConsole.Engine.Backups;
using Hexabase.DrConsole.Engine.Runs;
using Microsoft.AspNetCore.Authorization;
using Microsoft.AspNetCore.Components;
using Microsoft.AspNetCore.Components.Authorization;
using Microsoft.JSInterop;

namespace Hexabase.DrConsole.Dashboard.Live;

/// <summary>Asks for the restore of a confirmed plan in the name of the person who sits before a page.</summary>
public delegate Task<Run> RestoreRequester(RunRequests requests, RestorePlan plan);

/// <summary>
/// A page that reads the catalog and reads it again when runs change. After a fault it keeps its last figures and says how
/// old they are.
/// </summary>
public abstract class LivePage : ComponentBase, IAsyncDisposable
{
    private static readonly TimeSpan RefreshInterval = TimeSpan.FromMilliseconds(500);
    private static readonly TimeSpan AtLeastEvery = TimeSpan.FromSeconds(15);
    private readonly CancellationTokenSource _left = new();
    private LiveSignal? _signal;
    private IDisposable? _heard;
    private bool _isLeft;

    [Inject]
    protected RunFeed Feed { get; set; } = default!;

    [Inject]
    protected TimeProvider Time { get; set; } = default!;

    [Inject]
    private IAuthorizationService Authorization { get; set; } = default!;

    [CascadingParameter]
    private Task<AuthenticationState> Session { get; set; } = default!;

    [Inject]
    private ILoggerFactory Logs { get; set; } = default!;

    /// <summary>Why the last reading failed, or null.</summary>
    protected Exception? Fault { get; private set; }

    /// <summary>When the figures on the page were read; null before the first.</summary>
    protected DateTimeOffset? ReadAt { get; private set; }

    /// <summary>Ends when the reader leaves the page.</summary>
    protected CancellationToken Left => _left.Token;

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        _isLeft = true;
        await _left.CancelAsync();
        _heard?.Dispose();
        if (_signal is not null)
        {
            await _signal.DisposeAsync();
        }

        _left.Dispose();
        GC.SuppressFinalize(this);
    }

    /// <summary>Reads what the page shows.</summary>
    protected abstract Task ReadAsync(CancellationToken cancellationToken);

    /// <summary>Whether a changed run (null: any) concerns this page.</summary>
    protected virtual bool Concerns(RunId? changed) => true;

    /// <summary>Subscribes to what else than runs the page shows; null where there is nothing else.</summary>
    /// <param name="changed">To be called at each change.</param>
    protected virtual IDisposable? Hear(Action changed) => null;

    /// <inheritdoc/>
    protected override async Task OnParametersSetAsync()
    {
        await RefreshAsync(Left);
        // After the first reading, so that a burst of changes cannot read a page that has nothing yet; but not for a reader who
        // has left meanwhile: nobody would end that subscription.
        if (!_isLeft && _signal is null)
        {
            _signal = new LiveSignal(Feed, Concerns, token => InvokeAsync(() => RefreshAsync(token)), RefreshInterval, AtLeastEvery, Time);
            _heard = Hear(_signal.Changed);
        }
    }

    /// <summary>Reads again and draws.</summary>
    protected async Task RefreshAsync(CancellationToken cancellationToken)
    {
        try
        {
            await ReadAsync(cancellationToken);
            (Fault, ReadAt) = (null, Time.GetUtcNow());
        }
        catch (OperationCanceledException)
        {
            return;
        }
        catch (JSDisconnectedException)
        {
            return;
        }
        catch (Exception fault)
        {
            // The edge of a page: it stays, with its last figures and what went wrong.
            Show(fault);
        }

        StateHasChanged();
    }

    /// <summary>Reads again on request of the reader.</summary>
    protected Task RetryAsync() => RefreshAsync(Left);

    /// <summary>
    /// Does something that an operator asked for; a fault shows on the page. The role is asked for here too, not only where the
    /// button is drawn: it may have been taken away since.
    /// </summary>
    /// <param name="act">Gets the person's name, for the audit.</param>
    protected Task ActAsync(Func<string, CancellationToken, Task> act) => ActAsync(Policies.CanOperate, PageTexts.AskForOperator, act);

    /// <summary>Does something that an admin asked for, as <see cref="ActAsync(Func{string, CancellationToken, Task})"/> does for an operator.</summary>
    protected Task AdministerAsync(Func<string, CancellationToken, Task> act) => ActAsync(Policies.CanAdminister, PageTexts.AskForAdmin, act);

    /// <summary>Does something that an approver asked for, as <see cref="ActAsync(Func{string, CancellationToken, Task})"/> does for an operator.</summary>
    protected Task ApproverActAsync(Func<string, CancellationToken, Task> act) => ActAsync(Policies.CanApprove, PageTexts.AskForApprover, act);

    /// <summary>
    /// Does something that may end in a restore, as <see cref="ActAsync(Func{string, CancellationToken, Task})"/> does. What the
    /// person may is asked again when the restore is asked for: a dialog may have been open for long.
    /// </summary>
    /// <param name="act">Gets what asks for the restore of a confirmed plan in the person's name.</param>
    protected Task AskRestoreAsync(Func<RestoreRequester, CancellationToken, Task> act) => ActAsync((_, token) => act(
        async (requests, plan) => await requests.RestoreAsync(
            plan, plan.Hash,
            new RestoreAsker(await ActorAsync(Policies.CanOperate, PageTexts.AskForOperator), (await Authorization.AuthorizeAsync((await Session).User, Policies.CanAdminister)).Succeeded), token),
        token));

    private Task ActAsync(string policy, string hint, Func<string, CancellationToken, Task> act) =>
        TryAsync(async token => await act(await ActorAsync(policy, hint), token));

    /// <returns>The person's name.</returns>
    /// <exception cref="EngineException"><c>role-missing</c>.</exception>
    private async Task<string> ActorAsync(string policy, string hint)
    {
        var user = (await Session).User;
        return (await Authorization.AuthorizeAsync(user, policy)).Succeeded
            ? user.Identity!.Name! : throw new EngineException("role-missing", ErrorKind.Denied, PageTexts.RoleMayLook, hint);
    }

    /// <summary>Does something that every reader may do; a fault shows on the page.</summary>
    protected async Task TryAsync(Func<CancellationToken, Task> act)
    {
        try
        {
            await act(Left);
            Fault = null;
        }
        catch (OperationCanceledException)
        {
            return;
        }
        catch (Exception fault)
        {
            Show(fault);
        }

        StateHasChanged();
    }

    private void Show(Exception fault)
    {
        if (fault is not EngineException)
        {
            Logs.CreateLogger(GetType()).LogError(fault, "the page met a fault");
        }

        Fault = fault;
    }
}
