"""Select the part of a chain that a client sees while the chain is being written."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from gtalign.chain import BlockClosed, BlockOpened, PayoffRead, StreamParser, TextAdded, Tools
from gtalign.chain.tools import MOST_CALLS
from gtalign.game import Bimatrix, GameForm
from gtalign.gateway.answers.follows import check_follows, read_json
from gtalign.gateway.settings import Show
from gtalign.steering import Decided, Restarted, Steered, SteeringEvent, SteeringSettings
from gtalign.steering.calls import Call, CallReader


@dataclass(frozen=True, slots=True)
class Piece:
    """More for the client: text of the response or of the chain before it, or a call of a tool.

    Args:
        kind: Which of these.
        text: The text; the arguments of a call as JSON.
        name: Name of the tool that is called.
    """

    kind: Literal["content", "reasoning", "call"]
    text: str
    name: str = ""


class ChainView:
    """Turns the events of a session into what the client sees.

    Nothing is shown that may still be taken back: a chain is held until its matrix is decided.

    Args:
        show: ``response``, ``reasoning`` for the chain before it as well, or ``raw`` for the whole
            text as content, which comes in one piece at the end.
        live: Whether nothing will be taken back, as in ``observe``, so nothing has to be held.
        tools: The tools that the response may call; None if there are none.
        most: Most calls of them.
        schema: The JSON Schema of a response that calls none; None for one in words.
    """

    def __init__(
        self,
        show: Show,
        *,
        live: bool,
        tools: Tools | None = None,
        most: int = MOST_CALLS,
        schema: Mapping[str, Any] | None = None,
    ) -> None:
        self._show = show
        self._decided = live
        self._held: list[Piece] = []
        self._matrix: Bimatrix | None = None
        self._content: list[str] = []
        self._calls = None if tools is None else CallReader(tools, most)
        self._schema = schema
        self._parameters = {tool.name: tool.parameters for tool in tools.all} if tools else {}

    def feed(self, event: SteeringEvent) -> list[Piece]:
        """Take the next event and return what it makes visible.

        Raises:
            SteeringError: The response calls what is none of the tools, or calls one wrongly.
        """
        if isinstance(event, Restarted):
            if not event.position:
                self._held.clear()
        elif isinstance(event, PayoffRead):
            self._matrix = event.payoff
        elif isinstance(event, Decided):
            self._matrix = event.decision.edited if event.decision.steered else self._matrix
            self._decided = True
        elif isinstance(event, TextAdded) and event.block == "response":
            if self._show != "raw":
                self._content.append(event.text)
                return [*self._released(), *self._said(event.text)]
        elif self._show == "reasoning":
            text = self._chain_text(event)
            if text:
                self._held.append(Piece("reasoning", text))
            if self._decided:
                return self._released()
        return []

    def read(self, text: str, form: GameForm, settings: SteeringSettings) -> list[Piece]:
        """Take a whole message and return what it makes visible.

        Args:
            text: The message.
            form: The game of its chain.
            settings: Which chains the model writes.
        """
        events = StreamParser(form, **settings.chain).feed(text)
        return [piece for event in events for piece in self.feed(event)]

    def rest(self, answer: Steered) -> list[Piece]:
        """Return what a finished answer holds beyond what was shown.

        Of a text that is no chain, that is everything. Of a chain that broke off before its
        response, it is nothing: a client that asked for the response gets no reasoning instead.

        Raises:
            SteeringError: The response calls what is none of the tools, or calls one wrongly,
                breaks off in a call, or is no JSON of its schema: the engine has ignored its
                grammar.
        """
        held = self._released()
        if self._show == "raw":
            return [*held, Piece("content", answer.text)]
        shown = "".join(self._content)
        response = answer.response or ""
        if response.startswith(shown) and len(response) > len(shown):
            held += self._said(response[len(shown) :])
        cut = answer.finish == "length" or answer.stop is not None
        if self._calls is not None:
            held += map(self._piece, self._calls.close(cut=cut))
        if self._schema is not None and not cut and not (self._calls and self._calls.any):
            check_follows(read_json(response), self._schema)
        return held

    def _said(self, text: str) -> list[Piece]:
        """What more of the response makes visible."""
        if self._calls is None:
            return [Piece("content", text)]
        return [self._piece(part) for part in self._calls.feed(text)]

    def _piece(self, part: str | Call) -> Piece:
        """A part of a response that may call tools."""
        if isinstance(part, str):
            return Piece("content", part)
        check_follows(read_json(part.arguments), self._parameters[part.name])
        return Piece("call", part.arguments, part.name)

    def _released(self) -> list[Piece]:
        held, self._held = self._held, []
        return held

    def _chain_text(self, event: SteeringEvent) -> str:
        """The chain before the response, with its tags."""
        block = getattr(event, "block", "response")
        if block == "response":
            return ""
        if isinstance(event, BlockOpened):
            return f"<{block}>"
        if isinstance(event, TextAdded):
            return event.text
        assert isinstance(event, BlockClosed)
        matrix = ""
        if block == "payoff" and self._matrix is not None:
            matrix = json.dumps(self._matrix.to_json(), separators=(",", ":"))
        return f"{matrix}</{block}>\n"
