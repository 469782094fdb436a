"""The steps of an answer by a model that was not trained on chains.

It gets an instruction and a budget. A block that has had its share is closed, and so is one that
the model does not end. A response that goes on until few tokens are left ends with a sentence. If
no chain comes of that, the answer is the engine's own: to the request as it came, without
instruction, with all tokens that the request allows.
"""

from collections.abc import Generator, Iterator
from dataclasses import replace
from typing import Final

from gtalign.chain import BlockClosed, Event, Part, PayoffRead, TextAdded, chosen_cell
from gtalign.chain.blocks import BLOCKS
from gtalign.errors import ChainError, SteeringError
from gtalign.steering.answer import Decided, Restarted
from gtalign.steering.budget import LEAST, TokenBudget, least_tokens
from gtalign.steering.decision import Decision
from gtalign.steering.manuscript import Stretch
from gtalign.steering.mending import Meter, ends_sentence, mended
from gtalign.steering.phase import FROM_MATRIX, PASSED
from gtalign.steering.stop_strings import CLOSES, OPENS, ResponseCut
from gtalign.steering.writing import ANALYZE, PAYOFF_ENDS, Step, Writing

NO_CHAIN: Final = "no chain: the model was not asked for one, and wrote none"
"""Why an answer is undecided that was only observed."""

SHADOW: Final = "not steered: the chain was asked for in a second request"
"""Why an answer was not steered whose chain is a shadow."""

OWN: Final = "so this is the engine's own answer"
"""How the reason of an answer ends that is passed on unsteered."""

ENDED: Final = (
    "the response was ended at the end of a sentence or a line, when few tokens were left"
)
"""Why an answer is cut that did not take all its tokens."""

_ANALYZE_ENDS: Final = "</analyze>"
# The grammar of what is missing, by the block that is open; none is of a chain whose thinking is.
_PARTS: Final[dict[str, Part]] = {
    "belief": "belief",
    "payoff": "matrix",
    "analyze": "remainder",
    "response": "response",
}
_THINKING: Final = "<thinking>"
_BELIEF: Final = "<belief>"


def observe(writing: Writing) -> Iterator[Step]:
    """Pass the engine's own answer on as it comes."""
    yield from _own(writing, "whole")
    try:
        decision = writing.decide(writing.text, steered=False)
    except ChainError:
        decision = writing.undecided(NO_CHAIN)
    yield Decided(decision)


def steer(writing: Writing, budget: TokenBudget | None) -> Iterator[Step]:
    """Write up to the matrix, edit it, and continue from there; or pass the engine's own answer."""
    if budget is None:
        settings, form = writing.steering.settings, writing.steering.form
        least = least_tokens(settings.blocks, form, settings.belief)
        yield from _passed(
            writing,
            f"a chain and a response take {least} tokens or more, and max_tokens is"
            f" {writing.ask.max_tokens}",
        )
        return
    try:
        written = yield from _matrix(writing, budget)
    except ChainError as error:
        yield from _passed(writing, f"the matrix cannot be read: {error}")
        return
    decision = writing.decide(written, steered=True)
    assert decision.stated is not None
    yield PayoffRead(decision.stated)
    yield Decided(decision)
    if not (yield from to_end(writing, budget, decision)):
        yield from _passed(writing, "the model wrote no response")


def to_end(
    writing: Writing, budget: TokenBudget, decision: Decision
) -> Generator[Step, None, bool]:
    """Continue from the edited matrix; or ask again, where that is how answers continue.

    Returns:
        Whether there is a response.
    """
    part: Part = "whole"
    if writing.steering.resume == "splice":
        part = yield from _resume(writing, decision)
    else:
        # The first message is dropped. Its tokens would be missing at the end of the response.
        yield writing.ask_again(decision, whole=True)
    return (yield from _to_end(writing, budget, part))


def shadow(
    writing: Writing, budget: TokenBudget | None, *, prompt_tokens: int | None
) -> Iterator[Step]:
    """Write a chain up to its response, for an answer that is there already.

    Args:
        writing: The writing of the chain.
        budget: The tokens of its blocks.
        prompt_tokens: Tokens of the answer's own prompt, without the instruction.
    """
    if budget is None:
        writing.undecided(f"no chain: max_tokens is {writing.ask.max_tokens}, too few for one")
        return
    try:
        written = yield from _matrix(writing, budget)
    except ChainError as error:
        writing.undecided(f"no chain: it was asked for, but its matrix cannot be read: {error}")
        return
    decision = writing.decide(written, steered=False, prompt_tokens=prompt_tokens)
    chosen = None
    if writing.steering.backend.can_resume:
        writing.message.rewrite(f"{writing.message.text}\n{ANALYZE}")
        yield Stretch("analysis", _ANALYZE_ENDS, "remainder", _nothing, most=budget.analyze)
        analysis = writing.message.text.partition(ANALYZE)[2].partition(_ANALYZE_ENDS)[0]
        chosen = chosen_cell(analysis, writing.steering.form).cell
    writing.decision = replace(decision, chosen=chosen, reason=SHADOW)


def _matrix(writing: Writing, budget: TokenBudget) -> Generator[Step, None, str]:
    """Write up to the end of the matrix, in two attempts.

    Returns:
        A text that can be read as a chain with this matrix.

    Raises:
        ChainError: Neither attempt wrote a matrix that can be read.
    """
    yield from _to_payoff(writing, budget, 0)
    try:
        return writing.read()
    except ChainError:
        if _room(writing, budget) < budget.payoff:
            raise
    yield writing.again()
    yield from _to_payoff(writing, budget, 1)
    return writing.read()


def _to_payoff(writing: Writing, budget: TokenBudget, attempt: int) -> Iterator[Step]:
    message, backend = writing.message, writing.steering.backend
    if backend.can_resume and backend.grammar is None and not message.text:
        message.rewrite(_THINKING)
    part: Part = "matrix" if message.text else "opening"
    for _ in BLOCKS:
        parser = writing.parser()
        parser.feed(message.text)
        meter = Meter(
            parser, thinking=budget.thinking, belief=budget.payoff, payoff=2 * budget.payoff
        )
        room = max(1, _room(writing, budget))
        yield writing.to_payoff(attempt, part, meter.take, meter.enough, room)
        wrong = parser.error
        closed = message.text.endswith(PAYOFF_ENDS)
        if closed and (wrong is None or wrong.rule.startswith("payoff")):
            return  # with a matrix, which the tolerant parser may read if the strict one does not
        if not backend.can_resume:
            return
        new = mended(message.text, parser)
        if new is None:
            return
        if new.endswith(PAYOFF_ENDS):
            message.replace(new)
            return
        if _room(writing, budget) < LEAST:
            return
        yield from _continued(writing, new)
        part = "belief" if new.endswith(_BELIEF) else "matrix"


def _room(writing: Writing, budget: TokenBudget) -> int:
    """Tokens that are left for what comes before the end of the matrix."""
    return writing.message.tokens_left - budget.after_matrix


def _continued(writing: Writing, text: str) -> Iterator[Event]:
    """Let the message continue from another text, and report what that adds."""
    pairs = enumerate(zip(writing.message.text, text, strict=False))
    kept = next((at for at, (old, new) in pairs if old != new), len(writing.message.text))
    writing.message.rewrite(text)
    parser = writing.parser()
    parser.feed(text[:kept])
    yield from parser.feed(writing.message.text[kept:])


def _resume(writing: Writing, decision: Decision) -> Generator[Step, None, Part]:
    """Splice the edited matrix and open the next block; returns the part that is still missing."""
    head, gap = writing.spliced(decision)
    tail = f"{gap}{ANALYZE}"
    part: Part = "remainder"
    if decision.mode == "enforce":
        # A model that was not trained to end an analysis with its choice might go on to another.
        tail += writing.filled(writing.steering.settings.opening, decision)
        tail += f"{_ANALYZE_ENDS}{gap}{OPENS}"
        part = "response"
    writing.message.rewrite(head + tail)
    parser = writing.parser()
    parser.feed(head)
    yield BlockClosed("payoff", len(head) - len(PAYOFF_ENDS))
    yield from parser.feed(writing.message.text[len(head) :])
    return part


def _to_end(
    writing: Writing, budget: TokenBudget, part: Part | None
) -> Generator[Step, None, bool]:
    """Write to the end of the response; returns whether there is one."""
    message = writing.message
    # What comes before the blocks may have to be cut off, and a last sentence brought to its end.
    for _ in range(2 + len(BLOCKS)):
        taken = _Taken(writing, budget, part)
        if message.tokens_left > 0:
            yield Stretch(FROM_MATRIX, CLOSES, part, taken.take, taken.enough)
        yield from taken.rest()
        writing.text, parser = taken.text, taken.parser
        writing.stopped = taken.cut.met
        if writing.stopped is not None:
            return True
        if parser.expected is None:
            if part == "ending":
                _cut(writing, ended=False, last=True)
            return True
        new = mended(writing.text, parser)
        if new is None:
            return False
        if taken.broken_off and message.tokens_left > 0:
            yield from _continued(writing, new.removesuffix(CLOSES))
            part = "ending"
            continue
        if new.endswith(CLOSES):
            writing.text = new
            _cut(writing, ended=taken.ended, last=part == "ending")
            yield BlockClosed("response", len(new) - len(CLOSES))
            return True
        if message.tokens_left < 1 or not writing.steering.backend.can_resume:
            return False
        if new.endswith(PAYOFF_ENDS):
            new = f"{new}\n{ANALYZE}"
        yield from _continued(writing, new)
        part = _PARTS.get(new[new.rindex("<") + 1 : -1])
    return False


def _cut(writing: Writing, *, ended: bool, last: bool) -> None:
    """Note of a response at its end whether its model was stopped.

    Args:
        writing: The writing, with the whole text.
        ended: Whether it was stopped at the end of a sentence.
        last: Whether it was stopped in one, and made to bring that to its end.
    """
    writing.cut = ended or last or writing.phases[-1].finish == "length"
    if last:
        ended = ends_sentence(writing.text.rstrip().removesuffix(CLOSES))
    if ended and writing.decision is not None:
        writing.decision = replace(writing.decision, reason=ENDED)


class _Taken:
    """Reads a message to its end, up to a stop string in the response."""

    def __init__(self, writing: Writing, budget: TokenBudget, part: Part | None) -> None:
        self.cut = ResponseCut(writing.ask.stop)
        self.text = self.cut.feed(writing.message.text)
        self.parser = writing.parser()
        self.parser.feed(self.text)
        # JSON that is cut has no sentence to end with, and neither has a call.
        in_words = writing.ask.in_words and part != "ending"
        left = writing.message.tokens_left if in_words else None
        backend = writing.steering.backend
        ending = backend.can_resume and backend.grammar is not None
        most = {"thinking": budget.thinking, "payoff": 2 * budget.payoff, "analyze": budget.analyze}
        self._meter = Meter(self.parser, left, ending, **most)

    @property
    def ended(self) -> bool:
        """Whether the response was ended with a sentence because few tokens were left."""
        return self._meter.ended

    @property
    def broken_off(self) -> bool:
        """Whether it was ended in the middle of one, which can be brought to its end."""
        return self._meter.broken_off and not self._meter.ended

    def take(self, slice_: str) -> Iterator[Event]:
        new = self.cut.feed(slice_)
        self.text += new
        yield from self._meter.take(new)

    def enough(self) -> bool:
        return self.cut.ended or self._meter.enough()

    def rest(self) -> Iterator[Event]:
        """The end of the text: what was held back, and the tag that a stop string stands for."""
        new = self.cut.flush() + (CLOSES if self.cut.ended else "")
        self.text += new
        yield from self._meter.take(new)


def _passed(writing: Writing, why: str) -> Iterator[Step]:
    """Give the engine's own answer to the request as it came, or fail.

    An answer in JSON or with tools fails: here the engine's own would be in words alone.
    """
    decision = writing.decision or writing.undecided(why)
    writing.decision = replace(decision, steered=False, reason=f"{why}, {OWN}")
    if writing.steering.settings.on_malformed == "fail" or not writing.ask.in_words:
        raise SteeringError(f"{writing.steering.backend.name}: {why}")
    yield Restarted(0)
    yield Decided(writing.decision)
    yield from _own(writing, PASSED)


def _own(writing: Writing, name: str) -> Iterator[Step]:
    """Write an answer without instruction and grammar, and pass it on as it comes.

    A model that writes a chain all the same was trained on them: of that, the response is shown.
    """
    own = _Own(writing)
    writing.message.leave()
    yield Stretch(name, None, None, own.take, own.enough)
    yield from own.rest()
    writing.text, writing.plain, writing.stopped = own.text, own.plain, own.cut.met
    if writing.plain:
        writing.cut = writing.stopped is None and writing.phases[-1].finish == "length"


class _Own:
    """Reads the engine's own answer, which is plain text or a chain after all."""

    def __init__(self, writing: Writing) -> None:
        self.cut = ResponseCut(writing.ask.stop, plain=True)
        self.text = ""
        self.plain = True
        self._stops = writing.ask.stop
        self._parser = writing.parser()
        self._held: str | None = ""  # until it is known whether it is a chain

    def take(self, slice_: str) -> Iterator[Event]:
        if self._held is not None:
            slice_ = self._held = self._held + slice_
            start = slice_.lstrip()
            if len(start) < len(_THINKING) and _THINKING.startswith(start):
                return
            self._begin(chain=start.startswith(_THINKING))
        yield from self._add(self.cut.feed(slice_))

    def enough(self) -> bool:
        return self.cut.ended

    def rest(self) -> Iterator[Event]:
        held, self._held = self._held or "", None
        yield from self._add(self.cut.feed(held) + self.cut.flush())
        if self.cut.ended and not self.plain:
            yield from self._add(CLOSES)

    def _begin(self, *, chain: bool) -> None:
        self._held = None
        if chain:
            self.plain, self.cut = False, ResponseCut(self._stops)

    def _add(self, text: str) -> Iterator[Event]:
        self.text += text
        if not self.plain:
            yield from self._parser.feed(text)
        elif text:
            yield TextAdded("response", text)


def _nothing(slice_: str) -> tuple[Event, ...]:
    """Report nothing of a text that nobody sees."""
    return ()
