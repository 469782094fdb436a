"""Dry runs: policies that are tried on live answers, and touch none of them."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import openai
import pytest

from dashboard_parts import Visitor
from gateway_parts import MESSAGES, Served, config_of, scripted, served
from gtalign.errors import ConfigError
from gtalign.gateway.answers.dry_run import would_choose
from gtalign.gateway.gateway import opened
from gtalign.gateway.served import Models
from gtalign.gateway.store.reader import Filter
from gtalign.gateway.store.trials import DryRun
from gtalign.gateway.upstream import Upstream
from gtalign.steering import Decision, FakeBackend, load_policy

PROSE = "It was built in 1901."


@asynccontextmanager
async def trying(
    folder: Path, share: float = 1.0, backend: FakeBackend | None = None, **settings: Any
) -> AsyncGenerator[Served, None]:
    """A gateway under a subscription that tries the policy under which the choice moves to DA."""
    given = {"default_policy": "subscription", "dry_runs": {"costly": share}, **settings}
    async with served(folder, backend, **given) as gateway:
        yield gateway


async def tried(gateway: Served) -> list[DryRun]:
    await gateway.gateway.dry_runs.settled()
    await gateway.gateway.writer.settled()
    return await gateway.gateway.reader.trials(Filter())


@pytest.mark.parametrize("stream", [False, True])
async def test_a_dry_run_records_what_it_would_choose_and_writes_nothing(
    tmp_path: Path, stream: bool
) -> None:
    backend = scripted()
    opened_before = backend.open
    asked: list[Any] = []

    def counted(messages: Any, sampling: Any) -> Any:
        asked.append(messages)
        return opened_before(messages, sampling)

    backend.open = counted  # type: ignore[method-assign]
    texts = []
    for share in (0.0, 1.0):
        asked.clear()
        async with trying(tmp_path / str(share), share, backend) as gateway:
            answer = await gateway.ask(seed=1, stream=stream)
            parts = [chunk async for chunk in answer] if stream else [answer]
            said = [getattr(c, "delta", None) or c.message for p in parts for c in p.choices]
            texts.append("".join(one.content or "" for one in said))
            found = await tried(gateway)
            assert len(asked) == 1  # the dry run asks no model
    assert texts[0] == texts[1]
    (one,) = found
    assert (one.policy, one.tried, one.counts, one.differing) == ("costly", 1, {("CQ", "DA"): 1}, 1)
    assert one.money > one.live_money > 0


async def test_a_dry_run_chooses_what_the_policy_chooses_when_it_is_applied(tmp_path: Path) -> None:
    async with trying(tmp_path) as gateway:
        await gateway.ask()
        await tried(gateway)
        await gateway.ask(model="toy:costly")
        applied, live = await gateway.records()
        decision = Decision.from_json(live["decision"])
        policy = gateway.gateway.policies.get("costly")
        found = would_choose(decision, policy, low=-5.0, high=5.0)
        assert found is not None and found.cell == applied["after_cell"]
        _, record = await gateway.get(f"/admin/decisions/{live['id']}")
        (own,) = record["dry_runs"]
        assert own["policy_hash"] == policy.hash
        assert (own["live"], own["live_action"], own["action"]) == ("subscription", "CQ", "DA")
        assert own["differs"] is True and own["cell"] == applied["after_cell"]
        assert record["policy"] == "subscription" and record["after_action"] == "CQ"


async def test_an_answer_without_a_matrix_is_counted_and_not_compared(tmp_path: Path) -> None:
    backend = FakeBackend(lambda messages, begun: PROSE)
    async with trying(tmp_path, backend=backend, steering={"mode": "observe"}) as gateway:
        await gateway.ask()
        (one,) = await tried(gateway)
        assert (one.tried, one.compared, one.differing) == (1, 0, 0)
        async with gateway.http.get(f"{gateway.address}/metrics") as numbers:
            text = await numbers.text()
        assert 'gtalign_dry_runs_total{policy="costly",differs="unknown"} 1' in text
        (record,) = await gateway.records()
        # What is no chain carries out no action that anybody could count.
        assert record["acted"] is None
        _, found = await gateway.get("/admin/overview")
        assert found["acted"] == {} and found["dry_runs"][0]["compared"] == 0


async def test_a_share_of_the_answers_is_tried(tmp_path: Path) -> None:
    async with trying(tmp_path, share=0.5) as gateway:
        for _ in range(24):
            await gateway.ask()
        (one,) = await tried(gateway)
        assert 2 <= one.tried <= 22  # all but three in a million draws of this share
        assert one.compared == one.tried


async def test_a_tried_policy_that_was_removed_elsewhere_fails_alone(tmp_path: Path) -> None:
    async with trying(tmp_path) as gateway:
        with pytest.raises(ConfigError, match="is the policy of a dry run"):
            await gateway.gateway.policies.remove("costly", gateway.gateway.config)
        await gateway.gateway.policies.remove("costly")  # as another gateway might
        assert (await gateway.ask()).choices
        assert await tried(gateway) == []


@pytest.mark.parametrize("dry_runs", [{"none": 0.5}, {"": 1.0}])
async def test_a_dry_run_needs_its_policy(tmp_path: Path, dry_runs: dict[str, float]) -> None:
    config = config_of(tmp_path, dry_runs=dry_runs)
    models = Models.of_one(Upstream(scripted(), "toy", "toy-1"))
    with pytest.raises(ConfigError, match=r"dry_runs\..*: there is no policy"):
        async with opened(config, models):
            pass


@pytest.mark.parametrize("share", [-0.1, 1.1, float("nan"), "all"])
def test_a_share_is_one(tmp_path: Path, share: Any) -> None:
    with pytest.raises(ConfigError, match="dry_runs"):
        config_of(tmp_path, dry_runs={"costly": share})


async def test_the_dashboard_shows_dry_runs(tmp_path: Path) -> None:
    async with trying(tmp_path) as gateway, Visitor(gateway) as visitor:
        await gateway.ask()
        (one,) = await tried(gateway)
        page = (await visitor.get("?last=all")).text
        assert "Dry runs" in page and "1 of 1 would have had another action" in page
        page = (await visitor.get(f"/decisions/{one.examples[0]['id']}")).text
        assert "another action" in page and load_policy("subscription").hash in page


async def test_the_client_sees_nothing_of_a_dry_run(tmp_path: Path) -> None:
    async with trying(tmp_path) as gateway:
        raw = gateway.client.chat.completions.with_raw_response
        answer = await raw.create(model="toy", messages=MESSAGES)
        assert isinstance(answer.parse(), openai.types.chat.ChatCompletion)
        assert "costly" not in answer.text and "costly" not in str(answer.headers)
