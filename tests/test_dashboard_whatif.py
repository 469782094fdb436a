"""The what-if page: a matrix under a policy whose numbers are moved, over HTTP and in a browser."""

import html
import re
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from sqlalchemy import update

from browser import in_browser, needs_browser, window
from dashboard_parts import Visitor
from gateway_parts import Served, served
from gtalign.game import USER_LLM, Bimatrix
from gtalign.game.wording import named
from gtalign.gateway.dashboard.numbers import Number, dial, plain, reach, sent_texts, texts_of
from gtalign.gateway.dashboard.strip import DRAWN, LISTED, strip
from gtalign.gateway.dashboard.whatif import EXAMPLE, read_matrix, written
from gtalign.gateway.store.tables import decisions
from gtalign.steering import (
    ChoiceInterval,
    FakeBackend,
    edit,
    fit,
    flips,
    load_policy,
    prior_for,
    recommend,
)
from standins import model

PART = {"HX-Request": "true", "HX-Target": "result"}
PATH = "/what-if"


def fields(text: str) -> dict[str, str]:
    """What a form would send, as its page was rendered; sliders included."""
    found = {}
    for tag in re.findall(r"<input [^>]*>", text):
        name, value = re.search(r'name="([^"]*)"', tag), re.search(r' value="([^"]*)"', tag)
        if name and value and ('type="checkbox"' not in tag or " checked" in tag):
            found[name[1]] = value[1]
    for name, options in re.findall(
        r'<select id="[^"]*" name="([^"]*)".*?>(.*?)</select>', text, re.S
    ):
        chosen = re.search(r'<option(?: value="([^"]*)")? selected>([^<]*)', options)
        if chosen:
            found[name] = chosen[1] or chosen[2]
    return found | {"matrix": EXAMPLE}


async def part(visitor: Visitor, sent: dict[str, str], **headers: str) -> Any:
    return await visitor.post(PATH, sent, headers=PART | headers)


async def with_policy(gateway: Served, name: str) -> None:
    await gateway.gateway.policies.put(load_policy(name))


async def test_an_example_is_shown_and_moved_with_what_the_gateway_would_choose(
    tmp_path: Path,
) -> None:
    async with served(tmp_path) as gateway, Visitor(gateway) as visitor:
        await with_policy(gateway, "per-token")
        page = await visitor.get(PATH + "?policy=per-token")
        assert page.status == 200 and "VQ_CQ" in page.text and "<polyline" in page.text
        sent = fields(page.text)
        assert (sent["policy"], sent["payer"], sent["along"]) == (
            "per-token",
            "user",
            "price.output",
        )
        assert (sent["price.output"], sent["price.input"]) == ("15", "3") and "quota" not in sent
        game = Bimatrix.from_json(EXAMPLE)
        base = load_policy("per-token")
        seen = set()
        for price in ("0", "4", "5.4", "6.55", "30"):
            answer = await part(
                visitor, sent | {"price.output": price, "price.output.slider": price}
            )
            assert answer.status == 200 and "<html" not in answer.text
            policy = base.model_copy(
                update={"price": base.price.model_copy(update={"output": float(price)})}
            )
            edited = fit(edit(game, policy, prior_for(USER_LLM)), decimals=1, low=-5, high=5).edited
            action = recommend(edited, policy).action
            seen.add(action)
            verdict = re.search(r'<p class="verdict">(.*?)</p>', answer.text, re.S)
            assert verdict is not None
            told = re.sub(r"<[^>]*>", "", verdict[1])
            moved = f"{named('CQ')} → {named(action)}" if action != "CQ" else f"{named('CQ')} stays"
            assert moved in told
            # The strip marks the very interval that the price lies in.
            found = flips(
                game, policy, "price.output", 0, 60, expected=prior_for(USER_LLM), decimals=1
            )
            here = re.search(r'<li class="here".*?<b>(.*?)</b> (.*?)</li>', answer.text)
            assert here is not None and here[1] == named(action)
            assert len(re.findall(r'<rect class="block', answer.text)) == len(found)
            assert len(found) > 2
        assert seen == {"CQ", "DA"}


async def test_without_a_script_a_slider_or_a_field_is_taken_whichever_was_moved(
    tmp_path: Path,
) -> None:
    async with served(tmp_path) as gateway, Visitor(gateway) as visitor:
        await with_policy(gateway, "per-token")
        sent = fields((await visitor.get(PATH + "?policy=per-token")).text)
        for name in ("price.output.slider", "price.output"):
            page = await visitor.post(PATH, sent | {name: "0.3"})
            assert page.status == 200 and page.text.startswith("<!doctype html>")
            now = fields(page.text)
            assert (now["price.output"], now["price.output.was"]) == ("0.3", "0.3")
            assert "VQ_CQ" in page.text and "CQ (asks back)</b> stays the choice" in page.text
        page = await visitor.post(PATH, sent | {"value_of_time.slider": "2"})
        now = fields(page.text)
        assert (now["along"], now["value_of_time"]) == ("value_of_time", "2")
        # Another policy brings its own numbers; what is no part of it stays.
        page = await visitor.post(PATH, sent | {"policy": "costly", "prompt_tokens": "77"})
        now = fields(page.text)
        assert (now["utility_of_money"], now["price.input"], now["prompt_tokens"]) == (
            "700",
            "0",
            "77",
        )
        part_ = await visitor.post(
            PATH, sent | {"policy": "costly"}, headers=PART | {"HX-Target": "what-if"}
        )
        assert part_.text.startswith('<div id="what-if"') and "<html" not in part_.text


async def test_a_recorded_matrix_is_looked_at_as_it_was_decided(tmp_path: Path) -> None:
    async with served(tmp_path) as gateway, Visitor(gateway) as visitor:
        await gateway.ask(model="toy:costly")
        (record,) = await gateway.records()
        page = await visitor.get(f"{PATH}?decision={record['id']}")
        assert page.status == 200 and f"as recorded ({record['policy_hash']})" in page.text
        sent = fields(page.text)
        assert sent["policy"] == "@" + record["policy_hash"]
        assert sent["prompt_tokens"] == str(record["prompt_tokens"] or 0)
        assert "CQ (asks back) → DA (answers directly)" in page.text
        assert '"VQ_CQ": {"user": 3.5, "LLM": 4.0}' in html.unescape(page.text)
        again = await visitor.post(PATH, sent)
        assert again.status == 200 and "as recorded" in again.text
        other = await visitor.get(f"{PATH}?decision={record['id']}&policy=subscription")
        assert fields(other.text)["policy"] == "subscription"
        assert (await visitor.get(PATH)).text.count("?decision=") == 1
        missing = await visitor.get(PATH + "?decision=%3Cb%3E")
        assert missing.status == 404 and "&lt;b&gt;" in missing.text
        for base in ("nobody", "@nothing", "@" + "x" * 900, ""):
            answer = await visitor.post(PATH, sent | {"policy": base})
            assert answer.status == 400 and "policy" in answer.text.lower()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def lasting(tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Served, None]:
    """A gateway for what leaves it as it was."""
    async with served(tmp_path_factory.mktemp("lasting")) as gateway:
        yield gateway


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize(
    ("matrix", "line", "column", "rule"),
    [
        ("", 1, 1, "the payoff is strict JSON"),
        ("[1]", 1, 1, "the payoff is strict JSON"),
        (EXAMPLE.replace("4.0", "NaN"), 6, 21, "each payoff is finite"),
        (EXAMPLE.replace("4.0", "1e308"), 6, 21, "each payoff lies in the allowed range"),
        (EXAMPLE.replace("4.0", "true"), 6, 21, "each payoff is a number"),
        (EXAMPLE.replace("VQ_DA", "VQ_AQ"), 7, 3, "no key of the payoff comes twice"),
        (EXAMPLE.replace("VQ_DA", "<b>"), 7, 3, "the payoff names only cells of the game"),
        ('<payoff>{"DQ_AQ": {"user":' + "</payoff>", 1, 27, "the payoff is strict JSON"),
        ('{"a":' * 4000, 1, 2, "the payoff names only cells of the game"),
        ("{" + " " * 30_000, 1, 20_001, "the payoff is strict JSON"),
    ],
)
async def test_what_is_wrong_with_a_matrix_is_said_where_it_is(
    lasting: Served, matrix: str, line: int, column: int, rule: str
) -> None:
    async with Visitor(lasting) as visitor:
        for headers in ({}, PART):
            answer = await visitor.post(PATH, {"matrix": matrix}, headers=headers)
            assert answer.status == 200
            assert f"Line {line}, column {column}:" in answer.text and rule in answer.text
            assert "<b>" not in re.sub(r"<b>[A-Z]", "", answer.text) and "<svg" not in answer.text


async def test_numbers_that_are_none_are_named(tmp_path: Path) -> None:
    async with served(tmp_path) as gateway, Visitor(gateway) as visitor:
        sent = fields((await visitor.get(PATH)).text)
        for name, value, told in (
            ("price.output", "", "price.output: a number, not &#39;&#39;"),
            ("price.output", "nan", "price.output: a number"),
            ("price.output", "-1", "price.output: input should be greater than or equal to 0"),
            ("price.output", "1e400", "price.output: a number"),
            ("price.output", "<script>", "price.output: a number, not &#39;&lt;script&gt;"),
            ("utility_of_money", "1e15", "more than 200,000 times"),
            (
                "tokens_per_second",
                "0",
                "tokens_per_second: input should be greater than or equal to",
            ),
            ("expected.CQ.turns", "-1", "expected.CQ: turns: input should be greater"),
            ("prompt_tokens", "1.5", "prompt_tokens: a whole number of tokens"),
            ("used_tokens", "-1", "used_tokens: a whole number of tokens"),
            ("payer", "me", "payer: input should be"),
            ("solution", "<i>", "solution: input should be"),
            ("rho", "2", "rho: input should be less than or equal to 1"),
            ("rho", "x", "rho: a number up to 1"),
        ):
            answer = await part(visitor, sent | {name: value})
            assert answer.status == 200 and told in answer.text, name
            assert "<script>" not in answer.text and "<i>" not in answer.text
        quota = sent | {"quota": "on", "quota.tokens": "1.5"}
        assert "quota.tokens: a whole number" in (await part(visitor, quota)).text
        good = quota | {"quota.tokens": "900", "quota.price.output": "9", "along": "quota.tokens"}
        answer = await part(visitor, good)
        assert "output tokens above quota" in answer.text and "Tokens included" in answer.text
        answer = await part(visitor, sent | {"along": "quota.tokens"})
        assert "quota.tokens: this policy has no quota" in answer.text
        assert 'class="strip"' in (await part(visitor, sent | {"along": "<b>"})).text
        for rule in ("bargaining", "stackelberg", "stackelberg_user", "nash", "ces"):
            answer = await part(visitor, sent | {"solution": rule, "rho": "-inf"})
            assert 'class="strip"' in answer.text, rule
        large = await visitor.post(PATH, sent | {"matrix": "x" * 70_000})
        assert large.status == 413


def test_a_matrix_is_read_tolerantly_and_written_to_be_read_again() -> None:
    game = Bimatrix.from_json(model.MATRIX)
    assert read_matrix(written(game), USER_LLM, -5, 5) == (game, ())
    assert '"DQ_AQ": {"user": 3, "LLM": 3},\n  "DQ_CQ": {"user": 1.5' in written(game, 0)
    assert read_matrix(written(game, 0), USER_LLM, -5, 5) == (game, ())
    assert written(Bimatrix.from_json(EXAMPLE)) == EXAMPLE
    text = "thinking\n<payoff>```json\n" + written(game).replace('"', "'") + "```</payoff> more"
    found, repairs = read_matrix(text, USER_LLM, -5, 5)
    assert found == game
    assert {repair.kind for repair in repairs} == {"code-fence", "single-quotes"}


async def test_decimals_are_those_of_the_matrix_alone(tmp_path: Path) -> None:
    chain = (
        "<thinking>about: 1.23456</thinking>\n<payoff>" + EXAMPLE.replace(".0", "") + "</payoff>"
    )
    async with served(tmp_path) as gateway, Visitor(gateway) as visitor:
        page = await visitor.post(PATH, {"matrix": chain, "policy": "costly"})
        assert "payoffs of user are rounded to 1 decimals" in page.text


def test_sliders_reach_beyond_what_is_usual_and_show_numbers_plainly() -> None:
    number = Number("price.output", "", "", 60)
    ends = [reach(number, value) for value in (0, 60, 61, 100, 101, 5e6, 1e15)]
    assert ends == [60, 60, 100, 100, 200, 5e6, 1e15]
    assert [plain(v) for v in (0, 15, 0.3, 1e6, 1e-12, 1 / 3)] == [
        *("0", "15", "0.3", "1000000", "1e-12", repr(1 / 3))
    ]
    assert (dial(number, "abc").slider, dial(number, "7").slider) == ("0", "7")
    own = texts_of(load_policy("per-token"), prior_for(USER_LLM), 0, 0)
    was = {"price.output.was": "15.01", "price.output": "15.01"}
    # A slider that shows the nearest step was not moved.
    assert sent_texts(was | {"price.output.slider": "15"}, own, USER_LLM)[1] == ""
    texts, moved = sent_texts(was | {"price.output.slider": "15.3"}, own, USER_LLM)
    assert (texts["price.output"], moved) == ("15.3", "price.output")


def test_a_strip_covers_its_width_and_tells_the_first_intervals() -> None:
    intervals = [ChoiceInterval("CQ" if i % 2 else "DA", float(i), i + 1.0) for i in range(20)]
    drawn = strip(intervals, USER_LLM.llm_actions, 20.0)
    assert sum(band.width for band in drawn.parts) == pytest.approx(1000)
    assert [band.now for band in drawn.parts] == [False] * 19 + [True]
    assert (drawn.mark, drawn.high, len(drawn.listed)) == (1000, 20, LISTED)
    many = [ChoiceInterval("CQ" if i % 2 else "DA", i / 7, (i + 1) / 7) for i in range(9001)]
    drawn = strip(many, USER_LLM.llm_actions, 3.0)
    assert (drawn.count, len(drawn.parts) <= DRAWN) == (9001, True)
    assert sum(band.width for band in drawn.parts) == pytest.approx(1000)
    assert sum(band.now for band in drawn.parts) == 1
    assert [b.now for b in strip(intervals, USER_LLM.llm_actions, 1.0).parts][:3] == [
        *(False, True, False)
    ]


@needs_browser
@in_browser
async def test_sliders_move_the_choice_by_keyboard(tmp_path: Path, chromium: Any) -> None:
    from playwright.async_api import expect

    async with (
        served(tmp_path) as gateway,
        window(chromium, viewport={"width": 360, "height": 740}) as view,
    ):
        await with_policy(gateway, "per-token")
        page = view.page
        await page.goto(f"{gateway.address}/dashboard/what-if?policy=per-token")
        assert await view.overflow() == 0
        now, fault = page.locator("#ticker"), page.locator("#matrix-problem")
        price, worth = (page.locator(f'[id="{n}"]') for n in ("price.output", "utility_of_money"))
        await expect(now).to_contain_text("CQ (asks back) → DA (answers directly)")
        await page.get_by_role("slider", name="Price of tokens written").focus()
        await page.keyboard.press("Home")
        await expect(now).to_contain_text("stays")
        await expect(price).to_have_value("0")
        await page.keyboard.press("End")
        await expect(now).to_contain_text("flip")
        await expect(price).to_have_value("60")
        await page.keyboard.press("ArrowLeft")
        await expect(price).to_have_value("59.7")
        await worth.fill("0")
        await expect(now).to_contain_text("stays")
        await expect(page.locator("#along")).to_have_value("utility_of_money")
        await expect(page.locator("#result h2").first).to_contain_text("Worth of a currency unit")
        await page.locator("#matrix").fill('{"DQ_AQ": nothing}')
        await expect(fault).to_contain_text("Line 1, column 11")
        await expect(now).to_contain_text("no choice")
        await page.locator("#matrix").fill(EXAMPLE)
        await expect(fault).to_be_empty()
        await page.locator("#policy").focus()
        await page.locator("#policy").select_option("costly")
        await expect(worth).to_have_value("700")
        await expect(page.locator("#policy")).to_be_focused()
        assert await view.overflow() == 0


async def test_a_record_without_a_matrix_or_that_cannot_be_read_is_no_matrix_to_look_at(
    tmp_path: Path,
) -> None:
    plain_text = FakeBackend(lambda messages, text: "" if text else "no chain at all")
    async with served(tmp_path, plain_text) as gateway, Visitor(gateway) as visitor:
        await gateway.ask()
        (record,) = await gateway.records()
        answer = await visitor.get(f"{PATH}?decision={record['id']}")
        assert answer.status == 400 and "has no matrix" in answer.text
        async with gateway.gateway.store.begin() as connection:
            await connection.execute(update(decisions).values(decision="{}"))
        answer = await visitor.get(f"{PATH}?decision={record['id']}")
        assert answer.status == 500 and "cannot be read" in answer.text
