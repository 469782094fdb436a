"""What a key may do, for how long, and for how much."""

import json
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import openai
import pytest
from sqlalchemy import update

from dashboard_parts import Visitor
from gateway_parts import MESSAGES, Served, served
from gtalign.config import load_table
from gtalign.errors import ConfigError
from gtalign.gateway.attempts import ATTEMPTS
from gtalign.gateway.errors import APIError
from gtalign.gateway.keys import SCOPES, Key, KeyLimits, KeyScope
from gtalign.gateway.limits import Limits
from gtalign.gateway.settings import LimitSettings
from gtalign.gateway.spending import UNTOLD, AnswerUsage, cost, recount, text_of
from gtalign.gateway.spent import Spent
from gtalign.gateway.store.database import open_store
from gtalign.gateway.store.tables import decisions, keys
from gtalign.gateway.store.writer import Record
from gtalign.steering import Budget, load_policy
from gtalign.steering.edit import FITTING
from gtalign.steering.units import UNITS
from standins.engines import VLLM

BODY: Any = {"model": "toy", "messages": MESSAGES}
READ = ("/admin/keys", "/admin/policies", "/admin/decisions", "/admin/overview", "/admin/export")


def bearer(secret: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {secret}"}


def key_with(**limits: Any) -> Key:
    return Key("k", "k", frozenset(("chat",)), limits=KeyLimits.model_validate(limits))


def near(money: float) -> Any:
    """About so much."""
    return pytest.approx(money)


async def status(gateway: Served, path: str, secret: str) -> int:
    async with gateway.http.get(gateway.address + path, headers=bearer(secret)) as answer:
        return answer.status


@pytest.mark.parametrize("scope", SCOPES)
async def test_a_scope_opens_its_own_and_no_more(tmp_path: Path, scope: KeyScope) -> None:
    async with served(tmp_path) as gateway:
        await gateway.key(name="root")
        _, secret = await gateway.key(name="one", scopes=[scope])
        opened = {
            "chat": (await gateway.post(BODY, **bearer(secret)))[0] == 200,
            "metrics": await status(gateway, "/metrics", secret) == 200,
            "read": {await status(gateway, path, secret) for path in READ} == {200},
            "admin": (await gateway.post({"name": "x"}, "/admin/keys", **bearer(secret)))[0] == 201,
        }
        wanted = {"admin": {"admin", "read", "metrics"}}.get(scope, {scope})
        assert {name for name, is_open in opened.items() if is_open} == wanted


async def test_who_may_only_read_changes_nothing_on_the_dashboard(tmp_path: Path) -> None:
    async with served(tmp_path) as gateway, Visitor(gateway) as visitor:
        root, _ = await gateway.key(name="root")
        _, secret = await gateway.key(name="eyes", scopes=["read"])
        assert (await visitor.sign_in(secret)).status == 200
        for path in ("", "/decisions", "/policies", "/keys", "/what-if", "/playground"):
            assert (await visitor.get(path)).status == 200
        for path in ("/keys", f"/keys/{root.id}/revoke", "/policies/new", "/playground"):
            answer = await visitor.post(path, {"name": "x", "scopes": "admin"})
            assert answer.status == 403 and "lacks the scope" in answer.text
        assert len(gateway.gateway.keys.all()) == 2
        assert (await visitor.post("/sign-out")).status == 200


async def let_expire(gateway: Served, key: Key, at: datetime) -> None:
    limits = key.limits.model_copy(update={"expires": at}).model_dump_json()
    store = await open_store(gateway.gateway.config.audit)
    async with store.begin() as connection:
        await connection.execute(update(keys).where(keys.c.id == key.id).values(limits=limits))
    await store.dispose()
    await gateway.gateway.keys.reload()


async def test_a_key_expires(tmp_path: Path) -> None:
    soon = datetime.now(UTC) + timedelta(days=1)
    past = datetime.now(UTC) - timedelta(seconds=1)
    async with served(tmp_path) as gateway:
        with pytest.raises(ConfigError, match="first key may not expire"):
            await gateway.key(limits={"expires": soon.isoformat()})
        root, admin = await gateway.key(name="root")
        _, good = await gateway.key(name="good", limits={"expires": soon.isoformat()})
        with pytest.raises(ConfigError, match=r"limits\.expires: .* UTC has passed already"):
            await gateway.key(name="old", limits={"expires": past.isoformat()})
        expired, old = await gateway.key(name="old", limits={"expires": soon.isoformat()})
        await let_expire(gateway, expired, past)
        assert (await gateway.post(BODY, **bearer(good)))[0] == 200
        code, _, told = await gateway.post(BODY, **bearer(old))
        assert code == 401 and "expired" in told["error"]["message"]
        await gateway.gateway.keys.reload()  # what the store holds is the same
        assert (await gateway.post(BODY, **bearer(good)))[0] == 200
        assert (await gateway.post(BODY, **bearer(old)))[0] == 401
        # The others with 'admin' expire, so this one has to stay.
        with pytest.raises(ConfigError, match="does not expire"):
            await gateway.gateway.keys.revoke(root.id)
        for wrong in ("tomorrow", "2030-01-01T00:00:00", "2030-13-01T00:00:00Z", True):
            wanted = {"name": "x", "limits": {"expires": wrong}}
            code, _, told = await gateway.post(wanted, "/admin/keys", **bearer(admin))
            assert code == 400 and "expires" in told["error"]["message"]


FREE = load_policy("free")


async def test_a_budget_warns_and_then_refuses() -> None:
    today = date(2026, 1, 31)
    limits = Limits(LimitSettings(), today=lambda: today)
    key = key_with(budget={"tokens": 100, "money": 2.0, "soft": 0.5})
    limits.spend(key, Spent(49, 0.5))
    assert limits.warnings(key, FREE) == {}
    limits.spend(key, Spent(11, 1.0))
    assert limits.warnings(key, FREE) == {"x-gtalign-budget": "tokens 0.60, money 0.75"}
    async with limits.admitted(key):
        limits.spend(key, Spent(1, 0.5))  # what is begun is written to its end
    with pytest.raises(APIError, match="spent its money of this month") as refused:
        async with limits.admitted(key):
            pass
    assert (refused.value.status, refused.value.code) == (429, "insufficient_quota")
    assert refused.value.headers() == {"x-should-retry": "false"}
    soft = key_with(budget={"money": 2.0, "hard": False})
    async with limits.admitted(soft):
        assert limits.warnings(soft, FREE) == {"x-gtalign-budget": "money 1.00"}
    today = date(2026, 2, 1)
    async with limits.admitted(key):
        assert limits.spent(key) == Spent()
    assert limits.warnings(key_with(), FREE) == {}


def test_a_policy_has_a_budget_of_all_its_keys() -> None:
    limits = Limits(LimitSettings())
    ours = FREE.model_copy(update={"name": "ours", "budget": Budget(tokens=100, soft=0.5)})
    soft = ours.model_copy(update={"budget": Budget(tokens=100, hard=False)})
    one, other = (replace(key_with(), id=name) for name in "ab")
    limits.spend(one, Spent(30, 1.0), "ours")
    limits.spend(one, Spent(500, 9.0), "free")
    limits.check_policy(ours)
    assert limits.warnings(one, ours) == {}
    limits.spend(other, Spent(70, 0.0, 1), "ours")
    assert limits.warnings(other, ours) == {"x-gtalign-policy-budget": "tokens ~1.00"}
    with pytest.raises(APIError, match=r"policy 'ours' has spent.*, as estimated") as no:
        limits.check_policy(ours)
    assert no.value.code == "insufficient_quota"
    limits.check_policy(soft)
    limits.check_policy(FREE)


@pytest.mark.parametrize(
    "wrong", [{"tokens": 0}, {"money": 0}, {"money": -1}, {"soft": 2}, {"x": 1}]
)
def test_a_budget_that_is_none_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=next(iter(wrong))):
        load_table(Budget, wrong, "test")


async def test_clients_see_a_budget_and_a_restart_loses_none_of_it(tmp_path: Path) -> None:
    budget = {"tokens": 100_000, "money": 1e-6, "soft": 0.01}
    async with served(tmp_path) as gateway:
        _, admin = await gateway.key(name="root")
        wanted = {"name": "k", "limits": {"budget": budget}}
        _, _, made = await gateway.post(wanted, "/admin/keys", **bearer(admin))
        assert made["limits"]["budget"] == {**budget, "hard": True}
        secret = made["key"]
        costly = {**BODY, "model": "toy:costly"}
        code, headers, answer = await gateway.post(costly, **bearer(secret))
        assert code == 200 and "x-gtalign-budget" not in headers
        usage, policy = answer["usage"], gateway.gateway.policies.get("costly")
        spent = cost(policy, usage["prompt_tokens"], usage["completion_tokens"])
        assert spent > budget["money"]
        own = gateway.gateway.keys.find(secret)
        assert own is not None
        before = gateway.gateway.limits.spent(own)
        assert before == Spent(usage["total_tokens"], near(spent))
        assert before.shares(own.limits.budget)["money"] == pytest.approx(spent / budget["money"])
        client = openai.AsyncOpenAI(base_url=f"{gateway.address}/v1", api_key=secret)
        with pytest.raises(openai.RateLimitError) as refused:  # at once: there is no other try
            await client.chat.completions.create(model="toy", messages=MESSAGES)
        await client.close()
        assert refused.value.code == "insufficient_quota" == refused.value.type
        async with gateway.http.get(f"{gateway.address}/metrics", headers=bearer(admin)) as numbers:
            assert f'gtalign_budget_spent_ratio{{key="{own.id}",unit="money"}}' in (
                await numbers.text()
            )
    async with served(tmp_path) as gateway:
        again = gateway.gateway.limits
        assert again.spent(own) == again.spent_under("costly") == before
        await recount(again, gateway.gateway.reader, gateway.gateway.policies)
        assert again.spent(own) == before
        assert (await gateway.post(BODY, **bearer(secret)))[0] == 429


def test_the_price_of_tokens_is_that_of_the_policy() -> None:
    policy = load_policy("per-token")
    assert cost(policy, 1_000_000, 0) == pytest.approx(policy.price.input)
    assert cost(policy, 0, 500_000) == pytest.approx(policy.price.output / 2)


CHARACTERS = load_policy("per-character")


@pytest.mark.parametrize(
    ("use", "tokens"),
    [
        (AnswerUsage(None, 10, "a question of 24 letters"), 10 + 8),
        (AnswerUsage(5, None, "x", "一二三"), 5 + 3),  # nine bytes
        (AnswerUsage(5, None, "x", None, events=7), 5 + 7),
        (AnswerUsage(5, None, "x"), 5 + UNTOLD),
        (AnswerUsage(None, None), 2 * UNTOLD),
        (AnswerUsage(None, 0, "\ud800"), 1),
    ],
)
def test_what_nobody_counted_is_estimated_and_never_free(use: AnswerUsage, tokens: int) -> None:
    spent = use.spent(load_policy("per-token"))
    assert (spent.tokens, spent.estimated) == (tokens, 1)
    assert spent.money > 0


def test_what_is_counted_is_no_estimate_in_any_unit() -> None:
    known = AnswerUsage(10, 20, "abcd", "x" * 40, answer=True)
    assert known.spent(load_policy("per-token")) == Spent(30, near(330e-6), 0)
    assert known.spent(CHARACTERS) == Spent(30, near(4 * 0.75e-6 + 40 * 3.75e-6), 0)
    assert known.spent(load_policy("per-answer")) == Spent(30, 0.015, 0)
    assert replace(known, answer=False).spent(load_policy("per-answer")) == Spent(30, 0.0, 0)
    # Characters that nobody counted are those of the tokens, which is an estimate where they cost.
    untold = replace(known, told=None)
    assert untold.spent(CHARACTERS) == Spent(30, near(4 * 0.75e-6 + 80 * 3.75e-6), 1)
    assert untold.spent(load_policy("per-token")).estimated == 0


@pytest.mark.parametrize(
    ("asked", "text"),
    [
        ("plain", "plain"),
        ([{"role": "user", "content": "a"}, {"role": "user", "content": None}], "a"),
        (
            [{"content": [{"type": "text", "text": "a"}, {"type": "image_url"}]}],
            "a",
        ),
        ([1, 2, 3], None),
        (json.loads("[" * 900 + '"deep"' + "]" * 900), "deep"),
        ([{"content": "a"}, "b", {"content": [{"text": "c"}], "input": "d"}], "abcd"),
        (None, None),
        ({"a": "b"}, None),
    ],
)
def test_the_text_of_what_is_asked(asked: Any, text: str | None) -> None:
    assert text_of(asked) == text


async def test_a_restart_estimates_what_is_not_on_record(tmp_path: Path) -> None:
    """Answers that a kill broke off, those of an earlier gtalign, and versions nobody knows."""
    none = {"spent_tokens": None, "spent_money": None, "estimated": None}
    lost = {"status": "writing", "prompt_tokens": 7, "written_tokens": None, **none}
    old = {"status": "passed", "prompt_tokens": None, "written_tokens": 40, **none}
    unbegun = {"status": "failed", "prompt_tokens": None, "written_tokens": None, **none}
    async with served(tmp_path) as gateway:
        await gateway.ask(model="toy:costly")
        (row,) = await gateway.records()
        price = gateway.gateway.policies.get("costly").price.output / 1e6
        sure = row["spent_tokens"]
        own = {name: row[name] for name in map(str, decisions.c.keys())} | {
            "decision": json.dumps(row["decision"])
        }
        ids = iter("abcdef")

        async def counted(**facts: Any) -> Spent:
            record = Record({**own, **facts, "id": next(ids), "key_id": "k"})
            await gateway.gateway.writer.put(record)
            limits = Limits(LimitSettings())
            await recount(limits, gateway.gateway.reader, gateway.gateway.policies)
            assert limits.spent_under("costly").tokens == limits.spent(key_with()).tokens + sure
            return limits.spent(key_with())

        assert await counted(**lost) == Spent()  # it may still be written
        early = row["at"] - 3_600_000_000
        month = datetime.now(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
        early = max(early, int(month.timestamp() * 1e6))
        first = await counted(**lost, at=early)
        assert first == Spent(7 + UNTOLD, near(UNTOLD * price), 1)
        second = await counted(**old)
        assert second == Spent(first.tokens + UNTOLD + 40, near((UNTOLD + 40) * price), 2)
        assert await counted(**unbegun) == second
        third = await counted(**old, policy_hash="gone")  # the policy of that name is there
        assert third.money == pytest.approx(second.money + 40 * price)
        await gateway.gateway.writer.put(
            Record({**own, **old, "id": "z", "key_id": "k", "policy": "no", "policy_hash": "gone"})
        )
        limits = Limits(LimitSettings())
        await recount(limits, gateway.gateway.reader, gateway.gateway.policies)
        assert limits.spent(key_with()).money >= third.money + 40 * price
        assert limits.spent_under("no").estimated == 1


async def test_a_policy_with_a_spent_budget_refuses_and_others_answer(tmp_path: Path) -> None:
    async with served(tmp_path) as gateway:
        table = gateway.gateway.policies.get("costly").content() | {"budget": {"tokens": 5}}
        code, _, told = await gateway.put(table, "/admin/policies/costly")
        assert code == 200 and told["budget"]["tokens"] == 5
        await gateway.ask(model="toy:costly")
        with pytest.raises(openai.RateLimitError, match="policy 'costly' has spent") as refused:
            await gateway.ask(model="toy:costly")
        assert refused.value.code == "insufficient_quota"
        answer = await gateway.client.chat.completions.with_raw_response.create(
            model="toy:subscription", messages=MESSAGES
        )
        assert "x-gtalign-policy-budget" not in answer.headers
        async with gateway.http.get(f"{gateway.address}/metrics") as numbers:
            text = await numbers.text()
        assert 'gtalign_policy_budget_spent_ratio{policy="costly",unit="tokens"}' in text
        assert 'gtalign_policy_budget_estimated_answers{policy="costly"} 0' in text


@pytest.mark.parametrize(
    ("price", "money"),
    [
        ({"answer": 0.02}, lambda row: 0.02),
        ({"output_characters": 4.0}, lambda row: 4e-6 * row["written_characters"]),
        ({"input_characters": 9.0}, lambda row: 9e-6 * len(MESSAGES[0]["content"])),
        ({"output": 3.0, "answer": 0.01}, lambda row: 3e-6 * row["written_tokens"] + 0.01),
    ],
)
async def test_every_unit_has_its_price_from_the_policy_to_the_sums(
    tmp_path: Path, price: dict[str, float], money: Any
) -> None:
    async with served(tmp_path) as gateway:
        table = {"payer": "user", "price": price, "utility_of_money": 100.0}
        code, _, told = await gateway.put(table, "/admin/policies/units")
        assert code == 200 and {**told["price"], **price} == told["price"]
        await gateway.ask(model="toy:units")
        (row,) = await gateway.records()
        assert row["spent_money"] == pytest.approx(money(row)) and row["estimated"] is False
        assert gateway.gateway.limits.spent_under("units").money == row["spent_money"]
        terms = {term["name"] for term in row["decision"]["terms"]} - set(FITTING)
        named = {unit.name for unit in UNITS if unit.key in price}
        assert terms == named  # the decision explains what the policy charges for
        _, sums = await gateway.get("/admin/overview")
        assert (sums["money"], sums["estimated"]) == (pytest.approx(row["spent_money"]), 0)


@pytest.mark.parametrize("stream", [False, True])
async def test_an_engine_that_counts_nothing_costs_something(tmp_path: Path, stream: bool) -> None:
    """Neither the record nor a sum says 0 tokens of an answer whose tokens nobody counted."""

    class Silent(VLLM):
        async def own(self, body: dict[str, Any]) -> Any:
            one = {"index": 0, "message" if not stream else "delta": {"content": "In 1901."}}
            whole = {"id": "x", "choices": [one]}
            return [whole, "[DONE]"] if stream else whole

        def routes(self) -> dict[str, Any]:
            return super().routes() | {"POST /v1/chat/completions": self.own}

    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
    body = {"model": "toy:costly", "stream": stream}
    asked = [{"role": "user", "content": [{"type": "text", "text": "When?"}, image]}]
    async with served(tmp_path, Silent()) as gateway:
        async with gateway.http.post(
            f"{gateway.address}/v1/chat/completions", json={**body, "messages": asked}
        ) as answer:
            assert answer.status == 200 and b"1901" in await answer.read()
        (row,) = await gateway.records()
        assert (row["prompt_tokens"], row["written_tokens"]) == (None, None)
        assert (row["read_characters"], row["written_characters"]) == (5, 8)
        # Two tokens for "When?", three for "In 1901."
        assert (row["spent_tokens"], row["estimated"]) == (5, True)
        assert row["spent_money"] == pytest.approx(3 * 15e-6)
        _, sums = await gateway.get("/admin/overview")
        assert (sums["prompt_tokens"], sums["written_tokens"], sums["estimated"]) == (None, None, 1)
        async with gateway.http.get(f"{gateway.address}/metrics") as numbers:
            assert 'uncounted_answers_total{kind="read"} 1' in await numbers.text()
        async with Visitor(gateway) as visitor:
            page = (await visitor.get("?last=all")).text
            assert "unknown read" in page and "those of 0 of 1 answers" in page


async def test_an_address_may_try_only_so_many_wrong_keys(tmp_path: Path) -> None:
    wrong = bearer("gta-" + "x" * 43)
    async with served(tmp_path) as gateway:
        _, secret = await gateway.key(name="root")
        paths = ["/v1/models", "/metrics", "/admin/keys"]
        tried = [(await gateway.get(paths[n % 3], **wrong))[0] for n in range(ATTEMPTS + 2)]
        assert tried == [401] * ATTEMPTS + [429] * 2
        code, headers, told = await gateway.post(BODY, **wrong)
        assert (code, told["error"]["code"]) == (429, "too_many_attempts")
        assert int(headers["Retry-After"]) > 0
        assert (await gateway.post(BODY, **bearer(secret)))[0] == 200  # a right key gets in
        assert (await gateway.post(BODY))[0] == 401  # and no key is no try


async def test_a_key_is_made_with_a_budget_on_the_dashboard(tmp_path: Path) -> None:
    async with served(tmp_path) as gateway, Visitor(gateway) as visitor:
        _, secret = await gateway.key(name="root")
        await visitor.sign_in(secret)
        form = {"name": "app", "scopes": "chat", "monthly_tokens": "5000", "monthly_money": "2.5"}
        answer = await visitor.post("/keys", {**form, "expires": "2999-12-31"})
        assert answer.status == 201 and "until 2999-12-31" in answer.text
        assert "of its money this month" in answer.text
        made = next(key for key in gateway.gateway.keys.all() if key.name == "app")
        assert (made.limits.budget.tokens, made.limits.budget.money) == (5000, 2.5)
        for wrong in ({"monthly_money": "much"}, {"monthly_tokens": "1e99"}, {"expires": "x"}):
            answer = await visitor.post("/keys", {**form, **wrong})
            assert answer.status == 400 and 'role="alert"' in answer.text
