"""A payoff matrix as a table: every cell with its payoffs, strengths of colour and marks."""

from xml.etree import ElementTree

from hypothesis import given
from hypothesis import strategies as st

from gtalign.drawing import MINUS, matrix_legend, matrix_table
from gtalign.drawing.matrix import LEVELS

PAYOFF = st.one_of(st.integers(-5, 5).map(float), st.floats(-5, 5), st.floats(-1e308, 1e308))


@st.composite
def games(draw: st.DrawFn) -> tuple[list[str], list[str], dict[str, tuple[float, float]]]:
    users = [f"u{i}" for i in range(draw(st.integers(1, 4)))]
    llms = [f"l{i}" for i in range(draw(st.integers(1, 4)))]
    keys = [f"{user}_{llm}" for user in users for llm in llms]
    return users, llms, {key: (draw(PAYOFF), draw(PAYOFF)) for key in keys}


def table(drawn: str) -> list[list[ElementTree.Element]]:
    root = ElementTree.fromstring(drawn)
    return [list(row) for row in root.iter("tr")]


@given(games(), st.data())
def test_a_matrix_shows_every_cell_where_it_belongs(
    game: tuple[list[str], list[str], dict[str, tuple[float, float]]], data: st.DataObject
) -> None:
    users, llms, payoffs = game
    chosen = data.draw(st.sampled_from([*payoffs, None]))
    frontier = data.draw(st.sets(st.sampled_from([*payoffs])))
    equilibria = data.draw(st.sets(st.sampled_from([*payoffs])))
    drawn = matrix_table(
        [(name, f"{name}, meant") for name in users],
        [(name, "") for name in llms],
        payoffs,
        chosen=chosen,
        frontier=frontier,
        equilibria=equilibria,
        played=users[0],
    )
    head, *rows = table(drawn)
    assert [cell.text for cell in head[1:]] == llms
    assert all(len(cell) == 0 for cell in head)
    levels: tuple[list[tuple[float, int]], ...] = ([], [])
    for user, row in zip(users, rows, strict=True):
        assert row[0].text == user
        # In the text: a phone and a keyboard show no title.
        assert row[0].findtext("small") == f"{user}, meant" and "title" not in row[0].attrib
        assert ("class" in row[0].attrib) == (user == users[0])
        for llm, cell in zip(llms, row[1:], strict=True):
            key = f"{user}_{llm}"
            assert cell.attrib["data-cell"] == key
            assert ("chosen" in cell.attrib["class"]) == (key == chosen)
            text = "".join(cell.itertext())
            assert ("chosen" in text, "◆" in text, "●" in text) == (
                *(key == chosen, key in frontier, key in equilibria),
            )
            for side, pay in enumerate(cell.findall("span")[:2]):
                kind = pay.attrib["class"].split()[1]
                assert kind[0] == "ul"[side]
                levels[side].append((payoffs[key][side], int(kind[1:])))
    both = sorted(levels[0] + levels[1])
    assert all(0 <= level <= LEVELS for _, level in both)
    assert [level for _, level in both] == sorted(level for _, level in both)


def test_all_payoffs_of_a_matrix_have_the_same_decimals() -> None:
    def shown(*values: float) -> list[str]:
        drawn = matrix_table(
            [("a", "")],
            [("b", ""), ("c", "")],
            {"a_b": (values[0], values[1]), "a_c": (values[2], values[3])},
        )
        return [b.text or "" for b in ElementTree.fromstring(drawn).iter("b")]

    assert shown(1, -2, 0, 5) == ["1", MINUS + "2", "0", "5"]
    assert shown(1, -2.5, 0, 5) == ["1.0", MINUS + "2.5", "0.0", "5.0"]
    assert shown(1, 2.25, 1 / 3, -0.001) == ["1.00", "2.25", "0.33", "0.00"]


def test_the_legend_names_every_mark() -> None:
    text = matrix_legend(" More & more.")
    assert (
        "◆" in text and "●" in text and "chosen" in text and text.endswith("More &amp; more.</p>")
    )
