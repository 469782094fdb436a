"""A model in process that continues many messages at once: each as if it were alone."""

import asyncio
from contextlib import aclosing
from typing import Any

import pytest
import torch

from gtalign.errors import SteeringError, UpstreamError
from gtalign.models.chat import Chat
from gtalign.models.model import LocalModel
from gtalign.steering import Draft, Sampling
from gtalign.steering.backend import Batching
from gtalign.steering.batched import BatchedBackend
from gtalign.steering.local import TransformersBackend
from gtalign.tasks import Message
from small_lab import small_model, small_tokenizer

TOKENIZER = small_tokenizer()
MODEL = LocalModel(small_model(TOKENIZER, seed=1), Chat(TOKENIZER))
ASKED = [
    (Message(role="user", content=text),)
    for text in ("say it is a cat. what is it?", "who?", "say 3 and 4. " * 6, "is it 7?")
]
GREEDY = Sampling(temperature=0.0)
DRAWN = Sampling(temperature=0.9, top_k=40, top_p=0.95, seed=7)


async def write(draft: Draft, count: int, **rest: Any) -> str:
    async with aclosing(draft.write(max_tokens=count, **rest)) as slices:
        return "".join([slice_ async for slice_ in slices])


@pytest.fixture
def batches(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The numbers of messages in the batches that are computed."""
    sizes: list[int] = []
    generate = MODEL.network.generate

    def counted(**named: Any) -> Any:
        sizes.append(len(named["input_ids"]))
        return generate(**named)

    monkeypatch.setattr(MODEL.network, "generate", counted)
    return sizes


@pytest.mark.parametrize("sampling", [GREEDY, DRAWN], ids=["greedy", "drawn"])
async def test_each_message_is_what_it_is_alone(sampling: Sampling, batches: list[int]) -> None:
    many, alone = BatchedBackend(MODEL), TransformersBackend(MODEL)
    assert isinstance(many, Batching) and not isinstance(alone, Batching)

    async def both(backend: Any, number: int) -> tuple[str, Any]:
        draft = backend.open(ASKED[number], sampling)
        text = await write(draft, 5 + 4 * number)
        draft.rewrite(text + "it is a dog.")
        text += await write(draft, 12)
        return draft.text, draft.report

    found = await many.together([both(many, number) for number in range(4)])
    assert batches == [4, 4]
    for number, (text, report) in enumerate(found):
        other, expected = await both(alone, number)
        assert text == other
        assert (report.finish, report.tokens) == (expected.finish, expected.tokens)
        assert report.prompt_tokens == expected.prompt_tokens
    await many.aclose()
    await alone.aclose()


async def test_a_stop_string_ends_its_own_message_alone() -> None:
    backend = BatchedBackend(MODEL)
    whole = await write(backend.open(ASKED[0], GREEDY), 30)
    stop = whole[6:9]

    async def one(stop: str | None) -> tuple[str, Any]:
        draft = backend.open(ASKED[0], GREEDY)
        return await write(draft, 30, stop=stop), draft.report

    (cut, report), (rest, _) = await backend.together([one(stop), one(None)])
    assert cut == whole[: whole.index(stop) + 3]
    assert report is not None and report.finish == "stop"
    assert rest == whole


async def test_batches_are_no_wider_than_asked(batches: list[int]) -> None:
    backend = BatchedBackend(MODEL, width=3)
    drafts = [backend.open(ASKED[n % 4], GREEDY) for n in range(7)]
    texts = await backend.together([write(draft, 4) for draft in drafts])
    assert batches == [3, 3, 1]
    assert texts[0] == texts[4] and texts[1] == texts[5]


async def test_calls_that_end_early_hold_up_no_others(batches: list[int]) -> None:
    backend = BatchedBackend(MODEL)

    async def some(count: int) -> int:
        draft = backend.open(ASKED[count], GREEDY)
        for _ in range(count):
            await write(draft, 2)
        return count

    assert await backend.together([some(count) for count in range(4)]) == [0, 1, 2, 3]
    assert batches == [3, 2, 1]


async def test_the_first_failure_ends_all(monkeypatch: pytest.MonkeyPatch) -> None:
    backend = BatchedBackend(MODEL)

    def broken(**named: Any) -> Any:
        raise RuntimeError("out of memory\nand more")

    monkeypatch.setattr(MODEL.network, "generate", broken)
    drafts = [backend.open(asked, GREEDY) for asked in ASKED]
    with pytest.raises(UpstreamError, match=r"broke off: out of memory$"):
        await backend.together([write(draft, 4) for draft in drafts])
    monkeypatch.undo()
    assert await backend.together([write(backend.open(ASKED[0], GREEDY), 4)])


async def test_what_it_cannot_do_is_refused() -> None:
    backend = BatchedBackend(MODEL)
    with pytest.raises(SteeringError, match="grammar"):
        await write(backend.open(ASKED[0], GREEDY), 4, grammar="root ::= .")
    with pytest.raises(SteeringError, match="min_p"):
        backend.open(ASKED[0], Sampling(extra={"min_p": 0.1}))
    long = backend.open((Message(role="user", content="a b c " * 300),), GREEDY)
    with pytest.raises(SteeringError, match="whole context"):
        await write(long, 4)


async def test_it_leaves_the_random_numbers_of_others_alone() -> None:
    backend = BatchedBackend(MODEL)
    torch.manual_seed(3)
    expected = torch.rand(1)
    torch.manual_seed(3)
    await asyncio.gather(write(backend.open(ASKED[0], DRAWN), 6))
    assert torch.equal(torch.rand(1), expected)
