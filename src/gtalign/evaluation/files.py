"""The transcripts of several files, with a name for each model and one score that counts."""

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final, Literal

from gtalign.chain import parse
from gtalign.chain.blocks import TAG
from gtalign.data.rows import is_jsonl, read_rows
from gtalign.errors import ChainError, DataError
from gtalign.evaluation.faithfulness.edits import AS_WRITTEN
from gtalign.evaluation.steering.priced import FACTS
from gtalign.files.lines import read_lines
from gtalign.game import USER_LLM
from gtalign.reward.scores import PLAIN_WELFARE, WELFARE
from gtalign.steering import Decision
from gtalign.tasks import Question
from gtalign.transcripts import Transcript, read_transcripts
from gtalign.transcripts.games import USUAL, game_of
from gtalign.transcripts.given import SCORES, with_score
from gtalign.transcripts.harness import BY
from gtalign.transcripts.records import read_records

log = logging.getLogger(__name__)

METHOD: Final = "mutual"
"""The default reference, if there are transcripts of it."""

Kind = Literal["answers", "steered", "edited", "priced", "conversations"]
"""What transcripts hold: answers, those under pricing policies, those to edited matrices, those
under policies that compare a line of the prompt with edits, or conversations."""

KINDS: Final[Mapping[Kind, str]] = {
    "answers": "answers",
    "steered": "steered answers",
    "edited": "answers to edited matrices",
    "priced": "answers that compare policies in the prompt with edits",
    "conversations": "conversations with simulated users",
}

NO_SCORE: Final = "the file gives no score"
"""Why an answer is unscored that no program has scored."""

RUN_FILE: Final = "transcripts.jsonl"
"""Name of the file of answers in the folder of a run."""


def read_files(paths: Iterable[Path], score: str | None = None) -> dict[Path, list[Transcript]]:
    """Read the transcripts of some files.

    Those without a model get the name of their file. A model that answers the same questions in two
    files gets two names.

    Args:
        paths: The files; one that is named twice is read once.
        score: The score that counts, where a file of another framework gives several; the first one
            by default.

    Raises:
        DataError: A file is wrong or has no transcripts, or no file has that score.
    """
    found = {}
    known: dict[str, None] = {}
    counted: dict[Path, str] = {}
    for path in dict.fromkeys(paths):
        held = list(read_transcripts(path))
        if not held:
            raise DataError(f"{path}: no transcripts: the file is empty")
        names = _scores(held)
        if names:
            known |= dict.fromkeys(names)
            counted[path] = score or names[0]
            others = ", ".join(name for name in names if name != counted[path])
            if others:
                log.info("%s: score %s; --score takes another: %s", path, counted[path], others)
            held = _counted(held, counted[path])
        read = [_read(t) for t in _named(path, held)]
        found[path] = scored_without_chains(_with_columns(path, read))
    if score is not None and score not in known:
        there = f"there are {', '.join(known)}" if known else "the files give none by name"
        raise DataError(f"no file gives a score {score!r}; {there}")
    games = dict.fromkeys(t.game or USUAL for held in found.values() for t in held)
    if len(games) > 1:
        raise DataError(f"these answers are of different games: {'; '.join(games)}")
    if len(set(counted.values())) > 1:
        each = ", ".join(f"{path}: {name}" for path, name in counted.items())
        log.warning("the files are compared by scores of different names (%s)", each)
    return _told_apart(found)


def transcript_files(paths: Iterable[Path], kind: Kind = "answers") -> list[Path]:
    """Name the files of some paths; a folder stands for the transcripts of the runs in it.

    A run of the lab has them in a folder for each seed and arm, such as ``seed-0/mutual``.

    Args:
        paths: Files and folders.
        kind: Which transcripts to take in folders.

    Raises:
        DataError: A folder has no such transcripts.
    """
    found: dict[Path, None] = {}
    for path in paths:
        if not path.is_dir():
            found[path] = None
            continue
        held = sorted(file for file in path.rglob(RUN_FILE) if _kind_of(file) in (kind, None))
        if not held:
            raise DataError(f"{path}: no {RUN_FILE} with {KINDS[kind]} in this folder or below it")
        found |= dict.fromkeys(held)
    return list(found)


def _kind_of(file: Path) -> Kind | None:
    """What the first answer of a file is; None for an empty file, which nobody may pass over."""
    first = next(read_transcripts(file), None)
    if first is None:
        return None
    if first.conversation is not None:
        return "conversations"
    if first.decision is None:
        return "answers"
    if FACTS in first.extra:
        return "priced"
    return "edited" if first.decision.get("policy") == AS_WRITTEN.name else "steered"


def questions_in(files: Iterable[Path]) -> Iterator[Question]:
    """Yield the questions of files of questions, and those that transcripts answer.

    Raises:
        DataError: A file is wrong, or two questions share an id.
    """
    seen: set[str] = set()
    for file in files:
        transcripts = is_jsonl(file) and file.is_file() and _holds_transcripts(file)
        held = (t.question for t in read_transcripts(file)) if transcripts else read_rows(file)
        for question in held:
            if question.id in seen:
                raise DataError(f"two questions have the id {question.id!r}")
            seen.add(question.id)
            yield question


def _holds_transcripts(file: Path) -> bool:
    first: dict[str, Any] = next((row for _, row in read_lines(file)), {})
    return "completion" in first and "reward_model" not in first


def reference_of(transcripts: Iterable[Transcript], named: str | None = None) -> str:
    """The model to compare with the others: the named one, or else `METHOD`, or else the last.

    Raises:
        DataError: The named one has no transcripts.
    """
    models = list(dict.fromkeys(transcript.model for transcript in transcripts))
    if named is not None and named not in models:
        raise DataError(f"no transcripts of model {named!r}; there are {', '.join(models)}")
    return named or (METHOD if METHOD in models else models[-1])


def scored_without_chains(transcripts: Sequence[Transcript]) -> list[Transcript]:
    """Mark as plain what was scored without a chain, no matter by which program.

    A reward that asks for a chain records the format of every answer, and gives 0 where it cannot
    be read. So an answer without a chain and without a format is plain, unless the others of its
    model have chains and it scored nothing.
    """
    chains = {t.model for t in transcripts if t.chain is not None or TAG.search(t.completion)}

    def plain(t: Transcript) -> bool:
        if t.plain or t.chain is not None or t.factors.get("format") is not None:
            return t.plain
        earned = any((getattr(t, name) or 0) > 0 for name in WELFARE)
        return t.chain_error is None or earned or t.model not in chains

    return [
        t if t.plain or not plain(t) else replace(t, plain=True, chain_error=None)
        for t in transcripts
    ]


def _read(t: Transcript) -> Transcript:
    """Return an answer that is not scored yet with its chain, if it has one, and as unscored.

    Only a reward says how strictly a chain is read. Until it does, the chain is read as tolerantly
    as steering reads it, so that the answers of `gtalign steer` can be compared.
    """
    known = (*t.factors.values(), *(getattr(t, name) for name in (*WELFARE, *PLAIN_WELFARE)))
    if t.unscored is None and not t.verdicts and all(value is None for value in known):
        t = replace(t, unscored=NO_SCORE)
    read = t.plain or t.chain is not None or t.chain_error is not None
    if read or t.unscored is None or TAG.search(t.completion) is None:
        return t
    form = USER_LLM if t.decision is None else Decision.from_json(t.decision).form
    if game_of(form) != t.game:
        return replace(t, chain_error=f"not scored, and of another game: {t.game}")
    try:
        believes = "<belief>" in t.completion
        chain = parse(t.completion, form, tolerant=True, belief=believes)
        return replace(t, chain=chain.to_json())
    except ChainError as error:
        return replace(t, chain_error=str(error))


def _with_columns(path: Path, held: list[Transcript]) -> list[Transcript]:
    """Say which columns a foreign file has, if it scores no answer: one may hold the scores."""
    if any(t.unscored != NO_SCORE for t in held):
        return held
    _, _, first = next(read_records(path))
    if "factors" in first:  # one of ours, whose columns are known
        return held
    columns = ", ".join(list(first)[:12])
    return [replace(t, unscored=f"{NO_SCORE}; its columns are {columns}") for t in held]


def _named(path: Path, held: Sequence[Transcript]) -> list[Transcript]:
    """Give transcripts without a model the name of their file; the harness names their folder."""
    name = Path(path.name.removesuffix(".gz")).stem
    folder = path.resolve().parent.name
    return [
        t if t.model else replace(t, model=folder if t.extra.get("scored_by") == BY else name)
        for t in held
    ]


def _scores(held: Sequence[Transcript]) -> list[str]:
    """Names of the scores that a file of another framework gives, in their order."""
    given = [t.extra[SCORES] for t in held if isinstance(t.extra.get(SCORES), Mapping)]
    return list(dict.fromkeys(name for scores in given for name in scores))


def _counted(held: Sequence[Transcript], score: str) -> list[Transcript]:
    """Let one score count in answers that have several.

    A file that gives an answer once for each filter has rows that lack it: those are dropped.
    """
    having = {(t.task, t.id) for t in held if score in t.extra.get(SCORES, ())}
    return [
        with_score(t, score) if isinstance(t.extra.get(SCORES), Mapping) else t
        for t in held
        if score in t.extra.get(SCORES, ()) or (t.task, t.id) not in having
    ]


def _told_apart(by_file: Mapping[Path, Sequence[Transcript]]) -> dict[Path, list[Transcript]]:
    """Give a model that answers the same questions in two files two names."""
    owners: dict[tuple[str, int | None, str, str], Path] = {}
    clashing = {
        t.model
        for path, held in by_file.items()
        for t in held
        if owners.setdefault((t.model, t.seed, t.task, t.id), path) != path
    }
    folders = _folders(by_file)
    return {
        path: [
            replace(t, model=f"{t.model} ({folders[path]})") if t.model in clashing else t
            for t in held
        ]
        for path, held in by_file.items()
    }


def _folders(paths: Iterable[Path]) -> dict[Path, str]:
    """A name for each file that tells runs apart: the last folder in which paths differ.

    Files of one run, in ``seed-0/mutual`` and ``seed-1/mutual``, have the name of their run where
    there are several runs. Files of one folder have their own names.
    """
    parts = {path: path.resolve().parent.parts for path in paths}
    runs = {path: _run_of(own) for path, own in parts.items()}
    if len(set(runs.values())) > 1:
        return runs
    names = {path: own[-1] for path, own in parts.items()}
    return names if len(set(names.values())) > 1 else {path: path.stem for path in parts}


def _run_of(folders: tuple[str, ...]) -> str:
    """Name of the folder of a run: the one that holds ``seed-N``, or else the last one."""
    for place, name in enumerate(folders):
        if name.startswith("seed-") and name.removeprefix("seed-").isdigit() and place:
            return folders[place - 1]
    return folders[-1]
