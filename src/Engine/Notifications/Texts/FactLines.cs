using Hexabase.DrConsole.Engine.Notifications.Outbox;

namespace Hexabase.DrConsole.Engine.Notifications.Texts;

/// <summary>The facts of a notification, one a line.</summary>
internal static class FactLines
{
    public static IEnumerable<string> Of(Notification notification, Words words)
    {
        var facts = notification.Facts;
        return notification.Event == NotificationEvent.Test
            ? []
            : [.. What(facts, words), .. Evidence(facts, words), .. Plan(notification.Event, facts, words), .. Who(notification.Event, facts, words)];
    }

    private static IEnumerable<string> What(NotificationFacts facts, Words words)
    {
        yield return Line(words, "LabelAffected", words.Affected(facts));
        if (facts is { Sources.Count: > 0, Tiers.Count: > 0 })
        {
            yield return Line(words, "LabelTiers", words.List(facts.Tiers));
        }

        if (facts.Kind is { } kind)
        {
            yield return Line(words, "LabelKind", words.Named("Kind", kind));
        }

        if (facts.Incident is { } incident)
        {
            yield return Line(words, "LabelIncident", incident);
        }

        if (facts.Run is { } run)
        {
            yield return Line(words, "LabelRun", run);
        }

        if (facts.Step is { } step)
        {
            yield return Line(words, "LabelStep", step);
        }
    }

    private static IEnumerable<string> Evidence(NotificationFacts facts, Words words)
    {
        if (facts.FirstEvidenceAt is { } first)
        {
            yield return Line(words, "LabelFirstSign", Words.Moment(first));
        }

        if (facts.Evidence.Count > 0)
        {
            yield return Line(words, "LabelEvidence", "").TrimEnd();
        }

        foreach (var one in facts.Evidence)
        {
            var answer = words.Named("Answer", one.Answer);
            yield return "- " + (one.Detail is { } detail ? words.Say("EvidenceDetail", one.Subject, one.Probe, answer, detail) : words.Say("EvidenceLine", one.Subject, one.Probe, answer));
        }
    }

    private static IEnumerable<string> Plan(NotificationEvent what, NotificationFacts facts, Words words)
    {
        if (facts.Plan is { } plan)
        {
            yield return Line(words, "LabelPlan", plan);
        }

        if (facts.RestorePoint is { } point)
        {
            yield return Line(words, "LabelPoint", point);
        }

        if (facts.Target is { } target)
        {
            yield return Line(words, "LabelTarget", target);
        }

        if (facts.KeepsUntil is { } kept)
        {
            if (what == NotificationEvent.DrillFailed)
            {
                yield return Line(words, "LabelMoment", Words.Moment(kept));
            }
            else
            {
                yield return Line(words, "LabelKept", words.Say("KeptUntil", Words.Moment(kept)));
                yield return Line(words, "LabelLost", facts.LossUntil switch
                {
                    null => words.Say("LostOpen", Words.Moment(kept)),
                    { } until when until > kept => words.Say("LostUntil", Words.Moment(kept), Words.Moment(until), words.Duration((until - kept).TotalSeconds)),
                    _ => words.Say("LostNone", Words.Moment(kept)),
                });
            }
        }

        if (facts is { LossSeconds: { } loss, RpoSeconds: { } rpo })
        {
            yield return Line(words, "LabelLossNow", words.Say("EstimateOf", words.Duration(loss), words.Duration(rpo)));
        }

        if (facts.DueAt is { } due)
        {
            yield return Line(words, "LabelDue", Words.Moment(due));
        }

        if (facts.Seconds is { } took)
        {
            yield return Line(words, "LabelTook", words.Duration(took));
        }
        else if (facts is { EstimateSeconds: { } estimate, RtoSeconds: { } rto })
        {
            yield return Line(words, "LabelEstimate", words.Say("EstimateOf", words.Duration(estimate), words.Duration(rto)));
        }
    }

    private static IEnumerable<string> Who(NotificationEvent what, NotificationFacts facts, Words words)
    {
        if (facts.Risk is { } risk)
        {
            yield return Line(words, "LabelRisk", risk);
        }

        if (facts.Requester is { } requester)
        {
            yield return Line(words, "LabelRequester", requester);
        }

        // That the engine saw it says nothing.
        if (facts.Person is { } person && person != "engine")
        {
            yield return Line(words, "LabelPerson", person);
        }

        if (facts.Until is { } until)
        {
            yield return Line(words, "LabelUntil", Words.Moment(until));
        }

        if (facts.Reason is { } reason && what != NotificationEvent.IncidentChanged)
        {
            yield return Line(words, "LabelReason", reason);
        }
    }

    private static string Line(Words words, string label, string value) => words.Say("Line", words.Say(label), value);
}
