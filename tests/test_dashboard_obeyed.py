"""What people read about whether responses obeyed: on a decision, in the list, over time."""

import html
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from dashboard_parts import Visitor
from gateway_parts import Served, served
from gtalign.drawing import NONE
from gtalign.gateway.dashboard.obeyed import obedience_charts, verdict_of
from gtalign.gateway.store.obedience import Obedience
from gtalign.gateway.store.record import AnswerLog, record_of
from gtalign.gateway.store.series import Series, Slot
from gtalign.steering import Decision, FakeBackend, Retried
from standins import model
from test_steering_decision import decided
from test_steering_retry import ASKS, BOTH, OBEYS, speaker

HOUR = 3600 * 1_000_000


def shown(text: str) -> str:
    """The words of a page."""
    return html.unescape(" ".join(re.sub(r"<[^>]*>", " ", text).split()))


@pytest.mark.parametrize(
    ("facts", "status", "tag", "told"),
    [
        ({}, "done", "obeyed", "it carries out the chosen action, DA (answers directly)."),
        (
            {"acted": "CQ"},
            "done",
            "did not obey",
            "it carries out CQ (asks back), but DA (answers directly) was chosen.",
        ),
        ({"acted": None}, "done", "cannot be read", "No action can be read"),
        (
            {"acted": "CQ", "cut": True},
            "done",
            "cannot be read",
            "so far it carries out CQ (asks back), and DA (answers directly) was chosen",
        ),
        ({"acted": "DA", "cut": True}, "done", "obeyed", "carries out the chosen action"),
        ({"acted": None}, "writing", "not known yet", "before the response does"),
        ({"acted": None}, "gone", "not known", "did not come to its end"),
        ({"acted": None}, "failed", "not known", "did not come to its end"),
        ({"acted": "CQ"}, "gone", "did not obey", "but DA (answers directly) was chosen"),
        (
            {"steered": False, "mode": "observe", "acted": "CQ"},
            "done",
            "nothing to obey",
            "there was nothing to obey. Its response carries out CQ (asks back).",
        ),
        ({"steered": False, "acted": None}, "passed", "nothing to obey", "nothing to obey."),
        (
            {"retry": Retried("CQ", "DA", "second")},
            "done",
            "obeyed",
            "A first response carried out CQ (asks back), so the answer was written once more.",
        ),
        (
            {"acted": "CQ", "retry": Retried("CQ", None, "first", "no time was left")},
            "done",
            "did not obey",
            "This is the first response, which stays: no time was left.",
        ),
    ],
)
def test_a_decision_says_whether_its_response_obeyed(
    facts: dict[str, Any], status: str, tag: str, told: str
) -> None:
    verdict = verdict_of(replace(decided(), **facts), status)
    assert verdict is not None and verdict.tag == tag and told in verdict.text


def test_nothing_is_said_where_nothing_was_chosen() -> None:
    assert verdict_of(replace(decided(), after=None), "done") is None


def engine(*responses: str) -> FakeBackend:
    return FakeBackend(speaker(*responses, matrix=model.matrix_text()))


async def told(visitor: Visitor, gateway: Served) -> str:
    """The page of the latest decision."""
    [record, *_] = await gateway.records()
    return (await visitor.get(f"/decisions/{record['id']}")).text


async def other(
    gateway: Served, record: dict[str, Any], id_: str, policy: str, **changed: Any
) -> None:
    """Write another record like a given one, under another policy."""
    status = changed.pop("status", "done")
    decision = replace(Decision.from_json(record["decision"]), policy=policy, **changed)
    prices = gateway.gateway.policies.get("costly")
    log = AnswerLog(id_, record["at"] + 1, "r", "", prices, stream=False, status=status)
    await gateway.gateway.writer.put(record_of(decision, log))


async def test_pages_tell_of_an_answer_that_was_written_again(tmp_path: Path) -> None:
    settings = {"steering": {"verify": "retry"}, "audit": {"texts": True}}
    async with (
        served(tmp_path, engine(ASKS, OBEYS, BOTH, "Which <b>one</b>?"), **settings) as gateway,
        Visitor(gateway) as visitor,
    ):
        await gateway.ask()
        text = shown(await told(visitor, gateway))
        assert "obeyed The response obeys" in text
        assert "A first response carried out CQ (asks back)" in text
        assert "The other writing, which is not the answer" in text and ASKS in text
        assert "Answer written again once; the second is the answer" in text
        await gateway.ask()
        page = await told(visitor, gateway)
        assert "did not obey The response does not obey: it carries out AQ" in shown(page)
        assert "Which <b>one</b>?" not in page and "Which &lt;b&gt;one" in page
        listed = await visitor.get("/decisions")
        assert listed.text.count("not DA, so it was written again</small>") == 1
        assert (
            listed.text.count("not DA, and stays: the second response carries out CQ</small>") == 1
        )
        assert listed.text.count("<small>did not obey</small>") == 1
        only = await visitor.get("/decisions?obeyed=false&steered=true&flipped=true&status=done")
        assert only.text.count('<th scope="row">') == 1
        over = shown((await visitor.get()).text)
        assert "costly 2 1 1 when written again 1 0 50.0%" in over


async def test_a_mark_without_a_retry_is_told_all_the_same(tmp_path: Path) -> None:
    async with served(tmp_path, engine(ASKS)) as gateway, Visitor(gateway) as visitor:
        await gateway.ask()
        text = shown(await told(visitor, gateway))
    assert "did not obey The response does not obey" in text
    assert "Answer written again no" in text and "The other writing" not in text


async def test_the_overview_counts_flips_that_obeyed_by_policy(tmp_path: Path) -> None:
    async with served(tmp_path, engine(OBEYS)) as gateway, Visitor(gateway) as visitor:
        assert "No finished, steered answer flipped" not in (await visitor.get()).text
        await gateway.ask()
        [record] = await gateway.records()
        facts: list[tuple[str, dict[str, Any]]] = [
            ("p<i>", {"acted": "CQ"}),
            ("p<i>", {"acted": None}),
            ("p<i>", {"acted": "DA", "steered": False}),
            ("p<i>", {"acted": "DA", "status": "gone"}),
            ("q", {"acted": None}),
        ]
        for number, (policy, changed) in enumerate(facts):
            await other(gateway, record, f"n{number}", policy, **changed)
        page = (await visitor.get()).text
        text = shown(page)
        assert "costly 1 1 0 0 100.0%" in text
        assert "p<i> 2 0 1 1 0.0%" in text and "p<i>" not in page
        assert f"q 1 0 0 1 {NONE}" in text  # of nothing that could be read, no share
        assert "policy=p%3Ci%3E&amp;flipped=true&amp;steered=true" in page


async def test_an_overview_without_steered_flips_says_so(tmp_path: Path) -> None:
    async with (
        served(tmp_path, steering={"mode": "observe"}) as gateway,
        Visitor(gateway) as visitor,
    ):
        await gateway.ask()
        assert "No finished, steered answer flipped in this period." in (await visitor.get()).text
        assert "nothing to obey" in await told(visitor, gateway)


def test_each_policy_has_a_chart_of_its_own_over_all_slots() -> None:
    slots = (
        Slot(0, obedience={"b": Obedience(obeyed=2, unknown=1)}),
        Slot(HOUR),
        Slot(2 * HOUR, obedience={"a": Obedience(disobeyed=3), "b": Obedience(obeyed=1)}),
    )
    drawn = str(obedience_charts(Series(HOUR, slots, None, None)))
    assert drawn.count("<svg") == 2 and drawn.index(">a<") < drawn.index(">b<")
    assert "obeyed 2, did not obey 0, cannot be read 1" in drawn
    assert "obeyed 0, did not obey 3, cannot be read 0" in drawn
    assert str(obedience_charts(Series(HOUR, (Slot(0),), None, None))) == ""
