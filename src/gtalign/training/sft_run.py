"""A run of supervised training: its configuration, its dry run, and the run.

You can stop a run at any time. The same run resumes it and ends with the same weights.
"""

import logging
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import NonNegativeFloat, NonNegativeInt, PositiveInt

from gtalign.chain import parse_batch
from gtalign.config import Config, Files
from gtalign.data.rows import read_rows
from gtalign.data.schema import given
from gtalign.errors import DataError, TrainingError
from gtalign.files.disk import room_in
from gtalign.files.run_directory import claim, record_model
from gtalign.game import GameForm
from gtalign.game.file import GameSource, load_game
from gtalign.judges import Judges, JudgesConfig
from gtalign.models.memory import ModelSize
from gtalign.models.tokens import token_counter
from gtalign.reward import Reward, RewardConfig
from gtalign.synthesis.examples import Example, read_examples
from gtalign.tasks import Question
from gtalign.training.layout import Layout, laid_out
from gtalign.training.memory import FORMULA, memory
from gtalign.training.metrics import read_metrics
from gtalign.training.processes import processes, working
from gtalign.training.settings import SFTSettings

if TYPE_CHECKING:
    from gtalign.models.chat import Chat, Lesson
    from gtalign.models.model import LocalModel

log = logging.getLogger(__name__)


class HeldOutSettings(Config):
    """Questions that are answered and scored during supervised training.

    Keys:
        questions: Files of held-out questions; none by default.
        limit: Most questions in total, from the beginning.
        instruct: Whether the prompt begins with our system message, which asks for the chain, as
            in the rows of `gtalign synth`.
        every: Training steps between two evaluations; the last evaluation is at the end.
        batch: Number of questions answered at once.
        max_tokens: Longest answer, in tokens.
        temperature: Sampling temperature; 0 takes the likeliest token.
    """

    questions: tuple[Path, ...] = ()
    limit: PositiveInt = 64
    instruct: bool = True
    every: PositiveInt = 100
    batch: PositiveInt = 32
    max_tokens: PositiveInt = 1024
    temperature: NonNegativeFloat = 0.0


class SFTRun(Config):
    """A run of supervised training.

    Keys:
        model: The model that is trained: a folder, a name on a hub, ``gguf:FILE``, or
            ``package:NAME`` for an installed package with a GGUF file.
        data: File of training examples, JSON Lines with a ``completion`` in each row, such as
            ``kept.jsonl`` of `gtalign synth`.
        seed: Seed of the order of the examples.
        game: The game that chains are about: a file, or the name of one that comes with the
            package; by default that of one assistant turn.
        sft: Settings of training.
        held_out: Questions that are answered and scored during training.
        reward: Reward that scores the held-out answers.
        judges: Judges that grade the held-out answers.
        size: Sizes of the network, which the dry run needs.
    """

    model: str
    data: Files
    seed: NonNegativeInt = 0
    game: GameSource | None = None
    sft: SFTSettings = SFTSettings()
    held_out: HeldOutSettings = HeldOutSettings()
    reward: RewardConfig = RewardConfig()
    judges: JudgesConfig = JudgesConfig()
    size: ModelSize | None = None


def plan(config: SFTRun, layout: Layout | None = None) -> dict[str, Any]:
    """Return what a run would do and how much it takes, without loading a model.

    Args:
        config: Configuration of the run.
        layout: The GPUs that it runs on; one by default.

    Raises:
        ConfigError: A batch has no equal shares for the processes.
        DataError: A file is wrong.
    """
    sft = config.sft
    examples = sum(1 for file in config.data for _ in read_examples(file))
    steps = -(-examples // sft.batch) * sft.epochs
    questions = held_out_questions(config)
    times = steps // config.held_out.every + bool(steps % config.held_out.every)
    judged = config.judges.calls_for(Counter(question.task for question in questions)).total()
    found: dict[str, Any] = {
        "model": config.model,
        "examples": examples,
        "steps": f"at most {steps}" if sft.packing else steps,
        "learns": "all weights" if sft.lora is None else f"LoRA of rank {sft.lora.rank}",
        "held_out_answers": times * len(questions),
        "judge_calls": times * judged,
    }
    part, told = laid_out(layout or Layout(), "sft", sft)
    found |= told
    if config.size is not None:
        parts = memory(
            config.size,
            tokens=part * sft.max_length,
            lora=sft.lora,
            bf16=sft.hardware.bf16,
            checkpointing=sft.hardware.gradient_checkpointing,
            layout=layout,
        )
        found |= {"memory_gib": parts, "memory_formula": FORMULA}
    return found


def held_out_questions(config: SFTRun) -> list[Question]:
    """Return the questions that are answered during training."""
    return list(read_rows(*config.held_out.questions, limit=config.held_out.limit))


def run(config: SFTRun, out: Path) -> dict[str, Any]:
    """Train a model, or resume its training, and return a summary.

    Args:
        config: Configuration of the run.
        out: Run directory; gets ``model.json`` (how the model is asked), ``checkpoint``,
            ``metrics.jsonl`` and ``held_out.jsonl``.

    Raises:
        ConfigError: The directory holds a run of another configuration.
        DataError: A file is wrong or holds no example that fits ``sft.max_length``.
        StorageError: The disk is full; what is written stays.
        TrainingError: The chat template does not carry the examples.
    """
    written = [example for file in config.data for example in read_examples(file)]
    if not written:
        raise DataError(f"no example in {', '.join(map(str, config.data))}")
    questions = held_out_questions(config)
    team = processes(config.sft.hardware.gpu)
    team.at_first(lambda: claim(out, config))

    from gtalign.models.chat import open_chat
    from gtalign.models.model import LocalModel, open_model
    from gtalign.training.held_out import HeldOut
    from gtalign.training.lengths import keep_whole
    from gtalign.training.sft import train_sft

    chat = open_chat(config.model)
    lessons = keep_whole(
        [_lesson(chat, one) for one in written], [one.name for one in written], config.sft
    )
    if config.reward.chain:
        _warn_of_unreadable(lessons, load_game(config.game), config.reward.belief)
    model = open_model(config.model, chat=chat)
    team.at_first(lambda: record_model(out, model.facts()))
    callbacks = []
    file = out / "held_out.jsonl"
    # Held-out answers are only looked at: a dead judge does not stop the training.
    judges = Judges(config.judges.cached_at(out / "replies.sqlite"), trial=False)
    if questions:
        reward = Reward(config.reward, token_counter(chat.tokenizer), load_game(config.game))

        def answer(model: Any, asked: Sequence[Question]) -> list[str]:
            return _answer(config, LocalModel(model, chat), asked)

        callbacks.append(
            HeldOut(questions, answer, reward, judges, file, config.held_out.every, team)
        )
    with working(out, team), room_in(out):
        checkpoint = train_sft(model, lessons, out, config.sft, config.seed, callbacks)
    metrics, held_out = read_metrics(out / "metrics.jsonl"), read_metrics(file)
    return {
        "checkpoint": str(checkpoint),
        "examples": len(lessons),
        "too_long": len(written) - len(lessons),
        "last": metrics[-1] if metrics else None,
        "held_out": held_out[-1] if held_out else None,
        "judges": judges.account(),
    }


def _lesson(chat: "Chat", example: Example) -> "Lesson":
    try:
        return chat.lesson(example.prompt, example.completion, example.given)
    except TrainingError as error:
        raise TrainingError(f"{example.name}: {error}") from error


def _warn_of_unreadable(lessons: Sequence["Lesson"], form: GameForm, belief: bool) -> None:
    """Warn of answers that the reward could not read as chains once a model has learned them."""
    errors = parse_batch([lesson.text for lesson in lessons], form, belief=belief).errors
    if errors:
        row, error = next(iter(errors.items()))
        log.warning(
            "%d of %d examples are no chains that can be read, and a model that answers like them"
            " scores 0; the first, number %d: %s (reward.chain = false asks for no chains)",
            *(len(errors), len(lessons), row + 1, error),
        )


def _answer(config: SFTRun, model: "LocalModel", questions: Sequence[Question]) -> list[str]:
    """Let the model answer held-out questions."""
    settings, form = config.held_out, load_game(config.game)
    texts: list[str] = []
    for start in range(0, len(questions), settings.batch):
        batch = questions[start : start + settings.batch]
        texts += model.generate(
            [
                given(
                    q.messages,
                    instruct=settings.instruct,
                    chain=config.reward.chain,
                    form=form,
                    belief=config.reward.belief,
                )
                for q in batch
            ],
            max_tokens=settings.max_tokens,
            temperature=settings.temperature,
            seed=config.seed,
        )
    return texts
