"""Pareto measures of several models: hand-computed cases, ties, gaps, runs and intervals."""

import json

import numpy as np
import pytest

from gtalign.errors import DataError
from gtalign.evaluation.fronts import MEASURES, Fronts, measure_fronts
from gtalign.evaluation.pareto import hypervolume
from gtalign.evaluation.point_sets import LEVELS

NAN = float("nan")
A = [(0.9, 0.3), (0.5, 0.5), (0.4, 0.4)]
B = [(0.8, 0.2), (0.5, 0.5), (0.6, 0.6)]


def measured(*runs: dict[str, list[tuple[float, float]]], **options: object) -> Fronts:
    """Each run gives the points of every model, one a question."""
    models = list(runs[0])
    points = np.array([[run[model] for model in models] for run in runs], dtype=float)
    given: dict[str, object] = {"rng": np.random.default_rng(0), "count": 200} | options
    clusters = options.pop("clusters", range(points.shape[2]))
    given.pop("clusters", None)
    return measure_fronts(points.transpose(0, 2, 1, 3), models, list(clusters), **given)  # type: ignore[arg-type, call-overload]


def test_two_models_by_hand() -> None:
    """a dominates once, b once, and once they are equal. The frontier is (.9, .3), (.6, .6)."""
    found = measured({"a": A, "b": B})
    a, b = found.fronts
    (duel,) = found.duels
    assert (found.reference, duel.model) == ("b", "a")
    assert (duel.wins, duel.losses, duel.neither) == (1, 1, 1)
    assert duel.net.value == 0
    assert found.frontier == ((0.6, 0.6), (0.9, 0.3))
    values = {name: (a.measures[name].value, b.measures[name].value) for name in MEASURES}
    assert values["undominated"] == pytest.approx((2 / 3, 2 / 3))
    assert values["regret"] == pytest.approx((0.2 / 3, 0.1 / 3))
    assert values["preference_regret"] == pytest.approx((0.2 / 3, 0.1 / 3))
    assert values["hypervolume"] == pytest.approx((0.37, 0.4))
    assert values["covered"] == pytest.approx((0.5, 0.5))
    assert values["epsilon"] == pytest.approx((0.1, 0.1))
    assert duel.differences["hypervolume"].value == pytest.approx(0.03)
    assert duel.differences["regret"].value == pytest.approx(-0.1 / 3)
    assert json.dumps(found.to_json(), allow_nan=False)


def test_curves_have_a_point_at_each_level() -> None:
    front = measured({"a": A}).fronts[0]
    best = {point.level: point.best for point in front.user_given}
    assert tuple(best) == LEVELS
    assert (best[0.0], best[0.3], best[0.35], best[0.5], best[0.55]) == (0.9, 0.9, 0.5, 0.5, None)
    assert {p.level: p.best for p in front.llm_given}[0.6] == 0.3


def test_one_model_alone_is_its_own_frontier() -> None:
    found = measured({"a": A})
    assert found.duels == ()
    one = found.fronts[0].measures
    assert [one[name].value for name in ("undominated", "regret", "covered", "epsilon")] == [
        1, 0, 1, 0,
    ]  # fmt: skip


def test_epsilon_forgives() -> None:
    found = measured({"a": A, "b": B}, epsilon=0.1)
    assert [f.measures["covered"].value for f in found.fronts] == [1.0, 1.0]
    assert [f.measures["undominated"].value for f in found.fronts] == pytest.approx([2 / 3, 1])


def test_a_question_that_a_model_did_not_answer_is_left_out_for_all() -> None:
    holes = [(NAN, NAN), A[1], A[2]], [B[0], B[1], (0.6, NAN)]
    found = measured({"a": holes[0], "b": holes[1]})
    assert (found.questions, found.left_out, found.clusters) == (1, 2, 1)
    assert found.fronts[1].measures["hypervolume"].value == pytest.approx(0.25), "no 0 for unknown"
    assert found.fronts[0].measures["regret"].questions is None, "one question"
    with pytest.raises(DataError, match="no question has a known welfare"):
        measured({"a": [(NAN, 0.5)], "b": [(0.5, 0.5)]})


def test_infinite_welfare_is_refused() -> None:
    with pytest.raises(DataError, match="unknown or infinite"):
        measured({"a": [(0.5, float("inf"))]})


def test_shapes_models_and_runs_have_to_fit() -> None:
    points = np.zeros((1, 3, 2, 2))
    rng = np.random.default_rng(0)
    with pytest.raises(DataError, match="3 questions, 1 models"):
        measure_fronts(points, ["a"], [0, 1, 2], rng=rng)
    with pytest.raises(DataError, match="no points of model 'c'; there are a, b"):
        measure_fronts(points, ["a", "b"], [0, 1, 2], rng=rng, reference="c")
    with pytest.raises(DataError, match="1 training runs need as many names, not 2"):
        measure_fronts(points, ["a", "b"], [0, 1, 2], rng=rng, seeds=(0, 1))


def test_numbers_of_several_runs_are_means_with_each_run_beside_them() -> None:
    second = {"a": [(u - 0.1, v) for u, v in A], "b": B}
    found = measured({"a": A, "b": B}, second, seeds=(3, 4))
    volume = found.fronts[0].measures["hypervolume"]
    assert volume.seeds == pytest.approx({3: hypervolume(A), 4: hypervolume(second["a"])})
    assert volume.value == pytest.approx(np.mean(list(volume.seeds.values())))
    assert volume.training is not None
    assert found.duels[0].wins + found.duels[0].losses + found.duels[0].neither == 6
    assert found.fronts[0].measures["regret"].both is not None
    assert measured({"a": A, "b": B}).fronts[0].measures["regret"].both is None


def test_intervals_are_paired_and_clustered() -> None:
    """b is a plus .1 on both sides: each resample has the same difference, whatever it draws."""
    rng = np.random.default_rng(5)
    a = rng.uniform(0.1, 0.8, size=(60, 2))
    found = measured(
        {"a": a.tolist(), "b": (a + 0.1).tolist()}, clusters=[n // 2 for n in range(60)]
    )
    duel = found.duels[0]
    assert found.clusters == 30
    for name, value in (("regret", -0.1), ("preference_regret", -0.1), ("epsilon", -0.1)):
        difference = duel.differences[name]
        assert difference.value == pytest.approx(value)
        assert difference.questions == pytest.approx((value, value))
    volume = found.fronts[0].measures["hypervolume"]
    assert volume.value is not None and volume.questions is not None
    assert volume.questions[0] < volume.value <= volume.questions[1]


def test_the_same_generator_gives_the_same_intervals() -> None:
    one, two = (measured({"a": A, "b": B}, rng=np.random.default_rng(1)) for _ in range(2))
    assert one == two
