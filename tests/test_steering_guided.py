"""Models that were not trained on chains: every one of their answers comes to an end."""

import re
from collections.abc import Callable, Sequence
from contextlib import aclosing
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from gtalign.chain import BLOCKS, Lengths, StreamParser, TextAdded, ebnf, gbnf, parse, prompt
from gtalign.chain.grammar import ENDING_TOKENS
from gtalign.errors import ConfigError, GameError, SteeringError
from gtalign.game import USER_LLM, GameForm
from gtalign.steering import (
    Ask,
    Decided,
    FakeBackend,
    Restarted,
    Sampling,
    Session,
    Shadow,
    Steered,
    Steering,
    SteeringSettings,
    answers,
    has_shadow,
    load_policy,
)
from gtalign.steering.backend import WriteReport
from gtalign.steering.budget import LEAST, BlockSettings, least_tokens, share_out
from gtalign.steering.fake import FakeDraft
from gtalign.steering.guided import ENDED, NO_CHAIN, OWN, SHADOW
from gtalign.steering.mending import ends_sentence, mended
from gtalign.tasks import Message

POLICY = load_policy("per-token", ["utility_of_money=300"])
ASKED = (Message(role="user", content="When was it?"),)
OWN_ANSWER = "It was in May.\nOr in June?"
MATRIX = (
    '{"DQ_AQ": {"LLM": 1.0, "user": 2.0}, "DQ_CQ": {"LLM": -1.0, "user": -1.5},'
    ' "DQ_DA": {"LLM": 3.0, "user": 4.0}, "VQ_AQ": {"LLM": 1.0, "user": 1.5},'
    ' "VQ_CQ": {"LLM": 0.5, "user": 1.0}, "VQ_DA": {"LLM": 0.0, "user": 0.5}}'
)
Script = Callable[[Sequence[Message], str], Any]


def instructed(messages: Sequence[Message]) -> bool:
    return messages[0]["role"] == "system"


def model(
    *,
    thinking: str = "vague.</thinking><payoff>",
    payoff: str = f"{MATRIX}</payoff>",
    analyze: str = "choose DQ_DA.</analyze>",
    response: str = "In 1901.",
) -> Script:
    """A model that writes these in its blocks, and its own answer where nobody asks for a chain."""
    blocks = {"thinking": thinking, "payoff": payoff, "analyze": analyze, "response": response}

    def script(messages: Sequence[Message], text: str) -> str:
        if not instructed(messages):
            return OWN_ANSWER
        name = next(n for n in reversed(BLOCKS) if f"<{n}" in text) if text else "thinking"
        lead = "<thinking>" if not text else ">" if text.endswith(f"<{name}") else ""
        return lead + blocks[name] + (blocks["payoff"] if name == "thinking" else "")

    return script


def steering(backend: Any, **rest: Any) -> Steering:
    return Steering(backend, POLICY, SteeringSettings(**rest), model="m")


async def answer_of(script: Script, ask: Ask | None = None, **rest: Any) -> Steered:
    options = {k: rest.pop(k) for k in ("size", "grammar", "can_resume") if k in rest}
    backend = FakeBackend(script, **options)
    return await Session(steering(backend, **rest), ask or Ask(ASKED, 800)).answer()


ENDLESS = {
    "the same words": "and then " * 900,
    "spaces": " " * 9000,
    "newlines": "\n" * 9000,
    "another script": "\u8fd9\u662f" * 4000,
    "emoji": "\N{THINKING FACE}" * 4000,
    "angles": "a < b < " * 900,
    "beginnings of tags": "</thinkin" * 900,
    "tags of others": "<answer>x</answer>" * 500,
    "nothing": "",
}


@pytest.mark.parametrize("text", ENDLESS.values(), ids=ENDLESS)
@pytest.mark.parametrize("mode", ["advise", "enforce"])
async def test_a_block_that_the_model_does_not_end_is_closed(mode: str, text: str) -> None:
    answer = await answer_of(model(thinking=text, analyze=text), mode=mode)
    assert answer.response == "In 1901."
    assert answer.finish == "stop"
    assert answer.decision.steered
    assert parse(answer.text).response == "In 1901."
    assert answer.tokens <= 800


@pytest.mark.parametrize(
    "thinking",
    [
        "x</analyze>",
        "x<payoff>",
        "x<response>In 1901.</response>",
        "x</thinking>So I answer: <payoff>",
        "x</thinking>\n\nHello",
        "x</thinking><analyze>",
        "x</think",
        "<thinking>x",
    ],
)
async def test_a_tag_in_the_wrong_place_ends_a_block(thinking: str) -> None:
    answer = await answer_of(model(thinking=thinking))
    assert (answer.response, answer.decision.steered) == ("In 1901.", True)


@pytest.mark.parametrize(
    ("response", "shown"),
    [
        ("In 1901.", "In 1901."),
        ("In 1901.</response>", "In 1901."),
        ("In 1901.</response> More.</response>", "In 1901."),
        ("In 1901.</thinking>", "In 1901."),
        ("In 1901.<thinking>Hm", "In 1901."),
        ("In 1901.</respon", "In 1901."),
        ("if (a < b) { x<y; }", "if (a < b) { x<y; }"),
        ("<b>1901</b>", "<b>1901</b>"),
    ],
)
@pytest.mark.parametrize("size", [1, 4, 50])
async def test_a_response_ends_where_the_model_ends_it(
    response: str, shown: str, size: int
) -> None:
    answer = await answer_of(model(response=response), Ask(ASKED, 4000), size=size)
    assert (answer.response, answer.finish) == (shown, "stop")
    assert parse(answer.text, tolerant=True).response == shown


async def test_a_response_without_end_is_cut_at_the_last_token() -> None:
    answer = await answer_of(model(response="and so on, " * 900))
    assert answer.finish == "length"
    assert answer.tokens == 800
    assert answer.response is not None and len(answer.response) > 1000
    assert parse(answer.text).response == answer.response

    assert answer.decision.cut and answer.decision.reason is None


RAMBLING = {
    "sentences": ("It was not so long ago. ", "."),
    "questions": ("\u201cWhen was it?\u201d he asked. Who knows! ", ".?!\u201d"),
    "numbers": ("It took 3.75 hours and 4.5 more. Or less: ", "e."),
    "a list": ("- one more thing that has to be done\n", "e"),
    "code": ("print(total)\n", ")"),
    "another script": ("\u90a3\u662f\u5f88\u4e45\u4ee5\u524d\u7684\u4e8b\u3002", "\u3002"),
    "emphasis": ("*It was then.* And so on, ", ".*"),
}


def by_words(script: Script) -> Script:
    """The same model, whose tokens are words and marks."""
    return lambda messages, text: re.findall(r" ?\w+|\s|[^\w\s]", script(messages, text))


@pytest.mark.parametrize("mode", ["advise", "enforce"])
@pytest.mark.parametrize(("text", "ends"), RAMBLING.values(), ids=RAMBLING)
async def test_a_response_that_goes_on_ends_with_a_sentence(
    text: str, ends: str, mode: str
) -> None:
    answer = await answer_of(by_words(model(response=text * 900)), Ask(ASKED, 900), mode=mode)
    assert answer.response is not None and answer.response.endswith(tuple(ends))
    assert parse(answer.text).response == answer.response
    # It has had nearly all its tokens. It is cut all the same, and says so.
    assert 800 < answer.tokens < 900
    assert (answer.finish, answer.decision.cut) == ("length", True)
    assert answer.decision.reason == ENDED


@pytest.mark.parametrize("mode", ["advise", "enforce"])
@pytest.mark.parametrize(
    ("last", "cut_at"),
    [("that is all.", "all."), ("that is all.</response>", "all."), ("so", "so")],
)
async def test_a_sentence_without_end_is_brought_to_one(mode: str, last: str, cut_at: str) -> None:
    rambling = model(response="and so on, " * 900)

    def script(messages: Sequence[Message], text: str) -> str:
        return last if "and so on" in text else rambling(messages, text)

    backend = FakeBackend(by_words(script), grammar="gbnf")
    answer = await Session(steering(backend, mode=mode), Ask(ASKED, 900)).answer()
    assert answer.response is not None and answer.response.endswith(cut_at)
    assert parse(answer.text).response == answer.response
    assert backend.writes[-1].grammar == gbnf(part="ending")
    assert backend.writes[-1].max_tokens == ENDING_TOKENS
    assert answer.decision.cut
    assert answer.decision.reason == (ENDED if cut_at == "all." else None)


class Recounting(FakeDraft):
    """A message whose slices held more tokens than one each, as the engine says at the end."""

    @property
    def report(self) -> WriteReport | None:
        return self._report

    @report.setter
    def report(self, report: WriteReport | None) -> None:
        more = 0 if report is None else report.tokens // 80
        self._report = report and replace(report, tokens=report.tokens + more)


class RecountingBackend(FakeBackend):
    def open(self, messages: Sequence[Message], sampling: Sampling) -> FakeDraft:
        return Recounting(self, tuple(messages), sampling)


async def test_a_last_sentence_needs_no_more_tokens_than_the_engine_has_left() -> None:
    rambling = model(response="and so on, " * 900)

    def script(messages: Sequence[Message], text: str) -> str:
        return "that is all." if "and so on" in text else rambling(messages, text)

    backend = RecountingBackend(by_words(script), grammar="gbnf")
    answer = await Session(steering(backend), Ask(ASKED, 900)).answer()
    left = backend.writes[-1].max_tokens
    assert 20 < left < ENDING_TOKENS
    assert backend.writes[-1].grammar == gbnf(part="ending", lengths=Lengths(ending=left))
    assert answer.decision.reason == ENDED


async def test_a_sentence_is_not_broken_off_where_no_grammar_can_end_it() -> None:
    answer = await answer_of(by_words(model(response="and so on, " * 900)), Ask(ASKED, 900))
    assert (answer.tokens, answer.finish, answer.decision.reason) == (900, "length", None)


async def test_a_response_that_ends_by_itself_near_the_last_token_is_not_cut() -> None:
    whole = "It was not so long ago. " * 60
    finishes = set()
    for most in range(500, 800, 9):
        answer = await answer_of(by_words(model(response=whole)), Ask(ASKED, most))
        assert answer.response is not None and whole.startswith(answer.response)
        assert answer.finish == "length" or answer.response == whole.strip()
        finishes.add(answer.finish)
    assert finishes == {"stop", "length"}


@pytest.mark.parametrize(
    ("text", "ends"),
    [
        ("It is so.", True),
        ("Is it? ", True),
        ('He said: "It is."', True),
        ("(See above.)\n", True),
        ("done\n\n", True),
        ("\u0915\u094d\u092f\u093e\u0964", True),
        ("\u0645\u062a\u0649\u061f", True),
        ("It costs 3.", False),
        ("as follows:\n", False),
        ("first, second,\n", False),
        ("It is", False),
        ("It is.<", False),
        ("3.5", False),
        ("", False),
        ("\n", False),
    ],
)
def test_where_a_sentence_ends(text: str, ends: bool) -> None:
    assert ends_sentence(text) is ends


@settings(max_examples=60, deadline=None)
@given(
    st.integers(1, 900),
    st.sampled_from(sorted(ENDLESS)),
    st.sampled_from(["advise", "enforce", "observe"]),
    st.integers(1, 9),
)
async def test_there_is_an_answer_for_any_number_of_tokens(
    most: int, kind: str, mode: str, size: int
) -> None:
    script = model(thinking=ENDLESS[kind], analyze=ENDLESS[kind])
    answer = await answer_of(script, Ask(ASKED, most), mode=mode, size=size)
    assert answer.response
    passed = [phase for phase in answer.decision.phases if phase.name == "passed"]
    assert sum(phase.tokens for phase in passed) <= most
    assert answer.tokens - sum(phase.tokens for phase in passed) <= most
    if answer.decision.steered:
        assert parse(answer.text).response == answer.response
    else:
        assert OWN_ANSWER.startswith(answer.response)


@given(
    st.integers(0, 10_000), st.sampled_from([0.02, 0.15, 0.3]), st.sampled_from([0.02, 0.1, 0.3])
)
@example(443, 0.15, 0.1)
def test_the_response_always_has_its_share(most: int, thinking: float, analyze: float) -> None:
    blocks = BlockSettings(thinking=thinking, analyze=analyze, response=0.39)
    budget = share_out(most, blocks, USER_LLM)
    assert (budget is None) == (most < least_tokens(blocks, USER_LLM))
    if budget is not None:
        assert budget.response >= int(blocks.response * most)
        before = budget.thinking + budget.payoff + budget.analyze
        assert before + budget.response <= most
        assert min(budget.thinking, budget.analyze) >= LEAST
        assert max(budget.thinking, budget.analyze) <= blocks.longest
        assert budget.lengths.thinking <= 4 * budget.thinking


@pytest.mark.parametrize(
    "wrong",
    [
        {"thinking": 0.5, "analyze": 0.3, "response": 0.3},
        {"response": 1.0},
        {"thinking": 0.0},
        {"longest": 1},
        {"payoff": 0.2},
    ],
)
def test_shares_that_cannot_be_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        from gtalign.config import load_table

        load_table(SteeringSettings, {"blocks": wrong}, "test")


MALFORMED = {
    "prose": "I would rather not.",
    "other cells": '{"A": {"LLM": 1, "user": 2}}</payoff>',
    "not finite": MATRIX.replace("3.0", "NaN") + "</payoff>",
    "too much": MATRIX.replace("3.0", "30") + "</payoff>",
    "cut": MATRIX[:90],
    "endless": '{"DQ_AQ": ' * 500,
}


@pytest.mark.parametrize("payoff", MALFORMED.values(), ids=MALFORMED)
@pytest.mark.parametrize("mode", ["advise", "enforce"])
async def test_without_a_matrix_the_answer_is_the_engine_s_own(mode: str, payoff: str) -> None:
    backend = FakeBackend(model(payoff=payoff))
    request = Ask(ASKED, 800, Sampling(temperature=0.3, seed=5), named=frozenset({"seed"}))
    session = Session(steering(backend, mode=mode), request)
    async with aclosing(session.events()) as events:
        found = [event async for event in events]
    answer = session.result
    assert (answer.response, answer.text, answer.finish) == (OWN_ANSWER, OWN_ANSWER, "stop")
    assert not answer.decision.steered
    assert answer.decision.passed
    assert answer.decision.reason is not None and answer.decision.reason.endswith(OWN)
    # A matrix without end takes the tokens of a second attempt.
    assert answer.decision.retries == (0 if payoff == MALFORMED["endless"] else 1)
    # It is asked for as the client asked, with all the tokens that the client allows.
    assert backend.asked[-1] == ASKED
    last = backend.writes[-1]
    assert (last.max_tokens, last.grammar, last.stop) == (800, None, None)
    assert last.sampling.own == {"seed"}
    # Nobody has seen anything of the chain, and then the answer is shown as it comes.
    restart = found.index(Restarted(0))
    assert isinstance(found[restart + 1], Decided)
    shown = [event.text for event in found[restart:] if isinstance(event, TextAdded)]
    assert len(shown) > 3 and "".join(shown) == OWN_ANSWER


async def test_a_matrix_that_lacks_only_its_tag_is_read() -> None:
    for payoff in (MATRIX, f"{MATRIX}\n\nSo there", f"{MATRIX}</analyze>"):
        answer = await answer_of(model(payoff=payoff))
        assert (answer.response, answer.decision.steered) == ("In 1901.", True)


async def test_a_response_that_is_empty_is_replaced_by_the_engine_s_own() -> None:
    for response in ("", " \n ", "</response>", "<thinking>"):
        answer = await answer_of(model(response=response))
        assert answer.response == OWN_ANSWER
        assert not answer.decision.steered
        assert answer.decision.after is not None  # what was decided stays on record


async def test_too_few_tokens_for_a_chain_all_go_to_the_engine_s_own_answer() -> None:
    backend = FakeBackend(model())
    answer = await Session(steering(backend), Ask(ASKED, 40)).answer()
    assert answer.response == OWN_ANSWER
    assert [write.max_tokens for write in backend.writes] == [40]
    assert "max_tokens is 40" in (answer.decision.reason or "")


async def test_failing_is_an_error_where_that_is_asked_for() -> None:
    with pytest.raises(SteeringError, match="payoff-finite"):
        await answer_of(model(payoff=MALFORMED["not finite"]), on_malformed="fail")
    with pytest.raises(SteeringError, match="max_tokens is 40"):
        await answer_of(model(), Ask(ASKED, 40), on_malformed="fail")


async def test_an_engine_that_cannot_continue_is_asked_again_or_passed() -> None:
    whole = f"<thinking>x</thinking><payoff>{MATRIX}</payoff><analyze>y</analyze><response>Hi"

    def script(messages: Sequence[Message], text: str) -> str:
        return whole if instructed(messages) else OWN_ANSWER

    answer = await answer_of(script, can_resume=False, fallback="reask")
    assert (answer.response, answer.decision.steered) == ("Hi", True)
    assert answer.decision.resume == "reask"
    answer = await answer_of(model(thinking="x " * 999), can_resume=False, fallback="reask")
    assert (answer.response, answer.decision.steered) == (OWN_ANSWER, False)


@pytest.mark.parametrize("text", ENDLESS.values(), ids=ENDLESS)
@pytest.mark.parametrize("language", [None, "gbnf"])
async def test_blocks_are_closed_where_the_whole_chain_is_asked_for_again(
    language: Any, text: str
) -> None:
    first = model()

    def script(messages: Sequence[Message], written: str) -> Any:
        again = messages[-1]["content"] != ASKED[0]["content"]
        return (model(thinking=text, analyze=text) if again else first)(messages, written)

    backend = FakeBackend(script, grammar=language)
    one = steering(backend, resume="reask", on_malformed="fail")
    answer = await Session(one, Ask(ASKED, 800)).answer()
    assert (answer.response, answer.finish) == ("In 1901.", "stop")
    assert answer.decision.steered and answer.decision.resume == "reask"
    assert parse(answer.text).response == "In 1901."
    if language:
        # What is missing has the grammar that begins with it.
        for write in backend.writes:
            opened = max(BLOCKS, key=lambda name: write.text.rfind(f"<{name}"))
            root = (write.grammar or "").splitlines()[0]
            if write.text and opened != "thinking":
                missing = {"payoff": "</payoff>", "analyze": "</analyze>", "response": "text"}
                assert missing[opened] in root


@pytest.mark.parametrize("can_resume", [True, False])
async def test_what_is_asked_again_has_all_tokens(can_resume: bool) -> None:
    """The first message, which is dropped, takes none from the response."""
    whole = f"<thinking>x</thinking><payoff>{MATRIX}</payoff><analyze>y</analyze><response>"

    def script(messages: Sequence[Message], text: str) -> str:
        return (whole + "and so on, " * 900)[len(text) :]

    backend = FakeBackend(script, can_resume=can_resume)
    one = steering(backend, resume="reask", fallback="reask")
    answer = await Session(one, Ask(ASKED, 700)).answer()
    assert (answer.decision.resume, answer.finish) == ("reask", "length")
    first, *_, last = answer.decision.phases
    assert first.tokens > 50
    assert (backend.writes[-1].max_tokens, last.tokens) == (700, 700)


@pytest.mark.parametrize("mode", ["advise", "observe"])
@pytest.mark.parametrize("language", ["gbnf", "ebnf"])
async def test_an_analysis_under_a_grammar_ends_with_the_choice(mode: str, language: Any) -> None:
    backend = FakeBackend(model(), grammar=language)
    await answers(steering(backend, mode=mode, shadow=1.0), Ask(ASKED, 800), 1)
    write = ebnf if language == "ebnf" else gbnf
    [after] = [w.grammar for w in backend.writes if w.grammar and "</analyze>" in w.grammar]
    lengths = share_out(800, BlockSettings(), USER_LLM)
    assert lengths is not None
    concise = write(part="remainder", lead=">", lengths=lengths.lengths, concise=True)
    assert after == concise
    # A model that was trained on chains analyses as it was trained to.
    backend = FakeBackend(model(), grammar=language)
    await answers(steering(backend, instruct="none"), Ask(ASKED, 800), 1)
    assert not any("Choose" in (write.grammar or "") for write in backend.writes)


@pytest.mark.parametrize("stop", [("June",), ("Or in", "June"), ("</response>", "June")])
async def test_stop_strings_end_an_answer_of_the_engine_s_own(stop: tuple[str, ...]) -> None:
    for mode in ("observe", "advise"):
        script = model(payoff="no")
        answer = await answer_of(script, Ask(ASKED, 800, stop=stop), mode=mode)
        assert answer.response is not None
        assert OWN_ANSWER.startswith(answer.response)
        assert (answer.finish, stop[-1] in answer.response) == ("stop", False)


async def test_a_stop_string_ends_a_steered_response() -> None:
    answer = await answer_of(model(response="In 1901. And more"), Ask(ASKED, 800, stop=("And",)))
    assert (answer.response, answer.finish) == ("In 1901.", "stop")


@pytest.mark.parametrize("language", [None, "gbnf", "ebnf"])
async def test_observing_changes_nothing(language: Any) -> None:
    backend = FakeBackend(model(), grammar=language)
    session = Session(steering(backend, mode="observe"), Ask(ASKED, 300))
    async with aclosing(session.events()) as events:
        found = [event async for event in events]
    assert session.result.response == OWN_ANSWER
    assert backend.asked[-1] == ASKED
    [write] = backend.writes
    assert (write.grammar, write.max_tokens) == (None, 300)
    decision = session.result.decision
    assert (decision.reason, decision.stated, decision.acted) == (NO_CHAIN, None, "AQ")
    assert len([event for event in found if isinstance(event, TextAdded)]) > 3


@pytest.mark.parametrize("text", ["", "<", "<thin", "  <thinking", "< thinking> no"])
async def test_an_answer_that_looks_like_a_chain_at_first_is_passed_on(text: str) -> None:
    answer = await answer_of(lambda messages, begun: text, mode="observe")
    assert (answer.response, answer.text) == (text or None, text)


async def test_a_chain_that_nobody_asked_for_is_read_all_the_same() -> None:
    whole = f"<thinking>x</thinking><payoff>{MATRIX}</payoff><analyze>y</analyze><response>Hi"
    answer = await answer_of(lambda messages, begun: f"{whole}</response>", mode="observe")
    assert (answer.response, answer.decision.steered) == ("Hi", False)
    assert answer.decision.before is not None


async def test_a_shadow_is_a_second_request_and_leaves_the_answer_alone() -> None:
    backend = FakeBackend(model(response="never asked for"))
    one = steering(backend, mode="observe", shadow=1.0)
    [answer] = await answers(one, Ask(ASKED, 800), 1)
    assert (answer.response, answer.text) == (OWN_ANSWER, OWN_ANSWER)
    decision = answer.decision
    assert (decision.reason, decision.steered, decision.mode) == (SHADOW, False, "observe")
    assert decision.before is not None and decision.after is not None
    assert (decision.chosen, decision.acted, decision.obeyed) == ("DQ_DA", "AQ", None)
    assert [phase.shadow for phase in decision.phases] == [False, *[True] * 2]
    assert "never asked for" not in "".join(write.text for write in backend.writes)
    assert backend.asked[0] == ASKED
    system, last = backend.asked[-1]
    assert (system["role"], last) == ("system", ASKED[0])


@pytest.mark.parametrize(
    ("script", "most", "why"),
    [(model(payoff="no"), 800, "its matrix cannot be read"), (model(), 50, "too few for one")],
)
async def test_a_shadow_without_a_matrix_says_why(script: Script, most: int, why: str) -> None:
    one = steering(FakeBackend(script), mode="observe")
    ask = Ask(ASKED, most)
    seen = await Session(one, ask).answer()
    answer = await Shadow(one, ask, seen).answer()
    assert answer.response == OWN_ANSWER
    assert answer.decision.id == seen.decision.id
    assert "no chain" in (answer.decision.reason or "") and why in (answer.decision.reason or "")


async def test_shadows_are_a_sample() -> None:
    answer = await answer_of(model(), mode="observe")
    keys = [f"answer {number}" for number in range(2000)]
    for rate in (0.0, 0.1, 0.5, 1.0):
        settings_ = SteeringSettings(mode="observe", shadow=rate)
        drawn = [has_shadow(answer, settings_, key) for key in keys]
        assert drawn == [has_shadow(answer, settings_, key) for key in keys]
        assert sum(drawn) == pytest.approx(rate * len(keys), abs=60)
    trained = SteeringSettings(mode="observe", shadow=1.0, instruct="none")
    assert not has_shadow(answer, trained, "x")
    assert not has_shadow(answer, SteeringSettings(mode="advise", shadow=1.0), "x")


async def test_the_instruction_begins_the_prompt_in_one_system_message() -> None:
    own = Message(role="system", content="Answer in rhyme.")
    backend = FakeBackend(model())
    await Session(steering(backend), Ask((own, *ASKED), 800)).answer()
    system, *rest = backend.asked[0]
    assert system["content"] == f"{prompt(style='short')}\n\nAnswer in rhyme."
    assert tuple(rest) == ASKED
    backend = FakeBackend(model())
    await Session(steering(backend, instruct="examples"), Ask(ASKED, 800)).answer()
    assert backend.asked[0][0]["content"] == prompt(style="examples")


def test_what_a_trained_model_was_trained_with_stays_as_it_was() -> None:
    assert SteeringSettings(instruct=True).instruct == "full"
    assert SteeringSettings(instruct=False).instruct == "none"
    for instruct, trained in (("none", True), ("full", True), ("short", False)):
        assert SteeringSettings(instruct=instruct).trained == trained
    assert prompt(style="full") == prompt()
    assert len(prompt(style="short")) < len(prompt()) / 3
    examples = prompt(style="examples").partition("Two examples:")[2]
    for chain in examples.split("User: ")[1:]:
        parse(chain.partition("\n")[2])
    other = GameForm(user={"A": "a"}, llm={"B": "b", "C": "c"})
    assert "A_B, A_C" in prompt(other, style="short")
    with pytest.raises(GameError, match="examples"):
        prompt(other, style="examples")


@pytest.mark.parametrize(
    ("text", "new"),
    [
        ("", "<thinking>"),
        ("Sure!", "<thinking>"),
        ("<thinking>a", "<thinking>a</thinking>\n<payoff>"),
        ("<thinking>a</th", "<thinking>a</thinking>\n<payoff>"),
        ("<thinking>a</thinking>", "<thinking>a</thinking>\n<payoff>"),
        ("<thinking>a</thinking> b", "<thinking>a</thinking>\n<payoff>"),
        ("<thinking>a</thinking><payoff>{", None),
        (
            f"<thinking></thinking><payoff>{MATRIX}",
            f"<thinking></thinking><payoff>{MATRIX}</payoff>",
        ),
    ],
)
def test_a_message_is_mended(text: str, new: str | None) -> None:
    parser = StreamParser()
    parser.feed(text)
    assert mended(text, parser) == new
