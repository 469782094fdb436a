"""Halt, edit, resume: the steps of an answer by a model that writes and ends chains by itself."""

from collections.abc import Iterator

from gtalign.chain import BlockClosed, ChainBroken, Part, PayoffRead
from gtalign.errors import ChainError, SteeringError
from gtalign.steering.answer import Decided
from gtalign.steering.decision import Decision
from gtalign.steering.manuscript import Stretch
from gtalign.steering.phase import ASKED_AGAIN, FROM_MATRIX
from gtalign.steering.writing import ANALYZE, PAYOFF_ENDS, Step, Writing


def observe(writing: Writing) -> Iterator[Step]:
    """Write the answer in one go, and say what the policy would have changed."""
    yield from writing.to_end("whole", writing.parser(), None)
    try:
        decision = writing.decide(writing.text, steered=False)
    except ChainError as error:
        decision = writing.undecided(f"the matrix cannot be read: {error}")
    yield Decided(decision)


def steer(writing: Writing) -> Iterator[Step]:
    """Write up to the matrix, edit it, and continue from there."""
    written, problem = None, ""
    for attempt in range(2):
        yield _to_payoff(writing, attempt)
        try:
            written = writing.read()
            break
        except ChainError as error:
            problem = str(error)
        if attempt or writing.message.tokens_left < 1:
            break
        yield writing.again()
    if written is None:
        yield from _unsteered(writing, problem)
        return
    decision = writing.decide(written, steered=True)
    assert decision.stated is not None
    yield PayoffRead(decision.stated)
    yield Decided(decision)
    yield from to_end(writing, decision)


def to_end(writing: Writing, decision: Decision) -> Iterator[Step]:
    """Continue from the edited matrix; or ask again, where that is how answers continue."""
    if writing.steering.resume == "splice":
        yield from _resume(writing, decision)
    else:
        yield writing.ask_again(decision)
        yield from writing.to_end(ASKED_AGAIN, writing.parser(), "whole")


def _to_payoff(writing: Writing, attempt: int) -> Stretch:
    parser = writing.parser()
    # The text that a second attempt continues has been reported.
    parser.feed(writing.message.text)
    part: Part | None = None if writing.message.text else "opening"
    return writing.to_payoff(attempt, part, parser.feed)


def _resume(writing: Writing, decision: Decision) -> Iterator[Step]:
    """Splice the edited matrix, open the next block, and let the model continue."""
    head, gap = writing.spliced(decision)
    tail = f"{gap}{ANALYZE}"
    if decision.mode == "enforce":
        tail += writing.filled(writing.steering.settings.opening, decision)
    writing.message.rewrite(head + tail)
    parser = writing.parser()
    parser.feed(head)
    yield BlockClosed("payoff", len(head) - len(PAYOFF_ENDS))
    yield from parser.feed(writing.message.text[len(head) :])
    yield from writing.to_end(FROM_MATRIX, parser, "remainder")


def _unsteered(writing: Writing, problem: str) -> Iterator[Step]:
    """Continue an answer unsteered whose matrix cannot be read, or fail.

    The model has had no instruction from us, so this is the answer that it gives by itself. An
    answer in JSON or with tools fails: no grammar describes what is there already.
    """
    decision = writing.undecided(f"the matrix cannot be read: {problem}")
    yield Decided(decision)
    if writing.steering.settings.on_malformed == "fail" or not writing.ask.in_words:
        raise SteeringError(f"{writing.steering.backend.name}: {decision.reason}")
    parser = writing.parser()
    for event in parser.feed(writing.message.text):
        if isinstance(event, ChainBroken):
            yield event
    ended = writing.phases[-1].finish != "stop"
    yield from writing.to_end("unsteered", parser, None, ended=ended)
