"""A cold start from questions to the set that supervised training reads.

A run directory holds ``written.jsonl`` (every candidate as it was scored, appended), the replies of
teachers and judges in ``replies.sqlite``, and at the end ``candidates.jsonl`` (every candidate with
its scores and its fate, in the order of the questions), ``kept.jsonl`` (rows in the dataset's
schema with the ``completion`` to learn) and ``summary.json``.

Whatever a teacher or a judge has replied is on disk before it is used. A run that is killed, or
stopped by a full disk or a dead server, goes on where it was: finished candidates are not written
again, and parts of unfinished ones are not asked for again.
"""

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean
from typing import Any

from gtalign.data.rows import read_pairs
from gtalign.data.schema import RowWriter, system_prompt, to_row
from gtalign.errors import DataError, JudgeError, TeacherError
from gtalign.judges import Judge, Verdict
from gtalign.judges.batch import together
from gtalign.reward import Reward
from gtalign.reward.judged import Failure, Failures
from gtalign.synthesis.candidates import Candidates, Key, failed_record, record_of
from gtalign.synthesis.selection import KEPT, Entry, select
from gtalign.synthesis.settings import ColdStartConfig
from gtalign.synthesis.teacher import ChainWriter
from gtalign.tasks import Question

Progress = Callable[[int, int, Counter[str]], None]
"""Takes how many candidates are done, how many there are, and the failures by cause."""


@dataclass(frozen=True, slots=True)
class ColdStart:
    """What came of a cold start; every planned candidate is counted once in ``fates``.

    Args:
        questions: How many there are.
        planned: How many candidates were to be written.
        finished: How many of them have a score.
        kept: How many of them are kept.
        fates: How many were kept, and how many dropped for which reason.
        actions: How many of the kept ones choose which action of the LLM.
        welfare: Mean W of all that have one, and of the kept ones.
    """

    questions: int
    planned: int
    finished: int
    kept: int
    fates: Mapping[str, int] = field(default_factory=dict)
    actions: Mapping[str, int] = field(default_factory=dict)
    welfare: Mapping[str, float | None] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Return it as an object."""
        return {
            "questions": self.questions,
            "planned": self.planned,
            "finished": self.finished,
            "kept": self.kept,
            "fates": dict(self.fates),
            "actions": dict(self.actions),
            "welfare": dict(self.welfare),
        }


def read_questions(config: ColdStartConfig) -> Iterator[tuple[dict[str, Any], Question]]:
    """Yield row and question of each question of a configuration, one at a time.

    Raises:
        DataError: A file or row is wrong.
    """
    left = config.limit
    for file in config.questions:
        for row, question in read_pairs(file):
            if left == 0:
                return
            left = None if left is None else left - 1
            yield row, question


def count_questions(config: ColdStartConfig) -> int:
    """Return the number of questions.

    Raises:
        DataError: A file or row is wrong, two questions share an id, or there are none.
    """
    seen: set[str] = set()
    for _, question in read_questions(config):
        if question.id in seen:
            raise DataError(
                f"two questions have the id {question.id!r}: files of one name in two folders; give"
                " one of them another name"
            )
        seen.add(question.id)
    if not seen:
        raise DataError(f"no questions in {', '.join(map(str, config.questions))}")
    return len(seen)


async def write_candidates(
    config: ColdStartConfig,
    candidates: Candidates,
    writer: ChainWriter,
    judge: Judge,
    reward: Reward,
    progress: Progress | None = None,
) -> None:
    """Write and score every candidate that is not finished.

    A candidate that a teacher or judge fails on is written down as failed, with the cause, and the
    others go on. Questions are read as they are needed, so that memory does not grow with texts.

    Args:
        config: What to write.
        candidates: Where to.
        writer: The teachers.
        judge: Grades the responses.
        reward: Scores the candidates.
        progress: Called after each candidate.

    Raises:
        TeacherError: Too many of the latest candidates failed.
        StorageError: The disk is full; what is written stays.
    """
    total = count_questions(config) * config.candidates
    failures = Failures(
        config.max_failed, min(config.window, total), "candidates were not finished", TeacherError
    )
    done = 0

    def jobs() -> Iterator[tuple[Question, int]]:
        for _, question in read_questions(config):
            for number in range(config.candidates):
                yield question, number

    async def work(todo: Iterator[tuple[Question, int]]) -> None:
        nonlocal done
        for question, number in todo:
            if not candidates.done((question.id, number)):
                record = await _candidate(question, number, writer, judge, reward)
                candidates.write(record)
                failures.add([_failure(record)])
            done += 1
            if progress is not None:
                progress(done, total, failures.counts)

    todo = jobs()
    await together([work(todo) for _ in range(min(config.workers, total))])


async def _candidate(
    question: Question, number: int, writer: ChainWriter, judge: Judge, reward: Reward
) -> dict[str, Any]:
    try:
        completion = await writer.write(question, number)
    except TeacherError as error:
        return failed_record(question, number, f"teacher, {error.cause}", str(error))
    readings = reward.read([completion])
    [response] = readings.responses
    verdict: Verdict | None = None
    failed = None
    try:
        if response is not None:
            verdict = await judge.judge(question, response)
        scores = reward.score([question], readings, [verdict])
        for wrong in scores.errors.values():
            raise wrong
    except JudgeError as error:
        failed = f"judge, {error.cause}"
        verdict = Verdict("judge", None, str(error))
        scores = reward.score([question], readings, [verdict])
    [score] = scores
    return record_of(question, number, completion, score, verdict, failed)


def _failure(record: Mapping[str, Any]) -> Failure | None:
    if record["unscored"] is None:
        return None
    cause = record["failed"] or "unscored"
    return Failure(cause, str(record["unscored"]), broken=record["failed"] is not None)


def finish(config: ColdStartConfig, candidates: Candidates, folder: Path) -> ColdStart:
    """Choose among the candidates; write all with their fates, and the kept ones to learn from.

    Args:
        config: What was planned, and how to choose.
        candidates: What was written.
        folder: Where ``candidates.jsonl`` and ``kept.jsonl`` go; each appears whole or not at all.

    Raises:
        StorageError: They cannot be written.
    """
    # A candidate that was never begun is accounted for like any other.
    unwritten = "not written"
    entries: dict[str, list[Entry]] = {}
    for _, question in read_questions(config):
        entries[question.id] = [
            candidates.entries.get(
                (question.id, number), Entry(number, None, None, None, unwritten)
            )
            for number in range(config.candidates)
        ]
    fates = select(entries, config.selection)
    counts: Counter[str] = Counter(fates.values())
    actions: Counter[str] = Counter()
    welfare: dict[str, list[float]] = {"all": [], KEPT: []}
    system = system_prompt() if config.instruct else None
    with (
        RowWriter(folder / "candidates.jsonl") as every,
        RowWriter(folder / "kept.jsonl") as kept,
    ):
        for row, question in read_questions(config):
            for entry in entries[question.id]:
                key: Key = (question.id, entry.number)
                if entry.welfare is not None:
                    welfare["all"].append(entry.welfare)
                if key not in candidates.entries:
                    continue
                record = candidates.read(key)
                every.write({**record, "fate": fates[key]})
                if fates[key] != KEPT:
                    continue
                actions[str(entry.action)] += 1
                welfare[KEPT].append(entry.welfare or 0.0)
                source = (row.get("extra_info") or {}).get("single_turn_prompt")
                kept.write(
                    to_row(
                        question,
                        index=kept.rows,
                        source_prompt=source,
                        split=str(question.extra.get("split", "")),
                        system=system,
                    )
                    | {"completion": record["completion"], "mutual_welfare": entry.welfare}
                )
    return ColdStart(
        questions=len(entries),
        planned=len(fates),
        finished=sum(entry.problem is None for found in entries.values() for entry in found),
        kept=counts[KEPT],
        fates=dict(counts.most_common()),
        actions=dict(actions.most_common()),
        welfare={name: fmean(values) if values else None for name, values in welfare.items()},
    )


def write_summary(file: Path, summary: Mapping[str, Any]) -> None:
    """Write the summary of a run as one JSON object, whole or not at all."""
    beside = file.with_name(file.name + ".part")
    beside.write_text(json.dumps(summary, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    beside.replace(file)
