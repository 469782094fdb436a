"""Conversations: the simulated user of a suite talks with a model of another framework."""

from gtalign.dialogue import Assistant, Goal, Match, Played, Rules, goal_of, play
from gtalign.dialogue.measures import MEASURES
from gtalign.errors import DataError
from gtalign.integrations.suite import Suite
from gtalign.models.tokens import count_words, counter_in
from gtalign.tasks import Question


class ConversationRunner:
    """Plays the conversations of a suite. Close it by ``aclose``.

    Args:
        suite: The suite.
    """

    def __init__(self, suite: Suite) -> None:
        count = count_words if suite.tokenizer is None else counter_in(suite.tokenizer)
        self._suite = suite
        self._user = suite.user.open()
        self._rules = Rules(turns=suite.turns, seconds=suite.seconds, count=count, seed=suite.seed)

    def questions(self) -> list[Question]:
        """Return the questions of the suite whose user's goal is known.

        Raises:
            DataError: A file is wrong, or there is no such question.
        """
        read = self._suite.read()
        known = [question for question in read if self._goal(question) is not None]
        if not known:
            raise DataError(
                f"none of {len(read)} questions has a goal that its labels tell; questions of"
                " ambig_qa have one"
            )
        return known

    def match(self, question: Question, repeat: int = 0) -> Match:
        """Return the conversation about a question.

        Args:
            question: The question.
            repeat: Number of the repetition; each meets other chances.

        Raises:
            DataError: Its labels do not tell the user's goal.
        """
        goal = self._goal(question)
        if goal is None:
            raise DataError(f"question {question.id!r}: its labels do not tell the user's goal")
        user = self._suite.user
        return Match.of(goal, self._user, user.kind, user.persona, "ask", repeat)

    async def play(self, match: Match, assistant: Assistant) -> Played:
        """Play a conversation to its end.

        A user that fails ends the conversation, which says so. An error of the framework that asks
        the model passes through.
        """
        played, _ = await play(match, assistant, self._rules)
        return played

    async def aclose(self) -> None:
        """Close the user; it opens again on use."""
        if (close := getattr(self._user, "aclose", None)) is not None:
            await close()

    def _goal(self, question: Question) -> Goal | None:
        return goal_of(question, self._suite.seed)


def measured(played: Played) -> dict[str, float]:
    """Return each measure of a conversation that is known for it; none if it failed."""
    if played.end == "failed":
        return {}
    found = ((name, measure.of(played)) for name, measure in MEASURES.items())
    return {name: parts[0] / parts[1] for name, parts in found if parts is not None}
