"""Transcripts: a question, its completion and everything measured on it, one JSON object a line.

They are written as they are made and can be read after a crash. A thing that could not be scored
is null with a reason, never 0.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from math import isfinite
from pathlib import Path
from typing import Any

from gtalign.chain import parse
from gtalign.closing import Closing
from gtalign.data.lines import LineWriter, read_lines
from gtalign.errors import ChainError, DataError
from gtalign.judges import Verdict
from gtalign.reward import Score
from gtalign.tasks import Message, Question
from gtalign.tasks.question import read_messages
from gtalign.transcripts.chats import TASK, is_chat, transcript_fields

_WELFARES = (
    "user_welfare",
    "llm_welfare",
    "mutual_welfare",
    "answer_llm_welfare",
    "answer_mutual_welfare",
)
_VERL = ("input", "output", "gts", "score")


@dataclass(frozen=True, slots=True)
class Transcript:
    """A question, its completion and everything measured on it.

    Args:
        id: Of the question.
        task: Of the question.
        split: ``train``, ``test`` or ``ood``.
        cluster: The question's source prompt.
        seed: Of the run that trained or sampled; None if unknown.
        model: Name of the model that answered.
        prompt: The messages that it was given.
        completion: What it wrote, whole.
        ground_truth: Of the question.
        chain: The four blocks as an object, or None.
        chain_error: Why there is no chain; None if there is one or none was asked for.
        plain: No chain was asked for: the completion is the response.
        tokens: Number of tokens by block, ``before`` the response, and ``total``.
        factors: Each factor of the reward, None if unknown.
        user_welfare, llm_welfare, mutual_welfare: U, L and sqrt(U L), None if unknown.
        answer_llm_welfare, answer_mutual_welfare: L and W without the chain's own terms.
        verdicts: Of the judges; the first one graded the response.
        unscored: Why the welfare is unknown.
        extra: Of the question, such as ``user_action`` and ``true_payoff``, and further facts.
        decision: How the answer was steered, as the record of it tells; None if it was not.
    """

    id: str
    task: str
    completion: str
    split: str = ""
    cluster: str = ""
    seed: int | None = None
    model: str = ""
    prompt: tuple[Message, ...] = ()
    ground_truth: str = ""
    chain: Mapping[str, Any] | None = None
    chain_error: str | None = None
    plain: bool = False
    tokens: Mapping[str, int] = field(default_factory=dict)
    factors: Mapping[str, float | None] = field(default_factory=dict)
    user_welfare: float | None = None
    llm_welfare: float | None = None
    mutual_welfare: float | None = None
    answer_llm_welfare: float | None = None
    answer_mutual_welfare: float | None = None
    verdicts: tuple[Verdict, ...] = ()
    unscored: str | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)
    decision: Mapping[str, Any] | None = None

    @classmethod
    def of(
        cls,
        question: Question,
        completion: str,
        score: Score,
        verdicts: Sequence[Verdict] = (),
        *,
        model: str,
        seed: int | None = None,
        split: str | None = None,
        plain: bool = False,
        prompt: Sequence[Message] | None = None,
    ) -> "Transcript":
        """Build the transcript of a completion that has been scored.

        Args:
            question: What was asked.
            completion: What the model wrote.
            score: The reward's answer.
            verdicts: The judges' answers, the one on the response first.
            model: Name of the model.
            seed: Of the run.
            split: By default the question's own (``extra["split"]``).
            plain: No chain was asked for.
            prompt: What the model was given, if not the bare messages of the question.
        """
        measured = score.to_json()
        return cls(
            id=question.id,
            task=question.task,
            completion=completion,
            split=str(question.extra.get("split", "")) if split is None else split,
            cluster=question.cluster,
            seed=seed,
            model=model,
            prompt=question.messages if prompt is None else tuple(prompt),
            ground_truth=question.ground_truth,
            plain=plain,
            verdicts=tuple(verdicts),
            extra=question.extra,
            **measured,
        )

    @property
    def question(self) -> Question:
        """The question that was asked, with the messages that the model was given."""
        return Question(
            id=self.id,
            task=self.task,
            messages=self.prompt,
            ground_truth=self.ground_truth,
            cluster=self.cluster,
            extra=self.extra,
        )

    def to_json(self) -> dict[str, Any]:
        """Return the object of one line, which `from_json` reads back equal."""
        record = {f.name: getattr(self, f.name) for f in fields(self)}
        for name in ("tokens", "factors", "extra"):
            record[name] = dict(record[name])
        record["prompt"] = [dict(message) for message in self.prompt]
        record["verdicts"] = [verdict.to_json() for verdict in self.verdicts]
        return record

    @classmethod
    def from_json(cls, source: Mapping[str, Any]) -> "Transcript":
        """Build a transcript from the object of one line; unknown fields are ignored.

        Raises:
            DataError: A field is missing or of the wrong type; the message names it.
        """
        known = {f.name: source[f.name] for f in fields(cls) if source.get(f.name) is not None}
        for name in ("id", "task", "completion"):
            if not isinstance(known.get(name), str):
                raise DataError(f"column {name!r} has to be text")
        for name in ("split", "cluster", "model", "ground_truth", "chain_error", "unscored"):
            if not isinstance(known.get(name, ""), str):
                raise DataError(f"column {name!r} has to be text")
        for name in ("chain", "tokens", "factors", "extra", "decision"):
            if not isinstance(known.get(name, {}), Mapping):
                raise DataError(f"column {name!r} has to be an object")
        for name in _WELFARES:
            if name in known:
                known[name] = read_number(known[name], name)
        for name in ("factors", "tokens"):
            for key, value in known.get(name, {}).items():
                read_number(value, f"{name}.{key}")
        if not isinstance(known.get("plain", False), bool):
            raise DataError("column 'plain' has to be true or false")
        if type(known.get("seed", 0)) is not int:
            raise DataError("column 'seed' has to be a whole number or null")
        _check_chain(known.get("chain"))
        _check_extra(known.get("extra", {}))
        if "prompt" in known:
            known["prompt"] = read_messages(known["prompt"], "prompt") if known["prompt"] else ()
        known["verdicts"] = _verdicts(known.get("verdicts", []))
        return cls(**known)


def read_transcripts(path: Path) -> Iterator[Transcript]:
    """Yield the transcripts of a file, in order.

    Validation dumps of verl (input, output, gts, score, user_reward, llm_reward) and logs of chats
    (`gtalign.transcripts.chats`) are read as well; where they have no ids, the file's name and the
    line number stand in. A torn last line, left by a crash, is skipped.

    Raises:
        DataError: The file cannot be read, or a line is wrong; the message names file, line and
            column.
    """
    for number, record in read_lines(path):
        try:
            yield transcript_of(record, f"{path.stem}-{number}")
        except DataError as error:
            raise DataError(f"{path}, line {number}: {error}") from error


def transcript_of(record: Mapping[str, Any], name: str, task: str = TASK) -> Transcript:
    """Build a transcript from a line of ours, of a verl dump or of a log of chats.

    Args:
        record: The line's object.
        name: The id to give if it has none.
        task: The task of a dump or a log that names none.

    Raises:
        DataError: A field is missing or of the wrong type; the message names it.
    """
    if "completion" not in record and all(key in record for key in _VERL):
        return _from_verl(record, name, task)
    if is_chat(record):
        return Transcript.from_json(transcript_fields(record, name, task))
    return Transcript.from_json(record)


class TranscriptWriter(Closing):
    """Appends transcripts to a file, each a whole line, so that a crash loses at most the last one.

    Opening a file that a crash has left cuts off a torn last line. Use it as a context manager or
    call `close`.

    Args:
        path: The file; it and its folder are made if need be.
        keep_ids: Keep the ids of what is in the file in memory. Without them, `ids` reads the
            file, and opening it reads no more than its end.

    Raises:
        StorageError: The file cannot be opened for writing.
        DataError: It holds something other than transcripts.
    """

    def __init__(self, path: Path, *, keep_ids: bool = True) -> None:
        self.path = path
        self._lines = LineWriter(path)
        self._ids: set[str] | None = set() if keep_ids else None
        try:
            if path.is_file() and self._ids is not None:  # a device has no past
                self._ids |= self._read_ids()
        except BaseException:
            self._lines.close()
            raise

    def ids(self) -> frozenset[str]:
        """Ids of the questions whose transcripts are in the file: what a resumed run can skip."""
        return frozenset(self._read_ids() if self._ids is None else self._ids)

    def write(self, transcript: Transcript) -> None:
        """Append one transcript.

        Raises:
            StorageError: It could not be written whole; what was written before it is kept, and
                no part of it remains.
        """
        self._lines.write(transcript.to_json())
        if self._ids is not None:
            self._ids.add(transcript.id)

    def close(self) -> None:
        """Close the file."""
        self._lines.close()

    def _read_ids(self) -> set[str]:
        return {str(record.get("id")) for _, record in read_lines(self.path)}


def _from_verl(record: Mapping[str, Any], name: str, task: str) -> Transcript:
    completion = record["output"]
    if not isinstance(completion, str):
        raise DataError("column 'output' has to be text")
    chain, error = None, None
    try:
        chain = parse(completion, tolerant=True).to_json()
    except ChainError as refused:
        error = str(refused)
    mutual = read_number(record["score"], "score")
    return Transcript(
        id=name,
        task=str(record.get("data_source", task)),
        completion=completion,
        cluster=name,
        prompt=(Message(role="user", content=str(record["input"])),),
        ground_truth=str(record["gts"]),
        chain=chain,
        chain_error=error,
        user_welfare=read_number(record.get("user_reward"), "user_reward"),
        llm_welfare=read_number(record.get("llm_reward"), "llm_reward"),
        mutual_welfare=mutual,
        unscored="the dump has no score" if mutual is None else None,
    )


def read_number(value: Any, name: str) -> float | None:
    """Return a number from outside, or None for null.

    Raises:
        DataError: It is something else, or too large for a float; names the column.
    """
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise DataError(f"column {name!r} has to be a number or null, not {value!r}")
    try:
        return float(value)
    except OverflowError:
        raise DataError(f"column {name!r} has to be a number that a float can hold") from None


def _check_chain(chain: Any) -> None:
    if chain is None:
        return
    for name in ("thinking", "analyze", "response"):
        if not isinstance(chain.get(name), str):
            raise DataError(f"column 'chain.{name}' has to be text")
    _check_matrix(chain.get("payoff"), "chain.payoff")


def _check_extra(extra: Mapping[str, Any]) -> None:
    """Check the facts that measures read; the others can be anything."""
    if not isinstance(extra.get("user_action", ""), str | None):
        raise DataError("column 'extra.user_action' has to be text")
    if extra.get("true_payoff") is not None:
        _check_matrix(extra["true_payoff"], "extra.true_payoff")


def _check_matrix(matrix: Any, name: str) -> None:
    if not isinstance(matrix, Mapping) or not matrix:
        raise DataError(f"column {name!r} has to be a payoff matrix, an object of cells")
    for key, cell in matrix.items():
        for player in ("user", "LLM"):
            payoff = cell.get(player) if isinstance(cell, Mapping) else None
            number = read_number(payoff, f"{name}.{key}.{player}")
            if number is None or not isfinite(number):
                raise DataError(f"column '{name}.{key}.{player}' has to be a finite number")


def _verdicts(source: Any) -> tuple[Verdict, ...]:
    if not isinstance(source, list | tuple) or not all(isinstance(v, Mapping) for v in source):
        raise DataError("column 'verdicts' has to be a list of objects")
    return tuple(Verdict.from_json(verdict) for verdict in source)
