"""A model in process as a backend: what it writes, and what it does not compute twice."""

import asyncio
from contextlib import aclosing
from typing import Any

import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st

from gtalign.errors import SteeringError, UpstreamError
from gtalign.models.chat import Chat
from gtalign.models.model import LocalModel
from gtalign.steering import Draft, Sampling
from gtalign.steering.local import TransformersBackend
from gtalign.tasks import Message
from small_lab import small_model, small_tokenizer

TOKENIZER = small_tokenizer()
MODEL = small_model(TOKENIZER, seed=1)
ASKED = (Message(role="user", content="say it is a cat. what is it?"),)
GREEDY = Sampling(temperature=0.0)


class Counter:
    """Counts the positions that a network computes, from outside."""

    def __init__(self, model: Any) -> None:
        self.lengths: list[int] = []
        self._hook = model.register_forward_pre_hook(self._count, with_kwargs=True)

    def _count(self, module: Any, args: Any, kwargs: Any) -> None:
        self.lengths.append(kwargs["input_ids"].shape[1])

    def close(self) -> int:
        self._hook.remove()
        return sum(self.lengths)


def backend() -> TransformersBackend:
    return TransformersBackend(LocalModel(MODEL, Chat(TOKENIZER)))


async def write(draft: Draft, count: int, **rest: Any) -> str:
    async with aclosing(draft.write(max_tokens=count, **rest)) as slices:
        return "".join([slice_ async for slice_ in slices])


def prompt_length() -> int:
    ids = TOKENIZER.apply_chat_template(
        [dict(m) for m in ASKED], add_generation_prompt=True, return_dict=True
    )["input_ids"]
    return len(ids)


async def test_it_writes_what_generate_writes() -> None:
    draft = backend().open(ASKED, GREEDY)
    written = await write(draft, 24)
    inputs = TOKENIZER.apply_chat_template(
        [dict(m) for m in ASKED], add_generation_prompt=True, return_dict=True, return_tensors="pt"
    )
    with torch.inference_mode():
        ids = MODEL.generate(**inputs, max_new_tokens=24, do_sample=False)
    expected = TOKENIZER.decode(ids[0, prompt_length() :], skip_special_tokens=True)
    assert written
    assert expected.removesuffix("\ufffd").startswith(written.rstrip("\ufffd"))
    assert draft.text == written


async def test_writing_in_two_steps_is_writing_in_one() -> None:
    for sampling in (
        GREEDY,
        Sampling(seed=7),
        Sampling(temperature=0.8, top_k=40, top_p=0.9, seed=7),
    ):
        whole, halves = (backend().open(ASKED, sampling) for _ in range(2))
        at_once = await write(whole, 40)
        assert await write(halves, 15) + await write(halves, 25) == at_once
        assert halves.report is not None
        assert halves.report.tokens == 25
        assert halves.report.cached_tokens == prompt_length() + 14


async def test_nothing_is_computed_twice_but_what_was_rewritten() -> None:
    model = backend()
    counter = Counter(MODEL)
    draft = model.open(ASKED, GREEDY)
    await write(draft, 30)
    text = draft.text
    kept, changed = text[: len(text) // 2], " a cat. it is 7."
    draft.rewrite(kept + changed)
    before = len(counter.lengths)
    await write(draft, 10)
    again = counter.lengths[before]
    tail = draft.report
    total = counter.close()
    assert tail is not None and tail.prompt_tokens is not None
    assert again == tail.prompt_tokens - (tail.cached_tokens or 0)
    # Every token is computed once, but the last one of each write, which is only drawn, and the
    # tokens of the half that was thrown away, which stood before it was.
    assert again <= len(TOKENIZER(kept[-8:] + changed)["input_ids"])
    assert total == model.positions == prompt_length() + 29 + again + 9


async def test_a_rewritten_draft_goes_on_as_if_it_had_written_that_itself() -> None:
    text = "it is a dog. it is 12."
    fresh, rewritten = (backend().open(ASKED, GREEDY) for _ in range(2))
    fresh.rewrite(text)
    await write(rewritten, 12)
    rewritten.rewrite(text)
    assert await write(fresh, 20) == await write(rewritten, 20)
    assert rewritten.text.startswith(text)


@settings(max_examples=25, deadline=None)
@given(st.text(max_size=30), st.text(max_size=30))
@example("", "\U0002f800")  # one character that is normalised to another one
def test_any_text_can_be_rewritten_to_any_other(one: str, other: str) -> None:
    draft = backend().open(ASKED, GREEDY)
    for text in (one, other, one):
        try:
            draft.rewrite(text)
        except SteeringError as refused:
            # The tokenizer normalises, so that some texts have no tokens.
            assert "cannot spell" in str(refused)
            continue
        assert draft.text == text
        assert TOKENIZER.decode(draft._spelling.ids, skip_special_tokens=True) == text


async def test_a_stop_string_ends_the_text_wherever_it_falls() -> None:
    whole = await write(backend().open(ASKED, GREEDY), 40)
    for start in range(0, len(whole) - 3, 5):
        stop = whole[start : start + 3]
        draft = backend().open(ASKED, GREEDY)
        written = await write(draft, 40, stop=stop)
        assert written == draft.text == whole[: whole.index(stop) + 3]
        assert draft.report is not None
        assert draft.report.finish == "stop"


async def test_closing_early_ends_the_engine() -> None:
    model = backend()
    draft = model.open(ASKED, GREEDY)
    async with aclosing(draft.write(max_tokens=400)) as slices:
        async for _ in slices:
            break
    assert draft.report is not None
    assert draft.report.finish == "closed"
    assert model.positions < prompt_length() + 400
    assert await write(draft, 3)


async def test_the_end_of_the_turn_ends_the_text() -> None:
    model = backend()
    model.ends = frozenset(range(len(TOKENIZER)))
    draft = model.open(ASKED, GREEDY)
    assert await write(draft, 5) == ""
    assert draft.report is not None
    assert (draft.report.finish, draft.report.tokens) == ("end", 1)


async def test_a_full_context_is_told() -> None:
    draft = backend().open((Message(role="user", content="cat " * 600),), GREEDY)
    with pytest.raises(SteeringError, match="whole context"):
        await write(draft, 5)


async def test_what_was_written_before_a_failure_is_kept_and_counted() -> None:
    draft = backend().open(ASKED, GREEDY)

    def fail(module: Any, args: Any) -> None:
        if len(draft.text) >= 8:
            raise torch.OutOfMemoryError("out of memory\nand a page of advice")

    # Behind the layers, whose cache has grown by then.
    hook = MODEL.model.norm.register_forward_pre_hook(fail)
    try:
        with pytest.raises(UpstreamError, match=r"^transformers: broke off: out of memory$"):
            await write(draft, 40)
    finally:
        hook.remove()
    begun, report = draft.text, draft.report
    assert report is not None
    assert (report.finish, report.tokens) == ("broken", len(draft._spelling.ids))
    assert len(begun) >= 8
    rest = await write(draft, 40 - report.tokens)
    assert begun + rest == await write(backend().open(ASKED, GREEDY), 40)


async def test_drafts_written_at_once_do_not_disturb_each_other() -> None:
    model = backend()
    alone = [await write(model.open(ASKED, Sampling(seed=s)), 20) for s in range(3)]
    drafts = [model.open(ASKED, Sampling(seed=s)) for s in range(3)]
    assert await asyncio.gather(*(write(draft, 20) for draft in drafts)) == alone
    await model.aclose()


async def test_what_it_cannot_do_is_refused() -> None:
    with pytest.raises(SteeringError, match="does not know frequency_penalty"):
        backend().open(ASKED, Sampling(extra={"frequency_penalty": 1.0}))
    with pytest.raises(SteeringError, match="grammar"):
        await write(backend().open(ASKED, GREEDY), 5, grammar='root ::= "a"')
    with pytest.raises(SteeringError, match="refuses a conversation"):
        backend().open((), GREEDY)
