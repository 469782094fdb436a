"""Whether responses obeyed, in words and over time."""

from dataclasses import dataclass

from gtalign.drawing import Markup, join
from gtalign.drawing.times import Track, time_chart
from gtalign.game.wording import named
from gtalign.gateway.store.obedience import Obedience
from gtalign.gateway.store.series import Series
from gtalign.steering import Decision

_SECOND = 1_000_000  # microseconds
_NONE = Obedience()


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a response obeyed.

    Args:
        tag: In a few words.
        kind: Class of the tag.
        text: In sentences.
    """

    tag: str
    kind: str
    text: str


def verdict_of(decision: Decision, status: str) -> Verdict | None:
    """Say whether a response carries out the chosen action; None where nothing was chosen.

    Args:
        decision: The decision.
        status: How its answer stands, one of `store.record.STATUSES`.
    """
    if decision.after is None:
        return None
    form = decision.form
    wanted = named(decision.after.action, form)
    did = None if decision.acted is None else named(decision.acted, form)
    if not decision.steered:
        told = "The answer was not steered, so there was nothing to obey."
        more = "" if did is None else f" Its response carries out {did}."
        return Verdict("nothing to obey", "", told + more)
    if decision.obeyed:
        text = f"The response obeys: it carries out the chosen action, {wanted}."
        return Verdict("obeyed", "is-done", _with_retry(text, decision))
    if decision.obeyed is False:
        text = f"The response does not obey: it carries out {did}, but {wanted} was chosen."
        return Verdict("did not obey", "is-failed", _with_retry(text, decision))
    if status == "writing":
        return Verdict("not known yet", "is-writing", "The record ends before the response does.")
    if status != "done":
        return Verdict("not known", "", "The answer did not come to its end.")
    if did is None:
        text = "No action can be read from the response, so nobody can tell whether it obeys."
    else:
        text = (
            "The response ran out of tokens, so nobody can tell whether it obeys: so far it"
            f" carries out {did}, and {wanted} was chosen."
        )
    return Verdict("cannot be read", "", text)


def _with_retry(text: str, decision: Decision) -> str:
    retry = decision.retry
    if retry is None:
        return text
    if retry.served == "second":
        first = named(retry.first, decision.form)
        return f"{text} A first response carried out {first}, so the answer was written once more."
    return f"{text} This is the first response, which stays: {retry.reason}."


def obedience_charts(series: Series) -> Markup:
    """One chart for each policy with steered flips: how many responses obeyed them over time."""
    begins, width = [slot.at // _SECOND for slot in series.slots], series.width // _SECOND
    charts = []
    for policy in sorted({policy for slot in series.slots for policy in slot.obedience}):
        found = [slot.obedience.get(policy, _NONE) for slot in series.slots]
        tracks = (
            Track("obeyed", "c5", [float(one.obeyed) for one in found]),
            Track("did not obey", "bad", [float(one.disobeyed) for one in found]),
            Track("cannot be read", "c1", [float(one.unknown) for one in found]),
        )
        charts.append(time_chart(policy, tracks, begins, width, stacked=True))
    return join(*charts)
