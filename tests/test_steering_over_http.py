"""Whole steered answers over HTTP: every engine decides alike, and failures say what was left."""

import itertools
from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from gtalign.chain import parse
from gtalign.errors import SteeringError, UpstreamError
from gtalign.steering import (
    Ask,
    Decision,
    Policy,
    Sampling,
    Session,
    Steering,
    SteeringSettings,
    answers,
)
from gtalign.steering.http import HTTPBackend, connect
from gtalign.tasks import Message
from standins import model
from standins.engines import VLLM, LlamaCpp, LlamaCppPython, SGLang
from standins.server import RefusedError, StandIn, rendered, serving
from standins.services import DeepSeek, Service

MESSAGES: tuple[Message, ...] = ({"role": "user", "content": "Where to, in Zürich?"},)
COSTLY = Policy(name="costly", payer="user", price={"output": 15.0}, utility_of_money=700.0)
ENGINES = [VLLM, lambda: VLLM(ids=False), SGLang, LlamaCpp, LlamaCppPython, DeepSeek]
OPENING = "The highest sum is at {{cell}}: choose {{cell}}."


@asynccontextmanager
async def connected(standin: StandIn, **options: Any) -> AsyncGenerator[HTTPBackend, None]:
    async with serving(standin) as url:
        if isinstance(standin, LlamaCppPython):
            options["render"] = rendered
        backend = await connect(url, api_key=standin.key, **options)
        try:
            yield backend
        finally:
            await backend.aclose()


def steering(backend: HTTPBackend, **settings: Any) -> Steering:
    settings = {"instruct": False, "opening": OPENING, **settings}
    return Steering(backend, COSTLY, SteeringSettings(**settings), model=backend.model)


ASK = Ask(MESSAGES, sampling=Sampling(temperature=0.0, seed=1))


@pytest.mark.parametrize("mode", ["observe", "advise", "enforce"])
@pytest.mark.parametrize("standin", ENGINES)
async def test_every_engine_gives_the_same_answer(standin: Any, mode: str) -> None:
    async with connected(standin()) as backend:
        answer = await Session(steering(backend, mode=mode), ASK).answer()
    decision = answer.decision
    assert decision.backend == backend.name
    assert decision.stated is not None
    assert decision.stated.to_json() == {k: dict(v) for k, v in model.MATRIX.items()}
    assert decision.before is not None and decision.after is not None
    assert (decision.before.cell, decision.after.cell) == ("VQ_CQ", "DQ_DA")
    action = "CQ" if mode == "observe" else "DA"
    assert answer.response == model.RESPONSES[action]
    assert (decision.acted, decision.obeyed) == (action, None if mode == "observe" else True)
    assert parse(answer.text).payoff == (decision.stated if mode == "observe" else decision.edited)
    assert answer.finish == "stop"


async def test_several_choices_and_stop_strings_and_token_limits() -> None:
    async with connected(VLLM()) as backend:
        one = steering(backend)
        whole = await Session(one, ASK).answer()
        assert [a.text for a in await answers(one, ASK, 3)] == [whole.text] * 3
        stopped = await Session(one, Ask(MESSAGES, stop=("42",), sampling=ASK.sampling)).answer()
        assert stopped.response == model.RESPONSES["DA"].partition("42")[0].strip()
        first = whole.decision.phases[0].tokens
        short = await Session(
            one, Ask(MESSAGES, max_tokens=first + 3, sampling=ASK.sampling)
        ).answer()
        assert (short.finish, short.response) == ("length", None)


class Failing(LlamaCpp):
    """Serves well until it is told to fail at the second generation after that."""

    how = ""
    seen = 0

    async def completions(self, body: dict[str, Any]) -> Iterator[Any]:
        events = await super().completions(body)
        if not self.how:
            return events
        self.seen += 1
        if self.seen < 2:
            return events
        if self.how == "refuses":
            raise RefusedError(503, "loading model")
        if self.how == "ends":
            return itertools.islice(events, 4)
        return itertools.chain(itertools.islice(events, 4), [b"data: {\xff}\n\n"])


@pytest.mark.parametrize(
    ("how", "says"),
    [("refuses", "503"), ("ends", "without a 'finish_reason'"), ("lies", "not JSON")],
)
async def test_an_engine_that_fails_after_the_edit_leaves_a_clear_record(
    how: str, says: str
) -> None:
    standin = Failing()
    async with connected(standin) as backend:
        standin.how = how
        with pytest.raises(UpstreamError, match=says) as caught:
            await Session(steering(backend), ASK).answer()
    error = caught.value
    assert error.upstream == backend.name
    assert "left unfinished after its matrix was edited" in str(error)
    assert error.text.startswith("<thinking>")
    assert error.decision is not None
    decision = Decision.from_json(error.decision)
    assert decision.steered
    assert decision.edited is not None


async def test_a_service_that_continues_nothing_is_refused_or_asked_again() -> None:
    with pytest.raises(SteeringError, match="cannot continue a message"):
        async with connected(Service()):
            pass
    async with connected(Service(), fallback_reask=True) as backend:
        with pytest.raises(SteeringError, match="cannot continue an edited text"):
            steering(backend)
        answer = await Session(steering(backend, fallback="reask"), ASK).answer()
        assert answer.decision.resume == "reask"
        assert answer.decision.steered
        assert answer.decision.obeyed is False  # it does not read the instruction


async def test_a_second_draw_has_its_own_sampling() -> None:
    async with connected(LlamaCpp()) as backend:
        draft = backend.open(MESSAGES, Sampling(temperature=0.0, seed=1))
        for sampling in (None, Sampling(temperature=0.7, seed=2)):
            async for _ in draft.write(max_tokens=3, sampling=sampling):
                pass
        with pytest.raises(SteeringError, match="temperature"):
            await anext(draft.write(max_tokens=3, sampling=Sampling(temperature=-1.0)))
