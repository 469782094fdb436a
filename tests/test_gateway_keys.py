"""Keys, limits, policies and the admin interface."""

from pathlib import Path
from typing import Any

import pytest

from gateway_parts import COSTLY, MESSAGES, config_of, scripted, served
from gtalign.config import load_table
from gtalign.errors import ConfigError
from gtalign.gateway.errors import APIError
from gtalign.gateway.gateway import opened
from gtalign.gateway.keys import ANYONE, Key, KeyLimits, read_key_request
from gtalign.gateway.limits import Limits
from gtalign.gateway.loopback import is_loopback
from gtalign.gateway.policies import read_policy
from gtalign.gateway.served import Models
from gtalign.gateway.settings import GatewayConfig, LimitSettings
from gtalign.gateway.spent import Spent
from gtalign.gateway.upstream import Upstream

BODY = {"model": "toy", "messages": MESSAGES}


def bearer(secret: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {secret}"}


async def test_keys_are_needed_once_there_is_one(tmp_path: Path) -> None:
    async with served(tmp_path) as gateway:
        assert (await gateway.post(BODY))[0] == 200
        status, _, told = await gateway.post({"name": "a", "scopes": ["chat"]}, "/admin/keys")
        assert status == 400 and "first key needs 'admin'" in told["error"]["message"]
        wanted = {"name": "<script>", "scopes": ["admin", "chat"]}
        status, _, root = await gateway.post(wanted, "/admin/keys")
        assert status == 201
        admin = bearer(root["key"])
        for headers in (
            {},
            bearer("gta-wrong"),
            bearer(root["key"][:-1] + "!"),
            {"Authorization": "Basic x"},
        ):
            status, answer_headers, told = await gateway.post(BODY, **headers)
            assert (status, told["error"]["type"]) == (401, "authentication_error")
            assert answer_headers["connection"] == "close"
        status, _, chat = await gateway.post(
            {"name": "c", "policy": "subscription"}, "/admin/keys", **admin
        )
        assert (status, chat["scopes"], chat["policy"]) == (201, ["chat"], "subscription")
        mine = bearer(chat["key"])
        assert (await gateway.post(BODY, **mine))[2]["gtalign"]["policy"] == "subscription"
        # Bound to its policy, and to its scope.
        assert (await gateway.post({**BODY, "model": "toy:costly"}, **mine))[0] == 403
        models = (await gateway.get("/v1/models", **mine))[1]["data"]
        assert [card["id"] for card in models] == ["toy", "toy:subscription"]
        for path in (
            "/admin/keys",
            "/admin/policies",
            "/admin/decisions",
            "/metrics",
            "/admin/export",
        ):
            assert (await gateway.get(path, **mine))[0] == 403
            assert (await gateway.get(path))[0] == 401
        listed = (await gateway.get("/admin/keys", **admin))[1]["data"]
        assert [key["name"] for key in listed] == ["<script>", "c"]
        assert root["key"] not in str(listed) and "hash" not in listed[0]
        # Revoked, it is refused from then on; the last admin stays.
        url = f"{gateway.address}/admin/keys/"
        async with gateway.http.delete(url + chat["id"], headers=admin) as answer:
            assert answer.status == 200
        assert (await gateway.post(BODY, **mine))[0] == 401
        async with gateway.http.delete(url + root["id"], headers=admin) as answer:
            assert answer.status == 400
        async with gateway.http.delete(url + "nothing", headers=admin) as answer:
            assert answer.status == 404
    async with served(tmp_path) as gateway:  # after a restart
        assert (await gateway.post(BODY, **mine))[0] == 401
        assert (await gateway.post(BODY, **admin))[0] == 200
    for secret in (root["key"], chat["key"]):
        for file in tmp_path.iterdir():
            assert secret.encode() not in file.read_bytes()


async def test_a_key_sees_its_own_decisions_alone(tmp_path: Path) -> None:
    async with served(tmp_path) as gateway:
        one, other = [bearer((await gateway.key(name=name))[1]) for name in "ab"]
        id_ = (await gateway.post(BODY, **one))[2]["id"]
        status, found = await gateway.get(f"/v1/decisions/{id_}", **one)
        assert (status, found["id"]) == (200, id_)
        assert (await gateway.get(f"/v1/decisions/{id_}", **other))[0] == 404
        assert (await gateway.get("/v1/decisions/nothing", **one))[0] == 404
        assert (await gateway.get(f"/admin/decisions/{id_}", **other))[0] == 200
        assert (await gateway.get("/admin/decisions/..%2f..%2fetc%2fpasswd", **other))[0] == 404
        status, page = await gateway.get("/admin/decisions?limit=1&flipped=true", **one)
        assert (status, len(page["data"]), page["next"]) == (200, 1, None)
        assert (await gateway.get("/admin/overview?since=0", **one))[1]["answers"] == {"done": 1}
        for query in (
            *("limit=x", "limit=0", "limit=00", "limit=1&limit=2"),
            *("since=1&since=2", "since=1&since=1", "policy=a&policy=b", "cursor=&cursor="),
            *("since=2&until=2", "since=2&until=1", "status=sent", "mode=guess"),
            "flipped=1",
            "since=-1",
            "cursor=a",
            "sort=x",
            f"search={'x' * 2000}",
        ):
            assert (await gateway.get(f"/admin/decisions?{query}", **one))[0] == 400
        for path in ("overview", "export"):
            status, told = await gateway.get(f"/admin/{path}?since=1&since=2", **one)
            assert (status, told["error"]["message"]) == (400, "since: give it once, not 2 times")


async def test_policies_are_changed_and_stay_changed(tmp_path: Path) -> None:
    async with served(tmp_path) as gateway:
        url = f"{gateway.address}/admin/policies/"

        async def put(name: str, data: Any, kind: str = "application/json") -> tuple[int, Any]:
            headers = {"Content-Type": kind}
            async with gateway.http.put(url + name, data=data, headers=headers) as answer:
                return answer.status, await answer.json()

        status, policy = await put("new", '{"payer": "user", "price": {"output": 1e3}}')
        assert (status, policy["price"]["output"]) == (200, 1000.0)
        answer = await gateway.ask(model="toy:new")
        assert answer.gtalign["policy_hash"] == policy["hash"]
        assert await gateway.gateway.policies.version(policy["hash"]) is not None
        assert await gateway.gateway.policies.version("nothing") is None
        status, _ = await put("costly", COSTLY.replace("700.0", "1.0"), "application/toml")
        assert status == 200
        assert (await gateway.ask()).gtalign["after"] == "CQ"
        for data, kind, says in (
            ('{"payer": "user", "prize": {}}', "application/json", "prize"),
            ('{"payer": "user", "price": {"output": -1}}', "application/json", "price.output"),
            ('{"payer": "user", "utility_of_money": 1e999}', "application/json", "JSON"),
            ('{"payer": "user", "adjust": [{"cell": "XX"}]}', "application/json", "XX"),
            ('{"payer": "user", "name": "other"}', "application/json", "name"),
            ("payer = [", "application/toml", "TOML"),
            ("{}", "text/html", "Content-Type"),
            ("[]", "application/json", "object"),
            ("[" * 60_000, "application/json", "JSON"),
            ("a=" + "[" * 60_000, "application/toml", "TOML"),
            ("x" * 70_000, "application/json", "65536"),
            ('{"payer": "' + "x" * 60_000 + '"}', "application/json", "payer"),
        ):
            status, told = await put("bad", data, kind)
            assert 400 <= status < 500 and says in told["error"]["message"], (data[:40], told)
            assert len(told["error"]["message"]) < 1500
        assert (await put("a%20b", '{"payer": "user"}'))[0] == 400
        assert (await gateway.get("/admin/policies/bad"))[0] == 404
        async with gateway.http.delete(url + "costly") as answer:
            assert answer.status == 400  # it is the default
        async with gateway.http.delete(url + "subscription") as answer:
            assert answer.status == 204
        listed = (await gateway.get("/admin/policies"))[1]
        assert [policy["name"] for policy in listed["data"]] == ["costly", "new"]
    async with served(tmp_path) as gateway:  # the file of a changed policy is not used again
        assert (await gateway.get("/admin/policies/costly"))[1]["utility_of_money"] == 1.0
        assert (await gateway.ask(model="toy:new")).gtalign["policy_hash"] == policy["hash"]


async def test_a_policy_stays_while_a_key_is_bound_to_it(tmp_path: Path) -> None:
    async with served(tmp_path) as gateway:
        _, root = await gateway.key(name="root")
        url, admin = f"{gateway.address}/admin/policies/subscription", bearer(root)
        bound = [
            await gateway.key(name=f"app{number}", scopes=["chat"], policy="subscription")
            for number in range(10)
        ]
        revoked, _ = await gateway.key(name="old", scopes=["chat"], policy="subscription")
        await gateway.gateway.keys.revoke(revoked.id)
        async with gateway.http.delete(url, headers=admin) as answer:
            assert answer.status == 400
            told = (await answer.json())["error"]["message"]
        assert "'app0', 'app1'" in told and "and 2 more" in told and "old" not in told
        assert (await gateway.post(BODY, **bearer(bound[0][1])))[0] == 200
        for key, _ in bound:
            await gateway.gateway.keys.revoke(key.id)
        async with gateway.http.delete(url, headers=admin) as answer:
            assert answer.status == 204
        wanted = {"name": "late", "policy": "subscription"}
        status, _, refused = await gateway.post(wanted, "/admin/keys", **admin)
        assert status == 400 and "there is no 'subscription'" in refused["error"]["message"]
    async with served(tmp_path) as gateway:  # the configuration has it
        assert "subscription" in gateway.gateway.policies.names()


async def test_what_a_gateway_refuses_to_start_with(tmp_path: Path) -> None:
    async def start(**settings: Any) -> None:
        config = config_of(tmp_path, **settings)
        async with opened(config, Models.of_one(Upstream(scripted(), "toy", "toy"))):
            pass

    with pytest.raises(ConfigError, match=r"other machines can reach 0\.0\.0\.0"):
        await start(host="0.0.0.0")
    with pytest.raises(ConfigError, match="proxies: other machines send requests through them"):
        await start(proxies=["10.0.0.1"])
    for wrong in ("*", "localhost", "10.0.0.1/8"):
        with pytest.raises(ConfigError, match=r"proxies: .*(IPv4|host bits)"):
            config_of(tmp_path, proxies=[wrong])
    with pytest.raises(ConfigError, match="there is no policy 'none'"):
        await start(default_policy="none")
    with pytest.raises(ConfigError, match="two are named 'free'"):
        await start(policies=["free", "free"])
    assert [is_loopback(h) for h in ("localhost", "::1", "[::1]", "127.9.9.9", "example.com")] == [
        *(True, True, True, True, False)
    ]


async def test_limits_of_a_key() -> None:
    now = 0.0
    limits = Limits(LimitSettings(total_concurrency=3, concurrency=2), clock=lambda: now)
    key = Key(
        "k", "k", frozenset({"chat"}), limits=KeyLimits(requests_per_minute=3, tokens_per_minute=60)
    )

    async def refused(key: Key, code: str) -> float:
        with pytest.raises(APIError) as caught:
            async with limits.admitted(key):
                pass
        assert caught.value.code == code
        return caught.value.wait or 0.0

    async with limits.admitted(key), limits.admitted(key):
        assert await refused(key, "concurrency") > 0
        async with limits.admitted(ANYONE):
            assert await refused(ANYONE, "busy") > 0
    assert limits.running == 0
    async with limits.admitted(key):
        pass
    assert await refused(key, "requests_per_minute") == 20.0
    now = 20.0
    async with limits.admitted(key):
        limits.spend(key, Spent(90))
    now = 40.0
    assert await refused(key, "tokens_per_minute") == 10.0
    now = 50.0
    async with limits.admitted(key):
        pass
    assert (limits.used(key), limits.used(ANYONE)) == (90, 0)


async def test_too_many_requests_are_told_when_to_try_again(tmp_path: Path) -> None:
    async with served(tmp_path, limits={"requests_per_minute": 1}) as gateway:
        assert (await gateway.post(BODY))[0] == 200
        status, headers, told = await gateway.post(BODY)
        assert (status, told["error"]["code"]) == (429, "requests_per_minute")
        assert 0 < int(headers["retry-after"]) <= 60


NAMES = {
    "": "at least 1 character",
    "   ": "a character that can be seen",
    "\u200d\u3000": "a character that can be seen",
    " app": "no space at its beginning or end",
    "app\u00a0": "no space at its beginning or end",
    "a\tb": "no control characters",
    "a\u0085b": "no control characters",
    "nimda\u202e": "none that set a direction",
    "a\u2066b": "none that set a direction",
    "a\u200fb": "none that set a direction",
    "a\u2028b": "no control characters",
    "a" * 81: "at most 80 characters",
}


@pytest.mark.parametrize("name", NAMES, ids=map(ascii, NAMES))
def test_a_name_that_people_cannot_read_is_refused(name: str) -> None:
    with pytest.raises(ConfigError, match=NAMES[name]) as refused:
        read_key_request({"name": name}, ["costly"])
    assert "name" in str(refused.value)


@pytest.mark.parametrize("name", ["app", "Zoë & Co.", "的", "a b", "👩\u200d💻", "<script>"])
def test_a_name_that_people_can_read_is_taken(name: str) -> None:
    assert read_key_request({"name": name}, ["costly"]).name == name


HIDDEN = "a\u202eb"
NAMED: dict[str, dict[str, Any]] = {
    "a model": {"upstream": None, "models": {HIDDEN: {"engines": [{"address": "x"}]}}},
    "an engine": {
        "upstream": None,
        "models": {"m": {"engines": [{"address": "x", "name": HIDDEN}]}},
    },
    "a currency": {"dashboard": {"currency": "\u2066"}},
    "a provider": {
        "dashboard": {
            "origin": "https://a.example",
            "oidc": {"issuer": "https://b.example", "client_id": "c", "name": HIDDEN},
        }
    },
}


@pytest.mark.parametrize("changed", NAMED.values(), ids=NAMED)
def test_so_is_every_name_that_the_settings_give(changed: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="a name has"):
        load_table(GatewayConfig, {"upstream": {"address": "x"}, **changed}, "gateway.toml")


def test_and_the_name_of_a_policy() -> None:
    with pytest.raises(ConfigError, match="none that set a direction"):
        read_policy(HIDDEN, {"payer": "user"})


async def test_two_valid_keys_have_two_names(tmp_path: Path) -> None:
    async with served(tmp_path) as gateway:
        _, root = await gateway.key(name="root")
        admin = bearer(root)
        code, _, first = await gateway.post({"name": "app"}, "/admin/keys", **admin)
        assert code == 201
        for name in ("app", "root"):
            code, _, told = await gateway.post({"name": name}, "/admin/keys", **admin)
            assert code == 400
            assert told["error"]["message"].startswith(f"there is a key {name!r} already")
        assert len(gateway.gateway.keys.all()) == 2
        url = f"{gateway.address}/admin/keys/{first['id']}"
        async with gateway.http.delete(url, headers=admin) as answer:
            assert answer.status == 200
        assert (await gateway.post({"name": "app"}, "/admin/keys", **admin))[0] == 201
        old = "2020-01-01T00:00:00Z"
        wanted = {"name": "late", "limits": {"expires": old}}
        code, _, told = await gateway.post(wanted, "/admin/keys", **admin)
        assert code == 400
        said = told["error"]["message"]
        assert said == "limits.expires: 2020-01-01 00:00 UTC has passed already"
