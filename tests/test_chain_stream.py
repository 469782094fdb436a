"""The incremental parser: the strict parser's result for every slicing, and early reports."""

from collections import defaultdict
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chain_texts import (
    PAYOFF,
    THREE_BY_TWO,
    VALID,
    hostile,
    hostile_repetitions,
    mutated,
    valid,
)
from gtalign.chain import (
    BlockClosed,
    BlockOpened,
    Chain,
    ChainBroken,
    Event,
    PayoffRead,
    StreamParser,
    TextAdded,
    parse,
)
from gtalign.errors import ChainError


def outcome(read: Callable[[], Chain]) -> Chain | tuple[str, int, str]:
    try:
        return read()
    except ChainError as error:
        return error.rule, error.position, str(error)


def joined(events: list[Event]) -> dict[str, str]:
    found: dict[str, list[str]] = defaultdict(list)
    for event in events:
        if isinstance(event, TextAdded):
            found[event.block].append(event.text)
    return {name: "".join(pieces) for name, pieces in found.items()}


def cut(text: str, places: list[float]) -> list[str]:
    ends = sorted(int(place * len(text)) for place in places)
    return [text[a:b] for a, b in zip([0, *ends], [*ends, len(text)], strict=True)]


def feed(parser: StreamParser, slices: list[str]) -> list[Event]:
    return [event for piece in slices for event in parser.feed(piece)]


slicings = st.one_of(
    st.lists(st.floats(0, 1), max_size=12),
    st.integers(1, 400).map(lambda n: [i / n for i in range(n)]),
)


@given(st.one_of(valid(), mutated(), hostile()), slicings)
@settings(max_examples=150)
def test_every_slicing_gives_the_strict_result(text: str, places: list[float]) -> None:
    parser = StreamParser()
    events = feed(parser, cut(text, places))
    broken = [event.error for event in events if isinstance(event, ChainBroken)]
    result = outcome(parser.close)
    assert result == outcome(lambda: parse(text))
    assert result == outcome(parser.close)
    if isinstance(result, Chain):
        assert not broken
        assert joined(events).get("thinking", "") == result.thinking
        assert joined(events).get("analyze", "") == result.analyze
        assert joined(events)["response"] == result.response
        assert [event.payoff for event in events if isinstance(event, PayoffRead)] == [
            result.payoff
        ]
    for error in broken:
        assert isinstance(events[-1], ChainBroken)
        assert error is events[-1].error
        assert (error.rule, error.position, str(error)) == result


@given(valid(), slicings)
@settings(max_examples=50)
def test_the_slicing_changes_no_event_but_the_cuts_in_texts(text: str, places: list[float]) -> None:
    def others(events: list[Event]) -> list[Event]:
        return [event for event in events if not isinstance(event, TextAdded)]

    cut_up, whole = StreamParser(), StreamParser()
    events, expected = feed(cut_up, cut(text, places)), whole.feed(text)
    assert others(events) == others(expected)
    assert joined(events) == joined(expected)


@given(mutated())
@settings(max_examples=50)
def test_errors_come_as_soon_as_they_are_certain(text: str) -> None:
    parser = StreamParser()
    for end in range(len(text)):
        if any(isinstance(event, ChainBroken) for event in parser.feed(text[end])):
            # Whatever had followed, the rule and the place would have been the same.
            assert outcome(lambda: parse(text[: end + 1] + "</thinking> x")) == outcome(  # noqa: B023
                parser.close
            )
            return


def test_the_events_of_a_chain() -> None:
    events = StreamParser().feed(VALID)
    spans = parse(VALID).spans
    assert events == [
        BlockOpened("thinking", spans["thinking"][0]),
        TextAdded("thinking", "What is meant?"),
        BlockClosed("thinking", spans["thinking"][1]),
        BlockOpened("payoff", spans["payoff"][0]),
        PayoffRead(PAYOFF),
        BlockClosed("payoff", spans["payoff"][1]),
        BlockOpened("analyze", spans["analyze"][0]),
        TextAdded("analyze", "Frontier: DQ_AQ, DQ_DA. Choose DQ_AQ."),
        BlockClosed("analyze", spans["analyze"][1]),
        BlockOpened("response", spans["response"][0]),
        TextAdded("response", "Which one?"),
        BlockClosed("response", spans["response"][1]),
    ]


def test_the_payoff_is_there_as_soon_as_its_block_closes() -> None:
    parser = StreamParser()
    end = VALID.index("</payoff>") + len("</payoff>")
    parser.feed(VALID[: end - 1])
    assert (parser.block, parser.payoff) == ("payoff", None)
    assert PayoffRead(PAYOFF) in parser.feed(VALID[end - 1 : end])
    assert (parser.block, parser.payoff) == (None, PAYOFF)


def test_response_text_is_held_back_only_where_a_tag_may_begin() -> None:
    parser = StreamParser()
    parser.feed(VALID[: VALID.index("Which")])
    texts = [
        "".join(event.text for event in parser.feed(piece) if isinstance(event, TextAdded))
        for piece in [" \n", "a", " ", "b ", "<", "b> ", "</respo", "nd", "</response", ">"]
    ]
    assert texts == ["", "a", "", " b", "", " <b>", "", " </respond", "", ""]
    assert parser.close().response == "a b <b> </respond"


def test_text_after_the_chain_is_flagged_at_once() -> None:
    parser = StreamParser()
    assert not any(isinstance(event, ChainBroken) for event in parser.feed(VALID + "\n"))
    [event] = parser.feed("B")
    assert isinstance(event, ChainBroken)
    assert (event.error.rule, event.error.position) == ("text-after", len(VALID) + 1)
    assert parser.feed("ye") == []
    assert parser.error is event.error


def test_a_wrong_payoff_is_reported_where_it_closes() -> None:
    parser = StreamParser(high=2.5)
    end = VALID.index("</payoff>") + len("</payoff>")
    assert not any(isinstance(event, ChainBroken) for event in parser.feed(VALID[: end - 1]))
    [event] = parser.feed(VALID[end - 1 :])
    assert isinstance(event, ChainBroken)
    assert (event.error.rule, event.error.position) == ("payoff-range", VALID.index("3.0"))


@given(valid(THREE_BY_TWO))
@settings(max_examples=10)
def test_another_form(text: str) -> None:
    parser = StreamParser(THREE_BY_TWO)
    parser.feed(text)
    assert parser.close() == parse(text, THREE_BY_TWO)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "<think",
        "<thinking>a <",
        VALID[: VALID.index("<payoff>") + 4],
        VALID.replace("Which one?", " \n"),
        VALID + "</response>",
    ],
)
def test_wherever_the_text_ends(text: str) -> None:
    parser = StreamParser()
    for character in text:
        parser.feed(character)
    assert outcome(parser.close) == outcome(lambda: parse(text))


def test_a_closed_parser_takes_no_more() -> None:
    parser = StreamParser()
    parser.feed(VALID)
    parser.close()
    with pytest.raises(ValueError, match="closed"):
        parser.feed("")


@pytest.mark.parametrize("name", hostile_repetitions(100))
def test_hostile_repetitions_in_small_slices(name: str) -> None:
    # A parser that looked again at what it holds back would not get through these.
    text = hostile_repetitions(30_000)[name]
    parser = StreamParser()
    for start in range(0, len(text), 3):
        parser.feed(text[start : start + 3])
    assert outcome(parser.close) == outcome(lambda: parse(text))
