"""Find the questions that models share: by id, or else by prompt."""

from collections.abc import Sequence
from typing import Final, get_args

from gtalign.errors import DataError
from gtalign.evaluation.comparison import Pairing
from gtalign.evaluation.rows import By, names_of
from gtalign.transcripts.prompts import by_prompt, is_by_prompt
from gtalign.transcripts.transcript import Transcript

_WAYS: Final[tuple[By, ...]] = get_args(By)


def pair(
    transcripts: Sequence[Transcript], reference: str, baselines: Sequence[str]
) -> tuple[By, tuple[Pairing, ...]]:
    """Choose what names a question, and count the questions that are shared.

    It is the first of id, prompt and conversation by which the most baselines share questions with
    the reference. Ids that name other prompts in most of the questions count only where nothing
    else pairs the answers: two files may both have numbered their lines.

    Raises:
        DataError: No baseline shares a question with it; the message says what would pair them.
    """
    best: tuple[By, tuple[Pairing, ...]] = (_WAYS[0], ())
    most = (-1, -1)
    for by in _WAYS:
        found = tuple(_pairings(transcripts, reference, baselines, by))
        alike = sum(pairing.paired > 2 * pairing.unlike for pairing in found)
        shared = sum(pairing.paired > 0 for pairing in found)
        if (alike, shared) > most:
            best, most = (by, found), (alike, shared)
        if alike == len(baselines):
            break
    if baselines and most[1] == 0:
        raise DataError(_nothing_shared(transcripts, reference, baselines))
    return best


def _pairings(
    transcripts: Sequence[Transcript], reference: str, baselines: Sequence[str], by: By
) -> list[Pairing]:
    names = names_of(transcripts, by)
    rows: dict[str, dict[tuple[str, ...], int]] = {}
    prompts: dict[tuple[str, tuple[str, ...]], set[str]] = {}
    for transcript, name in zip(transcripts, names, strict=True):
        own = rows.setdefault(transcript.model, {})
        own[name] = own.get(name, 0) + 1
        if by == "id" and (asked := by_prompt(transcript.prompt, system=False)):
            prompts.setdefault((transcript.model, name), set()).add(asked)
    mine = rows[reference]
    found = []
    for baseline in baselines:
        theirs = rows[baseline]
        both = mine.keys() & theirs.keys()
        unnamed = both and all(is_by_prompt(name[2]) for name in both)
        prompts_both = (
            (prompts.get((reference, name)), prompts.get((baseline, name))) for name in both
        )
        found.append(
            Pairing(
                reference=reference,
                baseline=baseline,
                by="prompt" if unnamed and by == "id" else by,
                paired=len(both),
                only_reference=len(mine) - len(both),
                only_baseline=len(theirs) - len(both),
                answers=sum(mine[name] + theirs[name] for name in both),
                unlike=sum(bool(one and two and one.isdisjoint(two)) for one, two in prompts_both),
            )
        )
    return found


def _nothing_shared(
    transcripts: Sequence[Transcript], reference: str, baselines: Sequence[str]
) -> str:
    """Say what would pair the answers of models that share no question."""
    mine = [t for t in transcripts if t.model == reference]
    theirs = [t for t in transcripts if t.model in baselines]
    others = " and ".join(map(repr, baselines))
    start = f"{reference!r} and {others} answer no question in common, so nothing can be compared"
    named = {name[2] for by in _WAYS for name in names_of(mine, by)}
    if named & {name[2] for by in _WAYS for name in names_of(theirs, by)}:
        columns = {
            column: (_values(mine, column), _values(theirs, column)) for column in ("task", "split")
        }
        differ = [
            f"column {name!r} is {_listed(ours)} in one and {_listed(other)} in the other"
            for name, (ours, other) in columns.items()
            if ours != other
        ]
        return f"{start}: they share ids or prompts, but {'; '.join(differ)}"
    advice = (
        "give the answers to one question the same 'id', or keep its 'prompt' with each of them"
    )
    truths = {t.ground_truth for t in mine if t.ground_truth} & {t.ground_truth for t in theirs}
    if truths:
        advice += (
            f" ({len(truths)} values of 'ground_truth' are in both, but they name no question)"
        )
    shown = f"ids are such as {mine[0].id!r} and {theirs[0].id!r}"
    return f"{start}: no 'id' and no 'prompt' is in both ({shown}); {advice}"


def _values(transcripts: Sequence[Transcript], column: str) -> frozenset[str]:
    return frozenset(getattr(t, column) for t in transcripts)


def _listed(values: frozenset[str]) -> str:
    return ", ".join(map(repr, sorted(values)[:4]))
