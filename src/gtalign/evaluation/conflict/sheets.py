"""A measured conflict in sentences and tables, with its picture."""

from gtalign.drawing import NONE, fixed, interval, share
from gtalign.evaluation.conflict.cloud import welfare_cloud
from gtalign.evaluation.conflict.measures import UNREAD, Conflict
from gtalign.evaluation.conflict.order import Correlation
from gtalign.evaluation.markup import plots
from gtalign.evaluation.paper.ablation import AGGREGATES
from gtalign.evaluation.paper.sheet import Lines, Report, Sheet

SIDES = {"user": "U, the user's welfare", "llm": "L, the LLM's welfare"}


def conflict_report(found: Conflict) -> Report:
    """The sentences, the tables and the plane of both welfares."""
    sheets = [_shares(found, side) for side in found.shares]
    sheets.append(_aggregates(found))
    return Report(
        "conflict",
        "Do the interests differ?",
        _sentences(found),
        sheets,
        plots([welfare_cloud(f"{found.answers:,} answers: U against L", found.points)]),
    )


def _sentences(found: Conflict) -> list[str]:
    out = found.left_out
    left = f"; {out:,} without the welfare of both sides are left out" if out else ""
    sentences = [
        f"{found.answers:,} answers to {found.questions:,} questions, {found.unread:,} of them "
        f"unreadable{left}.",
        f"U and L correlate at {_correlation(found.sides)}"
        + (f"; among readable answers at {fixed(found.sides.read, 2)}" if found.unread else "")
        + (
            ""
            if found.sides.within is None
            else f"; among the answers to one question at {fixed(found.sides.within, 2)}"
        )
        + ".",
    ]
    for side, shares in found.shares.items():
        letter = SIDES[side][0]
        known = [(one.share, one.factor) for one in shares if one.share is not None]
        own = sorted((one for one in known if one[1] != UNREAD), reverse=True)[:3]
        if not own:
            sentences.append(f"{letter} does not vary.")
            continue
        listed = ", ".join(f"{name} {share(value, 1)}" for value, name in own)
        broken = next((value for value, name in known if name == UNREAD), 0.0)
        sentences.append(
            f"The variance of {letter} comes from {listed}; {share(broken, 1)} of it lies between "
            "answers that can be read and those that cannot."
        )
    if found.no_shares:
        sentences.append(f"No shares of the factors: {found.no_shares}.")
    if not found.pairs:
        sentences.append("No question has two answers, so no reward can order any.")
        return sentences
    for one, other, what in (
        ("user", "llm", "U and L"),
        ("mutual", "linear", "W and the sum"),
        ("mutual", "user", "W and U"),
        ("mutual", "llm", "W and L"),
    ):
        apart = found.of(one, other)
        ends = _percent(apart.differ.low, apart.differ.high)
        sentences.append(
            f"{what} order {share(apart.differ.value or 0.0, 1)}{ends} of {found.pairs:,} pairs of "
            "answers to one question differently."
        )
    return sentences


def _percent(low: float | None, high: float | None) -> str:
    if low is None or high is None:
        return ""
    return f" [{share(max(low, 0.0), 1)}, {share(min(high, 1.0), 1)}]"


def _correlation(found: Correlation) -> str:
    if found.value is None:
        return f"{NONE} (one of them does not vary)"
    ends = "" if found.ends is None else f" {interval(*found.ends, 2)}"
    return f"{fixed(found.value, 2)}{ends}"


def _shares(found: Conflict, side: str) -> Sheet:
    rows: list[list[Lines]] = []
    records = []
    for one in found.shares[side]:
        shares = ("" if v is None else share(v, 1) for v in (one.share, one.read))
        name = "readable or not" if one.factor == UNREAD else one.factor
        rows.append(
            [
                (name,),
                ("" if one.mean is None else fixed(one.mean),),
                ("" if one.deviation is None else fixed(one.deviation),),
                *((text,) for text in shares),
            ]
        )
        records.append(
            {
                "side": side,
                "factor": one.factor,
                "mean": one.mean,
                "deviation": one.deviation,
                "share": one.share,
                "share_of_readable": one.read,
            }
        )
    head = ["term", "mean", "deviation", "share of variance", "share, readable"]
    notes = [
        "A term is weight times factor; shares of the terms add up to 100%, and one below 0 varies "
        "against the rest. The last row is the part between readable and unreadable answers, which "
        "the terms above contain."
    ]
    title = f"What makes {SIDES[side]} vary"
    return Sheet(f"conflict-{side}", title, head, rows, records, notes)


def _aggregates(found: Conflict) -> Sheet:
    rows: list[list[Lines]] = []
    records = []
    for one in found.aggregates:
        differ, correlation = one.differ, one.correlation
        shown = NONE if differ.value is None else share(differ.value, 1)
        rows.append(
            [
                (f"{AGGREGATES[one.one][0]} | {AGGREGATES[one.other][0]}",),
                (shown + _percent(differ.low, differ.high),),
                (NONE if one.tied is None else share(one.tied, 1),),
                (_correlation(correlation),),
                (fixed(correlation.read, 2),),
                (fixed(correlation.within, 2),),
            ]
        )
        low, high = correlation.ends or (None, None)
        records.append(
            {
                "one": one.one,
                "other": one.other,
                "differ": differ.value,
                "differ_low": differ.low,
                "differ_high": differ.high,
                "tied": one.tied,
                "pairs": found.pairs,
                "correlation": correlation.value,
                "correlation_low": low,
                "correlation_high": high,
                "correlation_readable": correlation.read,
                "correlation_within": correlation.within,
            }
        )
    head = ["aggregates", "ordered differently", "tied", "correlation", "readable", "one question"]
    notes = [
        f"Ordered differently: share of the {found.pairs:,} pairs of answers to one question that "
        "one aggregate puts one way and the other the other way. Tied: pairs that either holds "
        "equal. One question: correlation of the deviations from each question's mean."
    ]
    return Sheet("conflict-aggregates", "Every two aggregates", head, rows, records, notes)
