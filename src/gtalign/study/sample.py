"""Choose what annotators are shown: balanced over models, shuffled, and without their names."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any, Final

import numpy as np

from gtalign.dialogue.measures import MEASURES
from gtalign.dialogue.played import Played
from gtalign.errors import DataError
from gtalign.evaluation.rows import By, names_of
from gtalign.study.blind import is_whole, printable, seen, shared
from gtalign.study.item import Item, Key, Shown
from gtalign.tasks import Message
from gtalign.transcripts import Transcript

_WELFARE: Final = {"W": "mutual_welfare", "U": "user_welfare", "L": "llm_welfare"}
_WELFARE_TALKED: Final = {**_WELFARE, "W": "welfare"}

Question = tuple[str, ...]
"""Name of a question: split, task, and id or prompt."""


@dataclass(frozen=True, slots=True)
class Sample:
    """The items of a study, and who wrote the answers.

    Attributes:
        items: What annotators see.
        keys: Who wrote each answer.
        models: The models.
        questions: Number of questions.
        short: Questions that were asked for beyond those that every model answered.
        left_out: Questions that not every model answered.
        alike: Questions without a pair, since all answers to them are alike.
        whole: Answers without a readable response, of which annotators see the whole text.
        naming: Answers that contain the name of their model.
    """

    items: Sequence[Item]
    keys: Sequence[Key]
    models: tuple[str, ...]
    questions: int
    short: int
    left_out: int
    alike: int
    whole: int
    naming: int

    def to_json(self) -> dict[str, Any]:
        """Return the counts, without items and keys."""
        kinds = Counter(item.kind for item in self.items)
        return {
            "models": list(self.models),
            "questions": self.questions,
            "ratings": kinds["rating"],
            "pairs": kinds["pair"],
            "short": self.short,
            "left_out": self.left_out,
            "alike": self.alike,
            "whole": self.whole,
            "naming": self.naming,
        }


def draw(
    transcripts: Sequence[Transcript],
    *,
    rng: np.random.Generator,
    questions: int | None = None,
    pairs: bool = True,
    conversations: bool = False,
) -> Sample:
    """Draw a study from the answers of several models to the same questions.

    Every model answers every question of the study once. Where a model answered a question several
    times, as under several seeds, one of its answers is drawn. If there are fewer places than
    questions, tasks take turns. With pairs, each question also has two of its answers side by side:
    every two models stand against each other about equally often, and each stands first half of
    the time.

    Args:
        transcripts: The answers, each with the name of its model.
        rng: Source of the draws.
        questions: Most questions; all by default.
        pairs: Whether annotators also choose between two answers.
        conversations: Whether all have to be conversations with simulated users.

    Raises:
        DataError: There is one model, or no question that all models answered; or only some are
            conversations, or none although they have to be.
    """
    talked = [t.conversation is not None for t in transcripts]
    if any(talked) and not all(talked):
        single = transcripts[talked.index(False)]
        raise DataError(
            f"{sum(talked)} of {len(talked)} answers are conversations with simulated users; people"
            f" cannot compare them with single answers, such as {single.id!r} of {single.model}"
        )
    if conversations and not any(talked):
        raise DataError(
            "these are single answers, and no conversations with simulated users, which `gtalign"
            " converse` makes"
        )
    models = tuple(dict.fromkeys(t.model for t in transcripts))
    if len(models) < 2:
        raise DataError(f"a study compares models, and all answers are of {', '.join(models)}")
    by_question = _shared_questions(transcripts, models)
    complete = [name for name, answers in by_question.items() if len(answers) == len(models)]
    if not complete:
        raise DataError(
            f"no question is answered by all of {', '.join(models)}; give the answers to one "
            "question the same 'id', or keep its 'prompt' with each of them"
        )
    chosen = _in_turns(complete, rng)[:questions]
    ids = _Ids(rng)
    items: list[Item] = []
    keys: list[Key] = []
    duels = _Duels(models, rng)
    alike = whole = naming = 0
    for place, name in enumerate(chosen):
        drawn = {
            model: by_question[name][model][rng.integers(len(by_question[name][model]))]
            for model in models
        }
        context, answers = _shown({m: seen(t) for m, t in drawn.items()}, ids)
        for number, model in enumerate(models):
            transcript = drawn[model]
            shown = answers[model]
            # A round holds each question once, and each model about equally often.
            items.append(
                Item(shown.id, "rating", (place + number) % len(models), context, (shown,))
            )
            keys.append(_key(transcript, name, shown.id))
            whole += is_whole(transcript)
            naming += any(model.lower() in turn["content"].lower() for turn in shown.turns)
        pair = duels.next(answers) if pairs else None
        if pair is not None:
            items.append(Item(ids.next("p"), "pair", len(models), context, pair))
        alike += pairs and pair is None
    return Sample(
        items=_shuffled(items, rng),
        keys=sorted(keys, key=lambda key: key.answer),
        models=models,
        questions=len(chosen),
        short=max((questions or 0) - len(chosen), 0),
        left_out=len(by_question) - len(complete),
        alike=alike,
        whole=whole,
        naming=naming,
    )


def _shared_questions(
    transcripts: Sequence[Transcript], models: Sequence[str]
) -> dict[Question, dict[str, list[Transcript]]]:
    """The answers by question and model, by the name of questions that most models share."""
    ways: tuple[By, ...] = ("id", "prompt", "conversation")
    best: dict[Question, dict[str, list[Transcript]]] = {}
    most = -1
    for by in ways:
        found: dict[Question, dict[str, list[Transcript]]] = {}
        for t, name in zip(transcripts, names_of(transcripts, by), strict=True):
            found.setdefault(name, {}).setdefault(t.model, []).append(t)
        complete = sum(len(answers) == len(models) for answers in found.values())
        if complete > most:
            best, most = found, complete
    return best


def _in_turns(names: Sequence[Question], rng: np.random.Generator) -> list[Question]:
    """The questions in a random order in which their tasks take turns."""
    by_task: dict[Question, list[Question]] = {}
    for place in rng.permutation(len(names)):
        by_task.setdefault(names[place][:2], []).append(names[place])
    turns = [
        (number, task, name)
        for task, held in enumerate(by_task.values())
        for number, name in enumerate(held)
    ]
    return [name for _, _, name in sorted(turns)]


def _shown(
    seen_by_model: Mapping[str, Sequence[Message]], ids: "_Ids"
) -> tuple[tuple[Message, ...], dict[str, Shown]]:
    """The turns that all answers to a question share, and what follows in each."""
    count = shared(list(seen_by_model.values()))
    first = next(iter(seen_by_model.values()))
    context = tuple(printable(turn)[0] for turn in first[:count])
    found = {}
    for model, turns in seen_by_model.items():
        texts = [printable(turn) for turn in turns[count:]]
        found[model] = Shown(
            ids.next("a"), tuple(t for t, _ in texts), sum(cut for _, cut in texts)
        )
    return context, found


def _key(t: Transcript, question: Question, answer: str) -> Key:
    return Key(
        answer=answer,
        model=t.model,
        question=question[-1],
        cluster="/".join((*question[:2], t.cluster or question[-1])),
        measures=_measures(t),
    )


def _measures(t: Transcript) -> dict[str, float | None]:
    """W, U and L of an answer with its factors, or of a conversation with its other measures."""
    if t.conversation is None:
        welfare = {letter: getattr(t, name) for letter, name in _WELFARE.items()}
        return welfare | dict(t.factors)
    played = Played.from_json(t.conversation)
    parts = {} if played.failed else {name: one.of(played) for name, one in MEASURES.items()}
    found = {
        name: top_bottom and top_bottom[0] / top_bottom[1] for name, top_bottom in parts.items()
    }
    named = {letter: found.pop(name, None) for letter, name in _WELFARE_TALKED.items()}
    return named | found


class _Ids:
    """Random ids, so that neither their order nor their form says who wrote an answer."""

    def __init__(self, rng: np.random.Generator) -> None:
        self._rng = rng
        self._taken: set[int] = set()

    def next(self, letter: str) -> str:
        while (drawn := int(self._rng.integers(1 << 40))) in self._taken:
            pass
        self._taken.add(drawn)
        return f"{letter}{drawn:010x}"


class _Duels:
    """Chooses which two models stand against each other, and which of them first."""

    def __init__(self, models: Sequence[str], rng: np.random.Generator) -> None:
        self._pairs = list(combinations(models, 2))
        self._rng = rng
        self._met: Counter[tuple[str, str]] = Counter()
        self._first: Counter[tuple[str, str]] = Counter()

    def next(self, answers: Mapping[str, Shown]) -> tuple[Shown, Shown] | None:
        """The pair of a question; None if all its answers are alike."""
        unlike = [p for p in self._pairs if answers[p[0]].turns != answers[p[1]].turns]
        if not unlike:
            return None
        order = self._rng.permutation(len(unlike))
        one, other = min((unlike[place] for place in order), key=lambda pair: self._met[pair])
        self._met[one, other] += 1
        ahead = self._first[one, other] - self._first[other, one]
        if ahead > 0 or (ahead == 0 and self._rng.integers(2)):
            one, other = other, one
        self._first[one, other] += 1
        return answers[one], answers[other]


def _shuffled(items: Sequence[Item], rng: np.random.Generator) -> list[Item]:
    return [items[place] for place in rng.permutation(len(items))]
