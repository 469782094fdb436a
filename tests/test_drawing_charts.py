"""Charts: well-formed, inside their picture, named for those who do not see them."""

import math
import re
from itertools import pairwise
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gtalign.drawing import (
    COLOURS,
    Axis,
    Labels,
    Plane,
    Series,
    Whisker,
    action_colour,
    interval_chart,
    line_chart,
    region_chart,
    smooth,
    stacked_chart,
    staircase,
    stylesheet,
    svg_file,
)
from gtalign.drawing.labels import meet, width_of
from gtalign.drawing.matrix import LEVELS
from gtalign.drawing.svg import picture
from gtalign.errors import DrawingError

FINITE = st.floats(allow_nan=False, allow_infinity=False)
POINTS = st.lists(st.tuples(FINITE, FINITE), max_size=8)


def svg(figure: str) -> ElementTree.Element:
    root = ElementTree.fromstring(figure)
    found = root.find("svg")
    assert found is not None
    return found


def test_charts_are_well_formed_and_stay_inside() -> None:
    whiskers = [Whisker("a<b", "c0", 0.5, 0.4, 0.6, [0.45, 0.55]), Whisker("b", "c1", 0, 0, 0)]
    line = [Series("a", "c0", [(0.0, 1.0), (1.0, float("nan")), (2.0, 3.0)])]
    for figure in (
        interval_chart("W", [("ID", whiskers), ("OOD", [])]),
        stacked_chart("tokens", [("a", {"x": 3.0, "y": 4.0})], {"x": "b0", "y": "b1"}),
        line_chart("curve", line, "step", "y", dots=True, diagonal=True),
        line_chart("point", [Series("a", "c0", [(1.0, 1.0)])], "step", dots=True),
        line_chart("far", [Series("a", "c0", [(0.0, 9.0), (1.0, 8.0)])], "x", diagonal=True),
    ):
        root = svg(figure)
        width, height = map(float, root.attrib["viewBox"].split()[2:])
        for element in root.iter("circle"):
            assert 0 <= float(element.attrib["cx"]) <= width
            assert 0 <= float(element.attrib["cy"]) <= height
        for element in root.iter("text"):
            assert 0 <= float(element.attrib["x"]) <= width
            assert 0 <= float(element.attrib["y"]) <= height
        assert "nan" not in figure.replace("nance", "")


def test_charts_of_nothing_are_empty() -> None:
    assert interval_chart("", []) == interval_chart("", [("ID", [])]) == ""
    assert stacked_chart("", [], {}) == ""
    assert line_chart("", [Series("a", "c0", [])], "x") == ""
    assert line_chart("", [Series("a", "c0", [(0.0, math.nan)])], "x") == ""


@given(POINTS)
def test_lines_of_any_numbers_stay_inside(points: list[tuple[float, float]]) -> None:
    figure = line_chart("t", [Series("a", "c0", sorted(points))], "x", dots=True, diagonal=True)
    if not points:
        assert figure == ""
        return
    for circle in svg(figure).iter("circle"):
        assert 45 <= float(circle.attrib["cx"]) <= 397
        assert 29 <= float(circle.attrib["cy"]) <= 231
    assert "nan" not in figure and "inf" not in figure


def test_an_interval_that_is_no_number_is_refused() -> None:
    with pytest.raises(DrawingError, match="finite"):
        interval_chart("W", [("ID", [Whisker("a", "c0", math.nan, math.nan, 1)])])


def test_a_chart_says_its_numbers_in_words() -> None:
    root = svg(interval_chart("W", [("ID", [Whisker("mine", "c0", 0.5, 0.4, 0.6)])], 2))
    title, description = root.find("title"), root.find("desc")
    assert title is not None and title.text == "W"
    assert description is not None and description.text == "ID, mine: 0.50"
    assert root.attrib["role"] == "img"
    assert root.attrib["aria-labelledby"] == title.attrib["id"]
    assert root.attrib["aria-describedby"] == description.attrib["id"]
    assert "aria-describedby" not in picture("t", "", 1, 1)


def test_names_of_different_pictures_differ() -> None:
    names = {re.findall(r'id="(\w+)-title"', picture(t, d, 1, 1))[0] for t in "ab" for d in "cd"}
    assert len(names) == 4


def test_a_legend_that_is_too_wide_goes_on_in_a_further_line() -> None:
    parts = {f"a long name {n}": 1.0 for n in range(6)}
    root = svg(stacked_chart("t", [("all", parts)], dict.fromkeys(parts, "b0")))
    ticks = [e for e in root.iter("text") if e.attrib["class"] == "tick"]
    assert len({e.attrib["y"] for e in ticks}) > 1
    for tick in ticks:
        assert float(tick.attrib["x"]) + 6.5 * len(tick.text or "") <= 420


def test_a_name_of_any_length_stays_beside_its_row() -> None:
    for name in ("a", "prompted-with-rules", "M" * 300):
        rows = [Whisker(name, "c0", 0.5, 0.4, 0.6), Whisker("b", "c1", 0.5, 0.4, 0.6)]
        for figure in (
            interval_chart("t", [("ID", rows)]),
            stacked_chart("t", [(name, {"x": 1.0}), ("b", {"x": 2.0})], {"x": "b0"}),
        ):
            root = svg(figure)
            labels = [e for e in root.iter("text") if "label" in e.attrib["class"]]
            for label in labels:
                assert float(label.attrib["x"]) - width_of(label.text or "") >= 0
            shown = labels[0].text or ""
            assert shown == name or (shown.endswith("…") and len(shown) > 10)
            assert name in (root.findtext("desc") or "")


def test_smoothing_keeps_ends_and_level() -> None:
    flat = smooth([(float(i), 2.0) for i in range(1000)])
    assert len(flat) <= 162
    assert {y for _, y in flat} == {2.0}
    assert (flat[0][0], flat[-1][0]) == (0.0, 999.0)


@given(st.lists(st.tuples(st.floats(-9, 9), st.floats(-9, 9)), min_size=1, max_size=9))
def test_a_staircase_goes_down_from_corner_to_corner_of_its_frontier(
    points: list[tuple[float, float]],
) -> None:
    frontier = [
        p for p in points if not any(q != p and q[0] >= p[0] and q[1] >= p[1] for q in points)
    ]
    corners = staircase(frontier, -10, -10)
    assert corners[0][0] == -10 and corners[-1][1] == -10
    assert set(frontier) <= set(corners)
    for (x1, y1), (x2, y2) in pairwise(corners):
        assert x2 >= x1 and y2 <= y1
        assert x1 == x2 or y1 == y2
    # It holds all points below it, and none of them lies above it.
    for x, y in points:
        assert any(a >= x and b >= y for a, b in corners)
    plane = Plane(Axis(-10, 10, 0, 100), Axis(-10, 10, 100, 0))
    assert plane.stairs(frontier) == [plane.at(*corner) for corner in corners]
    assert staircase([], 0, 0) == []


def test_labels_stay_apart_inside_and_off_the_marks() -> None:
    marks = [(50.0, 50.0, 9.0), (70.0, 50.0, 9.0), (200.0, 100.0, 9.0)]
    labels = Labels((0, 0, 300, 200), marks)
    boxes = []
    for x, y, _ in marks:
        left, base = labels.place(x, y, "VQ_DA")
        boxes.append((left, base - 11, left + width_of("VQ_DA"), base + 3))
    for number, box in enumerate(boxes):
        assert box[0] >= 0 and box[1] >= 0 and box[2] <= 300 and box[3] <= 200
        assert not any(meet(box, other) for other in boxes[:number])
        assert not any(meet(box, (x - r, y - r, x + r, y + r)) for x, y, r in marks)


def test_names_of_points_at_one_place_in_a_corner_stand_above_each_other() -> None:
    marks = [(46.0, 290.0, 6.0)] * 4
    labels = Labels((46, 30, 404, 290), marks)
    places = [labels.place(46, 290, name) for name in ("base", "sft", "user", "mutual")]
    assert len({base for _, base in places}) == 4
    assert not any(meet(a, b) for i, a in enumerate(labels.taken[4:]) for b in labels.taken[4:][:i])


def test_a_label_keeps_off_a_line_where_it_can() -> None:
    line = [(0.0, 36.0), (300.0, 36.0)]  # through the places above the mark
    for lines, below in (((), False), ([line], True)):
        _, base = Labels((0, 0, 300, 200), [(50.0, 50.0, 9.0)], lines).place(50.0, 50.0, "VQ_DA")
        assert (base > 50) == below


def test_the_style_has_a_class_for_every_colour_and_strength_in_both_schemes() -> None:
    style = stylesheet()
    for colour in COLOURS:
        assert f".{colour} {{" in style and len(re.findall(rf"--{colour}: #", style)) == 2
    for side in "ul":
        for level in range(LEVELS + 1):
            assert re.search(rf"\.{side}{level} \{{", style)
    assert {action_colour(place) for place in range(20)} <= set(COLOURS)
    assert len({action_colour(place) for place in range(6)}) == 6
    assert "url(" not in style and "@import" not in style and "</" not in style


def test_regions_fill_their_bars_and_are_told() -> None:
    rows = [("first", [(0.0, 0.25, "a"), (0.25, 1.0, "<b>")]), ("second", [(0.0, 1.0, "a")])]
    drawn = region_chart("Regions", rows, {"a": "c0", "<b>": "c1", "unused": "c2"}, "share")
    shapes = [e for e in svg(drawn).iter("rect") if float(e.attrib["height"]) == 20]
    widths = [float(e.attrib["width"]) for e in shapes]
    assert widths[1] / widths[0] == pytest.approx(3, rel=0.05)
    assert widths[2] == pytest.approx(widths[0] + widths[1] + 1, abs=0.2)
    texts = " ".join(svg(drawn).itertext())
    assert "first: <b> from 0.25 to 1.00" in texts
    assert "unused" not in texts
    assert region_chart("Regions", [], {}, "share") == ""


def test_a_chart_is_saved_as_a_file_that_stands_alone() -> None:
    drawn = line_chart("T", [Series("s", "c0", [(0.0, 1.0), (1.0, 2.0)])], "x")
    root = ElementTree.fromstring(svg_file(drawn))
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    assert "--c0" in (root.findtext("{http://www.w3.org/2000/svg}style") or "")
    with pytest.raises(DrawingError, match="the chart is empty"):
        svg_file(line_chart("T", [], "x"))
