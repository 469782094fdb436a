"""What pages draw: matrices, frontier plots and flows on any game, numbers and times."""

import math
import re
from collections.abc import Mapping
from itertools import combinations, pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gtalign.errors import DataError
from gtalign.game import USER_LLM, Bimatrix, GameForm, pareto_frontier, pure_nash
from gtalign.gateway.dashboard import flow as flows
from gtalign.gateway.dashboard import show
from gtalign.gateway.dashboard.flow import flow
from gtalign.gateway.dashboard.matrix import LEVELS, grid
from gtalign.gateway.dashboard.plot import SHAPES, Plot, _meet, plot
from gtalign.gateway.dashboard.query import PERIODS, read_query
from gtalign.gateway.dashboard.render import environment

MINUS = "\N{MINUS SIGN}"
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


@given(FORMS.flatmap(games))
def test_a_matrix_is_laid_out_as_it_is(game: Bimatrix) -> None:
    chosen = game.form.cells[1]
    found = grid(game, chosen)
    cells = [cell for _, _, row in found.rows for cell in row]
    assert [cell.key for cell in cells] == list(game.form.cells)
    assert [(cell.user, cell.llm) for cell in cells] == [game.cell(k) for k in game.form.cells]
    marks = ((pareto_frontier, "frontier"), (pure_nash, "equilibrium"))
    for function, name in marks:
        keys = tuple(cell.key for cell in cells if getattr(cell, name))
        assert keys == game.form.where(function(game.payoffs))
    assert [cell.key for cell in cells if cell.chosen] == [chosen]
    for one in cells:
        assert 0 <= one.user_level <= LEVELS and 0 <= one.llm_level <= LEVELS
        for other in cells:
            if one.user > other.user:
                assert one.user_level >= other.user_level
    told = grid(game, None, [chosen], [])
    marked = [cell.key for _, _, row in told.rows for cell in row if cell.frontier]
    assert marked == [chosen]


@given(PAIRS)
def test_a_plot_holds_every_cell_in_its_place(pair: tuple[Bimatrix, Bimatrix]) -> None:
    before, after = pair
    cells = after.form.cells
    found = plot(after, before, chosen=cells[0], chosen_before=cells[-1])
    width = found.size[0]
    left, top, right, bottom = found.box
    assert len(found.after) == len(found.before) == len(found.labels) == len(cells)
    for mark in (*found.before, *found.after):
        assert 0 <= mark.x <= width and top <= mark.y <= bottom
        assert mark.shape in SHAPES and math.isfinite(mark.x)
    assert [m.key for m in found.after if m.chosen] == [cells[0]]
    assert [m.key for m in found.before if m.chosen] == [cells[-1]]
    for one, cell in zip(found.after, cells, strict=True):
        for other, key in zip(found.after, cells, strict=True):
            if after.cell(cell)[1] > after.cell(key)[1]:
                assert one.y <= other.y
    if after.form == USER_LLM:  # there is room for six side by side
        for one, other in combinations(found.after, 2):
            assert after.cell(one.key) != after.cell(other.key) or abs(one.x - other.x) > 13
    assert all(left <= x <= right for x, _ in found.across)
    assert all(top <= y <= bottom for y, _ in found.up)
    assert 1 <= len(found.across) <= 9 and 1 <= len(found.up) <= 9


@given(PAIRS)
def test_the_line_of_a_frontier_goes_down_and_to_the_right(pair: tuple[Bimatrix, Bimatrix]) -> None:
    found = plot(*pair)
    for line in (found.frontier_before, found.frontier_after):
        points = [tuple(map(float, point.split(","))) for point in line.split()]
        for (x1, y1), (x2, y2) in pairwise(points):
            assert x2 >= x1 and y2 >= y1  # y runs downwards
            assert x1 == x2 or y1 == y2 or abs(y2 - y1) < 0.2 or abs(x2 - x1) < 0.2


def test_cells_at_one_place_stand_side_by_side_and_labels_do_not_meet() -> None:
    payoffs = np.zeros((2, 3, 2))
    payoffs[1, 0] = (2.0, 1.0)
    found = plot(Bimatrix(USER_LLM, payoffs), chosen="VQ_AQ")
    xs = sorted(mark.x for mark in found.after if mark.key != "VQ_AQ")
    assert np.diff(xs) == pytest.approx([14.0] * 4)
    assert found.before == found.arrows == () and found.frontier_before == ""
    assert found.summary.startswith("Each cell by the user's payoff")
    assert "VQ_AQ is chosen" in found.summary and "stated" not in found.summary
    spread = np.array([[(-4, 0), (-4, -2), (0, 4)], [(2, 4), (1, 5), (0, 0)]])
    found = plot(Bimatrix(USER_LLM, spread), Bimatrix(USER_LLM, spread[:, ::-1]))
    boxes = [(at.x, at.y - 11, at.x + 7.9 * len(at.key), at.y + 3) for at in found.labels]
    assert not any(_meet(a, b) for i, a in enumerate(boxes) for b in boxes[:i])
    assert found.arrows


@given(PAIRS)
def test_the_macros_draw_any_game(pair: tuple[Bimatrix, Bimatrix]) -> None:
    parts = environment().get_template("parts.jinja").module
    table = parts.matrix(pair[0], "<b>", pair[0].form.cells[0])
    assert table.count("<td class=") == len(pair[0].form.cells)
    assert "<b>&" not in table and "&lt;b&gt;" in table
    drawn = parts.frontier_plot(*pair, id="p")
    assert drawn.count("<svg") == 1 and "nan" not in drawn and "inf" not in drawn
    assert 'aria-labelledby="p-title p-desc"' in drawn and " style=" not in table + drawn


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
    assert {(b.before, b.after): b.count for b in found.bands} == {
        pair: n for pair, n in counts.items() if n
    }
    assert found.flips == sum(n for (a, b), n in counts.items() if a != b)
    sides = [[b for b in found.bars if (b.x < flows.WIDTH / 2) is left] for left in (True, False)]
    for side in sides:
        assert sum(bar.count for bar in side) == total
        for above, below in pairwise(side):
            assert below.y > above.y + above.height
        assert all(bar.y >= 0 and bar.y + bar.height <= flows.HEIGHT for bar in side)


def test_numbers_and_times_are_for_people() -> None:
    assert [show.number(v) for v in (None, -0.001, 0, 1234.5, -2.75, 1e15)] == [
        *(show.NONE, "0", "0", "1,234.5", MINUS + "2.75", "1,000,000,000,000,000"),
    ]
    assert [show.signed(v) for v in (3, 0, -0.004, None)] == ["+3", "0", "0", show.NONE]
    assert [show.money(v) for v in (None, 0, 12.345, 0.00778, -0.5, 1e-12)] == [
        *(show.NONE, "0", "12.35", "0.00778", MINUS + "0.5", "0"),
    ]
    assert [show.percent(1, 8), show.percent(0, 0)] == ["12.5%", show.NONE]
    assert [show.milliseconds(v) for v in (None, 7.04, 483.2, 2345)] == [
        *(show.NONE, "7 ms", "483 ms", "2.35 s"),
    ]
    at = 1_795_567_307_000_632
    assert show.utc(at) == "2026-11-25 00:41:47"
    assert show.iso(at) == "2026-11-25T00:41:47Z"
    assert show.local(at) == "2026-11-25T00:41:47"
    assert show.utc(-5).startswith("1970") and show.utc(10**18).startswith("9999")
    seconds = [-1, 0, 1, 59, 60, 7_199, 86_400 * 3]
    told = [show.ago(at, lambda s=s: at + s * 1_000_000) for s in seconds]
    assert told == [
        *("in the future", "just now", "1 s ago", "59 s ago", "1 min ago", "1 h ago", "3 d ago")
    ]


def test_an_address_names_decisions() -> None:
    now = 10**15
    query = read_query({"policy": "a&b", "search": " ", "limit": "9"}, "day", lambda: now)
    assert query.which.since == now - PERIODS["day"] * 1_000_000
    assert query.which.policy == "a&b" and query.which.search is None
    assert query.url("/x", cursor="1-a", policy="") == "/dashboard/x?last=day&cursor=1-a"
    assert query.url("") == "/dashboard?policy=a%26b&last=day"
    assert read_query({"last": "all"}, "day").which.since is None
    query = read_query({"last": "hour", "since": "2026-01-31T12:00", "until": "2026-01-31T13:00Z"})
    assert (query.last, query.which.until - query.which.since) == ("", 3_600_000_000)
    assert "last" not in query.given
    assert read_query({"since": "0001-01-01T00:00"}).which.since == 0
    for wrong in ({"since": "x"}, {"last": "week"}, {"flipped": "1"}, {"until": "2026-13-01"}):
        with pytest.raises(DataError, match=next(iter(wrong))):
            read_query(wrong)


def test_the_style_has_a_class_for_every_strength_and_colour() -> None:
    from gtalign.gateway.dashboard.static import static_files

    style = static_files()["dashboard.css"].body.decode()
    for side in "ul":
        for level in range(LEVELS + 1):
            assert re.search(rf"\.{side}{level} \{{", style)
    for colour in range(flows.COLOURS):
        assert f".a{colour} {{" in style
    assert "url(" not in style and "@import" not in style
    assert Plot.__doc__
