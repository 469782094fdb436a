"""A user that a model plays, behind any OpenAI-compatible endpoint."""

import zlib
from functools import cache
from importlib.resources import files
from typing import Final

from gtalign.chain import response_of, unanswered
from gtalign.chain.prompt import fill
from gtalign.dialogue.marks import closes, ended, mentions, speaks_for_others, unlabelled
from gtalign.dialogue.user import Conversation, Left, Reply, Satisfied, checked
from gtalign.endpoints import Endpoint
from gtalign.errors import UserError
from gtalign.tasks import Message

STYLES: Final = {
    "plain": "You write one plain sentence.",
    "terse": "You write a few words, no whole sentence.",
    "wordy": "You write at length, and politely.",
}
TYPES: Final = {
    "open": "",
    "guarded": " At first you are not sure about details; tell one when you are asked again.",
}

REPLIES: Final = {
    True: "When the assistant asks for a detail, give exactly that detail, in one short message.",
    False: (
        "You have no time for questions: when the assistant asks you for a detail, write [LEAVE]"
        " and nothing else."
    ),
}
CORRECTS: Final = {
    True: "When the assistant gives you something else, say in one short message what you meant.",
    False: "When the assistant gives you something else, write [LEAVE] and nothing else.",
}
STAYS: Final = {
    True: "When the assistant gives an answer and also asks what does not matter, do not mind.",
    False: (
        "When the assistant gives an answer and also asks what does not matter, write [LEAVE] and"
        " nothing else."
    ),
}


class EndpointUser:
    """A model that plays a person with a hidden goal.

    Its instruction names the goal and the persona, and forbids to give the goal away; what it gives
    away all the same is counted (`gtalign.dialogue.leaks`). What the persona does with some
    probability is drawn by the seed for each turn, as a user by rule draws it, and the instruction
    says what was drawn: models are poor at chance.

    Args:
        endpoint: Where the model is; its failures are `UserError`. With a cache, no reply is asked
            for twice.
    """

    def __init__(self, endpoint: Endpoint) -> None:
        self.endpoint = endpoint

    async def reply(self, conversation: Conversation) -> Reply:
        """Return what the model says, or that it ends the conversation.

        Raises:
            UserError: The endpoint gives no reply, or none that can be read.
        """
        about = f"user {self.endpoint.settings.model!r}, {conversation.id}"
        messages = messages_for(conversation)
        sample = zlib.crc32(
            f"{conversation.seed} {conversation.id}".encode("utf-8", "surrogatepass")
        )
        reply = await self.endpoint.complete(
            messages, messages, accepts=bool, about=about, sample=sample
        )
        try:
            if reply.problem is not None:
                raise UserError(f"{about}: {reply.problem}", "nonsense")
            return read_reply(reply.text, conversation, about)
        except UserError:
            self.endpoint.forget(messages, {}, sample)  # so that a resumed run asks again
            raise

    async def aclose(self) -> None:
        """Close the connections and the cache."""
        await self.endpoint.aclose()


def messages_for(conversation: Conversation) -> list[Message]:
    """Return what the model that plays the user gets."""
    persona, rng = conversation.persona, conversation.rng()
    costs = persona.costs
    instruction = fill(
        _prompt(),
        {
            "about": persona.about or "You are an ordinary person with little time.",
            "wish": conversation.goal.wish,
            "replies": REPLIES[bool(rng.random() < persona.replies)],
            "corrects": CORRECTS[bool(rng.random() < persona.corrects)],
            "stays": STAYS[bool(rng.random() < persona.stays)],
            "patience": f"You read {persona.patience} messages at most.",
            "costs": (
                f"What you want is worth 1 to you, and {costs.discount:g} of that with each further"
                f" message. A message of the assistant costs you {costs.turn:g}, a word that you"
                f" read {costs.read:g}, and a word that you write {costs.written:g}."
            ),
            "style": STYLES[persona.style] + TYPES[persona.type],
        },
    )
    names = {"user": "You", "assistant": "Assistant"}
    said = "\n\n".join(
        f"{names[message['role']]}: {message['content'] or '(says nothing)'}"
        for message in conversation.messages
        if message["role"] in names
    )
    asked = f"The conversation so far:\n\n{said}\n\nYour next message:"
    return [Message(role="system", content=instruction), Message(role="user", content=asked)]


def read_reply(text: str, conversation: Conversation, about: str) -> Reply:
    """Return the reply in what a model wrote.

    A mark alone ends the conversation, and so does one that is the last sentence after a closing
    line ("Thanks! [SATISFIED]"), as models write it; see `gtalign.dialogue.marks`. A line that asks
    something or tells a missing fact closes nothing. What the line says is not read: "That is
    wrong. [SATISFIED]" is satisfied.

    Args:
        text: What it wrote.
        conversation: The conversation that it replies to.
        about: Who wrote it and in which conversation, for errors.

    Raises:
        UserError: It is no reply: nothing, reasoning alone, a mark amid other words, both marks,
            the assistant's words, or a script in which the model plays the assistant as well.
    """
    why = unanswered(text)
    if why is not None:
        raise UserError(f"{about}: {why}", "nonsense")
    said = unlabelled(response_of(text).strip())
    if speaks_for_others(said):
        raise UserError(f"{about}: the reply plays the assistant as well", "nonsense")
    if (end := ended(said)) is not None:
        mark, line = end
        if closes(line) and not conversation.goal.told_by(line, conversation.told):
            return Satisfied() if mark == "SATISFIED" else Left()
        raise UserError(f"{about}: the reply goes on and ends the conversation", "nonsense")
    if mentions(said):
        raise UserError(f"{about}: the reply holds a mark of its end amid other words", "nonsense")
    if said and said == conversation.response.strip():
        raise UserError(f"{about}: the reply repeats the assistant's words", "nonsense")
    return checked(said, about)


@cache
def _prompt() -> str:
    file = files(__package__).joinpath("prompts", "user.txt")
    return file.read_text(encoding="utf-8").strip()
