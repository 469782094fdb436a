"""The stages of a seed at the desk: the cold start, and what is trained from it; each is tested.

You can stop a stage at any time; the same stage resumes and ends with the same files.
"""

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import replace
from math import sqrt
from pathlib import Path
from typing import Any, Final

import numpy as np

from gtalign.dialogue import Assistant, Match, Played, play_all
from gtalign.dialogue.measures import costs
from gtalign.lab.desk.clerks import CLERKS, Clerk
from gtalign.lab.desk.people import RULES, match_of
from gtalign.lab.desk.settings import TurnsSettings
from gtalign.lab.desk.teacher import lessons
from gtalign.lab.desk.wishes import make_questions
from gtalign.lab.settings import ModelSettings
from gtalign.lab.users import REPLY_RATE
from gtalign.tasks import Question

START: Final = "cold-start"
REWARDS: Final = {
    "turns": ["welfare"],
    "turns-credit": ["welfare"],
    "turns-gdpo": ["user_welfare", "llm_welfare"],
}
"""The measures of a conversation that each arm is trained on."""


def try_clerks(settings: TurnsSettings, folder: Path, seed: int) -> None:
    """Let every clerk that learns nothing talk with the people of the test."""
    questions = make_questions(seed, settings.test_questions, "test")
    for name, decide in CLERKS.items():
        _test(Clerk(decide), name, questions, settings, folder / f"{name}.jsonl")
    _test(Clerk(CLERKS["optimum"]), "full", questions, settings, folder / "full.jsonl", "full")


def run_stage(
    name: str,
    seed: int,
    folder: Path,
    world_seed: int,
    size: ModelSettings,
    settings: TurnsSettings,
) -> None:
    """Train one model of a seed, or go on with it, and test it.

    Args:
        name: ``START`` or an arm, which needs the cold start.
        seed: Seed of the training.
        folder: Folder of the seed.
        world_seed: Seed of the questions.
        size: Size of the network.
        settings: Settings of the run.
    """
    from gtalign.models.model import open_model
    from gtalign.training.actor import Actor

    train = make_questions(world_seed, settings.train_questions, "train")
    own = folder / name
    checkpoint = (
        _cold_start(train, seed, own, size, settings)
        if name == START
        else _reinforce(name, train, seed, own, folder / START / "checkpoint", settings)
    )
    actor = Actor(open_model(checkpoint), max_tokens=settings.rl.max_completion, temperature=0.0)
    questions = make_questions(world_seed, settings.test_questions, "test")
    _test(actor, name, questions, settings, own / "transcripts.jsonl")


def _cold_start(
    train: Sequence[Question], seed: int, own: Path, size: ModelSettings, settings: TurnsSettings
) -> Path:
    from gtalign.lab.model import make_model
    from gtalign.lab.tokenizer import train_tokenizer
    from gtalign.models.chat import Chat
    from gtalign.models.model import LocalModel
    from gtalign.training.sft import train_sft

    rng = np.random.default_rng([seed, 1])
    taught = [lesson for question in train for lesson in lessons(question, rng)]
    texts = [text for said, answer in taught for text in (*(m["content"] for m in said), answer)]
    tokenizer = train_tokenizer(texts, size.vocabulary)
    network = make_model(
        tokenizer, seed=seed, width=size.width, layers=size.layers, positions=size.positions
    )
    model = LocalModel(network, Chat(tokenizer))
    learned = [model.chat.lesson(said, answer) for said, answer in taught]
    return train_sft(model, learned, own, settings.sft, seed)


def _reinforce(
    name: str,
    train: Sequence[Question],
    seed: int,
    own: Path,
    start: Path,
    settings: TurnsSettings,
) -> Path:
    from gtalign.models.model import open_model
    from gtalign.training.conversations import conversation_spec
    from gtalign.training.turns import train_turns

    single = name == "single"
    model = open_model(start)
    spec = conversation_spec(
        model,
        train,
        match_of,
        [judged_once] if single else REWARDS[name],
        settings.rl,
        replace(RULES, turns=1, seed=seed) if single else replace(RULES, seed=seed),
    )
    return train_turns(
        model,
        spec,
        own,
        settings.rl,
        seed,
        credit="turn" if name == "turns-credit" else "conversation",
    )


async def judged_once(
    prompts: Sequence[Any], completions: Sequence[Any], *, played: Sequence[Played], **_: Any
) -> list[float | None]:
    """The reward of a single answer, as a judge of single answers gives it.

    A question to the point is worth `REPLY_RATE`, the chance that a person replies on average; what
    an answer states is worth its quality. The rest is W of one turn. It is None where the quality
    is unknown.
    """
    return [None if one.end == "failed" else _once(one) for one in played]


def _once(played: Played) -> float | None:
    turn, c = played.turns[0], costs(played)
    asks = turn.action == "CQ" and len(turn.hits) == 1 == turn.questions
    worth = REPLY_RATE if asks else turn.quality
    if worth is None:
        return None
    user, llm = worth - c.turn - c.read * turn.read, worth - c.llm * turn.tokens
    return sqrt(max(user, 0.0) * max(llm, 0.0))


def _test(
    assistant: Assistant,
    name: str,
    questions: Sequence[Question],
    settings: TurnsSettings,
    file: Path,
    arm: str = "ask",
) -> None:
    """Play the test: the same people, with the same chances, for every assistant."""
    matches = list(_matches(questions, settings.plays, arm))
    asyncio.run(play_all(matches, assistant, RULES, file, model=name, workers=256))


def _matches(questions: Sequence[Question], plays: int, arm: str) -> Iterator[Match]:
    for question in questions:
        for number in range(plays):
            yield match_of(question, number, arm=arm)
