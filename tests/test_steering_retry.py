"""Answers that do not carry out the chosen action, and how they are written once more."""

from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import replace
from typing import Any

import pytest

from gtalign.chain import parse
from gtalign.config import load_table
from gtalign.errors import ConfigError, SteeringError, UpstreamError
from gtalign.steering import (
    Ask,
    FakeBackend,
    Retry,
    Sampling,
    Session,
    Steered,
    Steering,
    SteeringSettings,
    TokenHistory,
    answers,
    has_retry,
)
from gtalign.steering.fake import Script
from gtalign.steering.guided import ENDED
from gtalign.steering.writing import RETRY_TEMPERATURE
from gtalign.tasks import Message
from test_steering_guided import MATRIX
from test_steering_session import COSTLY

ASKED = (Message(role="user", content="When was it?"),)
OPENING = f"<thinking>vague.</thinking>\n<payoff>{MATRIX}</payoff>"
OBEYS, ASKS, BOTH = "In 1901.", "Which one?", "In 1901. Or which one?"
BROKEN = UpstreamError("fake", "it broke off")
Written = str | list[str | UpstreamError]
"""A response; or slices of one that is not closed."""

each_kind = pytest.mark.parametrize("trained", [True, False], ids=["trained", "guided"])


def speaker(*responses: Written, matrix: str = MATRIX) -> Script:
    """A model with one response for each time that it comes behind a matrix, which chooses DA."""
    left = list(responses)
    opening = OPENING.replace(MATRIX, matrix)

    def script(messages: Sequence[Message], text: str) -> list[str | UpstreamError] | str:
        again = "payoffs are now" in messages[-1]["content"]
        if "</payoff>" not in text and not again:
            return opening[len(text) :]
        response = left.pop(0)
        slices = [response, "</response>"] if isinstance(response, str) else response
        if text.endswith("<response"):
            return [">", *slices]
        begin = opening + "<analyze>choose DQ_DA" if again else ""
        begin += ">choose DQ_DA" if text.endswith("<analyze") else ""
        return [f"{begin}.</analyze>\n<response>", *slices]

    return script


def steering(backend: Any, trained: bool, **rest: Any) -> Steering:
    given = {"instruct": "none" if trained else "short", "verify": "retry", **rest}
    return Steering(backend, COSTLY, SteeringSettings(**given), model="m")


def ask(most: int = 900, temperature: float = 0.0) -> Ask:
    return Ask(ASKED, most, Sampling(temperature, seed=5))


async def answer_of(
    *responses: Written, trained: bool, most: int = 900, **rest: Any
) -> tuple[Steered, FakeBackend]:
    backend = FakeBackend(speaker(*responses))
    return await Session(steering(backend, trained, **rest), ask(most)).answer(), backend


@each_kind
@pytest.mark.parametrize("first", [ASKS, BOTH, "Hm? Sure? Which?", "Is it 3.5?\nOr 4?"])
async def test_what_disobeys_is_written_once_more_from_the_same_matrix(
    trained: bool, first: str
) -> None:
    answer, backend = await answer_of(first, OBEYS, trained=trained)
    decision = answer.decision
    assert (answer.response, decision.acted, decision.obeyed) == (OBEYS, "DA", True)
    assert (decision.mode, decision.steered) == ("advise", True)
    assert answer.chain == parse(answer.text)
    assert answer.chain is not None and answer.chain.payoff == decision.edited
    told = decision.retry
    assert told is not None and (told.second, told.served, told.reason) == ("DA", "second", None)
    assert f"carries out {told.first}, not DA, so it was written again" in str(decision.reason)
    names = [phase.name for phase in decision.phases]
    assert names == ["to the matrix", "from the matrix", "retry: from the matrix"]
    assert [phase.name for phase in decision.unserved] == ["from the matrix"]
    _, two, three = backend.writes
    head = two.text[: two.text.index("</payoff>")]
    assert three.text.startswith(head) and "choose DQ_DA" in three.text
    assert (three.sampling.temperature, three.sampling.seed) == (0.0, 5)
    assert len(backend.asked) == 2 and backend.asked[0] == backend.asked[1]


@each_kind
@pytest.mark.parametrize(
    ("second", "acted", "why"),
    [
        (ASKS, "CQ", "the second response carries out CQ"),
        (BOTH, "AQ", "the second response carries out AQ"),
        ("...", None, "no action can be read from the second response"),
        ("", None, "no action can be read from the second response"),
        (["In 19"] * 900, "DA", "the second response ran out of tokens"),
        ([BROKEN], None, "the second writing failed"),
        (["In 1901", BROKEN], None, "the second writing failed"),
    ],
    ids=["asks too", "does both", "dots", "nothing", "endless", "dies", "dies halfway"],
)
async def test_the_first_answer_stands_unless_the_second_is_whole_and_obeys(
    trained: bool, second: Written, acted: str | None, why: str
) -> None:
    answer, backend = await answer_of(ASKS, second, trained=trained)
    decision, told = answer.decision, answer.decision.retry
    assert (answer.response, answer.finish, answer.text.count(ASKS)) == (ASKS, "stop", 1)
    assert (decision.acted, decision.obeyed, decision.cut) == ("CQ", False, False)
    assert told is not None and (told.first, told.second) == ("CQ", acted)
    assert (told.served, told.reason) == ("first", why)
    assert decision.reason == f"the first response carries out CQ, not DA, and stays: {why}"
    assert [phase.again for phase in decision.phases] == [False, False, True]
    assert decision.unserved == decision.phases[-1:]
    assert len(backend.writes) == 3  # it is written once more, and no more


@each_kind
@pytest.mark.parametrize(
    ("first", "obeyed", "rest"),
    [
        (OBEYS, True, {}),
        (ASKS, False, {"verify": "mark"}),
        (ASKS, False, {"verify": "off"}),
        ("...", None, {}),
        ("<think>Which?</think>", None, {}),
        (["Which? "] * 900, None, {}),
        (["In 1901. "] * 900, True, {}),
        ([ASKS], False, {"mode": "enforce", "verify": "mark"}),
    ],
    ids=["obeys", "mark", "off", "dots", "reasoning", "cut", "cut but obeys", "enforce, mark"],
)
async def test_nothing_else_is_written_again(
    trained: bool, first: Written, obeyed: bool | None, rest: dict[str, Any]
) -> None:
    answer, backend = await answer_of(first, OBEYS, trained=trained, **rest)
    assert (answer.decision.obeyed, answer.decision.retry) == (obeyed, None)
    assert len(backend.writes) == 2
    # An answer that goes on without an end is ended, and the reason says so.
    assert (answer.decision.reason in (None, ENDED)) == (answer.chain is not None)
    assert answer.decision.unserved == ()


@each_kind
async def test_whoever_reads_the_events_has_seen_the_answer_so_it_stays(trained: bool) -> None:
    session = Session(steering(FakeBackend(speaker(ASKS, OBEYS)), trained), ask())
    async with aclosing(session.events()) as events:
        [event async for event in events]
    assert (session.result.response, session.result.decision.retry) == (ASKS, None)


@each_kind
@pytest.mark.parametrize("temperature", [0.0, 0.3, 1.5])
@pytest.mark.parametrize(
    "way", [{"mode": "enforce"}, {"resume": "reask"}], ids=["enforce", "reask"]
)
async def test_what_would_be_the_same_text_again_is_drawn_hotter(
    trained: bool, temperature: float, way: dict[str, Any]
) -> None:
    backend = FakeBackend(speaker(ASKS, OBEYS))
    one = steering(backend, trained, **way)
    answer = await Session(one, ask(temperature=temperature)).answer()
    assert (answer.response, answer.decision.obeyed) == (OBEYS, True)
    first, second = (write.sampling for write in backend.writes[-2:])
    assert (first.temperature, first.seed) == (temperature, 5)
    assert (second.temperature, second.seed) == (max(temperature, RETRY_TEMPERATURE), 6)
    assert backend.writes[-1].text == backend.writes[-2].text
    assert backend.asked[-1] == backend.asked[1 if "resume" in way else 0]


@each_kind
@pytest.mark.parametrize("second", [OBEYS, ASKS])
async def test_a_message_that_is_asked_again_is_served_whole(trained: bool, second: str) -> None:
    answer, _ = await answer_of(ASKS, second, trained=trained, resume="reask")
    decision = answer.decision
    assert answer.response == second and decision.resume == "reask"
    assert decision.retry is not None
    assert decision.retry.served == ("second" if second == OBEYS else "first")
    assert [phase.again for phase in decision.phases] == [False, False, True]
    assert len(decision.unserved) == 1 and decision.unserved[0].again == (second == ASKS)


@each_kind
@pytest.mark.parametrize("second", [OBEYS, ASKS])
async def test_only_tokens_of_the_answer_are_learned(trained: bool, second: str) -> None:
    backend = FakeBackend(speaker(ASKS * 9, second))
    one = replace(steering(backend, trained), history=TokenHistory())
    answer = await Session(one, ask()).answer()
    own = answer.tokens - sum(phase.tokens for phase in answer.decision.unserved)
    [(action, sums)] = one.history.to_json()["m"].items()
    assert (action, sums["answers"], sums["tokens"]) == (answer.decision.acted, 1, own)


@each_kind
async def test_the_second_message_has_the_tokens_that_the_first_had(trained: bool) -> None:
    answer, backend = await answer_of(ASKS, ["In 19"] * 5000, trained=trained)
    opening = answer.decision.phases[0].tokens
    assert backend.writes[-1].max_tokens == 900 - opening
    assert opening + answer.decision.phases[-1].tokens == 900


@each_kind
async def test_each_of_several_answers_has_a_retry_of_its_own(trained: bool) -> None:
    backend = FakeBackend(speaker(ASKS, OBEYS, BOTH, OBEYS))
    found = await answers(steering(backend, trained), ask(), 2)
    assert [answer.decision.acted for answer in found].count("DA") == 2
    assert sum(answer.decision.retry is not None for answer in found) in (1, 2)


HOSTILE = {
    "tags of the chain": "Which </payoff> one <payoff>{}</payoff>?",
    "another chain": f"{OPENING}<analyze>choose VQ_CQ.</analyze><response>Which?",
    "long": "Which one of these? " * 5000,
    "scripts": "\u54ea\u4e00\u4e2a\uff1f",
    "surrogates": "Which \ud800?",
    "nulls": "Which \x00?",
}


@each_kind
@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
async def test_hostile_responses_leave_an_answer(trained: bool, text: str) -> None:
    for responses in ((text, OBEYS, OBEYS), (ASKS, text, text)):
        answer, backend = await answer_of(*responses, trained=trained)
        retry = answer.decision.retry
        assert answer.text and len(backend.writes) <= 4
        if retry is not None and retry.served == "second":
            assert answer.decision.obeyed and answer.response in (OBEYS, "Which")
        elif retry is not None:
            assert answer.response == (ASKS if responses[0] == ASKS else answer.response)


@each_kind
async def test_a_chain_that_broke_after_the_edit_is_mended_by_a_retry(trained: bool) -> None:
    """The reason of the first writing is not that of the second."""
    first = f"{ASKS}</response> and more <analyze>"
    answer, _ = await answer_of([first], OBEYS, trained=trained)
    assert answer.response == OBEYS and "broke" not in str(answer.decision.reason)


@pytest.mark.parametrize("verify", ["mark", "retry"])
def test_nothing_is_verified_where_nothing_is_steered(verify: str) -> None:
    with pytest.raises(ConfigError, match="no answer is steered, so none can disobey"):
        load_table(SteeringSettings, {"mode": "observe", "verify": verify}, "x.toml")
    load_table(SteeringSettings, {"mode": "observe"}, "x.toml")


@pytest.mark.parametrize("verify", ["always", "", "Retry", True, None, 2])
def test_other_ways_to_verify_are_refused(verify: Any) -> None:
    with pytest.raises(ConfigError, match="verify"):
        load_table(SteeringSettings, {"verify": verify}, "x.toml")


async def test_a_retry_without_its_end_has_no_result() -> None:
    backend = FakeBackend(speaker(ASKS, OBEYS))
    one = steering(backend, True, verify="mark")
    first = await Session(one, ask()).answer()
    assert not has_retry(first, one.settings)
    assert has_retry(first, one.settings.model_copy(update={"verify": "retry"}))
    retry = Retry(one, ask(), first)
    with pytest.raises(SteeringError, match="not finished"):
        _ = retry.result
    kept = retry.kept("no time was left for a second writing")
    assert kept.response == ASKS and kept.decision.phases == first.decision.phases
