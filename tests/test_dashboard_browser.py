"""The dashboard in Chromium: with scripts and without, by keyboard, on a phone, in the dark."""

from pathlib import Path
from typing import Any

import pytest

from browser import PHONE, Window, in_browser, needs_browser, window
from gateway_parts import Served, served

pytestmark = [needs_browser, in_browser]

TEXT = "<script>document.title = 'taken'</script> " + "unbroken" * 40


async def filled(gateway: Served) -> str:
    """Have some decisions recorded; returns the id of one that flipped."""
    asked = [{"role": "user", "content": TEXT}]
    for number in range(30):
        await gateway.ask(model=f"toy:{('subscription', 'costly')[number % 2]}", messages=asked)
    return str((await gateway.ask(model="toy:costly", messages=asked)).id)


async def signed_in(view: Window, gateway: Served, secret: str, path: str = "") -> Any:
    page = view.page
    await page.goto(f"{gateway.address}/dashboard{path}")
    await page.get_by_label("Admin key").fill(secret)
    await page.get_by_role("button", name="Sign in").click()
    await page.wait_for_url(f"**/dashboard{path}")
    return page


async def shows(page: Any, rows: int) -> None:
    """Wait until a page that a click has asked for is there, with so many rows."""
    shown = page.locator("tbody tr")
    await shown.nth(rows).wait_for(state="detached")
    await shown.nth(rows - 1).wait_for()


async def test_a_person_filters_pages_and_opens_a_decision(tmp_path: Path, chromium: Any) -> None:
    async with (
        served(tmp_path, audit={"texts": True}) as gateway,
        window(chromium) as view,
    ):
        await filled(gateway)
        _, secret = await gateway.key(name="root")
        page = await signed_in(view, gateway, secret)
        await page.get_by_role("link", name="Decisions").click()
        await page.get_by_label("Flip").select_option("flipped")
        await page.get_by_text("More filters").click()
        await page.get_by_label("On a page").select_option("25")
        await page.get_by_role("button", name="Filter").click()
        rows = page.locator("tbody tr")
        await shows(page, 16)
        await page.get_by_label("Flip").select_option("any")
        await page.get_by_role("button", name="Filter").click()
        await shows(page, 25)
        await page.get_by_role("link", name="Older »").click()
        await shows(page, 6)
        await rows.first.get_by_role("link").click()
        assert await page.locator("table.game").count() == 2
        assert await page.locator("figure.plot svg").count() == 1
        assert "taken" not in await page.title()
        assert "<script>" in await page.locator(".bubble.them .text").inner_text()
        await page.get_by_role("link", name="Keys").click()
        await page.get_by_label("Name").fill("app")
        await page.get_by_role("button", name="Make the key").click()
        assert (await page.locator(".secret").inner_text()).startswith("gta-")
        await page.get_by_role("link", name="Revoke app …").click()
        await page.get_by_role("button", name="Revoke it").click()
        await page.wait_for_url("**/dashboard/keys")
        assert await page.get_by_text("revoked", exact=True).count() == 1
        await page.get_by_role("button", name="Sign out").click()
        await page.wait_for_url("**/sign-in")


async def test_the_keyboard_is_enough(tmp_path: Path, chromium: Any) -> None:
    async with served(tmp_path) as gateway, window(chromium) as view:
        await filled(gateway)
        _, secret = await gateway.key(name="root")
        page = view.page
        await page.goto(f"{gateway.address}/dashboard")
        # The browser gives the field its focus after the page has loaded, and drops keys before it.
        await page.wait_for_function("document.activeElement.matches('input')")
        await page.keyboard.type(secret)
        await page.keyboard.press("Enter")
        await page.wait_for_url("**/dashboard")

        async def tab_to(name: str) -> None:
            """Press Tab until what has the focus is called this, which has to be seen."""
            for _ in range(60):
                await page.keyboard.press("Tab")
                found = await page.evaluate(
                    "(() => { const e = document.activeElement, s = getComputedStyle(e);"
                    " return [e.innerText || e.id, s.outlineStyle, s.outlineWidth]; })()"
                )
                if found[0].strip().startswith(name):
                    assert found[1] != "none" and found[2] != "0px"
                    return
            pytest.fail(f"Tab does not lead to {name}")

        await page.keyboard.press("Tab")
        focus = "document.activeElement"
        assert await page.evaluate(f"{focus}.className") == "skip"
        assert await page.evaluate(f"{focus}.getBoundingClientRect().top") >= -60
        await page.keyboard.press("Enter")
        assert await page.evaluate(f"{focus}.id") == "main"
        await page.goto(f"{gateway.address}/dashboard")
        await tab_to("Decisions")
        await page.keyboard.press("Enter")
        await page.wait_for_url("**/decisions")
        await tab_to("search")
        await page.keyboard.type("chatcmpl")
        await page.keyboard.press("Enter")
        await page.wait_for_url("**search=chatcmpl**")
        await tab_to("chatcmpl-")
        await page.keyboard.press("Enter")
        await page.wait_for_url("**/decisions/chatcmpl-*")
        assert await page.locator("h1").inner_text() in page.url


HIDDEN = """() => {
  const hidden = [];
  for (const link of document.querySelectorAll("header nav a")) {
    const box = link.getBoundingClientRect();
    const seen = document.elementFromPoint(box.x + box.width / 2, box.y + box.height / 2);
    if (box.left < 0 || box.right > innerWidth || seen !== link) hidden.push(link.innerText);
  }
  for (const select of document.querySelectorAll("main select")) {
    if (!select.checkVisibility()) continue;
    const style = getComputedStyle(select);
    const pen = document.createElement("canvas").getContext("2d");
    pen.font = style.font;
    const text = pen.measureText(select.selectedOptions[0].label).width;
    const room = select.clientWidth - 2 * parseFloat(style.paddingLeft) - 16;  // an arrow
    if (text > room) hidden.push(`${select.name}: ${text} of ${room}`);
  }
  return hidden;
}"""
"""Links of the navigation that one has to scroll to, and choices of which a part is cut off."""


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_a_phone_shows_every_page_in_full_and_so_that_it_can_be_read(
    tmp_path: Path, chromium: Any, scheme: str
) -> None:
    async with (
        served(tmp_path, audit={"texts": True}) as gateway,
        window(chromium, color_scheme=scheme, **PHONE) as view,
    ):
        id_ = await filled(gateway)
        _, secret = await gateway.key(name="w" * 80)
        page = view.page
        await page.goto(f"{gateway.address}/dashboard/sign-in")
        assert await view.overflow() == 0
        await signed_in(view, gateway, secret)
        more = "/decisions?policy_hash=x&search=" + "y" * 200
        own = ("", "/decisions", more, f"/decisions/{id_}", "/keys", "?since=1&until=2")
        for path in (*own, "/what-if", "/policies", "/policies/costly", "/playground"):
            await page.goto(f"{gateway.address}/dashboard{path}")
            assert await view.overflow() <= 0, path
            assert await view.faint() == [], path
            assert await page.evaluate(HIDDEN) == [], path
        colours = await page.evaluate(
            "['color', 'background-color'].map(n => getComputedStyle(document.body)"
            ".getPropertyValue(n).match(/\\d+/g).slice(0, 3).map(Number))"
        )
        text, ground = (sum(colour) for colour in colours)
        assert (text > ground) is (scheme == "dark")


async def test_without_scripts_nothing_is_missing(tmp_path: Path, chromium: Any) -> None:
    async with (
        served(tmp_path) as gateway,
        window(chromium, java_script_enabled=False) as view,
    ):
        id_ = await filled(gateway)
        _, secret = await gateway.key(name="root")
        page = await signed_in(view, gateway, secret, "/decisions")
        await page.get_by_label("Policy", exact=True).select_option("costly")
        await page.get_by_role("button", name="Filter").click()
        await page.wait_for_url("**policy=costly**")
        assert await page.locator("tbody tr").count() == 16
        await page.locator("tbody tr").first.get_by_role("link").click()
        await page.wait_for_url(f"**/decisions/{id_}")
        assert await page.locator("table.game").count() == 2
        await page.goto(f"{gateway.address}/dashboard/keys")
        await page.get_by_label("Name").fill("app")
        await page.get_by_role("button", name="Make the key").click()
        assert await page.locator(".secret").count() == 1


async def test_a_page_that_refreshes_shows_what_is_new_and_what_is_wrong(
    tmp_path: Path, chromium: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gtalign.gateway.dashboard.overview.REFRESH", "20ms")
    async with served(tmp_path) as gateway, window(chromium) as view:
        page = view.page
        await page.goto(f"{gateway.address}/dashboard")
        await page.get_by_role("switch").click()
        await page.wait_for_url("**live=1**")
        await gateway.ask(model="toy:costly")
        await page.get_by_role("heading", name="Answers", exact=True).wait_for()
        reader = gateway.gateway.reader
        overview = reader.overview

        async def away(_: Any) -> None:
            from gtalign.errors import StorageError

            raise StorageError("away")

        monkeypatch.setattr(reader, "overview", away)
        await page.get_by_text("The audit store does not answer now").wait_for()
        assert await page.locator("#figures").count() == 1  # what was known stays
        monkeypatch.setattr(reader, "overview", overview)
        await page.locator("#problems .problem").wait_for(state="detached")
        await page.get_by_role("switch").click()
        await page.wait_for_url("**/dashboard?last=day")
        assert view.complaints and all("503" in c for c in view.complaints)
        view.complaints.clear()
