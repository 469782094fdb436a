"""Welfare of scored answers under other weights, from the factors that their transcripts keep."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np

from gtalign.errors import DataError
from gtalign.evaluation.statistics import Floats
from gtalign.reward import FACTORS, RewardConfig
from gtalign.reward.welfare import Welfare
from gtalign.transcripts import Transcript
from gtalign.transcripts.rewards import reward_for

_CLOSE: Final = 1e-6  # a difference of two welfares that is rounding in a file

SIDES: Final = ("user", "llm")


@dataclass(frozen=True, slots=True)
class Move:
    """One weight moved.

    Args:
        side: Whose welfare it is in; None for the weights as they are.
        key: The weight.
        by: What is added to it.
    """

    side: str | None = None
    key: str = ""
    by: float = 0.0

    @property
    def label(self) -> str:
        """The move in words, such as ``user.quality +0.1``."""
        return "as it is" if self.side is None else f"{self.side}.{self.key} {self.by:+g}"


def moves(config: RewardConfig, by: float) -> Iterator[Move]:
    """Every weight that is not 0 moved up and down; first, none."""
    yield Move()
    for side in SIDES:
        weights = getattr(config, side)
        for key in weights.known_keys():
            if key != "constant" and weights.of(key) > 0:
                yield Move(side, key, by)
                yield Move(side, key, -by)


def moved(config: RewardConfig, move: Move) -> RewardConfig:
    """A reward with one weight moved, not below 0.

    The other weights of its side are scaled so that their sum stays what it was: a welfare remains
    the same kind of average. Weights of single tasks move alike.
    """
    if move.side is None:
        return config
    table = config.model_dump()
    found: list[dict[str, Any]] = [table[move.side]]
    if move.side == "llm":
        found += table["llm_by_task"].values()
    for weights in found:
        keys = [key for key in weights if key != "constant"]
        total = sum(weights[key] for key in keys)
        own = min(max(weights[move.key] + move.by, 0.0), total)
        rest = total - weights[move.key]
        for key in keys:
            if key != move.key:
                weights[key] *= (total - own) / rest if rest > 0 else 1.0
        weights[move.key] = own
    return RewardConfig(**table)


@dataclass(slots=True)
class _File:
    config: RewardConfig
    rows: list[int] = field(default_factory=list)


class Rescorer:
    """The answers of some files, each scored by the reward that it was made with.

    Args:
        by_file: The answers; their order is that of the columns.

    Raises:
        DataError: An answer has no factors, or its welfare is not that of its factors under the
            reward of its file.
    """

    def __init__(self, by_file: Mapping[Path, Sequence[Transcript]]) -> None:
        self._answers = [t for held in by_file.values() for t in held]
        self._files: list[_File] = []
        start = 0
        for path, held in by_file.items():
            config = reward_for(path).config
            self._files.append(_File(config, list(range(start, start + len(held)))))
            start += len(held)
        self._scored = np.array([t.unscored is None for t in self._answers])
        self._read = np.array([t.plain or t.chain is not None for t in self._answers])
        self._plain = np.array([t.plain for t in self._answers])
        self._factors = {
            name: np.array([_number(t.factors.get(name)) for t in self._answers])
            for name in FACTORS
        }
        self._check()

    def moves(self, by: float) -> list[Move]:
        """The moves of the weights of all files."""
        every = (move for file in self._files for move in moves(file.config, by))
        return list(dict.fromkeys(every))

    def terms(self, side: str) -> dict[str, Floats]:
        """Each term of a side's welfare, weight times factor, by the name of its factor, shape [N].

        Their sum is the welfare less its constant, and 0 for an answer that could not be read.
        """
        found: dict[str, Floats] = {}
        for config, task, plain, rows in self._parts(Move()):
            weights = config.user if side == "user" else config.llm_by_task.get(task, config.llm)
            welfare = Welfare.of(weights, gated=config.robust, chain=config.chain and not plain)
            for name, weight, gate in welfare.terms:
                term = weight * self._factors[name][rows]
                if gate is not None:
                    term = term * self._factors[gate][rows]
                found.setdefault(name, np.zeros(len(self._answers)))[rows] = term
        for column in found.values():
            column[~self._read & self._scored] = 0.0
        return found

    def welfares(self, move: Move) -> tuple[Floats, Floats]:
        """U and L of every answer, shape [N]; not-a-number for one without a score.

        An answer that could not be read has 0 of both under any weights. One without a chain has L
        of the answer alone.
        """
        user, llm = np.full((2, len(self._answers)), np.nan)
        for config, task, plain, rows in self._parts(move):
            some = {name: column[rows] for name, column in self._factors.items()}
            for out, weights in (
                (user, config.user),
                (llm, config.llm_by_task.get(task, config.llm)),
            ):
                welfare = Welfare.of(weights, gated=config.robust, chain=config.chain and not plain)
                out[rows] = welfare.measure(some)
        for out in (user, llm):
            out[~self._read & self._scored] = 0.0
            out[~self._scored] = np.nan
        return user, llm

    def _parts(self, move: Move) -> Iterator[tuple[RewardConfig, str, bool, list[int]]]:
        """The answers that the same weights score: reward, task, whether plain, and rows."""
        for file in self._files:
            config = moved(file.config, move)
            tables: dict[tuple[str, bool], list[int]] = {}
            for row in file.rows:
                task = self._answers[row].task
                key = task if task in config.llm_by_task else ""
                tables.setdefault((key, bool(self._plain[row])), []).append(row)
            for (task, plain), rows in tables.items():
                yield config, task, plain, rows

    def _check(self) -> None:
        """Compare with the welfare in the files."""
        for name, found in zip(("user_welfare", "llm_welfare"), self.welfares(Move()), strict=True):
            for t, value in zip(self._answers, found.tolist(), strict=True):
                was = getattr(t, name)
                if t.unscored is not None or (was is None and np.isnan(value)):
                    continue
                if np.isnan(value):
                    raise DataError(
                        f"answer {t.id!r} of {t.model!r} has no factors to score it by again; "
                        "`gtalign score FILE --out SCORED` measures them"
                    )
                if was is None or abs(was - value) > _CLOSE:
                    raise DataError(
                        f"answer {t.id!r} of {t.model!r} has {name} {was}, but its factors give "
                        f"{value:.6f} by the reward of its file; score the file again"
                    )


def _number(value: float | None) -> float:
    return np.nan if value is None else float(value)
