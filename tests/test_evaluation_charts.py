"""The charts of the report: which lines and points they draw, and of what."""

import re
from collections.abc import Mapping, Sequence
from html import unescape
from typing import Any

import numpy as np
import pytest

from evaluation_samples import malformed, plain, transcript, unscored
from gtalign.evaluation.charts import chains, learning, welfare
from gtalign.evaluation.compare import compare
from gtalign.evaluation.comparison import Comparison
from gtalign.transcripts.transcript import Transcript

COLOURS = {"mutual": "c0", "sft": "c1", "plain": "c2"}


def drawn(page: str) -> dict[str, str]:
    """Each figure of a page by its title."""
    figures = re.findall(r"<figure.*?</figure>", page, re.DOTALL)
    titles = (re.findall(r"<title[^>]*>(.*?)</title>", figure)[0] for figure in figures)
    return dict(zip(map(unescape, titles), figures, strict=True))


def curves(figure: str, colour: str) -> list[str]:
    """The lines of a colour in a figure: ``thick`` or ``faint``, in the order drawn."""
    found = re.findall(rf'class="curve {colour}( faint)?"', figure)
    return ["faint" if faint else "thick" for faint in found]


def run(values: Mapping[str, float], count: int = 4, first: int = 0) -> list[Mapping[str, float]]:
    return [{"step": float(first + n), **values} for n in range(count)]


def test_one_run_is_one_thick_line_and_several_are_thin_beside_their_mean() -> None:
    reward = {"reward": 0.5}
    one = drawn(str(learning({"mutual": run(reward)}, COLOURS)))
    assert curves(one["Reward, each model's own"], "c0") == ["thick"]
    several = {f"mutual/{seed}": run(reward) for seed in range(3)}
    three = drawn(str(learning({**several, "sft/0": run(reward)}, COLOURS)))
    figure = three["Reward, each model's own"]
    assert curves(figure, "c0") == ["faint", "faint", "faint", "thick"]
    assert curves(figure, "c1") == ["thick"]


@pytest.mark.parametrize(
    ("curve", "title"),
    [
        ({"welfare/user_welfare": 0.5}, "User welfare U"),
        ({"tokens": 90.0}, "Tokens of a completion"),
        ({"entropy": 1.5}, "Entropy of the model"),
        ({"loss": 2.0}, "Loss of supervised training"),
    ],
)
def test_a_panel_is_drawn_for_what_was_logged_alone(curve: dict[str, float], title: str) -> None:
    assert list(drawn(str(learning({"mutual": run(curve)}, COLOURS)))) == [title]


def test_the_loss_of_reinforcement_is_not_that_of_supervised_training() -> None:
    figures = drawn(str(learning({"mutual": run({"loss": 0.1, "reward": 0.5})}, COLOURS)))
    assert list(figures) == ["Reward, each model's own"]


@pytest.mark.parametrize(
    "rows",
    [
        [],
        run({"tokens": 9.0}, 1),
        [{"step": 1.0}, {"tokens": 9.0}, {"tokens": 8.0}],
        [{"step": 1.0, "tokens": None}, {"step": 2.0, "tokens": 1.0}],
    ],
)
def test_too_few_points_make_no_line(rows: Sequence[Any]) -> None:
    assert drawn(str(learning({"mutual": rows}, COLOURS))) == {}


def test_seeds_are_averaged_over_the_steps_that_all_have() -> None:
    low, high = (
        run({"tokens": 100.0}),
        run({"tokens": 300.0}, first=2),
    )  # both have the steps 2 and 3
    figure = drawn(str(learning({"mutual/0": low, "mutual/1": high}, COLOURS)))
    both = figure["Tokens of a completion"]
    assert curves(both, "c0") == ["faint", "faint", "thick"]
    lines = [points.split() for points in re.findall(r'class="curve[^>]* points="(.*?)"', both)]
    assert [len(points) for points in lines] == [4, 4, 2]
    heights = [{point.partition(",")[2] for point in points} for points in lines]
    (first,), (second,), (mean,) = heights
    assert float(mean) == pytest.approx((float(first) + float(second)) / 2, abs=0.11)


def test_a_model_that_is_not_compared_gets_a_colour_of_its_own() -> None:
    page = str(learning({"teacher": run({"tokens": 9.0})}, COLOURS))
    (figure,) = drawn(page).values()
    assert len(re.findall(r'class="curve \w+"', figure)) == 1
    assert "teacher" in page


def compared(*rows: Transcript) -> Comparison:
    return compare(list(rows), reference="mutual", rng=np.random.default_rng(0), resamples=50)


def several(make: Any, **changes: Any) -> list[Transcript]:
    return [make(id=f"q{n}", cluster=f"c{n}", **changes) for n in range(4)]


def test_a_model_without_a_known_welfare_has_no_point_in_the_plane() -> None:
    lost = several(unscored, model="sft")
    found = compared(*several(transcript), *several(plain), *lost)
    figures = drawn(str(welfare(found, COLOURS)))
    (plane,) = [text for title, text in figures.items() if title.startswith("User against LLM")]
    told = re.findall(r"<desc[^>]*>(.*?)</desc>", plane)
    assert "mutual: U 0.810, L 0.640" in told[0]
    assert "sft" not in told[0]
    assert "plain" not in told[0]  # without a chain there is no welfare of one
    assert "sft" not in figures["Mutual welfare W"]


def test_bars_carry_a_mark_for_each_of_several_seeds() -> None:
    rows = [row for seed in (1, 2) for row in several(transcript, seed=seed)]
    many = drawn(str(welfare(compared(*rows), COLOURS)))["Mutual welfare W"]
    one = drawn(str(welfare(compared(*several(transcript, seed=1)), COLOURS)))["Mutual welfare W"]
    assert many.count("<line") - one.count("<line") == 2


def test_payoffs_are_drawn_by_side_and_tokens_by_block() -> None:
    rows = [transcript(id=f"q{n}", cluster=f"c{n}") for n in range(12)]
    page = str(chains(compared(*rows), rows, COLOURS))
    assert list(drawn(page)) == [
        "Tokens of an answer that can be read, by block",
        "The user's payoffs: stated and true",
        "The LLM's payoffs: stated and true",
    ]
    # Where the truth is not known, there is nothing to compare what was stated with.
    blind = [transcript(id=f"q{n}", cluster=f"c{n}", extra={}) for n in range(12)]
    assert list(drawn(str(chains(compared(*blind), blind, COLOURS)))) == [
        "Tokens of an answer that can be read, by block"
    ]


def test_answers_that_nobody_could_read_leave_the_section_out() -> None:
    rows = several(malformed)
    assert drawn(str(chains(compared(*rows), rows, COLOURS))) == {}
