"""Halt, edit, resume: what a session writes, decides and reports, with a scripted model."""

import json
from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gtalign.chain import (
    BlockClosed,
    BlockOpened,
    ChainBroken,
    PayoffRead,
    TextAdded,
    parse,
    work_out,
)
from gtalign.errors import ConfigError, SteeringError, UpstreamError
from gtalign.game import USER_LLM, Bimatrix, social_optimum
from gtalign.steering import (
    Ask,
    Decided,
    Decision,
    FakeBackend,
    Policy,
    Restarted,
    Sampling,
    Session,
    Steering,
    SteeringSettings,
    answers,
    load_policy,
)
from gtalign.steering.fake import Script
from gtalign.tasks import Message

ASKED = (Message(role="user", content="When did it happen?"),)
THINKING = "<thinking>It is vague.</thinking>\n"
ASKING = {
    "DQ_AQ": (1.0, 1.0),
    "DQ_CQ": (0.0, 0.0),
    "DQ_DA": (2.0, 2.5),
    "VQ_AQ": (1.0, 1.5),
    "VQ_CQ": (2.5, 3.0),
    "VQ_DA": (0.5, 1.0),
}
RESPONSES = {"CQ": "Which one do you mean?", "DA": "In 1901.", "AQ": "In 1901. Which one?"}


def payoff(cells: dict[str, tuple[float, float]] = ASKING) -> str:
    return json.dumps({cell: {"LLM": llm, "user": user} for cell, (user, llm) in cells.items()})


def obedient(opening: str) -> Script:
    """A model that writes an opening, and then does what the matrix before it says is best."""

    def script(messages: Sequence[Message], text: str) -> str:
        written = text if "</payoff>" in text else opening
        whole = written[: written.index("</payoff>") + len("</payoff>")] + _rest(written)
        if whole.startswith(text):
            return whole[len(text) :]
        if "choose" not in text:
            return whole
        cell = text.rpartition("choose ")[2].rstrip(".")
        end = "" if text.endswith(".") else "."
        return f"{end}</analyze>\n<response>{RESPONSES[cell[3:]]}</response>"

    return script


def _rest(text: str) -> str:
    opening = text[: text.index("</payoff>") + len("</payoff>")]
    chain = parse(opening + "<analyze>.</analyze><response>.</response>")
    cell = USER_LLM.cells[int(social_optimum(chain.payoff.payoffs))]
    return f"\n<analyze>Choose {cell}.</analyze>\n<response>{RESPONSES[cell[3:]]}</response>"


OPENING = f"{THINKING}<payoff>{payoff()}</payoff>"
COSTLY = Policy(
    name="costly", payer="user", price={"input": 3.0, "output": 15.0}, utility_of_money=200.0
)


def steering(backend: Any, policy: Policy = COSTLY, **rest: Any) -> Steering:
    return Steering(backend, policy, SteeringSettings(**{"instruct": False, **rest}), model="m")


def ask(**rest: Any) -> Ask:
    return Ask(ASKED, **{"sampling": Sampling(seed=5), **rest})


async def events_of(one: Steering, request: Ask) -> tuple[list[Any], Any]:
    session = Session(one, request)
    async with aclosing(session.events()) as events:
        found = [event async for event in events]
    return found, session.result


async def test_the_paper_s_example_prices_turn_a_question_into_an_answer() -> None:
    for name, action in (("subscription", "CQ"), ("per-token", "DA")):
        policy = load_policy(name).model_copy(update={"utility_of_money": 200.0})
        answer = await Session(steering(FakeBackend(obedient(OPENING)), policy), ask()).answer()
        assert answer.response == RESPONSES[action]
        assert answer.decision.acted == action
        assert answer.decision.obeyed
        assert answer.decision.flipped == (action == "DA")


async def test_an_analysis_may_be_begun_with_its_sums() -> None:
    """As a model writes it that was trained to work its matrices out."""
    settings: dict[str, Any] = {"mode": "enforce", "opening": "{{sums}} choose {{cell}}."}
    answer = await Session(steering(FakeBackend(obedient(OPENING)), **settings), ask()).answer()
    edited = answer.decision.edited
    assert edited is not None and answer.decision.obeyed
    assert f"<analyze>{work_out(edited).text}</analyze>" in answer.text
    assert answer.decision.after is not None
    assert work_out(edited).cell == answer.decision.after.cell


async def test_advise_splices_the_matrix_and_leaves_the_analysis_to_the_model() -> None:
    backend = FakeBackend(obedient(OPENING))
    answer = await Session(steering(backend), ask()).answer()
    first, second = backend.writes
    assert (first.text, first.stop) == ("", "</payoff>")
    edited = answer.decision.edited
    assert edited is not None
    assert second.text.startswith(f"{THINKING}<payoff>")
    assert second.text.endswith("</payoff>\n<analyze")  # the model writes the mark
    assert answer.chain is not None and answer.decision.after is not None
    assert parse(answer.text).payoff == edited == answer.chain.payoff
    assert answer.decision.stated == Bimatrix.from_json(json.loads(payoff()))
    assert answer.decision.chosen == answer.decision.after.cell == "DQ_DA"
    assert answer.finish == "stop"
    assert answer.decision.steered
    assert answer.decision.reason is None


async def test_enforce_also_opens_the_analysis_with_the_cell() -> None:
    backend = FakeBackend(obedient(OPENING))
    answer = await Session(steering(backend, mode="enforce"), ask()).answer()
    assert backend.writes[1].text.endswith("<analyze>frontier: DQ_DA, VQ_CQ. choose DQ_DA")
    assert answer.decision.obeyed
    assert answer.decision.mode == "enforce"


async def test_a_model_that_would_go_on_otherwise_takes_the_whole_text() -> None:
    def script(messages: Sequence[Message], text: str) -> Any:
        if text.endswith(("<analyze", "choose DQ_DA")):
            return " something else"
        return obedient(OPENING)(messages, text)

    for mode, end in (("advise", "<analyze>"), ("enforce", "choose DQ_DA.")):
        backend = FakeBackend(script)
        found, answer = await events_of(steering(backend, mode=mode), ask())
        assert [write.text.endswith(end) for write in backend.writes] == [False, False, True]
        assert answer.response == "In 1901."
        assert "something" not in answer.text
        assert [phase.finish for phase in answer.decision.phases] == ["stop", "closed", "stop"]
        texts = [e.text for e in found if isinstance(e, TextAdded) and e.block == "analyze"]
        assert "".join(texts) == answer.chain.analyze


async def test_observe_records_and_changes_nothing() -> None:
    backend = FakeBackend(obedient(OPENING))
    answer = await Session(steering(backend, mode="observe"), ask()).answer()
    assert answer.text == OPENING + _rest(OPENING)
    assert len(backend.writes) == 1
    assert (answer.decision.steered, answer.decision.resume) == (False, "none")
    assert answer.decision.before is not None and answer.decision.after is not None
    assert answer.decision.before.cell == "VQ_CQ"
    assert answer.decision.after.cell == "DQ_DA"
    assert answer.decision.acted == "CQ"
    assert answer.decision.obeyed is None  # nothing was asked of it


async def test_asking_again_is_another_message() -> None:
    backend = FakeBackend(obedient(OPENING))
    found, answer = await events_of(steering(backend, resume="reask"), ask())
    assert Restarted(0) in found
    assert backend.asked[0] == ASKED
    [again] = backend.asked[1]
    assert again["content"].startswith("When did it happen?\n\n")
    assert "Your action is DA: direct answer, so choose DQ_DA." in again["content"]
    assert answer.decision.resume == "reask"
    assert [phase.name for phase in answer.decision.phases] == ["to the matrix", "asked again"]
    assert answer.decision.obeyed is False  # this model does not listen


async def test_what_cannot_be_resumed_is_refused_unless_it_may_ask_again() -> None:
    backend = FakeBackend(obedient(OPENING), can_resume=False)
    with pytest.raises(SteeringError, match=r"fake cannot continue an edited text.*reask"):
        steering(backend)
    assert steering(backend, mode="observe").resume == "none"
    answer = await Session(steering(backend, fallback="reask"), ask()).answer()
    assert answer.decision.resume == "reask"


@pytest.mark.parametrize("size", [1, 7, 10_000])
async def test_events_come_in_the_order_of_the_text(size: int) -> None:
    backend = FakeBackend(obedient(OPENING), size=size)
    found, answer = await events_of(steering(backend), ask(max_tokens=10_000))
    kinds = [e for e in found if not isinstance(e, TextAdded)]
    names = [(type(e), getattr(e, "block", None)) for e in kinds]
    assert names == [
        (BlockOpened, "thinking"),
        (BlockClosed, "thinking"),
        (BlockOpened, "payoff"),
        (PayoffRead, None),
        (Decided, None),
        (BlockClosed, "payoff"),
        (BlockOpened, "analyze"),
        (BlockClosed, "analyze"),
        (BlockOpened, "response"),
        (BlockClosed, "response"),
    ]
    for block in ("thinking", "analyze", "response"):
        texts = [e.text for e in found if isinstance(e, TextAdded) and e.block == block]
        assert "".join(texts) == getattr(answer.chain, block)


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 60), st.sampled_from(["advise", "enforce", "observe"]))
async def test_slices_do_not_matter(size: int, mode: str) -> None:
    one = await Session(
        steering(FakeBackend(obedient(OPENING), size=size), mode=mode), ask(max_tokens=10_000)
    ).answer()
    other = await Session(
        steering(FakeBackend(obedient(OPENING), size=1), mode=mode), ask(max_tokens=10_000)
    ).answer()
    assert (one.text, one.response) == (other.text, other.response)


MALFORMED = OPENING.replace('"DQ_AQ": {"LLM": 1.0', '"DQ_AQ": {"LLM": NaN')
CARELESS = OPENING.replace('"', "'")


async def test_repairs_are_recorded_and_the_message_is_well_formed_afterwards() -> None:
    answer = await Session(steering(FakeBackend(obedient_to(CARELESS))), ask()).answer()
    assert {repair.kind for repair in answer.decision.repairs} == {"single-quotes"}
    assert parse(answer.text).response == "In 1901."
    assert answer.decision.retries == 0


def obedient_to(*openings: str) -> Script:
    """Write one opening after the other, each time the matrix is asked for."""
    left = list(openings)

    def script(messages: Sequence[Message], text: str) -> Any:
        if "</payoff>" in text:
            return obedient(OPENING)(messages, text)
        opening = left.pop(0)
        return opening.removeprefix(text) if opening.startswith(text) else opening

    return script


async def test_a_malformed_matrix_is_written_once_more() -> None:
    backend = FakeBackend(obedient_to(MALFORMED, OPENING))
    found, answer = await events_of(
        steering(backend), ask(sampling=Sampling(temperature=0.0, seed=5))
    )
    first, second, third = backend.writes
    assert second.text == f"{THINKING}<payoff"  # only the matrix
    assert second.sampling == Sampling(temperature=0.7, seed=6)
    assert third.sampling == first.sampling
    assert Restarted(len(second.text)) in found
    assert answer.decision.retries == 1
    assert answer.decision.steered
    assert [p.name for p in answer.decision.phases] == [
        "to the matrix",
        "matrix again",
        "from the matrix",
    ]


async def test_thinking_that_breaks_the_chain_is_written_again_too() -> None:
    broken = OPENING.replace("vague", "vague <response>")
    backend = FakeBackend(obedient_to(broken, OPENING))
    answer = await Session(steering(backend), ask()).answer()
    assert backend.writes[1].text == ""
    assert answer.decision.steered


async def test_without_resuming_the_whole_message_is_written_again() -> None:
    backend = FakeBackend(obedient_to(MALFORMED, OPENING, OPENING), can_resume=False)
    answer = await Session(steering(backend, fallback="reask"), ask()).answer()
    assert answer.decision.retries == 1
    assert len(backend.asked) == 3


async def test_malformed_twice_passes_and_says_so() -> None:
    rest = "<analyze>Choose VQ_CQ.</analyze>\n<response>Which one?</response>"

    def script(messages: Sequence[Message], text: str) -> str:
        return rest if text.endswith("</payoff>") else MALFORMED.removeprefix(text)

    found, answer = await events_of(steering(FakeBackend(script)), ask())
    assert not answer.decision.steered
    assert "payoff-finite" in answer.decision.reason
    assert answer.decision.edited is None
    assert answer.chain is None
    assert answer.response == "Which one?"
    assert answer.decision.acted == "CQ"
    assert any(isinstance(event, ChainBroken) for event in found)


async def test_malformed_twice_fails_where_that_is_asked_for() -> None:
    backend = FakeBackend(obedient_to(MALFORMED, MALFORMED))
    with pytest.raises(SteeringError, match="payoff-finite"):
        await Session(steering(backend, on_malformed="fail"), ask()).answer()


async def test_a_model_that_knows_no_chain_is_passed_on() -> None:
    answer = await Session(steering(FakeBackend(lambda messages, text: "Paris.")), ask()).answer()
    assert answer.response == "Paris."
    assert not answer.decision.steered
    assert answer.finish == "stop"


async def test_max_tokens_counts_both_phases() -> None:
    whole = await Session(steering(FakeBackend(obedient(OPENING))), ask()).answer()
    first, second = whole.decision.phases
    for left in (0, 1, 5, second.tokens - 1):
        backend = FakeBackend(obedient(OPENING))
        answer = await Session(steering(backend), ask(max_tokens=first.tokens + left)).answer()
        assert answer.finish == "length"
        assert answer.tokens == first.tokens + left
        assert answer.decision.steered
    cut = await Session(
        steering(FakeBackend(obedient(OPENING))), ask(max_tokens=first.tokens - 1)
    ).answer()
    assert (cut.finish, cut.decision.steered) == ("length", False)
    enough = await Session(
        steering(FakeBackend(obedient(OPENING))), ask(max_tokens=whole.tokens)
    ).answer()
    assert (enough.finish, enough.text) == ("stop", whole.text)


@pytest.mark.parametrize("size", [1, 4, 50])
async def test_stop_strings_count_inside_the_response_alone(size: int) -> None:
    backend = FakeBackend(obedient(OPENING), size=size)
    found, answer = await events_of(steering(backend), ask(stop=("190", "Choose", "vague")))
    assert answer.response == "In"
    assert answer.text.endswith("<response>In </response>")
    assert answer.finish == "stop"
    said = [e.text for e in found if isinstance(e, TextAdded) and e.block == "response"]
    assert "".join(said) == "In"
    assert answer.chain is not None
    assert "vague" in answer.chain.thinking


async def test_sampling_carries_over() -> None:
    sampling = Sampling(temperature=0.3, top_p=0.9, top_k=7, seed=11, extra={"x": 1})
    backend = FakeBackend(obedient(OPENING))
    await Session(steering(backend), ask(sampling=sampling)).answer()
    assert [write.sampling for write in backend.writes] == [sampling, sampling]


@pytest.mark.parametrize("language", ["gbnf", "ebnf"])
async def test_grammars_hold_both_phases(language: Any) -> None:
    backend = FakeBackend(obedient(OPENING), grammar=language)
    await Session(steering(backend), ask()).answer()
    first, second = (write.grammar for write in backend.writes)
    assert first is not None and "payoff ::=" in first and "<analyze>" not in first.split("\n")[0]
    assert second is not None and second.startswith('root ::= ">" more "</analyze>"')


async def test_the_instruction_comes_first_unless_the_model_needs_none() -> None:
    backend = FakeBackend(obedient(OPENING))
    await Session(steering(backend, instruct=True), ask()).answer()
    system, *rest = backend.asked[0]
    assert system["role"] == "system"
    assert "<payoff>" in system["content"]
    assert tuple(rest) == ASKED


def dying(after: str) -> Script:
    def script(messages: Sequence[Message], text: str) -> Any:
        whole: Any = obedient(OPENING)(messages, text)
        yield whole[:20]
        if after == "always" or after in text:
            raise UpstreamError("http://host (vLLM)", "the connection was lost")
        yield whole[20:]

    return lambda messages, text: script(messages, text)


@pytest.mark.parametrize(
    ("after", "mode", "says", "decided"),
    [
        ("always", "advise", "left before its matrix was read", False),
        ("</payoff>", "advise", "left unfinished after its matrix was edited", True),
        ("always", "observe", "left before its matrix was read", False),
    ],
)
async def test_a_failing_engine_leaves_nothing_half_steered_unsaid(
    after: str, mode: str, says: str, decided: bool
) -> None:
    session = Session(steering(FakeBackend(dying(after)), mode=mode), ask())
    with pytest.raises(UpstreamError, match=says) as caught:
        async with aclosing(session.events()) as events:
            async for _ in events:
                pass
    error = caught.value
    assert error.upstream == "http://host (vLLM)"
    assert "connection was lost" in str(error)
    assert error.text
    assert (error.decision is not None) == decided
    if error.decision is not None:
        assert Decision.from_json(error.decision).steered
    with pytest.raises(SteeringError, match="not finished"):
        _ = session.result


async def test_several_answers_have_several_matrices() -> None:
    other = OPENING.replace(
        '"VQ_DA": {"LLM": 1.0, "user": 0.5}', '"VQ_DA": {"LLM": 5.0, "user": 5.0}'
    )
    backend = FakeBackend(obedient_to(OPENING, other))
    one, two = await answers(steering(backend), ask(), 2)
    assert one.decision.stated != two.decision.stated
    assert {write.sampling.seed for write in backend.writes} == {5, 6}
    assert one.decision.id != two.decision.id


async def test_the_history_learns_from_answers() -> None:
    one = steering(FakeBackend(obedient(OPENING)))
    for _ in range(20):
        answer = await Session(one, ask()).answer()
    assert one.history.count("m", "DA") == 20
    assert (await Session(one, ask()).answer()).decision.sources["DA"] == "measured (n=20)"
    assert one.history.expected("m", USER_LLM)["DA"].output == answer.tokens


async def test_a_decision_survives_json_and_goes_into_a_transcript() -> None:
    clock = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    one = replace(steering(FakeBackend(obedient_to(CARELESS))), now=lambda: clock)
    decision = (await Session(one, ask()).answer()).decision
    assert Decision.from_json(json.loads(json.dumps(decision.to_json()))) == decision
    assert decision.created == "2026-01-02T03:04:05+00:00"
    assert decision.policy_hash == COSTLY.hash


def test_settings_name_what_templates_may_hold() -> None:
    with pytest.raises(ValueError, match="cel"):
        SteeringSettings(opening="choose {{cel}}")
    assert issubclass(ConfigError, ValueError)
