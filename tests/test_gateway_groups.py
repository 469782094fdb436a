"""Groups of keys: a policy for all keys of a group, and the others that their requests may name."""

from pathlib import Path
from typing import Any

import openai
import pytest

from dashboard_parts import Visitor
from gateway_parts import MESSAGES, Served, config_of, served
from gtalign.errors import ConfigError
from gtalign.gateway.reload import reload

GROUPS: Any = {
    "free": {"policy": "subscription"},
    "paid": {"policy": "costly", "others": ["subscription"]},
    "any": {"policy": "costly", "others": ["*"]},
}


async def policy_of(gateway: Served, secret: str, model: str = "toy", **headers: str) -> str:
    """The policy in force for a request, or why it is refused."""
    client = openai.AsyncOpenAI(base_url=f"{gateway.address}/v1", api_key=secret, max_retries=0)
    async with client:
        try:
            answer = await client.chat.completions.with_raw_response.create(
                model=model, messages=MESSAGES, extra_headers=headers
            )
        except openai.PermissionDeniedError as refused:
            return str(refused.code)
    return str(answer.headers["x-gtalign-policy"])


@pytest.mark.parametrize(
    ("group", "default", "subscription", "costly"),
    [
        ("free", "subscription", "subscription", "policy_not_allowed"),
        ("paid", "costly", "subscription", "costly"),
        ("any", "costly", "subscription", "costly"),
    ],
)
async def test_a_group_has_a_policy_and_says_which_others_may_be_named(
    tmp_path: Path, group: str, default: str, subscription: str, costly: str
) -> None:
    async with served(tmp_path, groups=GROUPS) as gateway:
        await gateway.key(name="root")
        key, secret = await gateway.key(scopes=["chat"], group=group)
        assert key.to_json()["group"] == group
        assert await policy_of(gateway, secret) == default
        assert await policy_of(gateway, secret, "toy:subscription") == subscription
        assert await policy_of(gateway, secret, **{"x-gtalign-policy": "costly"}) == costly
        await gateway.gateway.keys.reload()  # the store knows the group
        assert await policy_of(gateway, secret) == default
        _, models = await gateway.get("/v1/models", Authorization=f"Bearer {secret}")
        named = {model["id"] for model in models["data"]}
        assert ("toy:costly" in named) == (costly == "costly")
        assert ("toy:subscription" in named) == (subscription == "subscription")


async def test_an_admin_may_name_any_policy(tmp_path: Path) -> None:
    async with served(tmp_path, groups=GROUPS) as gateway:
        _, secret = await gateway.key(group="free")
        assert await policy_of(gateway, secret, "toy:costly") == "costly"
        assert await policy_of(gateway, secret) == "subscription"


async def test_a_key_of_a_group_that_is_gone_is_refused(tmp_path: Path) -> None:
    async with served(tmp_path, groups=GROUPS) as gateway:
        await gateway.key(name="root")
        _, secret = await gateway.key(scopes=["chat"], group="paid")
        await reload(gateway.gateway, lambda: config_of(tmp_path, groups={}))
        assert await policy_of(gateway, secret) == "unknown_group"
        await reload(gateway.gateway, lambda: config_of(tmp_path, groups={"paid": GROUPS["free"]}))
        assert await policy_of(gateway, secret) == "subscription"
        wrong = {"paid": {"policy": "none"}}
        await reload(gateway.gateway, lambda: config_of(tmp_path, groups=wrong))  # refused
        assert await policy_of(gateway, secret) == "subscription"


@pytest.mark.parametrize(
    ("wanted", "why"),
    [
        ({"group": "none"}, "there is no 'none'; there are free, paid, any"),
        ({"group": "free", "policy": "costly"}, "give one"),
        ({"group": 5}, "group"),
        ({"group": ""}, "there is no ''"),
    ],
)
async def test_a_key_names_a_group_that_there_is(
    tmp_path: Path, wanted: dict[str, Any], why: str
) -> None:
    async with served(tmp_path, groups=GROUPS) as gateway:
        with pytest.raises(ConfigError, match=why):
            await gateway.key(**wanted)


@pytest.mark.parametrize(
    "group", [{"policy": "none"}, {"policy": "costly", "others": ["subscription", "none"]}]
)
async def test_a_group_names_policies_that_there_are(tmp_path: Path, group: Any) -> None:
    with pytest.raises(ConfigError, match=r"groups\.one\.(policy|others): there is no policy"):
        async with served(tmp_path, groups={"one": group}):
            pass


async def test_the_dashboard_makes_keys_of_groups_and_keeps_their_policies(tmp_path: Path) -> None:
    groups = {"paid": {"policy": "subscription"}}
    async with served(tmp_path, groups=groups) as gateway, Visitor(gateway) as visitor:
        _, secret = await gateway.key(name="root")
        await visitor.sign_in(secret)
        form = {"name": "app", "scopes": "chat", "group": "paid"}
        assert "that of the group paid" in (await visitor.post("/keys", form)).text
        assert "no such group" not in (await visitor.get("/keys")).text
        page = (await visitor.get("/policies/subscription/delete")).text
        assert "the group paid" in page and "It has to stay" in page
        with pytest.raises(ConfigError, match="the group paid"):
            await gateway.gateway.policies.remove("subscription", gateway.gateway.config)
