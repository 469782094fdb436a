"""A run of reinforcement learning over whole conversations; see `gtalign.training.rl_run`."""

from pathlib import Path
from typing import Any

from gtalign.data.rows import read_rows
from gtalign.data.schema import given
from gtalign.dialogue import Rules
from gtalign.errors import ConfigError, DataError, UserError
from gtalign.files.disk import room_in
from gtalign.files.run_directory import at_work, claim, record_model
from gtalign.judges.failures import Failures
from gtalign.models.tokens import token_counter
from gtalign.training.metrics import read_metrics
from gtalign.training.processes import processes
from gtalign.training.rl_run import RLRun
from gtalign.training.talks import GoalOf, matches


def run_talks(config: RLRun, out: Path, goal_of: GoalOf) -> dict[str, Any]:
    """Train a model on conversations, or resume its training, and return a summary.

    Args:
        config: Configuration of the run, with ``dialogue``.
        out: Run directory; gets ``model.json`` (how the model is asked), ``checkpoint``,
            ``metrics.jsonl``, and every conversation in ``transcripts.jsonl``.
        goal_of: Returns what the user of a question wants; questions without a goal are left out.

    Raises:
        ConfigError: The directory holds a run of another configuration.
        DataError: A file is wrong, or no question has a goal.
        StorageError: The disk is full; what is written stays.
        TrainingError: The chat template refuses the prompts, or the model cannot be trained with
            it.
        UserError: Too many conversations fail.
    """
    talks = config.dialogue
    assert talks is not None
    questions = list(read_rows(*config.questions, limit=config.limit))
    known = [question for question in questions if goal_of(question, config.seed) is not None]
    if not known:
        raise DataError(
            f"none of {len(questions)} questions has a goal that its labels tell; questions of the"
            " lab and of ambig_qa have one"
        )
    if processes(config.rl.hardware.gpu).count > 1:
        raise ConfigError("dialogue: training over conversations runs in one process")
    claim(out, config)

    from gtalign.models.model import open_model
    from gtalign.training.conversations import conversation_spec
    from gtalign.training.log import CompletionLog
    from gtalign.training.stopping import Guard
    from gtalign.training.turns import train_turns

    model = open_model(config.model)
    record_model(out, model.facts())
    file = out / "transcripts.jsonl"
    users = {name: one.open(out / "replies.sqlite") for name, one in talks.users.items()}
    failures = Failures(config.max_failed, config.window, "conversations failed", UserError)
    with at_work(out), room_in(out):
        spec = conversation_spec(
            model,
            known,
            matches(talks, users, goal_of, config.seed),
            talks.rewards,
            config.rl,
            Rules(talks.turns, talks.timeout, token_counter(model.chat.tokenizer), config.seed),
            give=lambda messages: given(messages, instruct=config.instruct, chain=False),
            log=file,
            failures=failures,
        )
        checkpoint = train_turns(
            model,
            spec,
            out,
            config.rl,
            config.seed,
            credit=talks.credit,
            callbacks=[CompletionLog(file), Guard(config.guard)],
        )
    failures.end()
    metrics = read_metrics(out / "metrics.jsonl")
    return {
        "checkpoint": str(checkpoint),
        "steps": config.rl.steps,
        "questions": len(known),
        "left_out": len(questions) - len(known),
        "last": metrics[-1] if metrics else None,
        "failures": dict(failures.counts),
    }
