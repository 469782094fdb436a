"""The model that is trained, as the assistant of many conversations at once.

Each conversation is one sequence of tokens: the prompt, then in turn what the model wrote and what
the user said. A later answer continues exactly the tokens that were written before, so nothing is
rendered twice, and what is trained on is what was sampled.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from gtalign.chain import response_of, unanswered
from gtalign.dialogue import Answer
from gtalign.errors import SteeringError
from gtalign.models.model import LocalModel
from gtalign.steering.local import context_of
from gtalign.steering.stop_strings import loose_response
from gtalign.steering.together import Together
from gtalign.tasks import Message

__all__ = ["Actor", "Course"]


Give = Callable[[Sequence[Message]], Sequence[Message]]
"""Takes the messages of a user; returns them with what else the model is given, if anything."""


@dataclass
class Course:
    """The tokens of one conversation.

    Attributes:
        prompt: Those before the first answer.
        ids: All after them.
        turns: For each of these the number of the answer that it belongs to, from 1; 0 for what the
            user said and what the chat template puts around it.
        answers: Number of answers.
    """

    prompt: list[int]
    ids: list[int] = field(default_factory=list)
    turns: list[int] = field(default_factory=list)
    answers: int = 0

    def hear(self, ids: Sequence[int]) -> None:
        """Take what the user said."""
        self.ids += ids
        self.turns += [0] * len(ids)

    def say(self, ids: Sequence[int]) -> None:
        """Take what the model wrote."""
        self.answers += 1
        self.ids += ids
        self.turns += [self.answers] * len(ids)


class Actor(Together):
    """The assistant of the conversations of one step; see `gtalign.dialogue.Assistant`.

    Args:
        model: The model.
        max_tokens: Most tokens of an answer.
        temperature: Temperature of the sampling, which uses torch's own random state.
        give: Makes what the model is given at the beginning of a conversation.

    Attributes:
        courses: The conversations by id.
    """

    def __init__(
        self, model: LocalModel, *, max_tokens: int, temperature: float, give: Give = list
    ) -> None:
        self.model = model
        self.give = give
        self.max_tokens = max_tokens
        self.temperature = temperature
        self.courses: dict[str, Course] = {}
        self._members = 0
        self._waiting: dict[str, asyncio.Future[list[int]]] = {}

    async def answer(
        self, messages: Sequence[Message], *, id: str, seed: int, force: str | None = None
    ) -> Answer:
        """Return the answer to a conversation; see `gtalign.dialogue.Assistant.answer`.

        Raises:
            SteeringError: The conversation fills the model's whole context.
            TrainingError: The chat template refuses the conversation.
        """
        chat, course = self.model.chat, self.courses.get(id)
        if course is None:
            course = self.courses[id] = Course(chat.ids(self.give(messages)))
        else:
            ended = course.ids[-1] in self.model.ends
            course.hear(chat.reply_ids(messages[-1]["content"], ended=ended))
        room = context_of(self.model.network) - len(course.prompt) - len(course.ids)
        if room < self.max_tokens:
            raise SteeringError(f"{id}: the conversation fills the context of {chat.name}")
        future = self._waiting[id] = asyncio.get_running_loop().create_future()
        self._begin()
        written = await future
        course.say(written)
        text = chat.text(written)
        said = None if unanswered(text) is not None else loose_response(response_of(text))
        return Answer(text, said or "")

    def _begin(self) -> None:
        """Write the answers that are waited for, once every call waits for one.

        In the order of the conversations: users may reply in any order, and the same draws have to
        go to the same conversations in every run.
        """
        if not self._waiting or len(self._waiting) < self._members:
            return
        waiting, self._waiting = self._waiting, {}
        ids = [id for id in self.courses if id in waiting]
        rows = self.model.sample(
            [self.courses[id].prompt + self.courses[id].ids for id in ids],
            max_tokens=self.max_tokens,
            temperature=self.temperature,
        )
        for id, row in zip(ids, rows, strict=True):
            waiting[id].set_result(row)
