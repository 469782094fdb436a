"""The pages of a study: with scripts and without, by keyboard, on a phone, hostile, killed."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from browser import PHONE, Window, in_browser, needs_browser, window
from gtalign.gateway.dashboard.site import HEADERS
from gtalign.study import StudyFolder, simulate
from gtalign.study.annotator import RatingFile, order_of, person, rating_files
from gtalign.study.pages.site import Site
from study_parts import answers, study

HOSTILE = (
    "<script>document.title = 'taken'</script><img src=x onerror=alert(1)>{{ 7 * 7 }}"
    "</div></main><form action=http://evil.example><button name=value value=5>5</button>"
    + "unbroken"
    * 60
)


def client(found: StudyFolder, *, key: str = "secret") -> TestClient:
    browser = TestClient(Site(found, "secret").app(), follow_redirects=False)
    browser.get("/", params={"key": key})
    return browser


def begun(found: StudyFolder, name: str = "Ann") -> tuple[TestClient, str]:
    browser = client(found)
    answer = browser.post("/", data={"name": name})
    assert answer.status_code == 303
    return browser, answer.headers["location"]


def said(found: StudyFolder, name: str = "Ann") -> dict[str, int]:
    return RatingFile(found, person(name)).values()


def test_rating_leads_through_all_items_to_the_end(tmp_path: Path) -> None:
    found = study(tmp_path / "s", answers(2))
    browser, home = begun(found)
    order = order_of(found, person("Ann"))
    where = browser.get(home).headers["location"]
    for item in order:
        assert browser.get(where).status_code == 200
        answer = browser.post(where, data={"item": item.id, "value": "1"})
        where = answer.headers["location"]
    assert where == home and "You have judged all 8" in browser.get(home).text
    assert said(found) == {item.id: 1 for item in order}
    assert 'aria-current="true"' in browser.get(f"{home}/1").text
    browser.post(f"{home}/1", data={"item": order[0].id, "value": "4"})
    assert said(found)[order[0].id] == 4


BAD = [
    {"value": "6"},
    {"value": "1.0"},
    {"value": "nan"},
    {"value": ""},
    {"item": "a0"},
    {"item": "../key.jsonl"},
]


@pytest.mark.parametrize("change", BAD)
def test_what_is_no_rating_is_refused(change: dict[str, str], tmp_path: Path) -> None:
    found = study(tmp_path / "s")
    browser, home = begun(found)
    sent = {"item": order_of(found, person("Ann"))[0].id, "value": "3"} | change
    assert browser.post(f"{home}/1", data=sent).status_code == 422
    assert said(found) == {}


def test_only_who_has_the_link_sees_anything(tmp_path: Path) -> None:
    found = study(tmp_path / "s")
    _, home = begun(found)
    stranger = client(found, key="guess")
    for path in ("/", home, f"{home}/1", "/static/study.js", "/nothing"):
        answer = stranger.get(path)
        assert answer.status_code == 403 and "question" not in answer.text
    assert stranger.post("/", data={"name": "Eve"}).status_code == 403
    assert [file.annotator.name for file in rating_files(found)] == ["Ann"]


def test_pages_of_other_sites_cannot_rate(tmp_path: Path) -> None:
    found = study(tmp_path / "s")
    browser, home = begun(found)
    sent = {"item": order_of(found, person("Ann"))[0].id, "value": "3"}
    for headers in (
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"origin": "http://evil.example"},
        {"origin": "null"},
    ):
        assert browser.post(f"{home}/1", data=sent, headers=headers).status_code == 403
    assert browser.post(f"{home}/1", json=sent).status_code == 415
    assert browser.post("/", data={"name": "x" * 20_000}).status_code == 413
    assert said(found) == {}
    own = {"sec-fetch-site": "same-origin"}
    assert browser.post(f"{home}/1", data=sent, headers=own).status_code == 303


@pytest.mark.parametrize("path", ["/by/nobody", "/by/nobody/1", "/static/../item.py", "/x"])
def test_what_is_not_there(path: str, tmp_path: Path) -> None:
    found = study(tmp_path / "s")
    browser, home = begun(found)
    numbers = ("0", "99", "x", "-1", "1.0", "1e1", "\u0661", "\u00b2", "9" * 10, "9" * 5000)
    for address in (path, *(f"{home}/{number}" for number in numbers)):
        for answer in (browser.get(address), browser.post(address, data={"value": "1"})):
            assert answer.status_code == 404
            assert {name.lower() for name in HEADERS} <= set(answer.headers)
    assert browser.get(f"{home}/01").status_code == 200


def test_simulated_annotators_are_named_and_cannot_be_taken(tmp_path: Path) -> None:
    found = study(tmp_path / "s")
    simulate(found, 1)
    browser = client(found)
    assert "simulated: no person" in browser.get("/").text
    (file,) = rating_files(found)
    assert browser.get(f"/by/{file.annotator.slug}").status_code == 404
    refused = browser.post("/", data={"name": "Simulated reader 1"})
    assert refused.status_code == 422 and 'role="alert"' in refused.text


@pytest.mark.parametrize(
    "name", ["ann lee", "ANN LEE", " Ann  Lee ", "\uff21nn Lee", "Ann\u00a0Lee"]
)
def test_a_name_brings_back_whoever_began_with_it(name: str, tmp_path: Path) -> None:
    found = study(tmp_path / "s")
    browser, home = begun(found, "Ann Lee")
    order = order_of(found, person("Ann Lee"))
    browser.post(f"{home}/1", data={"item": order[0].id, "value": "4"})
    again, back = begun(found, name)
    assert back == home and again.get(back).headers["location"] == f"{home}/2"
    assert [file.annotator.name for file in rating_files(found)] == ["Ann Lee"]
    assert begun(found, "Anne Lee")[1] != home


def test_a_rating_that_cannot_be_written_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = study(tmp_path / "s")
    browser, home = begun(found)

    def full(*_: Any) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    sent = {"item": order_of(found, person("Ann"))[0].id, "value": "3"}
    answer = browser.post(f"{home}/1", data=sent)
    assert answer.status_code == 507 and "could not be saved" in answer.text


@asynccontextmanager
async def program(folder: Path) -> AsyncIterator[tuple[asyncio.subprocess.Process, str]]:
    """`gtalign study rate` in a process of its own, with its link."""
    command = (sys.executable, "-m", "gtalign", "study", "rate", str(folder), "--port", "0")
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    try:
        assert process.stdout is not None
        link = ""
        while "?key=" not in link:
            line = await process.stdout.readline()
            assert line, "the server ended"
            link = line.decode().removeprefix("open ").strip()
        yield process, link
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGINT)
        await process.wait()


async def ready(page: Any, number: int) -> None:
    """Wait until a page has come and takes keys."""
    await page.wait_for_url(f"**/{number}")
    await page.locator("html[data-ready=yes]").wait_for()


async def press(page: Any, key: str, number: int) -> None:
    """Press a key, and wait for the page that it leads to."""
    await page.keyboard.press(key)
    await ready(page, number)


@needs_browser
@in_browser
async def test_by_keyboard_through_a_kill(tmp_path: Path, chromium: Any) -> None:
    found = study(tmp_path / "s", answers(2))
    order = order_of(found, person("Ann"))
    async with program(found.path) as (process, link), window(chromium) as view:
        page = view.page
        await page.goto(link)
        await page.locator("input:focus").wait_for()
        await page.keyboard.type("Ann")
        await page.keyboard.press("Enter")
        await ready(page, 1)
        await press(page, "4", 2)
        await press(page, "2", 3)
        await press(page, "ArrowLeft", 2)
        assert await page.locator("[aria-current=true]").get_attribute("value") == "2"
        await press(page, "5", 3)
        process.kill()
        await process.wait()
    assert said(found) == {order[0].id: 4, order[1].id: 5}
    async with program(found.path) as (process, link), window(chromium) as view:
        page = view.page
        await page.goto(link)
        await page.get_by_role("link", name="Ann").click()
        await ready(page, 3)
        assert "2 of 8 done" in await page.locator(".progress").inner_text()
        for number in range(3, len(order)):
            key = "3" if order[number - 1].kind == "rating" else "0"
            await press(page, key, number + 1)
        await page.keyboard.press("2")
        await page.get_by_role("status").wait_for()
        process.send_signal(signal.SIGINT)
        assert await process.wait() == 0, "Ctrl-C ends it in order"
    assert len(said(found)) == len(order) and said(found)[order[-1].id] == 2


@needs_browser
@in_browser
async def test_hostile_texts_on_a_phone(tmp_path: Path, chromium: Any) -> None:
    wild = [replace(t, completion=HOSTILE + t.completion) for t in answers(1)]
    found = study(tmp_path / "s", wild)
    async with program(found.path) as (_, link):
        for scheme, scripts in (("light", True), ("dark", False)):
            options = {**PHONE, "color_scheme": scheme, "java_script_enabled": scripts}
            async with window(chromium, **options) as view:
                name = f"<b>{scheme}</b>"
                await rate_on_a_phone(view, link, name)
            assert sorted(said(found, name).values()) == [0, 1, 4, 5]


async def rate_on_a_phone(view: Window, link: str, name: str) -> None:
    """Rate three answers and one pair by touch, and look at every page."""

    async def looks_right() -> None:
        assert await view.overflow() == 0 and not await view.faint()
        assert "taken" not in await page.title()

    page = view.page
    await page.goto(link)
    await looks_right()
    await page.get_by_label("Your name").fill(name)
    await page.get_by_role("button").click()
    await page.wait_for_url("**/1")
    for number, button in ((2, "4, satisfied"), (3, "1, very"), (4, "5, very")):
        await looks_right()
        assert "<script>" in await page.locator(".we .text").first.inner_text()
        assert await page.locator("form").count() == 1
        await page.get_by_role("button", name=button).click()
        await page.wait_for_url(f"**/{number}")
    await looks_right()
    assert await page.locator(".answers .card").count() == 2
    await page.get_by_role("button", name="Neither").click()
    await page.get_by_role("status").wait_for()
    await looks_right()
