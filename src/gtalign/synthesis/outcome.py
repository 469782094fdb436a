"""The result of a cold start: every candidate with its fate, and the chains to learn from."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np

from gtalign.chain import Chain, parse
from gtalign.data.rows import read_pairs, read_rows
from gtalign.data.schema import RowWriter, system_prompt, to_row
from gtalign.errors import ChainError
from gtalign.game import GameForm
from gtalign.game.file import load_game
from gtalign.steering import Policy, load_policy, with_policy_line
from gtalign.synthesis.candidates import Candidates, Key
from gtalign.synthesis.drills import drill
from gtalign.synthesis.obedience import ObedienceLesson, Responses
from gtalign.synthesis.obedience import lesson as lesson_from
from gtalign.synthesis.priced import priced_from
from gtalign.synthesis.selection import KEPT, Entry, select
from gtalign.synthesis.settings import ColdStartConfig
from gtalign.tasks import Message, Question


@dataclass(frozen=True, slots=True)
class ColdStart:
    """The summary of a cold start; ``fates`` counts every planned candidate once.

    Args:
        questions: Number of questions.
        planned: Number of candidates to write.
        finished: Number of candidates with a score.
        kept: Number of candidates that are kept.
        fates: Number of candidates kept, and dropped for each reason.
        actions: Number of kept candidates by the action of the LLM that they choose.
        welfare: Mean W of all candidates that have one, and of the kept ones.
        edited: Number of chains that go on from an edited matrix.
        pairs: Number of these for which there is a worse chain to prefer them to.
        told: Number of chains with a policy in their prompt.
    """

    questions: int
    planned: int
    finished: int
    kept: int
    fates: Mapping[str, int] = field(default_factory=dict)
    actions: Mapping[str, int] = field(default_factory=dict)
    welfare: Mapping[str, float | None] = field(default_factory=dict)
    edited: int = 0
    pairs: int = 0
    told: int = 0

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
            "edited": self.edited,
            "pairs": self.pairs,
            "told": self.told,
        }


def finish(config: ColdStartConfig, candidates: Candidates, folder: Path) -> ColdStart:
    """Choose among the candidates; write all with their fates, and what is to be learned.

    Args:
        config: Configuration of the run.
        candidates: The candidates of the run.
        folder: Folder of ``candidates.jsonl``, ``kept.jsonl``, ``edited.jsonl``, ``pairs.jsonl``,
            ``told.jsonl`` and ``drills.jsonl``; each is written whole or not at all.

    Raises:
        ConfigError: A policy is unknown.
        StorageError: They cannot be written.
    """
    # A candidate that was never begun is accounted for like any other.
    unwritten = "not written"
    entries: dict[str, list[Entry]] = {}
    for question in read_rows(*config.questions, limit=config.limit):
        entries[question.id] = [
            candidates.entries.get(
                (question.id, number), Entry(number, None, None, None, unwritten)
            )
            for number in range(config.candidates)
        ]
    policies, form = [load_policy(name) for name in config.policies], load_game(config.game)
    fates = select(entries, config.selection)
    counts: Counter[str] = Counter(fates.values())
    actions: Counter[str] = Counter()
    welfare: dict[str, list[float]] = {"all": [], KEPT: []}
    with (
        RowWriter(folder / "candidates.jsonl") as every,
        RowWriter(folder / "kept.jsonl") as kept,
        RowWriter(folder / "edited.jsonl") as edited,
        RowWriter(folder / "pairs.jsonl") as pairs,
        RowWriter(folder / "told.jsonl") as told,
        RowWriter(folder / "drills.jsonl") as drills,
    ):
        for row, question in read_pairs(*config.questions, limit=config.limit):
            teach = partial(_learn, row, system_prompt(form=form) if config.instruct else None)
            learn = partial(teach, question)
            responses = Responses()
            best: Chain | None = None
            for entry in entries[question.id]:
                key: Key = (question.id, entry.number)
                if entry.welfare is not None:
                    welfare["all"].append(entry.welfare)
                if key not in candidates.entries:
                    continue
                record = candidates.read(key)
                every.write({**record, "fate": fates[key]})
                chain = _chain(record["completion"], form)
                if chain is not None and entry.welfare is not None:
                    responses.add(chain, entry.welfare)
                if fates[key] != KEPT:
                    continue
                best = chain
                actions[str(entry.action)] += 1
                welfare[KEPT].append(entry.welfare or 0.0)
                learn(kept, completion=record["completion"], mutual_welfare=entry.welfare)
            for lesson in () if best is None else _lessons(question, best, responses, config.edits):
                right = lesson.right
                learn(edited, completion=right.text, given=right.given)
                if lesson.wrong is not None:
                    learn(pairs, chosen=_said(right.text), rejected=_said(lesson.wrong))
            for asked, text in () if best is None else _told(question, best, responses, policies):
                teach(asked, told, completion=text)
        for number in range(config.drills):
            one = drill(np.random.default_rng(number), form)
            drills.write({"prompt": list(one.messages), "completion": one.text, "given": one.given})
    return ColdStart(
        questions=len(entries),
        planned=len(fates),
        finished=sum(entry.problem is None for found in entries.values() for entry in found),
        kept=counts[KEPT],
        fates=dict(counts.most_common()),
        actions=dict(actions.most_common()),
        welfare={name: fmean(values) if values else None for name, values in welfare.items()},
        edited=edited.rows,
        pairs=pairs.rows,
        told=told.rows,
    )


def _learn(
    row: Mapping[str, Any], system: str | None, question: Question, file: RowWriter, **columns: Any
) -> None:
    """Write a row of a question to learn from."""
    asked = to_row(
        question,
        index=file.rows,
        source_prompt=(row.get("extra_info") or {}).get("single_turn_prompt"),
        split=str(question.extra.get("split", "")),
        system=system,
    )
    file.write(asked | columns)


def _chain(completion: str, form: GameForm) -> Chain | None:
    try:
        return parse(completion, form)
    except ChainError:
        return None


def _lessons(
    question: Question, chain: Chain, responses: Responses, edits: int
) -> Iterator[ObedienceLesson]:
    """Yield lessons in obeying edited matrices; the same for the same chains."""
    rng = np.random.default_rng(list(question.id.encode("utf-8", "surrogatepass")))
    for _ in range(edits):
        found = lesson_from(chain, responses.by_action(), rng)
        if found is not None:
            yield found


def _told(
    question: Question, chain: Chain, responses: Responses, policies: Sequence[Policy]
) -> Iterator[tuple[Question, str]]:
    """Yield the question with each policy in its prompt, and the chain that knows the policy."""
    for policy in policies:
        found = priced_from(chain, responses.by_action(), policy)
        if found is not None:
            messages = with_policy_line(question.messages, found.line)
            yield replace(question, messages=messages), found.text


def _said(text: str) -> list[Message]:
    """Return a chain as trainers of preferences read it."""
    return [Message(role="assistant", content=text)]
