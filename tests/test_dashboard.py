"""The dashboard's door: signing in, sessions, forged forms, headers, files and errors."""

from pathlib import Path
from typing import Any

import pytest

from browser import in_browser, needs_browser, window
from dashboard_parts import Visitor
from gateway_parts import config_of, served
from gtalign.errors import ConfigError
from gtalign.gateway.attempts import ATTEMPTS, Attempts
from gtalign.gateway.dashboard.pages import VIEWS
from gtalign.gateway.dashboard.signin import _is_ours
from gtalign.gateway.dashboard.site import HEADERS
from gtalign.gateway.dashboard.static import static_files, static_url

PAGES = [view.path for view in VIEWS if view.nav is not None]


async def test_nobody_sees_a_page_without_an_admin_key(tmp_path: Path) -> None:
    async with served(tmp_path) as gateway, Visitor(gateway) as visitor:
        _, root = await gateway.key(name="root")
        _, chat = await gateway.key(name="chat", scopes=["chat"])
        for path in PAGES:
            answer = await visitor.get(path)
            assert answer.status == 200 and "/dashboard/sign-in" in answer.url
        assert (await visitor.sign_in("gta-wrong")).status == 401
        refused = await visitor.sign_in(chat)
        assert refused.status == 403 and "neither the scope read nor admin" in refused.text
        assert visitor.cookie("gtalign_session") is None
        answer = await visitor.post("/sign-in", {"key": f" {root} ", "next": "?since=1"})
        assert answer.status == 200 and answer.url.endswith("/dashboard?since=1")
        for path in PAGES:
            answer = await visitor.get(path)
            assert answer.status == 200 and "Sign out" in answer.text
            assert root not in answer.text
        assert (await visitor.get("/sign-in")).url.endswith("/dashboard")


async def test_a_session_ends_by_signing_out_and_by_revoking_and_by_no_restart(
    tmp_path: Path,
) -> None:
    async with served(tmp_path) as gateway, Visitor(gateway) as one, Visitor(gateway) as two:
        _, root = await gateway.key(name="root")
        key, secret = await gateway.key(name="other")
        await one.sign_in(secret)
        await two.sign_in(root)
        old = one.cookie("gtalign_session").value
        assert (await one.post("/sign-out")).url.endswith("/sign-in")
        assert one.cookie("gtalign_session") is None
        one.http.cookie_jar.update_cookies({"gtalign_session": old})
        assert "/sign-in" in (await one.get()).url  # it is over here, not only forgotten there
        await one.sign_in(secret)
        await gateway.gateway.keys.revoke(key.id)
        assert "/sign-in" in (await one.get()).url
        assert (await one.sign_in(secret)).status == 401
        assert "Sign out" in (await two.get()).text
        kept = two.cookie("gtalign_session").value
    async with served(tmp_path) as gateway, Visitor(gateway) as again:
        again.http.cookie_jar.update_cookies({"gtalign_session": kept})
        assert "Sign out" in (await again.get()).text
        assert "Sign everybody out" in (await again.get("/keys")).text
        assert (await again.post("/sign-out/everybody")).url.endswith("/sign-in")
        again.http.cookie_jar.update_cookies({"gtalign_session": kept})
        assert "/sign-in" in (await again.get()).url


async def test_cookies_are_for_this_site_alone(tmp_path: Path) -> None:
    async with served(tmp_path) as gateway, Visitor(gateway) as visitor:
        _, root = await gateway.key(name="root")
        await visitor.sign_in(root)
        for name in ("gtalign_visitor", "gtalign_session"):
            cookie = visitor.cookie(name)
            assert cookie["httponly"] and cookie["samesite"].lower() == "strict"
            assert (cookie["path"], cookie["secure"]) == ("/", "")
            assert len(cookie.value) == 43
        assert int(visitor.cookie("gtalign_session")["max-age"]) == 12 * 3600
        async with Visitor(gateway) as other:
            answer = await other.get("/sign-in", headers={"X-Forwarded-Proto": "https"})
            assert "Secure" in answer.headers["Set-Cookie"]
    settings = {"origin": "https://gateway.example", "hours": 0.5}
    async with served(tmp_path, dashboard=settings) as gateway, Visitor(gateway) as visitor:
        answer = await visitor.get("/sign-in")
        assert "Secure" in answer.headers["Set-Cookie"]
        visitor.http.cookie_jar.clear()
        value = answer.headers["Set-Cookie"].partition(";")[0]
        sent = {"Cookie": value, "Origin": "https://gateway.example"}
        form = {"key": root}
        found = await visitor.post(
            "/sign-in", form, answer.token, headers=sent, allow_redirects=False
        )
        assert found.status == 303 and "Max-Age=1800" in found.headers["Set-Cookie"]
        sent["Origin"] = gateway.address
        assert (await visitor.post("/sign-in", form, answer.token, headers=sent)).status == 403
    for origin in ("gateway.example", "ftp://a", "https://a/b", "https://"):
        with pytest.raises(ConfigError, match="origin"):
            config_of(tmp_path, dashboard={"origin": origin})


@pytest.mark.parametrize("keyed", [True, False])
async def test_a_form_is_taken_from_a_page_of_its_own_session_alone(
    tmp_path: Path, keyed: bool
) -> None:
    async with served(tmp_path) as gateway, Visitor(gateway) as visitor, Visitor(gateway) as other:
        if keyed:
            _, root = await gateway.key(name="root")
            for someone in (visitor, other):
                await someone.sign_in(root)
        token = (await visitor.get()).token
        path = "/sign-out"
        for wrong in ("", "x", "\ufffd", token[:-1], (await other.get()).token):
            answer = await visitor.post(path, token=wrong)
            assert answer.status == 403 and "earlier session" in answer.text
        for headers in (
            {"Origin": "http://evil.example"},
            {"Origin": "null"},
            {"Origin": gateway.address, "Sec-Fetch-Site": "cross-site"},
            {"Sec-Fetch-Site": "same-site"},
        ):
            answer = await visitor.post(path, token=token, headers=headers)
            assert answer.status == 403, headers
        json = await visitor.send("POST", "/dashboard" + path, json={"csrf": token})
        assert json.status == 415
        large = await visitor.post(path, {"a": "x" * 70_000}, token)
        many = await visitor.post(path, [("a", "")] * 300, token)
        assert (large.status, many.status) == (413, 400)
        for method in ("PUT", "DELETE", "PATCH", "OPTIONS"):
            refused = await visitor.send(method, "/dashboard")
            assert (refused.status, refused.headers["allow"]) == (405, "GET, HEAD")
        assert "Overview" in (await visitor.get()).text
        headers = {"X-CSRF-Token": token, "Content-Type": "application/x-www-form-urlencoded"}
        answer = await visitor.send(
            "POST", "/dashboard" + path, headers=headers, allow_redirects=False
        )
        assert answer.status == 303


async def test_signing_in_is_protected_and_cannot_be_tried_for_long(tmp_path: Path) -> None:
    async with served(tmp_path) as gateway, Visitor(gateway) as visitor:
        _, root = await gateway.key(name="root")
        assert (await visitor.post("/sign-in", {"key": root}, token="")).status == 403
        for _ in range(ATTEMPTS):
            assert (await visitor.sign_in("gta-wrong")).status == 401
        _, chat = await gateway.key(name="app", scopes=["chat"])
        for wrong in ("gta-wrong", chat):
            answer = await visitor.sign_in(wrong)
            assert answer.status == 429 and 0 < int(answer.headers["Retry-After"]) <= 6
        assert visitor.cookie("gtalign_session") is None
        answer = await visitor.post("/sign-in", {"key": root, "next": "x" * 20_000})
        assert answer.status == 413
        assert (await visitor.sign_in(root)).status == 200  # whoever else is at this address
        assert visitor.cookie("gtalign_session") is not None


async def test_without_keys_this_machine_is_let_in_and_no_other(tmp_path: Path) -> None:
    async with served(tmp_path) as gateway, Visitor(gateway) as visitor:
        answer = await visitor.get()
        assert answer.status == 200 and "no key needed" in answer.text
        assert (await visitor.post("/sign-in", {"key": "x"})).url.endswith("/dashboard")
        assert (await visitor.get(headers={"Host": "rebound.example"})).status == 403
        token = answer.token
        await gateway.key(name="root")  # from now on one is needed
        assert "/sign-in" in (await visitor.get()).url
        answer = await visitor.post("/sign-out", token=token, allow_redirects=False)
        assert answer.headers["Location"] == "/dashboard/sign-in"


async def test_every_answer_tells_the_browser_what_it_may_do(tmp_path: Path) -> None:
    async with served(tmp_path) as gateway, Visitor(gateway) as visitor:
        for path in (*PAGES, "/nothing", "/static/x/y", static_url("", "icon.svg")[10:]):
            answer = await visitor.get(path, allow_redirects=False)
            assert {name: answer.headers[name] for name in HEADERS} == HEADERS
            assert "unsafe" not in answer.headers["Content-Security-Policy"]
            if answer.headers.get("Content-Type", "").startswith("text/html"):
                assert answer.headers["Cache-Control"] == "no-store"
                for inline in (" style=", "<style", "<script>", " onclick=", "javascript:"):
                    assert inline not in answer.text
        answer = await visitor.send("HEAD", "/dashboard")
        assert (answer.status, answer.text) == (200, "")


async def test_files_are_those_of_a_list(tmp_path: Path) -> None:
    async with served(tmp_path) as gateway, Visitor(gateway) as visitor:
        assert set(static_files()) >= {"dashboard.css", "htmx.min.js", "icon.svg"}
        for name, file in static_files().items():
            url = static_url("", name)
            answer = await visitor.send("GET", url)
            assert answer.status == 200 and answer.text.encode() == file.body
            assert "immutable" in answer.headers["Cache-Control"]
            tag = answer.headers["ETag"]
            again = await visitor.send("GET", url, headers={"If-None-Match": tag})
            assert (again.status, again.text) == (304, "")
        version = static_files()["icon.svg"].version
        for path in (
            "icon.svg",
            f"{version}/dashboard.css",
            f"{version}/..%2fsite.py",
            f"{version}/%2e%2e/%2e%2e/site.py",
            f"{version}/htmx.LICENSE.txt",
            f"{version}/%00",
        ):
            answer = await visitor.get(f"/static/{path}")
            assert answer.status == 404 and "def " not in answer.text


async def test_what_goes_wrong_is_a_page_and_for_htmx_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async with served(tmp_path) as gateway, Visitor(gateway) as visitor:
        answer = await visitor.get("/nothing")
        assert answer.status == 404 and "There is no such page." in answer.text
        assert answer.headers.get("Content-Type", "").startswith("text/html")
        answer = await visitor.get("/nothing", headers={"HX-Request": "true"})
        assert answer.text == '<p class="problem" role="alert">There is no such page.</p>'
        assert (await visitor.get("/")).status == 200
        status, told = await gateway.get("/")
        assert (status, told["error"]["code"]) == (404, "not_found")
        welcome = await visitor.send("GET", "/", headers={"Accept": "text/html"})
        assert welcome.url.endswith("/dashboard")

        def broken(*_: Any) -> None:
            raise RuntimeError("a secret of the inside")

        monkeypatch.setattr("gtalign.gateway.dashboard.visit.Visit.enter", broken)
        answer = await visitor.get()
        assert answer.status == 500 and "secret" not in answer.text
        assert "unexpected RuntimeError" in caplog.text
        monkeypatch.undo()
        await gateway.key(name="root")
        answer = await visitor.get(headers={"HX-Request": "true"})
        assert (answer.status, answer.headers["HX-Redirect"]) == (401, "/dashboard/sign-in")


def test_wrong_keys_are_counted_by_address(monkeypatch: pytest.MonkeyPatch) -> None:
    time = 0.0
    attempts = Attempts(clock=lambda: time)
    for _ in range(ATTEMPTS):
        assert attempts.wait("a") == 0
        attempts.failed("a")
    assert attempts.wait("a") == pytest.approx(60 / ATTEMPTS)
    assert attempts.wait("b") == 0
    time = 60 / ATTEMPTS
    assert attempts.wait("a") == 0
    monkeypatch.setattr("gtalign.gateway.attempts._ADDRESSES", 1)
    attempts.failed("a")
    attempts.failed("b")
    assert attempts.wait("a") == 0  # forgotten, for b


def test_signing_in_leads_to_pages_of_the_dashboard_alone() -> None:
    good = ["/decisions", "?since=1", "/decisions?search=a%22b"]
    bad = ["", "//evil" + "x" * 2000, "\\evil", ".evil.example", "@evil", "/a\r\nb", "/ä", "/a b"]
    assert [_is_ours(path) for path in (*good, *bad)] == [True] * len(good) + [False] * len(bad)


@needs_browser
@in_browser
async def test_a_person_signs_in_and_comes_back_by_a_link_from_elsewhere(
    tmp_path: Path, chromium: Any
) -> None:
    async with (
        served(tmp_path) as gateway,
        window(chromium) as view,
    ):
        _, secret = await gateway.key(name="root")
        page = view.page
        await page.goto(f"{gateway.address}/dashboard?since=1")
        # The browser gives the field its focus after the page has loaded, and drops keys before it.
        await page.wait_for_function("document.activeElement.matches('input')")
        await page.keyboard.type(secret)
        await page.keyboard.press("Enter")
        await page.wait_for_url("**/dashboard?since=1")
        link = f"<a href='{gateway.address}/dashboard'>there</a>"
        await page.goto(f"data:text/html,{link}")
        await page.click("a")
        await page.get_by_role("button", name="Sign out").click()
        await page.wait_for_url("**/sign-in")
