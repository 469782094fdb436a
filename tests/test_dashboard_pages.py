"""The pages of the dashboard: what they show of real records, and that they only show it."""

import html
import re
from dataclasses import replace
from html.parser import HTMLParser
from json import dumps
from pathlib import Path
from typing import Any

import pytest

from dashboard_parts import Answer, Visitor
from gateway_parts import MESSAGES, Served, served
from gtalign.drawing import number
from gtalign.errors import StorageError
from gtalign.game.wording import LEGEND, WORDS
from gtalign.gateway.dashboard.decision import changes_of, messages_of
from gtalign.gateway.dashboard.decisions import question_of
from gtalign.gateway.dashboard.show import milliseconds
from gtalign.gateway.store.reader import TEXTS, Filter
from gtalign.gateway.store.record import AnswerLog, record_of
from gtalign.gateway.store.writer import Record
from gtalign.steering import Decision, Policy

EVIL = (
    "<script>alert(1)</script>",
    "\"'><img src=x onerror=alert(1)>",
    "<svg/onload=alert(1)>",
    "javascript:alert(1)",
    "{{ 7777 * 7777 }}{% raw %}",
    "</textarea></title></pre><b>&amp;\u202e\x07",
)
NAMELESS = dict.fromkeys(map(ord, "\u202e\x07"))  # no name holds these


class Tags(HTMLParser):
    """Finds what a page may not have: scripts, handlers, styles, and addresses of scripts."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        given = dict(attributes)
        if tag in ("style", "iframe", "object", "base"):
            self.found.append(tag)
        if tag == "script" and not str(given.get("src")).startswith("/dashboard/static/"):
            self.found.append("script")
        if tag == "img" and not str(given.get("src")).startswith("/dashboard/static/"):
            self.found.append("img")
        for name, value in attributes:
            address = name in ("href", "src", "action", "xlink:href", "formaction")
            foreign = address and not str(value).startswith(("/dashboard", "#"))
            if name.startswith("on") or name == "style" or foreign:
                self.found.append(f"{tag} {name}={value}")


def assert_tame(answer: Answer) -> None:
    tags = Tags()
    tags.feed(answer.text)
    assert tags.found == []
    assert str(7777 * 7777) not in answer.text


async def recorded(gateway: Served, record: dict[str, Any], **changed: Any) -> str:
    """Write another record like a given one; returns its id."""
    decision = Decision.from_json(record["decision"])
    facts: dict[str, Any] = {
        "id": record["id"] + "-other",
        "at": record["at"] + 1,
        "request_id": record["request_id"],
        "key_id": "",
        "policy": gateway.gateway.policies.get("costly"),
        "stream": False,
    }
    facts |= {"status": "done", "finish": "stop", "total_ms": 1.0, "added_ms": 1.0}
    facts |= {f: changed.pop(f) for f in list(changed) if f in AnswerLog.__dataclass_fields__}
    decision = replace(decision, id=facts["id"], **changed)
    row = record_of(decision, AnswerLog(**facts))
    await gateway.gateway.writer.put(row)
    return str(row.row["id"])


async def test_an_empty_gateway_says_what_to_do(tmp_path: Path) -> None:
    async with served(tmp_path) as gateway, Visitor(gateway) as visitor:
        overview = (await visitor.get()).text
        assert "No answers in this period" in overview
        assert f"curl {gateway.address}/v1/chat/completions" in overview
        assert '"model": "toy:costly"' in overview.replace("&#34;", '"')
        assert "Authorization" not in overview
        assert (
            "Every answer of the gateway will be listed" in (await visitor.get("/decisions")).text
        )
        answer = await visitor.get("/decisions?search=x")
        assert "No decisions match" in answer.text
        assert "There is no key" in (await visitor.get("/keys")).text
    origin = {"origin": "https://gateway.example"}
    async with served(tmp_path, dashboard=origin) as gateway, Visitor(gateway) as visitor:
        assert "curl https://gateway.example/v1/" in (await visitor.get()).text


async def test_the_overview_sums_up_what_was_decided(tmp_path: Path) -> None:
    async with served(tmp_path) as gateway, Visitor(gateway) as visitor:
        for model in ("toy:costly", "toy:subscription", "toy:subscription"):
            await gateway.ask(model=model)
        records = await gateway.records()
        await recorded(gateway, records[0], status="failed", error="broken")
        found = await gateway.gateway.reader.overview(Filter())
        page = await visitor.get()
        text = " ".join(re.sub(r"<[^>]*>", " ", page.text).split())
        assert "Answers 4 1 failed, 25.0%" in text
        assert "1 of 1 flipped, 100.0%" in text and "0 of 3 flipped, 0.0%" in text
        assert "CQ → DA: 1" in text and "Savings, estimated ≈" in text and "Not measured" in text
        assert "The gateway expects now: AQ assumed; CQ assumed; DA assumed." in text
        # Over time: a chart of each, and the same in numbers.
        names = re.findall(r"<title id=[^>]*>([^<]*)</title>", page.text)
        assert names[:4] == ["Answers", "Flips", "Added latency", "Tokens"]
        assert "One step is one hour" in text and 'data-label="Added, p95"' in page.text
        assert f"+{found.user_payoff:.2f}".rstrip("0") in text
        assert found.user_payoff is not None and found.llm_payoff is not None
        welfare = ((found.user_payoff + 5) * (found.llm_payoff + 5)) ** 0.5
        assert f"welfare {welfare:.2f}".rstrip("0") in text
        link = "/decisions?last=day&amp;policy=costly&amp;before=CQ&amp;after=DA"
        assert link in page.text
        assert (await visitor.get(link[0:].replace("&amp;", "&"))).text.count("<tr>") == 2
        assert "Requests since the gateway started" in text and "200 3 100.0%" in text
        assert "hx-trigger" not in page.text
        live = await visitor.get("?last=hour&live=1")
        assert 'hx-get="/dashboard?last=hour&amp;live=1"' in live.text
        for period, shown in (
            ("last=all", True),
            ("until=2001-01-01T00:00", False),
            ("since=2001-01-01T00:00&until=", True),
            ("since=1&until=2", False),
        ):
            assert ("No answers" in (await visitor.get(f"?{period}")).text) is not shown
        for wrong in ("last=year", "since=yesterday", "since=9e9", f"until={'9' * 30}"):
            answer = await visitor.get(f"?{wrong}")
            assert answer.status == 400 and "That cannot be read" in answer.text


async def test_decisions_are_filtered_searched_and_paged(tmp_path: Path) -> None:
    async with served(tmp_path, audit={"texts": True}) as gateway, Visitor(gateway) as visitor:
        for model in ("toy:costly", "toy:subscription"):
            await gateway.ask(model=model)
        records = await gateway.records()
        ids = [record["id"] for record in records]
        for number in range(60):
            facts = {"id": f"n{number:02}", "at": records[1]["at"] - 1 - number}
            ids.append(await recorded(gateway, records[1], **facts, mode="enforce"))

        async def listed(query: str) -> list[str]:
            answer = await visitor.get(f"/decisions?{query}")
            assert answer.status == 200
            return re.findall(r'href="/dashboard/decisions/([^"?]+)"', answer.text)

        assert await listed("") == ids[:50]
        first = await visitor.get("/decisions?limit=25&policy=&search=")
        older = re.search(r'rel="next" href="([^"]+)"', first.text)
        assert older is not None
        second = await visitor.send("GET", older[1].replace("&amp;", "&"))
        assert re.findall(r'decisions/([^"?]+)"', second.text) == ids[25:50]
        assert "« Latest" in second.text and "« Latest" not in first.text
        assert len(await listed("flipped=true&limit=200")) == 61
        assert await listed("flipped=false") == await listed("policy=subscription") == [ids[0]]
        assert len(await listed("mode=advise")) == 2
        assert await listed("before=CQ&after=CQ") == [ids[0]]
        assert await listed("search=n07") == ["n07"]
        assert await listed("search=" + MESSAGES[0]["content"][:8]) == ids[:2]
        assert await listed("search=_") == ids[:2]  # their chains have one
        for wildcard in ("%25", "n__", "%5C", "'%20OR%201=1--", "%00%25"):
            assert await listed(f"search={wildcard}") == []
        assert MESSAGES[0]["content"] in first.text
        assert "<small>did not obey</small>" not in first.text
        for hostile in (
            *("cursor=x", "cursor=-1", "cursor=1-';--", f"cursor={'9' * 400}", "cursor=1-%00"),
            *("limit=x", "limit=-1", "flipped=maybe", "since=x", f"search={'x' * 1001}"),
            *("limit=0", "since=1&since=2", "since=2&until=1", "status=sent", "mode=guess"),
        ):
            answer = await visitor.get(f"/decisions?{hostile}")
            assert answer.status == 400 and "<h1>That cannot be read</h1>" in answer.text
        assert await listed("cursor=1-x") == []
        assert "Back to the latest" in (await visitor.get("/decisions?cursor=1-x")).text
        assert len(await listed("limit=99999")) == 62
        assert len(await listed("unknown=x&hx=1")) == 50
        # A value that is no longer among the choices stays in the form.
        kept = await visitor.get("/decisions?policy=gone&policy_hash=abc")
        assert '<option value="gone" selected>' in kept.text and 'value="abc"' in kept.text


async def test_a_download_holds_what_was_filtered(tmp_path: Path) -> None:
    async with served(tmp_path, audit={"texts": True}) as gateway, Visitor(gateway) as visitor:
        for model in ("toy:costly", "toy:subscription"):
            await gateway.ask(model=model)
        await gateway.records()  # the ends of the answers are on record
        lines = await visitor.get("/export?policy=costly&format=jsonl&search=")
        assert lines.headers["Content-Disposition"] == 'attachment; filename="decisions.jsonl"'
        assert lines.text.count("\n") == 1 and '"policy": "costly"' in lines.text
        assert (await visitor.get("/export?flipped=false&transcripts=true")).text.count("\n") == 1
        async with visitor.http.get(f"{gateway.address}/dashboard/export?format=parquet") as answer:
            assert (await answer.read())[:4] == b"PAR1"
        for wrong in ("format=csv", "format=parquet&transcripts=true", "transcripts=x", "since=x"):
            assert (await visitor.get(f"/export?{wrong}")).status == 400
        await gateway.key(name="root")
        assert "/sign-in" in (await visitor.get("/export")).url


async def test_a_decision_shows_the_game_the_edit_and_the_policy(tmp_path: Path) -> None:
    async with served(tmp_path, audit={"texts": True}) as gateway, Visitor(gateway) as visitor:
        answer = await gateway.ask(model="toy:costly")
        page = await visitor.get(f"/decisions/{answer.id}")
        text = " ".join(re.sub(r"<[^>]*>", " ", page.text).split())
        [record] = await gateway.records()
        decision = Decision.from_json(record["decision"])
        assert "CQ (asks back) → DA (answers directly)" in text
        assert (
            "The response obeys: it carries out the chosen action, DA (answers directly)." in text
        )
        assert "currency units" in text
        assert text.count("chosen") >= 2 and page.text.count('class="cell chosen"') == 2
        for row in changes_of(decision):
            assert row.name in text and row.why.split(":")[0].split("'")[0] in text
        totals = [row for row in changes_of(decision) if not row.why]
        assert decision.edited is not None and decision.stated is not None
        gain = decision.edited.payoffs - decision.stated.payoffs
        assert [row.player for row in totals] == ["user"]
        assert list(totals[0].amounts) == pytest.approx(gain[..., 0].ravel().tolist())
        assert MESSAGES[0]["content"] in text and "über-vague" in text
        assert "The naïve answer: 42" in text
        assert 'role="img"' in page.text and "On the frontier are" not in text
        assert "As edited, on the frontier are" in text
        assert "utility_of_money = 700.0" in text and "in use now" in text
        for phase in decision.phases:
            assert f"{phase.name} {number(phase.prompt_tokens, 0)}" in text
            assert phase.ms is not None and f" {milliseconds(phase.ms)} {phase.finish}" in text
        assert decision.decided_ms is not None
        assert f"Time to decide {milliseconds(decision.decided_ms)}" in text
        assert sum(phase.ms or 0.0 for phase in decision.phases) <= record["total_ms"]
        # Another version in force; the record keeps its own.
        await gateway.gateway.policies.put(Policy(name="costly", payer="nobody"))
        page = await visitor.get(f"/decisions/{answer.id}")
        assert "not in use now" in page.text and "utility_of_money = 700.0" in page.text
        assert (await visitor.get("/decisions/nothing")).status == 404
        assert (await visitor.get("/decisions/..%2f..%2fetc")).status == 404


async def test_a_decision_of_which_little_is_known_is_shown_all_the_same(tmp_path: Path) -> None:
    async with served(tmp_path) as gateway, Visitor(gateway) as visitor:
        await gateway.ask(model="toy:costly")
        [record] = await gateway.records()
        page = await visitor.get(f"/decisions/{record['id']}")
        assert "Prompts and answers are not kept" in page.text
        bare: dict[str, Any] = {
            "stated": None,
            "edited": None,
            "before": None,
            "after": None,
            "terms": (),
        }
        bare |= {"expected": {}, "phases": (), "acted": None, "steered": False}
        unread = {"status": "failed", "error": "the engine broke", "reason": "no matrix"}
        id_ = await recorded(gateway, record, **bare, **unread, policy_hash="0" * 16)
        page = await visitor.get(f"/decisions/{id_}")
        assert page.status == 200
        for told in ("the engine broke", "no matrix", "nothing was decided", "No phase"):
            assert told in page.text
        assert "is not in the store" in page.text
        assert "no choice" in (await visitor.get("/decisions")).text
        only = {"edited": None, "after": None, "terms": ()}
        id_ = await recorded(gateway, record, **only, id="only")
        assert "On the frontier are" in (await visitor.get(f"/decisions/{id_}")).text
        prompt = '[{"role": "user", "content": "q"}]'
        no_chain = {"id": "broken", "prompt": prompt, "until": 2**62, "answer": "no\n  chain"}
        id_ = await recorded(gateway, record, **no_chain)
        page = await visitor.get(f"/decisions/{id_}")
        assert "The answer is no chain" in page.text and "no\n  chain" in page.text
        cut = {"id": "cut", "prompt": prompt, "until": 2**62, "status": "gone"}
        id_ = await recorded(gateway, record, **cut)
        page = await visitor.get(f"/decisions/{id_}")
        assert "it did not come to its end" in page.text


async def test_a_record_of_another_version_is_told_as_such(tmp_path: Path) -> None:
    async with served(tmp_path) as gateway, Visitor(gateway) as visitor:
        await gateway.ask()
        [record] = await gateway.records()
        row = {name: record[name] for name in record if name not in TEXTS}
        await gateway.gateway.writer.put(Record({**row, "decision": '{"id": 1}'}))
        page = await visitor.get(f"/decisions/{record['id']}")
        assert page.status == 500 and "cannot be read" in page.text


async def test_texts_are_shown_and_never_run(tmp_path: Path) -> None:
    async with served(tmp_path, audit={"texts": True}) as gateway, Visitor(gateway) as visitor:
        for evil in EVIL:
            policy = Policy(name=evil.translate(NAMELESS), payer="user")
            gateway.gateway.policies._active[policy.name] = policy
        await gateway.ask(model="toy:costly")
        [record] = await gateway.records()
        for number, evil in enumerate(EVIL):
            texts = {
                "prompt": f'[{{"role": {dumps(evil)}, "content": {dumps(evil)}}},'
                f' {{"role": "user", "content": [{{"type": {dumps(evil)}}}]}}, {dumps(evil)}]',
                "until": 2**62,
                "answer": f"<thinking>{evil}</thinking>",
            }
            told = {"request_id": evil, "error": evil, "reason": evil, "finish": evil[:16]}
            named = {"model": evil, "backend": evil, "policy_hash": evil[:16]}
            facts = {"id": f"evil{number}{evil}"[:80], "at": record["at"] + number}
            id_ = await recorded(gateway, record, **facts, **texts, **told, **named)
            path = "/decisions/" + id_.translate({ord(c): f"%{ord(c):02X}" for c in '<>"#%?\x07'})
            page = await visitor.get(path)
            assert page.status in (200, 404)  # an id with a slash has no address
            assert_tame(page)
            search = await visitor.get("/decisions", params={"search": evil, "policy": evil})
            assert_tame(search)
            for place in ("/decisions", "?last=all", "/keys", "/decisions/" + evil[:5]):
                assert_tame(await visitor.get(place))
            refused = await visitor.post("/keys", {"name": evil + "\x07", "policy": evil})
            assert refused.status == 400
            assert_tame(refused)
            key, secret = await gateway.key(name=evil.translate(NAMELESS))
            await visitor.sign_in(secret)
            listed = await visitor.get("/keys")
            assert key.id in listed.text
            assert_tame(listed)
            assert_tame(await visitor.get(f"/keys/{key.id}/revoke"))
            assert_tame(await visitor.get(f"/decisions?{evil}={evil}&last={evil}"))
            answer = await visitor.get("/sign-in", params={"next": evil}, headers={"Cookie": ""})
            assert_tame(answer)


async def test_keys_are_made_shown_once_and_revoked(tmp_path: Path) -> None:
    async with served(tmp_path) as gateway, Visitor(gateway) as visitor:
        refused = await visitor.post("/keys", {"name": "first", "scopes": "chat"})
        assert refused.status == 400 and "first key needs" in refused.text
        assert 'value="first"' in refused.text
        wanted = [("name", "root"), ("scopes", "chat"), ("scopes", "admin")]
        made = await visitor.post("/keys", wanted)
        assert made.status == 201 and "It is the first key" in made.text
        assert made.headers["Cache-Control"] == "no-store"
        secret = re.search(r"gta-[\w-]{43}", made.text)
        assert secret is not None
        await visitor.sign_in(secret[0])
        form = {"name": "app", "scopes": "chat", "policy": "costly", "requests_per_minute": "7"}
        made = await visitor.post("/keys", form)
        app = re.search(r"gta-[\w-]{43}", made.text)
        assert app is not None and app[0] != secret[0]
        listed = await visitor.get("/keys")
        assert app[0] not in listed.text and "gta-" not in listed.text
        assert "7 requests/min" in listed.text and ">never<" in listed.text
        await gateway.post({"model": "toy", "messages": MESSAGES}, Authorization=f"Bearer {app[0]}")
        await gateway.gateway.writer.settled()
        assert (await visitor.get("/keys")).text.count(">never<") == 1
        [root, key] = gateway.gateway.keys.all()
        for wrong in (
            {"name": ""},
            {"name": "x", "scopes": "all"},
            {"name": "x", "scopes": "chat", "policy": "none"},
            {"name": "x", "scopes": "chat", "concurrency": "-1"},
            {"name": "x", "scopes": "chat", "tokens_per_minute": "9" * 40},
        ):
            answer = await visitor.post("/keys", wrong)
            assert answer.status == 400 and 'role="alert"' in answer.text
        assert len(gateway.gateway.keys.all()) == 2
        path = f"/keys/{key.id}/revoke"
        assert "Revoke app?" in (await visitor.get(path)).text
        assert (await visitor.post(path)).url.endswith("/dashboard/keys")
        kept = gateway.gateway.keys.get(key.id)
        assert kept is not None and kept.revoked is not None
        assert "revoked already" in (await visitor.get(path)).text
        last = await visitor.post(f"/keys/{root.id}/revoke")
        assert last.status == 400 and "last key with" in last.text
        assert (await visitor.get("/keys/nothing/revoke")).status == 404


async def test_a_store_that_is_away_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async with served(tmp_path) as gateway, Visitor(gateway) as visitor:

        async def away(*_: Any, **__: Any) -> None:
            raise StorageError("disk gone: /secret/path")

        for name in ("overview", "page", "latest"):
            monkeypatch.setattr(gateway.gateway.reader, name, away)
        for path in ("", "/decisions", "/keys"):
            answer = await visitor.get(path)
            assert answer.status == 503 and "does not answer now" in answer.text
            assert "secret" not in answer.text
        assert "disk gone" in caplog.text


def test_what_a_list_shows_of_a_prompt() -> None:
    assert question_of([{"role": "user", "content": " a\n b "}, {"role": "assistant"}]) == "a b"
    assert question_of([{"role": "user", "content": "x" * 200}]) == "x" * 139 + "…"
    parts = [{"role": "user", "content": [{"type": "text"}]}]
    odds: tuple[Any, ...] = (None, "text", [1], parts, [{}])
    for odd in odds:
        assert question_of(odd) == ""
    assert messages_of(None) is None
    assert [said.role for said in messages_of([{"role": "user", "content": 1}, 2]) or ()] == [
        "user",
        "",
    ]


async def test_a_search_goes_on_behind_what_was_searched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gtalign.gateway.store.reader.SEARCHED", 2)
    async with served(tmp_path) as gateway, Visitor(gateway) as visitor:
        for _ in range(3):
            await gateway.ask()
        record, *_, oldest = await gateway.records()
        wanted = await recorded(
            gateway, record, id="chatcmpl-old", at=oldest["at"] - 1, error="xyz"
        )
        page = await visitor.get("/decisions?search=xyz")
        assert "searched here" in page.text and wanted not in page.text
        [further] = re.findall(r'rel="next" href="([^"]+)"', page.text)
        assert wanted in (await visitor.send("GET", further.replace("&amp;", "&"))).text


async def test_no_page_shows_an_action_without_its_meaning(tmp_path: Path) -> None:
    """In its text: a phone and a keyboard see no title."""
    async with served(tmp_path, audit={"texts": True}) as gateway, Visitor(gateway) as visitor:
        id_ = (await gateway.ask(model="toy:costly")).id
        await gateway.records()
        token = (await visitor.get("/playground")).token
        asked = {"question": "x", "left": "costly", "right": "subscription"}
        pages = {
            path: (await visitor.get(path)).text
            for path in ("", "/decisions", f"/decisions/{id_}", "/what-if", "/playground")
        }
        pages["asked"] = (await visitor.post("/playground", asked, token)).text
        draft = await visitor.get("/policies/costly")
        toml = html.unescape(re.findall(r"<textarea[^>]*>\n(.*?)</textarea>", draft.text, re.S)[0])
        preview = {"toml": toml, "base": gateway.gateway.policies.get("costly").hash}
        pages["preview"] = (
            await visitor.post("/policies/costly", preview | {"do": "preview"}, token)
        ).text
        for path, page in pages.items():
            text = " ".join(re.sub(r"<[^>]*>", " ", page).split())
            shown = {name for name in WORDS if re.search(rf"\b{name}\b", text)}
            assert shown, path
            for name in shown:
                assert WORDS[name] in text or LEGEND in text, f"{path}: {name}"
            assert LEGEND in text, path
