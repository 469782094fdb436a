"""The dashboard for Grafana asks only for what `/metrics` exports."""

import json
import re
from typing import Any

import pytest

from gtalign.gateway.dashboard.static import static_files
from gtalign.gateway.telemetry.metrics import Histogram, Metrics

BOARD: dict[str, Any] = json.loads(static_files()["grafana.json"].body)
ASKED = [
    (panel["title"], target["expr"]) for panel in BOARD["panels"] for target in panel["targets"]
]
VARIABLE = next(one for one in BOARD["templating"]["list"] if one["type"] == "query")["query"]


def exported() -> dict[str, set[str]]:
    """The names of all samples, each with its labels; Prometheus adds the gateway's instance."""
    found: dict[str, set[str]] = {}
    for metric in vars(Metrics()).values():
        if isinstance(metric, Histogram):
            found |= {metric.name + end: {"instance"} for end in ("_sum", "_count")}
            found[metric.name + "_bucket"] = {"instance", "le"}
        else:
            found[metric.name] = {"instance", *metric.labels}
    return found


@pytest.mark.parametrize(("title", "expr"), [*ASKED, ("the list of gateways", VARIABLE)])
def test_what_a_panel_asks_for_is_exported(title: str, expr: str) -> None:
    known = exported()
    names = re.findall(r"\bgtalign_\w+", expr)
    assert names and set(names) <= set(known), title
    labels = set(re.findall(r"(\w+)=~?\"", expr))
    for listed in re.findall(r"by \(([^)]*)\)", expr):
        labels |= {label.strip() for label in listed.split(",")}
    for name in names:
        assert labels <= known[name], f"{title}: {labels - known[name]}"
    assert expr.count("(") == expr.count(")") and expr.count("{") == expr.count("}")


def test_names_that_are_exported_are_those_of_the_text() -> None:
    text = Metrics().text()
    told = set(re.findall(r"^# TYPE (\w+)", text, re.MULTILINE))
    assert {re.sub("_(bucket|sum|count)$", "", name) for name in exported()} == told


def test_every_panel_has_its_place_and_says_what_it_shows() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in BOARD["panels"]:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert place["x"] + place["w"] <= 24 and not cells & taken, panel["title"]
        taken |= cells
        assert panel["description"].endswith("."), panel["title"]
    ids = [panel["id"] for panel in BOARD["panels"]]
    assert len(ids) == len(set(ids))


@pytest.mark.parametrize(
    "wanted",
    [
        "answers",
        "flips",
        "obeyed",
        "retries",
        "added",
        "tokens",
        "upstream",
        "down",
        "up",
        "budgets",
    ],
)
def test_the_metrics_that_an_operator_needs_are_shown(wanted: str) -> None:
    name = getattr(Metrics(), wanted).name
    assert any(name in expr for _, expr in ASKED)
