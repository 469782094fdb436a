"""Quantities over time: where columns and lines stand, what is unknown, and where axes end."""

from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gtalign.drawing.svg import WIDTH
from gtalign.drawing.times import HEIGHT, Track, moment, time_chart

HOUR, DAY = 3600, 86_400
VALUES = st.lists(st.none() | st.floats(0, 1e9), min_size=1, max_size=62)


def picture(drawn: str) -> ElementTree.Element:
    found = ElementTree.fromstring(drawn).find("svg")
    assert found is not None
    return found


@given(VALUES, VALUES, st.booleans(), st.sampled_from([300, HOUR, 6 * HOUR, DAY, 7 * DAY]))
def test_all_that_is_drawn_is_inside(
    one: list[float | None], two: list[float | None], stacked: bool, width: int
) -> None:
    count = min(len(one), len(two))
    tracks = [Track("a", "c0", one[:count]), Track("b", "c1", two[:count])]
    begins = [1_790_000_000 // width * width + n * width for n in range(count)]
    drawn = time_chart("t", tracks, begins, width, stacked=stacked)
    if all(value is None for track in tracks for value in track.values):
        assert drawn == ""
        return
    for shape in picture(drawn).iter():
        for name, most in (("x", WIDTH), ("cx", WIDTH), ("y", HEIGHT), ("cy", HEIGHT)):
            assert -0.1 <= float(shape.attrib.get(name, 0)) <= most
        for point in shape.attrib.get("points", "").split():
            x, y = map(float, point.split(","))
            assert 0 <= x <= WIDTH and 0 <= y <= HEIGHT


@pytest.mark.parametrize("share", [3.0, 40.0, 99.9, 100.0])
def test_an_axis_of_shares_ends_where_shares_end(share: float) -> None:
    drawn = picture(time_chart("t", [Track("a", "c0", [share, 1.0])], [0, HOUR], HOUR, most=100.0))
    ticks = [e.text or "" for e in drawn.iter("text") if e.attrib["class"] == "tick end"]
    assert max(float(tick) for tick in ticks if ":" not in tick) <= 100


def test_a_line_does_not_bridge_what_is_unknown() -> None:
    values = [1.0, 2.0, None, 3.0, None, None, 4.0, 5.0, 6.0]
    begins = [n * HOUR for n in range(len(values))]
    drawn = picture(time_chart("t", [Track("a", "c0", values)], begins, HOUR))
    lengths = [len(e.attrib["points"].split()) for e in drawn.iter("polyline")]
    assert lengths == [2, 3]
    assert len(list(drawn.iter("circle"))) == 1


def test_columns_stand_on_each_other_and_say_what_they_are() -> None:
    tracks = [Track("good", "c5", [3.0, 0.0]), Track("bad", "bad", [1.0, None])]
    drawn = picture(time_chart("Answers", tracks, [0, DAY], DAY, stacked=True))
    boxes = list(drawn.iter("rect"))
    assert [box.attrib["class"] for box in boxes] == ["block c5", "block bad"]
    first, second = ((float(b.attrib["y"]), float(b.attrib["height"])) for b in boxes)
    assert second[0] + second[1] == pytest.approx(first[0], abs=0.2)
    assert first[1] == pytest.approx(3 * second[1], rel=0.02)
    assert boxes[0].findtext("title") == "1 Jan: good 3, bad 1"


def test_counts_have_no_ticks_between_whole_numbers() -> None:
    for count in (0.0, 1.0, 2.0, 3.0, 7.0):
        drawn = picture(time_chart("t", [Track("a", "c0", [count])], [0], HOUR, stacked=True))
        ticks = [e.text or "" for e in drawn.iter("text") if e.attrib["class"] == "tick end"]
        assert ticks and not any("." in tick for tick in ticks)


@pytest.mark.parametrize(
    ("at", "width", "told"),
    [
        (0, HOUR, "1 Jan"),
        (13 * HOUR, HOUR, "13:00"),
        (300, 300, "00:05"),
        (40 * DAY, DAY, "10 Feb"),
    ],
)
def test_a_time_is_as_precise_as_its_slot(at: int, width: int, told: str) -> None:
    assert moment(at, width) == told
