"""An experiment: several arms, trained on equal terms and tested on the same questions.

The stages of one seed are the cold start, supervised training on the teachers' first or best
chains, training on preferences, and reinforcement learning under one reward each. Every stage
writes into a folder of its own. You can stop a stage at any time; the same stage resumes and ends
with the same files.

Only the stages load torch, so a wrong setting is reported at once.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from pydantic import NonNegativeFloat, NonNegativeInt, PositiveInt

from gtalign.config import Config, Share, merge
from gtalign.files.disk import room_in
from gtalign.files.json_text import to_json
from gtalign.files.lines import read_lines
from gtalign.files.replace import replacing
from gtalign.judges import Judge
from gtalign.lab.arms import ARMS, COLD_START
from gtalign.lab.exam import Exam
from gtalign.lab.rounds import rounds
from gtalign.models.tokens import token_counter
from gtalign.reward import Reward, RewardConfig
from gtalign.synthesis.best_of import best_of
from gtalign.synthesis.drills import drill
from gtalign.synthesis.examples import Pair
from gtalign.synthesis.obedience import ObedienceLesson
from gtalign.tasks import Message, Question
from gtalign.training import DPOSettings, RLSettings, SFTSettings
from gtalign.training.reward import TRLReward

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from gtalign.models.model import LocalModel

Lesson = tuple[str, Sequence[Message], str, str]
"""Name, messages, answer, and what is given of the answer."""


class ExperimentSettings(Config):
    """The settings that all arms of an experiment share.

    Keys:
        candidates: Number of chains that the teachers write for each question.
        raw: Number of these, from the first, that the base model learns from. The other models
            learn from the best one.
        drills: Matrices to solve, which the base or the pretrained model also learns
            (`gtalign.synthesis.drill`).
        counterfactual: Share of the training questions to which every supervised model that writes
            chains also learns a chain with an edited matrix (`gtalign.synthesis.counterfactual`).
        reward: The reward that chooses the best chain and scores the answers. It also trains the
            models, unless there is an ``objective``.
        objective: Another reward that trains the models. With one, the judge of the small world
            states what episodes are worth, as its preset ``episode`` needs.
        sft: Settings of supervised training.
        dpo: Settings of training on preferences.
        rl: Settings of reinforcement learning.
        instruct: The instruction for a chain that a pretrained model gets before any training.
        test_samples: Number of answers to each test question.
        test_batch: Number of test questions answered at once.
        test_temperature: Sampling temperature of the answers to the test questions.
    """

    candidates: PositiveInt = 9
    raw: PositiveInt = 2
    drills: NonNegativeInt = 0
    counterfactual: Share = 0.0
    reward: RewardConfig = RewardConfig()
    objective: RewardConfig | None = None
    sft: SFTSettings = SFTSettings()
    dpo: DPOSettings = DPOSettings(learning_rate=1e-4, max_length=512)
    rl: RLSettings = RLSettings()
    instruct: Literal["full", "short", "examples"] = "short"
    test_samples: PositiveInt = 1
    test_batch: PositiveInt = 128
    test_temperature: NonNegativeFloat = 1.0


@dataclass(frozen=True, slots=True)
class Workshop:
    """The parts of an experiment that come from its world.

    Args:
        train: Questions to learn from.
        test: Questions to be tested on; the field ``split`` of their ``extra`` says which set.
        valid: Questions to choose settings by, which no model learns from.
        judge: Grades the responses to all.
        write: Writes one candidate chain for a question, as a teacher would.
        edit: Writes a lesson in obeying an edited matrix.
        told: Writes what is learned with a policy in the prompt; empty for none.
        make_tokenizer: Trains a tokenizer on texts.
        make_model: Makes an untrained model for a tokenizer and a seed.
        pretrained: Name of the model to begin with; None for an untrained one.
        dtype: Type of the weights of a model that answers test questions.
        gpu: Whether it answers on a GPU.
    """

    train: Sequence[Question]
    test: Sequence[Question]
    valid: Sequence[Question]
    judge: Judge
    write: Callable[[Question, np.random.Generator], str]
    edit: Callable[[Question, np.random.Generator], ObedienceLesson]
    told: Callable[[np.random.Generator], Sequence[Lesson]]
    make_tokenizer: Callable[[Sequence[str]], Any]
    make_model: Callable[[Any, int], "PreTrainedModel"]
    pretrained: str | None = None
    dtype: str = "float32"
    gpu: bool = False


def needs(stage: str, *, pretrained: bool = False) -> str | None:
    """Return the stage of the same seed that has to be done before this one.

    Args:
        stage: The stage.
        pretrained: Whether training begins with a pretrained model.
    """
    start = None if stage == COLD_START else ARMS[stage].start
    return COLD_START if start == "base" and pretrained else start


def done(folder: Path) -> bool:
    """Whether the stage of this folder has ended."""
    return (folder / "done").exists()


def run_stage(
    stage: str, seed: int, folder: Path, workshop: Workshop, settings: ExperimentSettings
) -> None:
    """Do one stage of one seed, or resume it.

    Args:
        stage: ``COLD_START`` or an arm; the stage that it needs has to be done.
        seed: Seed of all random draws in the stage.
        folder: Folder of the seed; the stage writes into the folder of its own name.
        workshop: Questions, judge, teachers and models.
        settings: The settings that all arms share.

    Raises:
        StorageError: A result cannot be written; earlier results are kept.
    """
    own = folder / stage
    if done(own):
        return
    with room_in(own):
        own.mkdir(parents=True, exist_ok=True)
        if stage == COLD_START:
            _cold_start(seed, own, workshop, settings)
        else:
            checkpoint = _checkpoint(stage, seed, folder, workshop, settings)
            exam = _exam(stage, workshop, settings)
            exam.take(stage, seed, checkpoint, own / "transcripts.jsonl")
            if workshop.valid:
                exam = replace(exam, questions=workshop.valid)
                exam.take(stage, seed, checkpoint, own / "validation.jsonl")
        (own / "done").touch()


def _cold_start(seed: int, folder: Path, workshop: Workshop, settings: ExperimentSettings) -> None:
    rng = np.random.default_rng([seed, 1])
    told = workshop.told(np.random.default_rng([seed, 4]))
    tokenizer = workshop.make_tokenizer(
        [workshop.write(q, rng) for q in workshop.train]
        + [m["content"] for q in workshop.train for m in q.messages]
        + [text for _, asked, answer, _ in told for text in (answer, asked[-1]["content"])]
    )
    tokenizer.save_pretrained(folder / "tokenizer")
    reward = Reward(settings.reward, token_counter(tokenizer))
    with replacing(folder / "chains.jsonl") as draft, draft.open("wb") as file:
        for question in workshop.train:
            texts = [workshop.write(question, rng) for _ in range(settings.candidates)]
            choice = asyncio.run(best_of(question, texts, reward, workshop.judge))
            best = texts[choice.best]
            row = {
                "id": question.id,
                "raw": texts[: settings.raw],
                "best": [best],
                "response": [choice.responses[choice.best] or ""],
                "welfare": [score.mutual_welfare for score in choice.scores],
                "kept": choice.best,
            }
            file.write(to_json(row))


def _checkpoint(
    stage: str, seed: int, folder: Path, workshop: Workshop, settings: ExperimentSettings
) -> str | Path:
    """Return the name of the model of an arm, trained if it is to be."""
    if ARMS[stage].rule:
        return folder / str(needs(stage)) / "checkpoint"
    if ARMS[stage].prompted:
        assert workshop.pretrained is not None  # the configuration has been checked
        return workshop.pretrained
    return _train(stage, seed, folder, workshop, settings)


def _first(seed: int, folder: Path, workshop: Workshop) -> "LocalModel":
    """Return the model that training begins with."""
    from gtalign.models.chat import open_chat
    from gtalign.models.model import LocalModel, open_model

    if workshop.pretrained is not None:
        return open_model(workshop.pretrained)
    chat = open_chat(folder / COLD_START / "tokenizer")
    return LocalModel(workshop.make_model(chat.tokenizer, seed), chat)


def _train(
    stage: str, seed: int, folder: Path, workshop: Workshop, settings: ExperimentSettings
) -> Path:
    from gtalign.models.model import open_model
    from gtalign.training.dpo import train_dpo
    from gtalign.training.lengths import keep_whole
    from gtalign.training.rl import train_rl
    from gtalign.training.sft import train_sft

    own, arm = folder / stage, ARMS[stage]
    before = needs(stage, pretrained=workshop.pretrained is not None)
    if before == COLD_START:
        model = _first(seed, folder, workshop)
    else:
        model = open_model(folder / str(before) / "checkpoint")
    if arm.column is not None:
        questions = {q.id: q for q in workshop.train}
        rows = [row for _, row in read_lines(folder / COLD_START / "chains.jsonl")]
        taught: list[Lesson] = [
            (row["id"], questions[row["id"]].messages, text, "")
            for row in rows
            for text in row[arm.column]
        ]
        if arm.chain:
            taught += _further(stage, seed, workshop, settings)
        lessons = [model.chat.lesson(asked, text, given) for _, asked, text, given in taught]
        names = [name for name, *_ in taught]
        return train_sft(model, keep_whole(lessons, names, settings.sft), own, settings.sft, seed)
    if arm.preferences:
        return train_dpo(model, _pairs(seed, workshop), own, settings.dpo, seed)
    taken, last = max(rounds(own).items(), default=(0, own))
    if taken:
        model = open_model(last / "checkpoint")
    rl = settings.rl.model_copy(update={"steps": settings.rl.steps - taken})
    count = token_counter(model.chat.tokenizer)
    rewards = [
        TRLReward(Reward(reward, count), workshop.judge) for reward in training(stage, settings)
    ]
    return train_rl(model, workshop.train, rewards, own, rl, seed + taken)


def _further(
    stage: str, seed: int, workshop: Workshop, settings: ExperimentSettings
) -> list[Lesson]:
    """Return what a stage learns in addition to its chains."""
    supervised = [name for name, arm in ARMS.items() if arm.column is not None]
    place = supervised.index(stage)
    rng = np.random.default_rng([seed, 2, place])
    found: list[Lesson] = list(workshop.told(np.random.default_rng([seed, 5, place])))
    for question in workshop.train:
        if rng.random() < settings.counterfactual:
            edited = workshop.edit(question, rng).right
            found.append((question.id, question.messages, edited.text, edited.given))
    if stage == "base" or workshop.pretrained is not None:
        exercises = (drill(rng) for _ in range(settings.drills))
        found += [("a drill", one.messages, one.text, one.given) for one in exercises]
    return found


def _pairs(seed: int, workshop: Workshop) -> list[Pair]:
    """Return a pair for each training question where an edit changes the recommended action."""
    rng = np.random.default_rng([seed, 3])
    lessons = ((question, workshop.edit(question, rng)) for question in workshop.train)
    return [
        Pair(tuple(question.messages), lesson.right.text, lesson.wrong, question.id)
        for question, lesson in lessons
        if lesson.wrong is not None
    ]


def _exam(stage: str, workshop: Workshop, settings: ExperimentSettings) -> Exam:
    arm = ARMS[stage]
    return Exam(
        repeated(workshop.test, settings.test_samples),
        workshop.judge,
        measuring(stage, settings),
        batch=settings.test_batch,
        max_tokens=settings.rl.max_completion,
        temperature=settings.test_temperature,
        dtype=workshop.dtype,
        gpu=workshop.gpu,
        instruct=settings.instruct if arm.prompted and arm.chain else None,
        held=arm.held,
        rule=arm.rule,
    )


def repeated(questions: Sequence[Question], count: int) -> list[Question]:
    """Return each question so many times, the further ones with ids of their own."""
    again = (
        replace(question, id=f"{question.id}~{number}")
        for number in range(1, count)
        for question in questions
    )
    return [*questions, *again]


def measuring(stage: str, settings: ExperimentSettings) -> RewardConfig:
    """Return the reward that scores an arm's answers, whatever reward has trained it."""
    keys = {"aggregate": "cobb_douglas", "chain": ARMS[stage].chain}
    return settings.reward.model_copy(update=keys)


def training(stage: str, settings: ExperimentSettings) -> list[RewardConfig]:
    """Return the rewards of an arm's reinforcement learning."""
    arm, objective = ARMS[stage], settings.objective
    whole = settings.reward if arm.published or objective is None else objective
    table = whole.model_dump()
    return [
        RewardConfig.model_validate(merge(table, {**keys, "chain": arm.chain}))
        for keys in arm.rewards
    ]
