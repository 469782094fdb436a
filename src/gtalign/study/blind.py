"""What annotators see of a transcript: the turns of people and models, as text and nothing else."""

from collections.abc import Sequence
from typing import Final

from gtalign.chain import parse, response_of
from gtalign.data.schema import bare
from gtalign.errors import ChainError
from gtalign.tasks import Message
from gtalign.transcripts import Transcript

LONGEST: Final = 20_000
"""Most characters of one turn that are shown."""

_SPACES: Final = "\n\t"


def seen(transcript: Transcript) -> tuple[Message, ...]:
    """The turns that a user sees: without system messages, reasoning, and blocks of a chain."""
    turns = [turn for turn in bare(transcript.prompt) if turn["role"] != "system"]
    shown = [
        Message(role=turn["role"], content=_response(turn["content"]))
        if turn["role"] == "assistant"
        else turn
        for turn in turns
    ]
    return (*shown, Message(role="assistant", content=response(transcript)))


def response(transcript: Transcript) -> str:
    """The response of an answer, as its user sees it."""
    chain = transcript.chain
    if chain is not None and isinstance(chain.get("response"), str):
        return str(chain["response"]).strip()
    if transcript.plain:
        return response_of(transcript.completion)
    return _response(transcript.completion)


def is_whole(transcript: Transcript) -> bool:
    """Whether annotators see all that the model wrote, since no response could be read."""
    return not transcript.plain and response(transcript) == transcript.completion.strip() != ""


def shared(conversations: Sequence[Sequence[Message]]) -> int:
    """Number of turns with which all conversations begin; each keeps its last one to itself."""
    most = min(len(turns) for turns in conversations) - 1
    for number in range(most):
        if len({(turns[number]["role"], turns[number]["content"]) for turns in conversations}) > 1:
            return number
    return most


def printable(turn: Message) -> tuple[Message, int]:
    """A turn without characters that no page can show, and how many characters were cut off."""
    text = turn["content"]
    kept = "".join(c if c.isprintable() or c in _SPACES else "\ufffd" for c in text[:LONGEST])
    return Message(role=turn["role"], content=kept), max(0, len(text) - LONGEST)


def _response(text: str) -> str:
    """The response in a text that may be a chain, or begin with reasoning."""
    if "<response>" in text:
        try:
            return parse(text, tolerant=True).response.strip()
        except ChainError:
            pass
    return response_of(text)
