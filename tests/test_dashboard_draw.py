"""What pages draw: matrices, frontier plots and flows on any game, numbers and times."""

import re
from collections.abc import Mapping
from functools import partial
from itertools import pairwise
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gtalign.drawing import MINUS, NONE, stylesheet
from gtalign.drawing.labels import meet, width_of
from gtalign.drawing.svg import WIDTH
from gtalign.errors import DataError
from gtalign.game import USER_LLM, Bimatrix, GameForm, pareto_frontier, pure_nash
from gtalign.gateway.dashboard import flow as flows
from gtalign.gateway.dashboard import show
from gtalign.gateway.dashboard.flow import flow, flow_chart
from gtalign.gateway.dashboard.plot import BOX, frontier_plot
from gtalign.gateway.dashboard.query import PERIODS, read_query
from gtalign.steering import Policy, recommend
from gtalign.steering.table import game_table

PAYOFFS = st.one_of(
    st.integers(-5, 5).map(float), st.floats(-5, 5), st.floats(-1e6, 1e6), st.sampled_from([0.0])
)
FORM = GameForm(
    user={"A": "a", "B": "b", "C": "c"}, llm={c: c.lower() for c in ("W", "X", "Y", "Z", "V")}
)


@st.composite
def games(draw: st.DrawFn, form: GameForm) -> Bimatrix:
    size = form.shape[0] * form.shape[1] * 2
    values = draw(st.lists(PAYOFFS, min_size=size, max_size=size))
    return Bimatrix(form, np.reshape(values, (*form.shape, 2)))


FORMS = st.sampled_from([USER_LLM, FORM])
PAIRS = FORMS.flatmap(lambda form: st.tuples(games(form), games(form)))


def parts_of(drawn: str, kind: str) -> list[ElementTree.Element]:
    """The elements of a drawing that have a class."""
    root = ElementTree.fromstring(drawn)
    return [e for e in root.iter() if kind in e.attrib.get("class", "").split()]


def centre(mark: ElementTree.Element) -> tuple[float, float]:
    """Where a mark lies: the middle of its circle, or of the box of its corners."""
    (shape,) = (e for e in mark if e.attrib.get("class") == "shape")
    if shape.tag == "circle":
        return float(shape.attrib["cx"]), float(shape.attrib["cy"])
    xs, ys = zip(*corners(shape), strict=True)
    return (min(xs) + max(xs)) / 2, (min(ys) + max(ys)) / 2


def corners(shape: ElementTree.Element) -> list[tuple[float, float]]:
    points = (point.split(",") for point in shape.attrib["points"].split())
    return [(float(x), float(y)) for x, y in points]


def tip(mark: ElementTree.Element) -> str:
    return mark.findtext("title", "")


@given(FORMS.flatmap(games))
def test_a_matrix_is_laid_out_as_it_is(game: Bimatrix) -> None:
    found = recommend(game, Policy(name="p", payer="user"), low=float(game.payoffs.min()))
    for drawn, choice in ((game_table(game, "<b>", found), found.cell), (game_table(game), None)):
        cells = parts_of(drawn, "cell")
        assert [cell.attrib["data-cell"] for cell in cells] == list(game.form.cells)
        for function, sign in ((pareto_frontier, "◆"), (pure_nash, "●")):
            keys = (c.attrib["data-cell"] for c in cells if sign in "".join(c.itertext()))
            assert tuple(keys) == game.form.where(function(game.payoffs))
        chosen = [cell.attrib["data-cell"] for cell in parts_of(drawn, "chosen")]
        assert chosen == ([] if choice is None else [choice])
        assert "<b>&" not in drawn and " style=" not in drawn
    assert "&lt;b&gt;" in game_table(game, "<b>")


@given(PAIRS)
def test_a_plot_holds_every_cell_in_its_place(pair: tuple[Bimatrix, Bimatrix]) -> None:
    before, after = pair
    cells = after.form.cells
    drawn = frontier_plot(after, before, chosen=cells[0], chosen_before=cells[-1])
    left, top, right, bottom = BOX
    now, was = parts_of(drawn, "now"), parts_of(drawn, "was")[1:]  # the first is the frontier
    assert len(now) == len(was) == len(parts_of(drawn, "label")) == len(cells)
    for mark in (*was, *now):
        x, y = centre(mark)
        assert 0 <= x <= WIDTH and top - 2 <= y <= bottom + 2
    assert [tip(m).split(":")[0] for m in now if "chosen" in tip(m)] == [cells[0]]
    assert [tip(m).split(":")[0] for m in was if "chosen" in tip(m)] == [cells[-1]]
    assert len(parts_of(drawn, "ring")) == 2
    for one, cell in zip(now, cells, strict=True):
        assert tip(one).startswith(f"{cell}: user ") and "as edited" in tip(one)
        for other, key in zip(now, cells, strict=True):
            if after.cell(cell)[1] > after.cell(key)[1]:
                assert centre(one)[1] <= centre(other)[1] + 2
            if after.form == USER_LLM and cell < key and after.cell(cell) == after.cell(key):
                assert abs(centre(one)[0] - centre(other)[0]) > 13  # room for six side by side
    across = [float(e.attrib["x"]) for e in parts_of(drawn, "tick") if "mid" in e.attrib["class"]]
    up = [float(e.attrib["y"]) - 4 for e in parts_of(drawn, "tick") if "end" in e.attrib["class"]]
    assert all(left <= x <= right for x in across) and all(top <= y <= bottom for y in up)
    assert 1 <= len(across) <= 6 and 1 <= len(up) <= 6
    assert drawn.count("<svg") == 1 and "nan" not in drawn and "inf" not in drawn
    assert " style=" not in drawn and 'aria-labelledby="' in drawn and 'aria-describedby="' in drawn


@given(PAIRS)
def test_the_line_of_a_frontier_goes_down_and_to_the_right(pair: tuple[Bimatrix, Bimatrix]) -> None:
    lines = parts_of(frontier_plot(*pair), "frontier")
    assert len(lines) == 2
    for line in lines:
        for (x1, y1), (x2, y2) in pairwise(corners(line)):
            assert x2 >= x1 and y2 >= y1  # y runs downwards
            assert x1 == x2 or y1 == y2 or abs(y2 - y1) < 0.2 or abs(x2 - x1) < 0.2


def test_cells_at_one_place_stand_side_by_side_and_labels_do_not_meet() -> None:
    payoffs = np.zeros((2, 3, 2))
    payoffs[1, 0] = (2.0, 1.0)
    drawn = frontier_plot(Bimatrix(USER_LLM, payoffs), chosen="VQ_AQ")
    xs = sorted(centre(m)[0] for m in parts_of(drawn, "now") if "VQ_AQ" not in tip(m))
    assert np.diff(xs) == pytest.approx([14.0] * 4)
    assert not parts_of(drawn, "was") and not parts_of(drawn, "arrow")
    (summary,) = ElementTree.fromstring(drawn).iter("desc")
    assert summary.text is not None
    assert summary.text.startswith("Each cell by the user's payoff")
    assert "VQ_AQ is chosen" in summary.text and "stated" not in drawn
    spread = np.array([[(-4, 0), (-4, -2), (0, 4)], [(2, 4), (1, 5), (0, 0)]])
    drawn = frontier_plot(Bimatrix(USER_LLM, spread), Bimatrix(USER_LLM, spread[:, ::-1]))
    boxes = []
    for label in parts_of(drawn, "label"):
        x, y = float(label.attrib["x"]), float(label.attrib["y"])
        boxes.append((x, y - 11, x + width_of(label.text or ""), y + 3))
    assert not any(meet(a, b) for i, a in enumerate(boxes) for b in boxes[:i])
    assert parts_of(drawn, "arrow")


COUNTS = st.dictionaries(
    st.tuples(st.sampled_from(["AQ", "CQ", "DA", "XX"]), st.sampled_from(["CQ", "DA", "YY"])),
    st.integers(0, 10**9),
    max_size=12,
)


@given(COUNTS)
def test_a_flow_keeps_every_decision(counts: Mapping[tuple[str, str], int]) -> None:
    found = flow(counts, USER_LLM.llm_actions)
    total = sum(counts.values())
    assert found.total == total
    assert {(b.before, b.after): b.count for b in found.streams} == {
        pair: n for pair, n in counts.items() if n
    }
    assert found.flips == sum(n for (a, b), n in counts.items() if a != b)
    sides = [[b for b in found.piles if (b.x < flows.WIDTH / 2) is left] for left in (True, False)]
    for side in sides:
        assert sum(bar.count for bar in side) == total
        for above, below in pairwise(side):
            assert below.y > above.y + above.height
        assert all(bar.y >= 0 and bar.y + bar.height <= flows.HEIGHT for bar in side)
    drawn = flow_chart(found)
    assert len(parts_of(drawn, "band")) == len(found.streams)
    assert len(parts_of(drawn, "flip")) == sum(s.before != s.after for s in found.streams)
    assert len(parts_of(drawn, "block")) == len(found.piles)
    title = ElementTree.fromstring(drawn).findtext("title")
    assert title == f"{total} decisions, {found.flips} of them flipped"
    (told,) = [e.text or "" for e in ElementTree.fromstring(drawn).iter("desc")] or [""]
    assert all(f"{a} to {b} {n}" in told for (a, b), n in counts.items() if n)


def test_money_and_times_are_for_people() -> None:
    assert [show.money(v) for v in (None, 0, 12.345, 0.00778, -0.5, 1e-12)] == [
        *(NONE, "0", "12.35", "0.00778", MINUS + "0.5", "0"),
    ]
    assert [show.milliseconds(v) for v in (None, 7.04, 483.2, 2345)] == [
        *(NONE, "7 ms", "483 ms", "2.35 s"),
    ]
    at = 1_795_567_307_000_632
    assert show.utc(at) == "2026-11-25 00:41:47"
    assert show.iso(at) == "2026-11-25T00:41:47Z"
    assert show.local(at) == "2026-11-25T00:41:47"
    assert show.utc(-5).startswith("1970") and show.utc(10**18).startswith("9999")
    seconds = [-1, 0, 1, 59, 60, 7_199, 86_400 * 3]
    told = [show.ago(at, partial(int, at + s * 1_000_000)) for s in seconds]
    assert told == [
        *("in the future", "just now", "1 s ago", "59 s ago", "1 min ago", "1 h ago", "3 d ago")
    ]


def test_an_address_names_decisions() -> None:
    now = 10**15
    query = read_query({"policy": "a&b", "search": " ", "limit": "9"}, "day", lambda: now)
    assert query.which.since == now - PERIODS["day"] * 1_000_000
    assert query.which.policy == "a&b" and query.which.search is None
    assert query.url("/x", cursor="1-a", policy="") == "/x?last=day&cursor=1-a"
    assert query.url("") == "?policy=a%26b&last=day"
    assert read_query({"last": "all"}, "day").which.since is None
    query = read_query({"last": "hour", "since": "2026-01-31T12:00", "until": "2026-01-31T13:00Z"})
    assert query.which.until is not None and query.which.since is not None
    assert (query.last, query.which.until - query.which.since) == ("", 3_600_000_000)
    assert "last" not in query.given
    assert read_query({"since": "0001-01-01T00:00"}).which.since == 0
    for wrong in ({"since": "x"}, {"last": "week"}, {"flipped": "1"}, {"until": "2026-13-01"}):
        with pytest.raises(DataError, match=next(iter(wrong))):
            read_query(wrong)


def test_the_style_draws_everything_of_its_own_and_fetches_nothing() -> None:
    from gtalign.gateway.dashboard.static import static_files

    own, shared = (static_files()[f"{name}.css"].body.decode() for name in ("dashboard", "drawing"))
    assert shared == stylesheet()
    for kind in ("band", "shape", "ring", "arrow", "flow", "strip", "needle"):
        assert f".{kind}" in own, kind
    for colour in re.findall(r"var\((--[\w-]+)\)", own):
        assert f"{colour}:" in own + shared, colour
    assert "url(" not in own and "@import" not in own
