"""A run of training on preferences: its configuration, its dry run, and the run.

You can stop a run at any time. The same run resumes it and ends with the same weights.
"""

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import NonNegativeInt

from gtalign.config import Config, Files
from gtalign.errors import DataError, TrainingError
from gtalign.files.disk import room_in
from gtalign.files.run_directory import claim, record_model
from gtalign.models.memory import ModelSize
from gtalign.synthesis.examples import Pair, read_preferences
from gtalign.training.layout import Layout, laid_out
from gtalign.training.memory import FORMULA, memory
from gtalign.training.metrics import read_metrics
from gtalign.training.processes import processes, working
from gtalign.training.settings import DPOSettings

if TYPE_CHECKING:
    from gtalign.models.chat import Chat

log = logging.getLogger(__name__)


class DPORun(Config):
    """A run of training on preferences.

    Keys:
        model: The model that is trained: a folder, a name on a hub, ``gguf:FILE``, or
            ``package:NAME`` for an installed package with a GGUF file.
        data: Files of pairs, JSON Lines with a ``chosen`` and a ``rejected`` answer in each row,
            such as ``pairs.jsonl`` of `gtalign synth`.
        seed: Seed of the order of the pairs.
        dpo: Settings of training.
        size: Sizes of the network, which the dry run needs to say how much memory it takes.
    """

    model: str
    data: Files
    seed: NonNegativeInt = 0
    dpo: DPOSettings = DPOSettings()
    size: ModelSize | None = None


def plan(config: DPORun, layout: Layout | None = None) -> dict[str, Any]:
    """Return what a run would do and how much it takes, without loading a model.

    Args:
        config: Configuration of the run.
        layout: The GPUs that it runs on; one by default.

    Raises:
        ConfigError: A batch has no equal shares for the processes.
        DataError: A file is wrong.
    """
    dpo = config.dpo
    pairs = len(read_pairs(config))
    found: dict[str, Any] = {
        "model": config.model,
        "pairs": pairs,
        "steps": -(-pairs // dpo.batch) * dpo.epochs,
        "learns": "all weights" if dpo.lora is None else f"LoRA of rank {dpo.lora.rank}",
    }
    part, told = laid_out(layout or Layout(), "dpo", dpo)
    found |= told
    if config.size is not None:
        parts = memory(
            config.size,
            tokens=2 * part * dpo.max_length,
            lora=dpo.lora,
            bf16=dpo.hardware.bf16,
            checkpointing=dpo.hardware.gradient_checkpointing,
            layout=layout,
            reference=dpo.lora is None,
        )
        found |= {"memory_gib": parts, "memory_formula": FORMULA}
    return found


def read_pairs(config: DPORun) -> list[Pair]:
    """Return the pairs of a run.

    Raises:
        DataError: A file is wrong, or there are none.
    """
    pairs = [pair for file in config.data for pair in read_preferences(file)]
    if not pairs:
        raise DataError(f"no pair in {', '.join(map(str, config.data))}")
    return pairs


def run(config: DPORun, out: Path) -> dict[str, Any]:
    """Train a model, or resume its training, and return a summary.

    Args:
        config: Configuration of the run.
        out: Run directory; gets ``model.json`` (how the model is asked), ``checkpoint`` and
            ``metrics.jsonl``.

    Raises:
        ConfigError: The directory holds a run of another configuration.
        DataError: A file is wrong or holds no pair that fits ``dpo.max_length``.
        StorageError: The disk is full; what is written stays.
        TrainingError: The chat template does not carry the answers.
    """
    pairs = read_pairs(config)
    team = processes(config.dpo.hardware.gpu)
    team.at_first(lambda: claim(out, config))

    from gtalign.models.chat import open_chat
    from gtalign.models.model import open_model
    from gtalign.training.dpo import train_dpo

    chat = open_chat(config.model)
    whole = whole_pairs(chat, pairs, config.dpo.max_length)
    model = open_model(config.model, chat=chat)
    team.at_first(lambda: record_model(out, model.facts()))
    with working(out, team), room_in(out):
        checkpoint = train_dpo(model, whole, out, config.dpo, config.seed)
    metrics = read_metrics(out / "metrics.jsonl")
    return {
        "checkpoint": str(checkpoint),
        "pairs": len(whole),
        "too_long": len(pairs) - len(whole),
        "last": metrics[-1] if metrics else None,
    }


def whole_pairs(chat: "Chat", pairs: list[Pair], limit: int) -> list[Pair]:
    """Return the pairs whose answers both fit, and warn of the others.

    Args:
        chat: How conversations are written for the model.
        pairs: The pairs.
        limit: Longest prompt with an answer, in tokens.

    Raises:
        DataError: None fits.
        TrainingError: The chat template does not carry an answer.
    """
    lengths = [max(_length(chat, pair, answer) for answer in pair[1:3]) for pair in pairs]
    whole = [pair for pair, length in zip(pairs, lengths, strict=True) if length <= limit]
    if not whole:
        raise DataError(
            f"all {len(pairs)} pairs are longer than dpo.max_length = {limit} tokens; raise it"
        )
    if len(whole) < len(pairs):
        longest = max(range(len(pairs)), key=lengths.__getitem__)
        log.warning(
            "%d of %d pairs are longer than dpo.max_length = %d tokens and are left out"
            " (the longest, %s, has %d)",
            *(len(pairs) - len(whole), len(pairs), limit, pairs[longest].name, lengths[longest]),
        )
    return whole


def _length(chat: "Chat", pair: Pair, answer: str) -> int:
    try:
        return len(chat.lesson(pair.prompt, answer).ids)
    except TrainingError as error:
        raise TrainingError(f"{pair.name}: {error}") from error
