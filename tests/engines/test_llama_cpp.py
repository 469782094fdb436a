"""llama.cpp steered over HTTP: the same decisions as the model in process, under grammars."""

from collections.abc import Sequence
from typing import Any

import pytest

from engines.conftest import CHECKPOINT, Server
from gtalign.chain import parse
from gtalign.lab.world import make_world
from gtalign.models.model import open_model
from gtalign.steering import (
    Ask,
    Backend,
    Sampling,
    Session,
    Steered,
    Steering,
    SteeringSettings,
    load_policy,
)
from gtalign.steering.http import connect
from gtalign.steering.local import TransformersBackend
from gtalign.tasks import Message

QUESTIONS = make_world(0, 1, 1).test
POLICIES = [load_policy(name, ["utility_of_money=300"]) for name in ("subscription", "per-token")]
GREEDY = Sampling(temperature=0.0, seed=0)


def render_with(tokenizer: Any) -> Any:
    def render(messages: Sequence[Message]) -> str:
        return tokenizer.apply_chat_template(
            [dict(m) for m in messages], add_generation_prompt=True, tokenize=False
        )

    return render


@pytest.fixture
def local(tokenizer: Any) -> TransformersBackend:
    return TransformersBackend(open_model(CHECKPOINT))


async def answers(backend: Backend, mode: str) -> list[Steered]:
    settings = SteeringSettings(mode=mode, instruct="none")
    return [
        await Session(Steering(backend, policy, settings), Ask(q.messages, 480, GREEDY)).answer()
        for q in QUESTIONS
        for policy in POLICIES
    ]


def check_alike(remote: list[Steered], here: list[Steered]) -> None:
    """The same decisions everywhere, and the same analysis and action where both came to an end.

    In a long answer a near tie can fall either way, as two libraries add up in other orders.
    """
    finished = 0
    for one, other in zip(remote, here, strict=True):
        assert decided(one) == decided(other)
        if one.chain is not None and other.chain is not None:
            assert one.decision.chosen == other.decision.chosen
            assert one.decision.acted == other.decision.acted
            finished += 1
    assert finished >= 0.75 * len(remote)


def decided(answer: Steered) -> Any:
    decision = answer.decision
    assert decision.before is not None and decision.after is not None
    return decision.stated, decision.edited, decision.before.cell, decision.after.cell


@pytest.mark.parametrize("mode", ["advise", "enforce"])
async def test_the_python_server_decides_as_the_model_in_process_does(
    mode: str, python_server: Server, local: TransformersBackend, tokenizer: Any
) -> None:
    before = len(python_server.reused())
    server = await connect(python_server.url, render=render_with(tokenizer))
    assert server.method == "completions-text"
    assert server.grammar == "gbnf"
    remote, here = await answers(server, mode), await answers(local, mode)
    await server.aclose()
    check_alike(remote, here)
    assert sum(answer.decision.steered for answer in remote) == len(remote)
    cached, computed = zip(*python_server.reused()[before:], strict=True)
    print(f"\n{mode}: {sum(computed)} prompt tokens evaluated, {sum(cached)} found in the cache")


async def test_a_grammar_keeps_a_hot_model_to_the_chain(
    python_server: Server, tokenizer: Any
) -> None:
    server = await connect(python_server.url, render=render_with(tokenizer))
    steering = Steering(server, POLICIES[1], SteeringSettings(instruct="none"))
    finished = 0
    for seed, question in enumerate(QUESTIONS[:6]):
        hot = Sampling(temperature=1.5, seed=seed)
        answer = await Session(steering, Ask(question.messages, 700, hot)).answer()
        if answer.finish == "stop":  # else it ran out of tokens, in whatever block
            parse(answer.text)
            assert answer.decision.steered
            assert answer.decision.retries == 0
            finished += 1
    assert finished > 1
    await server.aclose()


@pytest.mark.parametrize("method", ["completions-text", "continue-final"])
async def test_the_native_server_goes_on_by_each_of_its_methods(
    method: Any, native_server: Server, local: TransformersBackend
) -> None:
    server = await connect(native_server.url, method=method)
    remote, here = await answers(server, "advise"), await answers(local, "advise")
    await server.aclose()
    check_alike(remote, here)
    second = [answer.decision.phases[1] for answer in remote]
    computed = [(p.prompt_tokens or 0) - (p.cached_tokens or 0) for p in second]
    print(f"\n{method}: {sum(computed)} of {sum(p.prompt_tokens or 0 for p in second)} computed")
