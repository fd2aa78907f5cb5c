using Hexabase.DrConsole.Dashboard.Resources;
using Microsoft.AspNetCore.Components;
using Microsoft.AspNetCore.Components.Web;

namespace Hexabase.DrConsole.Dashboard.Controls;

/// <summary>A chart of slots in lines: arrows, Home and End move between them, the line below says what is under focus, Enter opens it.</summary>
public abstract class SlotChart : ComponentBase
{
    private (int Line, int Place)? _active;

    [Inject]
    private NavigationManager Navigation { get; set; } = default!;

    /// <summary>Names the line that says what is under focus.</summary>
    protected string SaidId { get; } = $"slot-{Guid.NewGuid():N}";

    /// <summary>The slots, line by line; null where a line has none.</summary>
    protected abstract IReadOnlyList<IReadOnlyList<SlotCell?>> Lines { get; }

    /// <summary>What the line below says.</summary>
    protected string Said => _active is { } at && CellAt(at) is { } cell ? cell.Said : Texts.SlotHint;

    /// <summary>Classes of a slot's mark.</summary>
    protected string CssOf(SlotCell cell, int line, int place) =>
        $"{cell.Css}{(cell.IsNow ? " now" : "")}{(_active == (line, place) ? " active" : "")}";

    /// <summary>Shows what a slot holds; of one that is shown already, opens it.</summary>
    protected void Choose(int line, int place)
    {
        if (_active == (line, place))
        {
            Open();
        }

        _active = (line, place);
    }

    protected void OnFocus() => _active ??= Newest();

    protected void OnKey(KeyboardEventArgs args)
    {
        switch (args.Key)
        {
            case "ArrowLeft":
                Move(0, -1);
                break;
            case "ArrowRight":
                Move(0, 1);
                break;
            case "ArrowUp":
                Move(-1, 0);
                break;
            case "ArrowDown":
                Move(1, 0);
                break;
            case "Home":
                MoveToEnd(isLast: false);
                break;
            case "End":
                MoveToEnd(isLast: true);
                break;
            case "Enter":
                Open();
                break;
        }
    }

    private SlotCell? CellAt((int Line, int Place) at) =>
        at.Line >= 0 && at.Line < Lines.Count && at.Place >= 0 && at.Place < Lines[at.Line].Count ? Lines[at.Line][at.Place] : null;

    private (int Line, int Place)? Newest()
    {
        for (var line = 0; line < Lines.Count; line++)
        {
            for (var place = Lines[line].Count - 1; place >= 0; place--)
            {
                if (Lines[line][place] is not null)
                {
                    return (line, place);
                }
            }
        }

        return null;
    }

    /// <summary>To the next slot in that direction; stays where there is none.</summary>
    private void Move(int down, int right)
    {
        var from = _active ?? Newest();
        for (var at = from; at is { } here; at = Inside(here.Line + down, here.Place + right))
        {
            if (at != from && CellAt(here) is not null)
            {
                _active = at;
                return;
            }
        }

        _active = from;
    }

    /// <summary>To the first slot of the line, or to its last.</summary>
    private void MoveToEnd(bool isLast)
    {
        if ((_active ?? Newest()) is { } here)
        {
            var places = Enumerable.Range(0, Lines[here.Line].Count).Where(place => Lines[here.Line][place] is not null);
            _active = (here.Line, isLast ? places.Last() : places.First());
        }
    }

    private (int Line, int Place)? Inside(int line, int place) =>
        line >= 0 && line < Lines.Count && place >= 0 && place < Lines.Max(cells => cells.Count) ? (line, place) : null;

    private void Open()
    {
        if (_active is { } at && CellAt(at)?.Href is { } href)
        {
            Navigation.NavigateTo(href);
        }
    }
}
