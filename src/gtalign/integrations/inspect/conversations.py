"""The task of conversations: a simulated user talks with the model."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from inspect_ai import Task, task
from inspect_ai.scorer import Score, Scorer, Target, mean, scorer, stderr
from inspect_ai.solver import Generate, Solver, TaskState, solver

from gtalign.chain import with_reasoning
from gtalign.config import load_table
from gtalign.dialogue import Answer, Played
from gtalign.dialogue.measures import MEASURES
from gtalign.integrations.conversations import ConversationRunner, measured
from gtalign.integrations.inspect.chat import chat, dataset_of, question_of, written
from gtalign.integrations.suite import Suite, load_suite
from gtalign.tasks import Message

PLAYED: Final = "gtalign:conversation"
"""Key of the store of a sample under which the record of its conversation is."""


class _Asked:
    """The model under test, as the assistant of a conversation."""

    def __init__(self, suite: Suite, state: TaskState, generate: Generate) -> None:
        self._suite, self._state, self._generate = suite, state, generate

    async def answer(
        self, messages: Sequence[Message], *, id: str, seed: int, force: str | None = None
    ) -> Answer:
        """Return the model's answer to a conversation."""
        self._state.messages = chat(self._suite.prompt(messages))
        await self._generate(self._state, seed=seed)
        text, reasoning = written(self._state.output)
        usage = self._state.output.usage
        return Answer.of(
            with_reasoning(reasoning, text), None if usage is None else usage.output_tokens
        )


@solver
def converse(suite: Mapping[str, Any]) -> Solver:
    """Let a simulated user talk with the model; see `gtalign.dialogue`.

    A user that fails ends its conversation, which is then unscored. A model that fails is an error
    of the sample.

    Args:
        suite: The suite, as a table.

    Raises:
        ConfigError: The table is wrong.
    """
    given = load_table(Suite, suite, "suite")
    runner = ConversationRunner(given)

    async def solve(state: TaskState, generate: Generate) -> TaskState:
        match = runner.match(question_of(state.metadata), state.epoch - 1)
        played = await runner.play(match, _Asked(given, state, generate))
        state.store.set(PLAYED, played.to_json())
        return state

    return solve


@scorer(metrics={name: [mean(), stderr(cluster="cluster")] for name in MEASURES})
def conversed() -> Scorer:
    """Score a conversation by every measure of `gtalign.dialogue.measures`.

    One that failed is unscored, with the reason; a measure that a conversation does not have counts
    in no mean.
    """

    async def score(state: TaskState, target: Target) -> Score:
        played = Played.from_json(state.store.get(PLAYED))
        found = measured(played)
        if not found:
            return Score.unscored(reason="scoring_failed", explanation=played.problem)
        return Score(
            value={name: found.get(name, float("nan")) for name in MEASURES},
            explanation=f"{len(played.turns)} turns; ended: {played.end}",
        )

    return score


@task
def conversation(suite: str | None = None, questions: str | list[str] | None = None) -> Task:
    """Conversations of several turns with a simulated user, who left a fact out.

    Args:
        suite: A TOML file; see `gtalign.integrations.suite.Suite`.
        questions: Files of questions, instead of those of the suite.

    Raises:
        ConfigError: The suite is wrong, or there are no questions.
        DataError: A file of questions is wrong, or the labels of none tell the user's goal.
    """
    given = load_suite(suite, questions)
    return Task(
        dataset=dataset_of(given, ConversationRunner(given).questions(), "gtalign"),
        solver=converse(given.model_dump(mode="json")),
        scorer=conversed(),
    )
