"""One answer while it is written: its message, its decision, and what steps of writing share."""

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from time import perf_counter
from typing import Final, Literal

from gtalign.chain import (
    Chain,
    ChainBroken,
    Event,
    Lengths,
    Part,
    PayoffRead,
    StreamParser,
    action_of,
    chosen_cell,
    ebnf,
    gbnf,
    parse,
    render,
    work_out,
)
from gtalign.chain.json_rules import json_rules
from gtalign.chain.prompt import fill, placeholders, prompt
from gtalign.chain.reasoning import behind_reasoning
from gtalign.chain.tools import CALL_OPENS, tool_prompt, tool_rules
from gtalign.errors import ChainError
from gtalign.game import USER_LLM
from gtalign.steering.answer import Ask, Restarted, Steered, SteeringEvent
from gtalign.steering.backend import Sampling
from gtalign.steering.decision import Decision
from gtalign.steering.manuscript import Manuscript, Stretch
from gtalign.steering.phase import Phase
from gtalign.steering.policy_line import policy_line, with_policy_line
from gtalign.steering.splice import decimals_of, splice
from gtalign.steering.steering import Steering
from gtalign.steering.stop_strings import CLOSES, ResponseCut, loose_response
from gtalign.steering.stopwatch import Stopwatch
from gtalign.tasks import Message

RETRY_TEMPERATURE: Final = 0.7
"""Least temperature for writing the same once more: the likeliest tokens would be the same again.
"""

CALLS: Final = "DA"
"""The action that a call of a tool carries out: it answers, and asks nobody back."""

PAYOFF, PAYOFF_ENDS, ANALYZE = "<payoff>", "</payoff>", "<analyze>"
# The parser of whole chains needs this after an opening.
_REST: Final = "<analyze>.</analyze><response>.</response>"

Step = SteeringEvent | Stretch
"""An event to report, or a stretch to write. Steps are taken one after the other, so each sees the
text of the stretches before it."""


class Writing:
    """The state of one answer.

    Args:
        steering: The backend, the policy and the settings.
        ask: The request.
        watch: Times the writing.
        instructed: Whether the conversation begins with the instruction, if the settings have one.
        lengths: The most characters of thinking and analysis under a grammar.

    Attributes:
        message: The message that is written.
        messages: The conversation, with the instruction and the policy's line if there are any.
        text: The part of the message that was passed on.
        stopped: The stop string of the request that has ended it; None if none has.
        cut: Whether it ended for want of tokens; None if its phases say that.
        plain: Whether it is an answer without blocks.
        retries: How often a part was written again.
        decision: The decision so far.
    """

    def __init__(
        self, steering: Steering, ask: Ask, watch: Stopwatch, *, instructed: bool, lengths: Lengths
    ) -> None:
        self.steering = steering
        self.ask = ask
        self.limits = steering.settings.chain
        given = tuple(ask.messages)
        if ask.tools is not None:
            given = _told(tool_prompt(ask.tools, steering.form), given)
        if steering.settings.policy_line:
            given = with_policy_line(given, policy_line(steering.policy, ask.used_tokens))
        self.messages = self._instructed(given) if instructed else given
        self.message = Manuscript(steering.backend, self.messages, ask, self._grammar, watch)
        self.text = ""
        self.stopped: str | None = None
        self.cut: bool | None = None
        self.plain = False
        self.retries = 0
        self.decision: Decision | None = None
        self._lengths = lengths
        self._content = tuple(_rules(ask, steering.settings.calls).items())
        self._parsed: tuple[str, Chain] | None = None  # the last text that was one, as a chain

    @property
    def phases(self) -> Sequence[Phase]:
        """The phases of writing so far."""
        return self.message.phases

    def parser(self) -> StreamParser:
        """A parser of this answer's chain."""
        return StreamParser(self.steering.form, **self.limits)

    def chain(self, text: str) -> Chain:
        """Read a text as a chain, tolerantly.

        Raises:
            ChainError: It is none.
        """
        if self._parsed is None or self._parsed[0] != text:
            self._parsed = text, parse(text, self.steering.form, tolerant=True, **self.limits)
        return self._parsed[1]

    # Up to the matrix

    def to_payoff(
        self,
        attempt: int,
        part: Part | None,
        feed: Callable[[str], Iterable[Event]],
        enough: Callable[[], bool] = lambda: False,
        most: int | None = None,
    ) -> Stretch:
        """The stretch to the end of the matrix.

        Args:
            attempt: 0, or 1 for a second attempt, which is a little hotter.
            part: The grammar.
            feed: Reads a slice.
            enough: Tells whether to stop before the matrix ends.
            most: Most tokens.
        """
        sampling, told = self.ask.sampling, True
        if attempt:
            sampling = hotter(sampling)

        def take(slice_: str) -> Iterator[Event]:
            nonlocal told
            for event in feed(slice_):
                # Whether the matrix is read or broken is not known before the tolerant parser has
                # seen it, and perhaps a second attempt.
                told = told and not isinstance(event, ChainBroken | PayoffRead)
                if told:
                    yield event

        name = "matrix again" if attempt else "to the matrix"
        return Stretch(name, PAYOFF_ENDS, part, take, enough, sampling, most)

    def read(self) -> str:
        """Return a text that can be read as a chain with the matrix that has been written.

        The message itself then ends with the matrix, and all of it is well-formed.

        Raises:
            ChainError: The matrix cannot be read.
        """
        text = self.message.text
        if text.endswith(PAYOFF_ENDS):
            text = opening(text)
        chain = self.chain(text)
        if chain.repairs and self.steering.backend.can_resume:
            well = render(chain.thinking, chain.payoff, "", "", chain.belief)
            self.message.replace(well[: well.index(PAYOFF_ENDS) + len(PAYOFF_ENDS)])
        return text

    def again(self) -> Restarted:
        """Go back to where the matrix began, or to nothing where even that was wrong."""
        self.retries += 1
        if self.steering.backend.can_resume:
            before, opened, _ = self.message.text.partition(PAYOFF)
            parser = self.parser()
            parser.feed(before + opened)
            kept = before + opened if opened and parser.error is None else ""
            self.message.rewrite(kept)
        else:
            self.message.restart(self.messages)
        return Restarted(len(self.message.text))

    # From the matrix on

    def spliced(self, decision: Decision) -> tuple[str, str]:
        """The message with the edited matrix, and what comes before the next block."""
        assert decision.edited is not None
        text = self.message.text
        start, end = self.chain(opening(text)).spans["payoff"]
        decimals = self._decimals(text[start:end])
        payoff = splice(text, (start, end), decision.edited, decimals=decimals)
        # Blocks are set apart as the model has done it before.
        opens = start - len(PAYOFF)
        gap = text[text.rindex(">", 0, opens) + 1 : opens]
        return f"{text[:start]}{payoff}{PAYOFF_ENDS}", gap

    def ask_again(self, decision: Decision, *, whole: bool = False) -> Restarted:
        """Start the whole answer once more, with the action in the user's message.

        Args:
            decision: The action.
            whole: Whether the new answer may take all tokens of the request; if not, those that are
                left.
        """
        *earlier, last = self.messages
        asked = self.filled(self.steering.settings.again, decision)
        if last["role"] == "user":
            asked = f"{last['content']}\n\n{asked}"
        else:  # what a tool returned stays as it is
            earlier = [*earlier, last]
        self.message.restart((*earlier, Message(role="user", content=asked)), whole=whole)
        return Restarted(0)

    def to_end(
        self, name: str, parser: StreamParser, part: Part | None, *, ended: bool = False
    ) -> Iterator[Step]:
        """Write to the end of the message, or to a stop string of the request in the response."""
        cut = ResponseCut(self.ask.stop)
        passed = [cut.feed(self.message.text)]

        def take(slice_: str) -> list[Event]:
            passed.append(cut.feed(slice_))
            return parser.feed(passed[-1])

        if not ended and self.message.tokens_left > 0:
            yield Stretch(name, CLOSES, part, take, lambda: cut.ended)
        rest = cut.flush() + (CLOSES if cut.ended else "")
        self.text = "".join((*passed, rest))
        yield from parser.feed(rest)
        self.stopped = cut.met
        if parser.error is None:
            with suppress(ChainError):  # it is not complete
                self._parsed = self.text, parser.close()

    def filled(self, template: str, decision: Decision) -> str:
        """Fill a template with the recommendation; it need not use every value."""
        assert decision.edited is not None and decision.after is not None
        action = decision.after.action
        values = {
            "frontier": ", ".join(decision.after.frontier),
            "sums": work_out(decision.edited).sums,
            "payoff": json.dumps(decision.edited.to_json()),
            "cell": decision.after.cell,
            "action": action,
            "description": self.steering.form.description(action, "llm"),
        }
        return fill(template, {name: values[name] for name in placeholders(template)})

    # The decision

    def decide(self, text: str, *, steered: bool, prompt_tokens: int | None = None) -> Decision:
        """Edit the matrix of a chain.

        Args:
            text: The chain.
            steered: Whether that will change the answer.
            prompt_tokens: Tokens of the prompt; None takes what the engine has reported.

        Raises:
            ChainError: The text is no chain.
        """
        began = perf_counter()
        chain = self.chain(text)
        report = self.message.report
        if prompt_tokens is None and report is not None:
            prompt_tokens = report.prompt_tokens
        self.decision = self.steering.decide(
            chain,
            self._decimals(text[slice(*chain.spans["payoff"])]),
            prompt_tokens=prompt_tokens,
            used_tokens=self.ask.used_tokens,
            steered=steered,
            began=began,
        )
        return self.decision

    def undecided(self, reason: str) -> Decision:
        """Decide nothing, for this reason."""
        self.decision = self.steering.undecided(reason, used_tokens=self.ask.used_tokens)
        return self.decision

    def finished(self) -> Steered:
        """Read the finished message, and complete the decision."""
        assert self.decision is not None
        decision, chain, problem = self.decision, None, ""
        try:
            chain = None if self.plain else self.chain(self.text)
        except ChainError as error:
            problem = str(error)
        if self.plain:
            response = self.text or None
        else:
            said = behind_reasoning(self.text) if chain is None else None
            response = loose_response(said or "") if chain is None else chain.response
        reason = decision.reason
        if chain is None and decision.steered:
            reason = f"the chain broke after the edit: {problem}"
        form = self.steering.form
        read = decision.prompt_tokens
        if read is None and self.plain:
            read = self.phases[-1].prompt_tokens
        cut = self.cut
        if cut is None:
            length = any(phase.finish == "length" for phase in self.phases[-1:])
            out = length or self.message.tokens_left < 1
            cut = out and self.stopped is None and chain is None
        decision = replace(
            decision,
            reason=reason,
            prompt_tokens=read,
            chosen=decision.chosen if chain is None else chosen_cell(chain.analyze, form).cell,
            acted=self._acted(response),
            cut=cut,
            phases=tuple(self.phases),
            retries=self.retries,
        )
        finish: Literal["stop", "length"] = "length" if cut else "stop"
        return Steered(self.text, response, chain, decision, finish, self.stopped)

    def _acted(self, response: str | None) -> str | None:
        """The action that the response carries out; a call of a tool is a direct answer.

        None where the request leaves no choice: JSON and a call that is required show none.
        """
        form, tools = self.steering.form, self.ask.tools
        if response is None or self.ask.schema is not None or (tools and tools.required):
            return None
        if tools is not None and CALL_OPENS in response:
            return CALLS if form == USER_LLM else None
        return action_of(response, form)

    def _decimals(self, payoff: str) -> int:
        fixed = self.steering.settings.decimals
        return decimals_of(payoff) if fixed is None else fixed

    def _instructed(self, given: tuple[Message, ...]) -> tuple[Message, ...]:
        """The conversation after the instruction, which begins every prompt with the same text."""
        settings = self.steering.settings
        if settings.instruct == "none":
            return given
        text = prompt(self.steering.form, **self.limits, style=settings.instruct)
        if settings.trained:
            return (Message(role="system", content=text), *given)
        return _told(text, given)

    def _grammar(self, part: Part, lead: str) -> str | None:
        language = self.steering.backend.grammar
        if language is None:
            return None
        write = gbnf if language == "gbnf" else ebnf
        form, concise = self.steering.form, not self.steering.settings.trained
        lengths = self._lengths
        if part == "ending":  # by the engine's count, fewer tokens may be left than were kept
            lengths = replace(lengths, ending=min(self.message.tokens_left, lengths.ending))
        return write(
            form,
            **self.limits,
            part=part,
            lead=lead,
            lengths=lengths,
            concise=concise,
            content=self._content,
        )


def _told(text: str, given: tuple[Message, ...]) -> tuple[Message, ...]:
    """A conversation that begins with an instruction, in the one system message that there is.

    Some chat templates refuse a second one.
    """
    if given[0]["role"] == "system":
        text, given = f"{text}\n\n{given[0]['content']}", given[1:]
    return (Message(role="system", content=text), *given)


def _rules(ask: Ask, calls: int) -> dict[str, str]:
    """The rules of a response of so many calls at most, for a grammar; none for words."""
    if ask.tools is not None:
        return tool_rules(ask.tools, ask.schema, calls)
    return {} if ask.schema is None else json_rules(ask.schema)


def hotter(sampling: Sampling) -> Sampling:
    """How to draw the same text once more: a little hotter, with the next seed."""
    return replace(
        sampling,
        temperature=max(sampling.temperature, RETRY_TEMPERATURE),
        seed=None if sampling.seed is None else sampling.seed + 1,
    )


def opening(text: str) -> str:
    """A text up to the end of its payoff, made a whole chain for the parser."""
    return text[: text.index(PAYOFF_ENDS) + len(PAYOFF_ENDS)] + _REST
