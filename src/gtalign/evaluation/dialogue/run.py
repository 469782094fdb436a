"""A run of ``gtalign converse``: open a model and the users, play, measure, report."""

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

from gtalign.dialogue import (
    Assistant,
    Goal,
    Match,
    Rules,
    ServedAssistant,
    SteeredAssistant,
    User,
    play_all,
)
from gtalign.dialogue.assistant import FREE
from gtalign.dialogue.play import play
from gtalign.dialogue.played import Played
from gtalign.endpoints import Cache, EndpointSettings, open_endpoint
from gtalign.endpoints.engine import Engine, Work
from gtalign.errors import DataError, TeacherError
from gtalign.evaluation.dialogue.held import Conversations
from gtalign.evaluation.dialogue.matrices import agreements
from gtalign.evaluation.dialogue.settings import ConverseRun
from gtalign.evaluation.dialogue.talks import talks
from gtalign.evaluation.faithfulness.run import checkpoint_of
from gtalign.evaluation.files import RUN_FILE, questions_in
from gtalign.evaluation.page import write_page
from gtalign.evaluation.paper.conversations import conversations_report
from gtalign.evaluation.paper.sheet import Report
from gtalign.files.disk import room_in
from gtalign.files.run_directory import at_work, claim
from gtalign.game import USER_LLM
from gtalign.models.names import SERVER_KEY
from gtalign.models.tokens import count_words, counter_at
from gtalign.steering import Sampling, SteeringSettings, load_policy, open_backend
from gtalign.steering.opening import check_address
from gtalign.tasks import Question
from gtalign.transcripts import Transcript, read_transcripts

GoalOf = Callable[[Question, int], Goal | None]
"""Takes a question and the seed; returns what its user wants, or None if nobody knows."""

Talk = tuple[Played, Transcript]
"""What is left of a conversation."""

Show = Callable[[int, int, str | None], None]
"""Takes the conversations that are done, their total, and why the last one failed."""


@dataclass(frozen=True, slots=True)
class Conversed:
    """What a run found.

    Args:
        report: The tables.
        played: Number of conversations.
        failed: Number of them that failed.
        skipped: Number of questions whose goal is not known.
        problem: Why there is no result; None if there is one.
    """

    report: Report
    played: int
    failed: int
    skipped: int
    problem: str | None

    def to_json(self) -> dict[str, Any]:
        """Return everything as one JSON object."""
        return {
            "played": self.played,
            "failed": self.failed,
            "skipped": self.skipped,
            "problem": self.problem,
            **self.report.to_json(),
        }


def run(
    config: ConverseRun,
    out: Path,
    goal_of: GoalOf,
    show: Show | None = None,
    engine: Engine | None = None,
) -> Conversed:
    """Play conversations, or go on with a run that was stopped.

    Every conversation stays in ``transcripts.jsonl``; ``report.html`` shows the tables. Those that
    failed in an earlier run are played again.

    Args:
        config: Configuration of the run.
        out: The run directory.
        goal_of: Says what the user of a question wants.
        show: Called after each conversation.
        engine: Plays the conversations on other processes; None does it in this one.

    Raises:
        ConfigError: The directory holds a run of another configuration, or a model or a policy is
            unknown.
        DataError: A file is wrong, or no question has a goal that is known.
        SteeringError: The server cannot continue an edited text, as forcing an action needs.
        StorageError: A conversation cannot be written.
    """
    goals, skipped = read_goals(config, goal_of)
    file, replies = out / RUN_FILE, out / "replies.sqlite"
    users = {name: settings.open(replies) for name, settings in config.users.items()}
    model = checkpoint_of(config.model)
    claim(out, config)
    total = sum(1 for _ in matches(config, goals, users))

    async def work() -> None:
        async with AsyncExitStack() as stack:
            _close(users, stack)
            assistant, name = await stack.enter_async_context(opened(config, model, replies))
            rules = _rules(config, model)
            elsewhere, workers = None, config.workers
            if engine is not None:
                needed = partial(_playing, config, model, replies)
                elsewhere = _without_user(await stack.enter_async_context(engine.open(needed)))
                workers *= engine.processes
            await play_all(
                matches(config, goals, users),
                assistant,
                rules,
                file,
                model=config.name or name,
                workers=min(workers, total),
                show=None if show is None else lambda done, why: show(done, total, why),
                elsewhere=elsewhere,
            )

    with at_work(out), room_in(out):
        asyncio.run(work())
    found = Conversations.read(read_transcripts(file))
    report = conversations_report(found, agreements(read_transcripts(file)), config.seed)
    failed = sum(1 for t in read_transcripts(file) if (t.conversation or {}).get("end") == "failed")
    write_page(
        out / "report.html",
        title=f"gtalign converse: {found.models[0] if found.models else config.model}",
        headline=report.sentences,
        sections=[*report.sections(), talks(read_transcripts(file))],
    )
    problem = None
    if failed == total:
        last = next(t.unscored for t in read_transcripts(file) if t.conversation is not None)
        problem = f"No result: all {total} conversations failed. The first: {last}"
    return Conversed(report, total, failed, skipped, problem)


def check_conversations(config: ConverseRun, goal_of: GoalOf) -> None:
    """Refuse what cannot be played, before anything is opened or asked.

    Raises:
        ConfigError: The model is neither a server nor a checkpoint, or a policy is unknown.
        DataError: A file is wrong, or no question has a goal that is known.
    """
    read_goals(config, goal_of)
    check_address(checkpoint_of(config.model))
    if config.policy is not None:
        load_policy(config.policy)


def _close(users: dict[str, User], stack: AsyncExitStack) -> None:
    for user in users.values():
        if (close := getattr(user, "aclose", None)) is not None:
            stack.push_async_callback(close)


def _rules(config: ConverseRun, model: str) -> Rules:
    return Rules(
        turns=config.turns,
        seconds=config.timeout,
        count=counter_at(config.tokenizer, model) or count_words,
        seed=config.seed,
        form=config.form,
    )


def _without_user(work: Work[Match, Talk]) -> Work[Match, Talk]:
    """Return work that leaves the user out of what it sends: each process opens its own."""
    return lambda match: work(replace(match, user=None))


@asynccontextmanager
async def _playing(
    config: ConverseRun, model: str, replies: Path
) -> AsyncIterator[Work[Match, Talk]]:
    """Open what a process of an engine needs, and yield what plays a conversation."""
    users = {name: settings.open(replies) for name, settings in config.users.items()}
    async with AsyncExitStack() as stack:
        _close(users, stack)
        assistant, _ = await stack.enter_async_context(opened(config, model, replies))
        rules = _rules(config, model)
        yield lambda match: play(replace(match, user=users[match.name]), assistant, rules)


def read_goals(config: ConverseRun, goal_of: GoalOf) -> tuple[list[Goal], int]:
    """Return the goals of the first questions that have one, and how many before them have none.

    Raises:
        DataError: A file is wrong, or no question has a goal.
    """
    skipped = 0

    def known() -> Iterator[Goal]:
        nonlocal skipped
        for question in questions_in(config.questions):
            goal = goal_of(question, config.seed)
            if goal is None:
                skipped += 1
            else:
                yield goal

    goals = list(islice(known(), config.limit))
    if not goals:
        raise DataError(
            f"none of {skipped} questions has a goal that its labels tell; questions of the lab and"
            " of ambig_qa have one, and a row of yours may tell it (extra_info.goal)"
        )
    return goals, skipped


def matches(config: ConverseRun, goals: list[Goal], users: dict[str, User]) -> Iterator[Match]:
    """Yield every conversation of a run: the arms, then the forced cells."""
    for goal in goals:
        for name, user in users.items():
            persona, kind = config.users[name].persona, config.users[name].kind
            for arm in config.arms:
                for repeat in range(config.repeats):
                    yield Match.of(goal, user, name, persona, arm, repeat, kind)
    for goal in goals[: config.matrix]:
        for name, user in users.items():
            for cell in _forced(config, name, goal):
                row, _, action = cell.partition("_")
                for repeat in range(config.plays):
                    yield Match(
                        goal,
                        user,
                        name,
                        config.users[name].persona,
                        arm=cell,
                        repeat=repeat,
                        force=action,
                        detailed=config.form == USER_LLM and row == "DQ",
                        kind=config.users[name].kind,
                    )


def _forced(config: ConverseRun, name: str, goal: Goal) -> Iterator[str]:
    """The cells that are played with a user.

    In the game of one assistant turn the question makes the row: as asked, or with nothing left
    out. In another game it is the row that the user plays.
    """
    form = config.form
    for cell in form.cells:
        row = cell.partition("_")[0]
        if form != USER_LLM:
            played = row == config.users[name].plays
        else:  # where nothing is left out the question is asked as it is
            played = row == "DQ" or bool(goal.missing)
        if played:
            yield cell


@asynccontextmanager
async def opened(
    config: ConverseRun, model: str, replies: Path
) -> AsyncIterator[tuple[Assistant, str]]:
    """Open the assistant; yield it with its name, and close it."""
    if config.asks_plainly:
        settings = EndpointSettings(
            url=config.model,
            model=config.served or await _served(config),
            key_env=_key(),
            temperature=min(config.temperature, 2.0),
            max_tokens=config.max_tokens,
            seed=config.seed,
            concurrency=config.workers,
            timeout=config.timeout,
            attempts=config.attempts,
        )
        endpoint = open_endpoint(settings, Cache(replies), TeacherError, "assistant")
        try:
            yield ServedAssistant(endpoint), settings.model
        finally:
            await endpoint.aclose()
        return
    steering = SteeringSettings(mode=config.mode, instruct=config.instruct, opening=config.opening)
    policy = FREE if config.policy is None else load_policy(config.policy)
    found = await open_backend(
        model,
        model=config.served,
        tokenizer=config.tokenizer,
        batch=config.batch if steering.trained else None,
        fallback_reask=config.mode == "observe" and not config.matrix,
    )
    name = Path(config.model).name if model != config.model else found.model
    try:
        yield (
            SteeredAssistant(
                found.backend,
                name,
                steering,
                policy=policy,
                sampling=Sampling(temperature=config.temperature),
                max_tokens=config.max_tokens,
                form=config.form,
            ),
            name,
        )
    finally:
        await found.backend.aclose()


async def _served(config: ConverseRun) -> str:
    """Ask a server for the name of its first model."""
    asked = EndpointSettings(
        url=config.model, model="a model", key_env=_key(), attempts=config.attempts
    )
    endpoint = open_endpoint(asked, failure=TeacherError)
    try:
        names = await endpoint.models()
    finally:
        await endpoint.aclose()
    if not names:
        raise TeacherError(f"{config.model} lists no model; name one with --model", "no model")
    return names[0]


def _key() -> str | None:
    """Name of the variable with the server's key; None if it is not set."""
    return SERVER_KEY if os.environ.get(SERVER_KEY) else None
