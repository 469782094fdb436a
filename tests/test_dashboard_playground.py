"""The playground: two answers side by side, streamed and whole, recorded, and stopped when left."""

import asyncio
import html
import json
import re
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from browser import PHONE, in_browser, needs_browser, window
from dashboard_parts import Visitor
from gateway_parts import Held, scripted, served
from gtalign.errors import UpstreamError
from gtalign.game.wording import named
from gtalign.gateway.dashboard.playground import EXAMPLE
from gtalign.gateway.keys import read_key_request
from gtalign.steering import FakeBackend
from standins import model

PATH = "/playground"
EVIL = "<script>alert(1)</script><img src=x onerror=alert(2)>"
ASKED = {"question": "Where to?", "left": "costly", "right": "subscription"}


@asynccontextmanager
async def streaming(visitor: Visitor, **fields: str) -> Any:
    """A stream that is read while it comes."""
    token = (await visitor.get()).token
    data = {**ASKED, **fields}
    url = f"{visitor.gateway.address}/dashboard{PATH}/answer"
    headers = {"X-CSRF-Token": token}
    async with visitor.http.post(url, data=data, headers=headers) as answer:
        yield answer


async def events(visitor: Visitor, side: str = "left", **fields: str) -> list[dict[str, Any]]:
    """What is told of one side."""
    told = (await both(visitor, **fields))[1:]
    return [one for one in told if one["side"] == side]


async def both(visitor: Visitor, **fields: str) -> list[dict[str, Any]]:
    async with streaming(visitor, **fields) as answer:
        assert answer.status == 200
        assert answer.headers["Content-Type"].startswith("text/event-stream")
        assert answer.headers["Content-Security-Policy"].startswith("default-src 'none'")
        text = await answer.text()
    found = [part for part in text.split("\n\n") if part]
    return [json.loads(part.removeprefix("data: ")) for part in found if part[0] != ":"]


def texts(told: list[dict[str, Any]]) -> dict[str, str]:
    """The text of each block."""
    blocks: dict[str, str] = {}
    block = ""
    for event in told:
        block = event.get("block") or block
        if "text" in event:
            blocks[block] = blocks.get(block, "") + event["text"]
    return blocks


async def test_an_answer_is_streamed_block_by_block_and_is_on_record(tmp_path: Path) -> None:
    async with served(tmp_path) as gateway, Visitor(gateway) as visitor:
        told = await events(visitor, seed="7", temperature="0.5", max_tokens="400")
        policy = gateway.gateway.policies.get("costly")
        assert told[0] == {"side": "left", "policy": "costly", "hash": policy.hash}
        blocks = texts(told)
        assert blocks["thinking"] == "«Where to?» is über-vague \N{THINKING FACE}."
        assert "choose" in blocks["analyze"] and "</" not in "".join(blocks.values())
        assert blocks["response"] == model.RESPONSES["DA"]
        (games,) = (event["games"] for event in told if "games" in event)
        order = [
            event.get("block") or list(event)[1]
            for event in told
            if event.get("block") or "games" in event
        ]
        order = [name for name in order if name != "block"]
        assert list(dict.fromkeys(order)) == ["thinking", "payoff", "games", "analyze", "response"]
        tables = games.split("</table>")[:-1]
        chosen = [re.findall(r'class="cell chosen" data-cell="(\w+)"', table) for table in tables]
        records = {one["policy"]: one for one in await gateway.records()}
        record = records["costly"]
        before, after = record["decision"]["before"], record["decision"]["after"]
        assert chosen == [[before["cell"]], [after["cell"]]]
        done = told[-1]["done"]
        assert done["decision"] == record["id"] and done["recorded"] and done["flipped"]
        assert (done["before"], done["after"], done["acted"]) == ("CQ", "DA", "DA")
        assert done["completion_tokens"] == record["written_tokens"]
        assert (record["status"], record["stream"], record["policy"]) == ("done", True, "costly")
        assert done["total_ms"] >= done["first_ms"] > 0
        assert (await visitor.get(f"/decisions/{record['id']}")).status == 200


async def test_both_answers_are_shown_whole_without_a_script(tmp_path: Path) -> None:
    async with served(tmp_path) as gateway, Visitor(gateway) as visitor:
        page = await visitor.get(PATH)
        assert page.status == 200 and "costly" in page.text
        page = await visitor.post(PATH, ASKED)
        assert page.status == 200
        for name, action in (("costly", "DA"), ("subscription", "CQ")):
            side = re.search(
                rf'<section class="card side" aria-label="{name}">.*?</section>', page.text, re.S
            )
            assert side is not None
            text = html.unescape(re.sub(r"<[^>]*>", "", side[0]))
            assert model.RESPONSES[action] in text and "As the policy edits it" in text
            assert f"carries out {named(action)}" in text
        records = await gateway.records()
        assert {record["policy"] for record in records} == {"costly", "subscription"}
        assert all(f"/decisions/{record['id']}" in page.text for record in records)
        assert 'rows="3" required>\nWhere to?</textarea>' in page.text


async def test_what_is_asked_wrongly_is_said(tmp_path: Path) -> None:
    async with served(tmp_path) as gateway, Visitor(gateway) as visitor:
        for field, value, told in (
            ("question", "  ", "the question is empty"),
            ("temperature", "hot", "temperature: a number, not 'hot'"),
            ("temperature", "nan", "temperature: a number, not 'nan'"),
            ("temperature", "9", "'temperature' has to be a number from 0 to 2"),
            ("max_tokens", "0", "'max_tokens' has to be a whole number from 1 to 131072"),
            ("seed", "9" * 30, "the seed is too large"),
            ("seed", "9" * 5000, "seed: a number, not '999"),
            ("left", "<b>", "there is no policy '<b>'"),
        ):
            page = await visitor.post(PATH, ASKED | {field: value})
            assert page.status in (400, 404) and told in html.unescape(page.text), field
            assert "<b>'" not in page.text
            if field != "question":
                assert "Where to?</textarea>" in page.text
            async with streaming(visitor, **{field: value}) as answer:
                assert answer.status in (400, 404)
                assert told.lower()[:20] in html.unescape(await answer.text()).lower()
        assert await gateway.records() == []
        url = f"/dashboard{PATH}/answer"
        assert (await visitor.send("POST", url, data=ASKED)).status == 403  # without a token
        assert (await visitor.send("GET", url)).status == 405
        large = await visitor.post(PATH, ASKED | {"question": "x" * 70_000})
        assert large.status == 413


async def test_limits_of_the_key_hold_and_its_answers_count(tmp_path: Path) -> None:
    async with served(tmp_path) as gateway, Visitor(gateway) as visitor:
        wanted = {"name": "root", "scopes": ["chat", "admin"], "limits": {"requests_per_minute": 2}}
        names = gateway.gateway.policies.names()
        key, secret = await gateway.gateway.keys.create(read_key_request(wanted, names))
        async with streaming(visitor) as answer:
            assert (answer.url.path.endswith("/sign-in") and not answer.ok) or "Sign in" in (
                await answer.text()
            )
        await visitor.sign_in(secret)
        told = (await both(visitor))[1:]
        done = [one["done"]["total_tokens"] for one in told if "done" in one]
        assert len(done) == 2 and gateway.gateway.limits.used(key) == sum(done)
        page = await visitor.post(PATH, ASKED)
        assert page.status == 200
        assert page.text.count("this key may take 2 requests a minute") == 2
        refused = (await both(visitor))[1:]
        assert {one["side"] for one in refused} == {"left", "right"}
        assert all("2 requests a minute" in one["error"]["message"] for one in refused)
        assert {record["key_id"] for record in await gateway.records()} == {key.id}


@pytest.mark.parametrize("streams", [False, True])
async def test_the_answer_is_stopped_when_the_page_is_left(tmp_path: Path, streams: bool) -> None:
    backend = Held()
    async with served(tmp_path, backend) as gateway, Visitor(gateway) as visitor:

        async def ask() -> None:
            if streams:
                await events(visitor)
            else:
                await visitor.post(PATH, ASKED)

        asking = asyncio.create_task(ask())
        await backend.reached.wait()
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)
        await backend.closed.wait()
        while gateway.gateway.limits.running:
            await asyncio.sleep(0)
        records = await gateway.records()
        assert {record["status"] for record in records} == {"gone"}
        assert len(records) == 2


async def test_an_upstream_that_dies_is_told_on_its_side_alone(tmp_path: Path) -> None:
    broken = UpstreamError("http://engine", "the connection broke <b>")

    def script(messages: Any, begun: str) -> Any:
        rest = model.continuation(messages[-1]["content"], begun)
        return [rest[:60], broken] if "</payoff>" in begun else rest

    settings = {"upstream": {"retries": 0}}
    told = "the model server failed before the answer was complete"
    async with (
        served(tmp_path, FakeBackend(script), **settings) as gateway,
        Visitor(gateway) as visitor,
    ):
        page = await visitor.post(PATH, ASKED)
        assert page.status == 200 and page.text.count(told) == 2
        for side in ("left", "right"):
            ends = (await events(visitor, side))[-1]
            assert ends["error"]["message"] == told
        assert {record["status"] for record in await gateway.records()} == {"failed"}


async def test_an_answer_that_is_too_slow_says_so_at_its_end(tmp_path: Path) -> None:
    timeouts = {"total": 0.3, "first": 0.2, "keep_alive": 0.01}
    async with (
        served(tmp_path, Held(), timeouts=timeouts) as gateway,
        Visitor(gateway) as visitor,
    ):
        told = await events(visitor)
        assert told[-1]["error"]["code"] == "timeout"
        page = await visitor.post(PATH, ASKED)
        assert page.text.count("took longer than it may") == 2


@pytest.mark.parametrize("mode", ["advise", "observe"])
async def test_a_text_that_is_no_chain_is_shown_as_it_is(tmp_path: Path, mode: str) -> None:
    backend = FakeBackend(lambda messages, begun: "" if begun else EVIL)
    async with (
        served(tmp_path, backend, steering={"mode": mode}) as gateway,
        Visitor(gateway) as visitor,
    ):
        told = await events(visitor)
        assert texts(told)["response"] == EVIL
        done = told[-1]["done"]
        assert (done["reason"] and "before" not in done) or done["before"] is None
        page = await visitor.post(PATH, ASKED)
        assert html.escape(EVIL, quote=False) in page.text and EVIL not in page.text


async def test_what_looks_like_a_tag_in_a_chain_is_text_of_it(tmp_path: Path) -> None:
    told = "<b>bold</b>\nand <analyse>"

    def script(messages: Any, begun: str) -> Any:
        text = model.chain("x").replace("is über-vague", told)
        rest = text[len(begun) :] if text.startswith(begun) else model.continuation("x", begun)
        return rest if begun else ["<thinking>«x»", " ", "<b>", "bold", "</b>\n", rest[26:]]

    async with served(tmp_path, FakeBackend(script)) as gateway, Visitor(gateway) as visitor:
        found = texts(await events(visitor))
        assert found["thinking"].startswith("«x» <b>bold</b>\nand <analyse>")
        page = await visitor.post(PATH, ASKED)
        assert "&lt;b&gt;bold&lt;/b&gt;" in page.text and "<b>bold" not in page.text


async def test_in_observe_mode_the_chain_comes_as_it_is_written(tmp_path: Path) -> None:
    async with (
        served(tmp_path, steering={"mode": "observe"}) as gateway,
        Visitor(gateway) as visitor,
    ):
        told = await events(visitor)
        assert texts(told)["response"] == model.RESPONSES["CQ"]
        assert sum("games" in event for event in told) == 1
        assert told[-1]["done"]["steered"] is False


async def test_both_sides_share_their_seed_and_their_opening(tmp_path: Path) -> None:
    backend = scripted()
    async with served(tmp_path, backend) as gateway, Visitor(gateway) as visitor:
        told = await both(visitor)
        drawn = told[0]["seed"]
        sides = [texts([one for one in told[1:] if one["side"] == s]) for s in ("left", "right")]
        assert sides[0]["thinking"] == sides[1]["thinking"]
        assert sides[0]["response"] != sides[1]["response"]
        assert {write.sampling.seed for write in backend.writes} == {drawn}
        assert [write.text for write in backend.writes].count("") == 1  # one opening for both
        assert (await both(visitor))[0]["seed"] != drawn  # of 2**31
        assert (await both(visitor, seed="7"))[0]["seed"] == 7
        page = await visitor.post(PATH, ASKED | {"seed": "12"})
        assert "the seed <b>12</b>" in page.text
        records = await gateway.records()
        stated = [one["decision"]["stated"] for one in records]
        assert len(records) == 8 and all(one == stated[0] for one in stated)


async def test_without_a_price_between_them_both_sides_are_the_same(tmp_path: Path) -> None:
    backend = scripted()
    async with served(tmp_path, backend) as gateway, Visitor(gateway) as visitor:
        told = await both(visitor, right="costly")
        sides = [texts([one for one in told[1:] if one["side"] == s]) for s in ("left", "right")]
        assert sides[0] == sides[1] and len(backend.writes) == 2
        assert len(await gateway.records()) == 2


async def test_a_question_to_begin_with_is_there_to_click(tmp_path: Path) -> None:
    async with (
        served(tmp_path, audit={"texts": True}) as gateway,
        Visitor(gateway) as visitor,
    ):

        async def offered() -> list[str]:
            links = re.findall(r'href="([^"]*\?question=[^"]*)"', (await visitor.get(PATH)).text)
            return [html.unescape(link) for link in links]

        (first,) = await offered()
        page = await visitor.send("GET", first)
        assert html.escape(EXAMPLE, quote=False) in html.unescape(page.text)
        said = {"role": "user", "content": "Is <it>?"}
        await gateway.ask(messages=[said])
        await gateway.ask(model="toy:costly", messages=[{"role": "user", "content": "Flips?"}])
        await gateway.ask(messages=[said, {"role": "assistant", "content": "No."}, said])
        links = await offered()
        page = await visitor.send("GET", links[0])
        assert "Flips?</textarea>" in page.text and len(links) == 2
        page = await visitor.send("GET", links[1])
        assert "Is &lt;it&gt;?</textarea>" in page.text


@needs_browser
@in_browser
@pytest.mark.parametrize("width", [360, 1200])
async def test_two_answers_appear_side_by_side_as_text(
    tmp_path: Path, chromium: Any, width: int
) -> None:
    from playwright.async_api import expect

    def script(messages: Any, begun: str) -> str:
        return model.continuation(messages[-1]["content"], begun)

    async with (
        served(tmp_path, FakeBackend(script)) as gateway,
        window(chromium, viewport={"width": width, "height": 740}) as view,
    ):
        page = view.page
        await page.goto(f"{gateway.address}/dashboard{PATH}")
        await expect(page.get_by_role("button", name="Stop")).to_be_hidden()
        await page.get_by_label("Question").fill(EVIL)
        await page.get_by_role("button", name="Ask both").press("Enter")
        sides = page.locator(".side")
        await expect(sides.locator(".facts")).to_have_count(2)
        await expect(sides.nth(0)).to_contain_text(f"«{EVIL}» is über-vague")
        await expect(sides.nth(0)).to_contain_text("CQ (asks back) → DA (answers directly)")
        await expect(sides.nth(1)).to_contain_text(model.RESPONSES["CQ"])
        await expect(sides.locator(".game .chosen")).to_have_count(4)
        await expect(page.locator(".side script, .side img")).to_have_count(0)
        assert await view.overflow() == 0
        await sides.nth(0).get_by_role("link").click()
        await expect(page).to_have_url(re.compile("/dashboard/decisions/chatcmpl-"))


@needs_browser
@in_browser
async def test_a_person_stops_the_answers_or_leaves(tmp_path: Path, chromium: Any) -> None:
    from playwright.async_api import expect

    backend = Held()
    async with (
        served(tmp_path, backend) as gateway,
        window(chromium) as view,
    ):
        page = view.page
        await page.goto(f"{gateway.address}/dashboard{PATH}")
        await page.get_by_label("Question").fill("x")
        send, stop = (page.get_by_role("button", name=name) for name in ("Ask both", "Stop"))
        await send.press("Enter")
        await backend.reached.wait()
        await stop.press("Enter")
        await expect(page.locator(".side [role=status]").first).to_have_text("stopped")
        await expect(stop).to_be_hidden()
        await expect(send).to_be_focused()
        await backend.closed.wait()
        backend.reached.clear()
        backend.closed.clear()
        await send.press("Enter")
        await backend.reached.wait()
        await page.goto(f"{gateway.address}/dashboard/policies")
        await backend.closed.wait()
        while gateway.gateway.limits.running:
            await asyncio.sleep(0)
        records = await gateway.records()
        assert {record["status"] for record in records} == {"gone"}


@needs_browser
@in_browser
@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_a_phone_without_scripts_asks_tries_and_moves_so_that_it_can_be_read(
    tmp_path: Path, chromium: Any, scheme: str
) -> None:
    async with (
        served(tmp_path) as gateway,
        window(chromium, color_scheme=scheme, java_script_enabled=False, **PHONE) as view,
    ):
        page = view.page
        await page.goto(f"{gateway.address}/dashboard{PATH}")
        await page.get_by_label("Question").fill("unbroken" * 60)
        await page.get_by_role("button", name="Ask both").click()
        assert await page.locator(".side .facts").count() == 2
        assert (await view.overflow(), await view.faint()) == (0, [])
        await page.goto(f"{gateway.address}/dashboard/policies/costly")
        draft = page.get_by_label("Policy, as TOML")
        await draft.fill((await draft.input_value()).replace("700.0", "1.0"))
        await page.get_by_role("button", name="Preview").click()
        assert await page.get_by_text("1 of 1 decisions would flip").count() == 1
        assert (await view.overflow(), await view.faint()) == (0, [])
        await page.goto(f"{gateway.address}/dashboard/what-if")
        await page.get_by_role("slider", name="Worth of a currency unit").fill("0")
        await page.get_by_role("button", name="Show").click()
        assert await page.locator('[id="utility_of_money"]').input_value() == "0"
        assert await page.locator(".strip").count() == 1
        assert (await view.overflow(), await view.faint()) == (0, [])
        await page.get_by_label("Payoff matrix").fill("{")
        await page.get_by_role("button", name="Show").click()
        assert "Line 1, column 2:" in await page.locator("#matrix-problem").inner_text()
        assert (await view.overflow(), await view.faint()) == (0, [])
