"""The policies on the dashboard: list, editor, preview on the past, and hostile drafts."""

import html
import io
import re
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from sqlalchemy import insert, select, update

from browser import in_browser, needs_browser, window
from dashboard_parts import Answer, Visitor
from gateway_parts import Served, served
from gtalign.config import dump
from gtalign.errors import ConfigError, StorageError
from gtalign.gateway.dashboard.policies import TRIED, preview
from gtalign.gateway.policies import LONGEST, policy_of_text
from gtalign.gateway.store.tables import decisions
from gtalign.steering import load_policy

PATH = "/policies"
FREE = 'name = "costly"\npayer = "nobody"\n'


def typed(answer: Answer) -> str:
    """What stands in the editor."""
    found = re.search(r'<textarea id="toml"[^>]*>\n(.*?)</textarea>', answer.text, re.S)
    assert found is not None
    return html.unescape(found[1])


def base(answer: Answer) -> str:
    found = re.search(r'name="base" value="(\w*)"', answer.text)
    assert found is not None
    return found[1]


def problem(answer: Answer) -> str:
    found = re.findall(r'class="problem" role="alert">(.*?)</p>', answer.text, re.S)
    assert len(found) == 1
    return html.unescape(found[0])


async def test_policies_are_listed_with_their_versions_and_who_uses_them(tmp_path: Path) -> None:
    async with served(tmp_path) as gateway, Visitor(gateway) as visitor:
        _, root = await gateway.key(name="root")
        await gateway.key(name="app <1>", scopes=["chat"], policy="costly")
        await visitor.sign_in(root)
        page = await visitor.get(PATH)
        assert page.status == 200
        for name in ("costly", "subscription"):
            assert gateway.gateway.policies.get(name).hash in page.text
        assert "requests that name none; the key app &lt;1&gt;" in page.text
        assert page.text.count(">default<") == 1
        editor = await visitor.get(PATH + "/subscription")
        assert typed(editor) == dump(gateway.gateway.policies.get("subscription"))
        assert (await visitor.get(PATH + "/nobody")).status == 404
        assert (await visitor.get(PATH + "/..%2f..%2fetc")).status == 404


async def test_a_new_version_is_saved_and_is_in_force_at_once(tmp_path: Path) -> None:
    async with served(tmp_path) as gateway, Visitor(gateway) as visitor:
        old = gateway.gateway.policies.get("costly").hash
        editor = await visitor.get(PATH + "/costly")
        text = typed(editor).replace("700.0", "0.5")
        form = {"toml": text.replace("\n", "\r\n"), "do": "save", "base": base(editor)}
        page = await visitor.post(PATH + "/costly", form)
        new = gateway.gateway.policies.get("costly")
        assert page.url.endswith(f"/costly?saved={new.hash}") and "Saved." in page.text
        assert (new.utility_of_money, new.hash != old) == (0.5, True)
        assert (await gateway.ask(model="toy:costly")).gtalign["after"] == "CQ"
        # Somebody else's version is not replaced unseen, and what was typed stays.
        form["toml"] = text + "# mine\n"
        late = await visitor.post(PATH + "/costly", form)
        assert late.status == 400 and "was changed since" in problem(late)
        assert typed(late) == form["toml"] and base(late) == new.hash
        again = await visitor.post(PATH + "/costly", form | {"base": base(late)})
        assert again.status == 200
        renamed = await visitor.post(
            PATH + "/costly", form | {"toml": FREE.replace("costly", "c2")}
        )
        assert renamed.status == 400 and "make a new policy for another name" in problem(renamed)


async def test_a_policy_is_made_and_removed_when_that_was_confirmed(tmp_path: Path) -> None:
    async with served(tmp_path) as gateway, Visitor(gateway) as visitor:
        policies = gateway.gateway.policies
        begun = await visitor.get(PATH + "/+new")
        assert begun.status == 200 and policy_of_text(typed(begun)).name == "my-policy"
        copied = await visitor.get(PATH + "/+new?from=costly")
        text = typed(copied)
        assert 'name = "costly-2"' in text and base(copied) == ""
        assert (await visitor.get(PATH + "/+new?from=none")).status == 404
        taken = await visitor.post(PATH + "/+new", {"toml": FREE, "do": "save"})
        assert taken.status == 400 and "already" in problem(taken) and typed(taken) == FREE
        made = await visitor.post(PATH + "/+new", {"toml": text, "do": "save"})
        assert made.status == 200 and "costly-2" in policies.names()
        asked = await visitor.get(PATH + "/costly-2/delete")
        assert asked.status == 200 and "costly-2" in policies.names()
        gone = await visitor.post(PATH + "/costly-2/delete")
        assert gone.url.endswith("?removed=costly-2") and "taken out of use" in gone.text
        assert "costly-2" not in policies.names()
        assert (await visitor.post(PATH + "/costly-2/delete")).status == 404
        assert "has to stay" in (await visitor.get(PATH + "/costly/delete")).text
        kept = await visitor.post(PATH + "/costly/delete")
        assert kept.status == 400 and "has to stay" in kept.text and "costly" in policies.names()
        _, root = await gateway.key(name="root")
        await gateway.key(name="app", scopes=["chat"], policy="subscription")
        await visitor.sign_in(root)
        told = (await visitor.get(PATH + "/subscription/delete")).text
        assert "Bound to this policy: the key app." in told
        bound = await visitor.post(PATH + "/subscription/delete")
        assert bound.status == 400 and "revoke them first" in bound.text


async def copies(gateway: Served, count: int, **changed: Any) -> None:
    """Multiply the one decision that is on record."""
    async with gateway.gateway.store.begin() as connection:
        row = dict((await connection.execute(select(decisions))).mappings().one())
        rows = [row | changed | {"id": f"c{n}", "at": row["at"] + n + 1} for n in range(count)]
        await connection.execute(insert(decisions), rows)


async def test_a_draft_is_tried_on_the_past_and_nothing_is_saved(tmp_path: Path) -> None:
    async with served(tmp_path) as gateway, Visitor(gateway) as visitor:
        empty = await visitor.post(PATH + "/costly", {"toml": FREE, "over": "costly"})
        assert empty.status == 200 and "No decision under costly is on record" in empty.text
        await gateway.ask(model="toy:costly")
        await gateway.records()
        await copies(gateway, 1200)
        page = await visitor.post(PATH + "/costly", {"toml": FREE, "over": "costly"})
        assert page.status == 200 and typed(page) == FREE
        text = re.sub(r"<[^>]*>", "", page.text)
        assert "1,000 of 1,000 decisions would flip (100.0%)" in text
        assert "+500,000, +500 per decision" in text and "Took" in text
        links = re.findall(r"/dashboard/decisions/(c\d+)\"", page.text)
        assert links == [f"c{n}" for n in range(1199, 1189, -1)]
        assert (await visitor.get(f"/decisions/{links[0]}")).status == 200
        assert gateway.gateway.policies.get("costly").payer == "user"
        same = await visitor.post(PATH + "/costly", {"toml": dump(load(gateway)), "over": ""})
        assert "0 of 1,000 decisions would flip (0.0%)" in re.sub(r"<[^>]*>", "", same.text)
        assert "the version in force" in same.text
        other = await visitor.post(PATH + "/costly", {"toml": FREE, "over": "subscription"})
        assert "No decision under subscription" in other.text
        dear = FREE.replace("nobody", "user") + "utility_of_money = 1e300\n[price]\noutput = 1.0\n"
        refused = await visitor.post(PATH + "/costly", {"toml": dear, "over": ""})
        assert refused.status == 400 and "utility_of_money: input should be" in problem(refused)
        assert typed(refused) == dear


def load(gateway: Served) -> Any:
    return gateway.gateway.policies.get("costly")


async def test_records_that_cannot_be_read_are_counted(tmp_path: Path) -> None:
    async with served(tmp_path) as gateway:
        await gateway.ask(model="toy:costly")
        await gateway.records()
        await copies(gateway, 3, decision='{"stated": null}')
        async with gateway.gateway.store.begin() as connection:
            broken = update(decisions).where(decisions.c.id == "c0").values(decision="{")
            await connection.execute(broken)
        await copies_end(gateway)
        found = await preview(gateway.gateway, load_policy("free"), "")
        assert (found.tried, found.unread, found.flips, TRIED) == (1, 3, 1, 1000)
        assert found.counts == {("DA", "CQ"): 1}


async def copies_end(gateway: Served) -> None:
    """A decision without a choice is no decision to try a draft on."""
    async with gateway.gateway.store.begin() as connection:
        row = dict((await connection.execute(select(decisions).limit(1))).mappings().one())
        await connection.execute(insert(decisions), [row | {"id": "none", "after_action": None}])


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def lasting(tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Served, None]:
    """A gateway for what leaves it as it was."""
    async with served(tmp_path_factory.mktemp("lasting")) as gateway:
        yield gateway


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "missing key 'name'"),
        ("name = ", "not valid TOML: Invalid value (at line 1"),
        ('name = "a"\nname = "b"', "not valid TOML: Cannot overwrite a value (at line 2, column"),
        ('name = "a\x07"', "not valid TOML"),
        ('name = "a\\u0007"\npayer = "user"', "name: a name has no control characters"),
        ('name = "<script>alert(1)</script>"\npayer = "user"', "use only letters, digits"),
        ('name = "../../etc/passwd"\npayer = "user"', "use only letters, digits"),
        ('name = "a/b"\npayer = "user"', "use only letters, digits"),
        ('name = "+new"\npayer = "user"', "use only letters, digits"),
        ('name = "a"\npayer = "user"\nutility_of_money = nan', "utility_of_money"),
        ('name = "a"\npayer = "user"\nvalue_of_time = inf', "value_of_time"),
        ('name = "a"\npayer = "user"\nrho = nan', "rho"),
        ('name = "a"\npayer = "user"\n[price]\nouput = 1', "did you mean 'price.output'?"),
        ('name = "a"\npayer = "me"', "payer: input should be 'user', 'provider' or 'nobody'"),
        ("x = " + "[" * 30_000, "nested too deeply"),
        ("x = " + "[" * 30_000 + "]" * 30_000, "nested too deeply"),
        ("name." + "a." * 20_000 + "b = 1", "nested too deeply"),
        ("name = " + "9" * 10_000, "not valid TOML: Exceeds the limit"),
        ('name = "a"\npayer = "user"\n[quota]\ntokens = 1' + "0" * 400 + "\nprice = {}", "tokens"),
        ('name = "a"\npayer = "user"\n[[adjust]]\naction = "XX"', "adjust.0 names the LLM action"),
        ("# " + "x" * 1_000_000, "a policy has 65,536 bytes at most, and this has 1,000,002"),
    ],
)
async def test_a_hostile_draft_is_one_clear_error_and_stays_as_typed(
    lasting: Served, text: str, told: str
) -> None:
    async with Visitor(lasting) as visitor:
        before = lasting.gateway.policies.names()
        for do in ("save", "preview"):
            answer = await visitor.post(PATH + "/+new", {"toml": text, "do": do})
            assert answer.status == 400, answer.text[:500]
            assert told in problem(answer) and len(problem(answer)) <= 700
            assert typed(answer) == text and "<script>a" not in answer.text
        assert lasting.gateway.policies.names() == before


async def test_a_form_has_its_limit_and_a_store_that_is_down_loses_no_text(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with served(tmp_path) as gateway, Visitor(gateway) as visitor:
        body, kind = io.BytesIO(b"toml=" + b"x" * 2_100_000), "application/x-www-form-urlencoded"
        url, headers = "/dashboard" + PATH + "/+new", {"Content-Type": kind}
        assert (await visitor.send("POST", url, data=body, headers=headers)).status == 413

        async def down(*_: Any) -> None:
            raise StorageError("the audit store: a policy could not be written: it is full")

        monkeypatch.setattr(gateway.gateway.policies, "put", down)
        text = FREE.replace("costly", "another")
        answer = await visitor.post(PATH + "/+new", {"toml": text, "do": "save"})
        assert answer.status == 503 and "it is full" in problem(answer) and typed(answer) == text


async def test_the_admin_interface_refuses_a_number_that_python_does_not_read(
    tmp_path: Path,
) -> None:
    async with served(tmp_path) as gateway:
        url = gateway.address + "/admin/policies/a"
        kind = {"Content-Type": "application/toml"}
        async with gateway.http.put(url, data="x = " + "9" * 9999, headers=kind) as answer:
            assert answer.status == 400
        with pytest.raises(ConfigError, match=f"{LONGEST:,} bytes"):
            policy_of_text("#" * (LONGEST + 1))


@needs_browser
@in_browser
async def test_a_person_edits_previews_and_saves_by_keyboard(tmp_path: Path, chromium: Any) -> None:
    from playwright.async_api import expect

    async with (
        served(tmp_path) as gateway,
        window(chromium, viewport={"width": 360, "height": 740}, color_scheme="dark") as view,
    ):
        await gateway.ask(model="toy:costly")
        await gateway.records()
        page = view.page
        await page.goto(f"{gateway.address}/dashboard/policies")
        assert await view.overflow() == 0
        await page.get_by_role("link", name="costly", exact=True).press("Enter")
        editor = page.get_by_label("Policy, as TOML")
        await editor.fill(FREE.replace("payer", "payr"))
        await page.get_by_role("button", name="Preview").press("Enter")
        await expect(page.get_by_role("alert")).to_contain_text("did you mean 'payer'?")
        await expect(editor).to_be_focused()
        view.complaints.clear()  # Chromium notes the status of a refused form
        await editor.fill(FREE)
        await page.get_by_role("button", name="Preview").press("Enter")
        await expect(page.get_by_role("status")).to_contain_text("1 of 1 decisions would flip")
        assert await view.overflow() == 0
        await page.get_by_role("button", name="Save as a new version").press("Enter")
        await expect(page.get_by_role("status")).to_contain_text("Saved.")
        assert gateway.gateway.policies.get("costly").payer == "nobody"
