"""The result of a cold start: every candidate with its fate, and the chains to learn from."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean
from typing import Any

from gtalign.data.rows import read_pairs, read_rows
from gtalign.data.schema import RowWriter, system_prompt, to_row
from gtalign.synthesis.candidates import Candidates, Key
from gtalign.synthesis.selection import KEPT, Entry, select
from gtalign.synthesis.settings import ColdStartConfig


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


def finish(config: ColdStartConfig, candidates: Candidates, folder: Path) -> ColdStart:
    """Choose among the candidates; write all with their fates, and the kept ones to learn from.

    Args:
        config: Configuration of the run.
        candidates: The candidates of the run.
        folder: Folder of ``candidates.jsonl`` and ``kept.jsonl``; each is written whole or not at
            all.

    Raises:
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
    fates = select(entries, config.selection)
    counts: Counter[str] = Counter(fates.values())
    actions: Counter[str] = Counter()
    welfare: dict[str, list[float]] = {"all": [], KEPT: []}
    system = system_prompt() if config.instruct else None
    with (
        RowWriter(folder / "candidates.jsonl") as every,
        RowWriter(folder / "kept.jsonl") as kept,
    ):
        for row, question in read_pairs(*config.questions, limit=config.limit):
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
