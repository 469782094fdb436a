"""A run of ``gtalign faithful``: open a model, answer the edits of its matrices, and measure."""

import asyncio
from collections.abc import Callable
from contextlib import aclosing
from itertools import islice
from pathlib import Path

from gtalign.drawing import fixed, interval
from gtalign.errors import ConfigError
from gtalign.evaluation.faithfulness.answers import Subject, answer_edits
from gtalign.evaluation.faithfulness.measures import Faithfulness, measure_faithfulness
from gtalign.evaluation.faithfulness.section import faithfulness_section
from gtalign.evaluation.faithfulness.settings import FaithfulnessRun
from gtalign.evaluation.files import questions_in
from gtalign.evaluation.page import write_page
from gtalign.evaluation.statistics import Interval
from gtalign.files.disk import room_in
from gtalign.files.run_directory import at_work, claim
from gtalign.game.file import load_game
from gtalign.judges import Judges
from gtalign.models.tokens import counter_at
from gtalign.reward import Reward
from gtalign.steering import SteeringSettings, open_backend
from gtalign.transcripts import Scorer, read_transcripts

TRANSCRIPTS = "transcripts.jsonl"
"""Name of the file of answers in a run directory."""


def run(
    config: FaithfulnessRun, out: Path, show: Callable[[int, int], None] | None = None
) -> Faithfulness:
    """Measure a model, or resume a measurement.

    Every answer stays in ``transcripts.jsonl``; ``report.html`` shows the figures.

    Args:
        config: Configuration of the run.
        out: The run directory.
        show: Takes the number of questions that are done, and their total.

    Raises:
        ConfigError: The directory holds a run of another configuration, a policy is unknown, or
            the model cannot be opened.
        DataError: A file of questions is wrong or empty, or two questions share an id.
        SteeringError: The server cannot continue an edited text.
        UpstreamError: The engine failed; the answers so far are kept.
        StorageError: An answer cannot be written.
    """
    questions = list(islice(questions_in(config.questions), config.limit))
    policies = config.priced()
    form = load_game(config.game)
    for policy in policies:
        policy.check(form)
    model = checkpoint_of(config.model)
    claim(out, config)
    steering = SteeringSettings(instruct=config.instruct, opening=config.opening)

    async def work() -> None:
        opened = await open_backend(
            model,
            model=config.served,
            tokenizer=config.tokenizer,
            # Only a model that ends its blocks by itself needs no reader while it writes.
            batch=config.batch if steering.trained else None,
        )
        judges = Judges(config.judges.cached_at(out / "replies.sqlite"))
        async with aclosing(opened.backend), judges:
            subject = Subject(
                opened.backend,
                opened.model,
                steering,
                policies=policies,
                expected=config.expected,
                scorer=Scorer(
                    Reward(config.reward, counter_at(config.tokenizer, model), form), judges
                ),
                seed=config.seed,
                form=form,
            )
            await answer_edits(subject, questions, config, out / TRANSCRIPTS, show)

    with at_work(out), room_in(out):
        asyncio.run(work())
    [found] = measure_faithfulness(read_transcripts(out / TRANSCRIPTS))
    gaps = (f"{mode}: {_gap(found.gap(mode, 'whole'))}" for mode in found.modes)
    write_page(
        out / "report.html",
        title=f"gtalign faithful: {found.model}",
        headline=[f"F_ID less F_strong, {gap}" for gap in gaps],
        sections=[faithfulness_section([found])],
    )
    return found


def checkpoint_of(name: str) -> str:
    """Return a model's checkpoint: that in the folder of a training run, or the name as it is.

    Raises:
        ConfigError: The folder is that of a whole lab run, which holds several models.
    """
    folder = Path(name)
    if (folder / "checkpoint" / "config.json").is_file():
        return str(folder / "checkpoint")
    models = sorted(str(found.parent) for found in folder.glob("seed-*/*/checkpoint"))
    if models:
        raise ConfigError(f"{name}: holds several models; name one, such as {models[-1]}")
    return name


def _gap(found: Interval) -> str:
    reach = interval(found.low, found.high, 2, sign=True)
    return f"{fixed(found.value, 2, sign=True)} {reach} over {found.clusters} sources of questions"
