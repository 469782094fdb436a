"""Satisfaction, preferences, agreement and prediction of ratings whose answer is known."""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from scipy import stats

from gtalign.errors import DataError
from gtalign.evaluation.satisfaction import (
    Preference,
    Rated,
    RatedAnswer,
    Rating,
    Satisfaction,
    measure_satisfaction,
    satisfaction_report,
)
from gtalign.evaluation.satisfaction.prediction import METHODS, correlation

RNG = np.random.default_rng(5)
W = RNG.uniform(size=40)
NOISE = RNG.uniform(size=40)
FELT = np.clip(np.rint(1 + 4 * W + RNG.normal(0, 0.4, 40)), 1, 5).astype(int)
ANSWERS = {
    f"a{n}": RatedAnswer(
        ("base", "mutual")[n % 2],
        f"q{n // 2}",
        {
            "W": float(W[n]),
            "U": float(W[n]),
            "against": float(-W[n]),
            "noise": float(NOISE[n]),
            "format": 1.0,
            "broken": float("nan"),
            "unknown": None,
        },
    )
    for n in range(40)
}
UNKNOWN = {name: replace(answer, measures={"W": None}) for name, answer in ANSWERS.items()}
"""The same without anything that could predict."""

RATINGS = [
    Rating(who, f"a{n}", int(np.clip(FELT[n] + shift, 1, 5)))
    for who, shift in (("Ann", 0), ("Bo", 1), ("Cy", 0))
    for n in range(40)
]
CHOICES = [
    Preference(who, f"a{n}", f"a{n + 1}", 1 if W[n] > W[n + 1] else 2)
    for who in ("Ann", "Bo")
    for n in range(0, 40, 2)
]
RATED = Rated(ANSWERS, RATINGS, CHOICES)


@cache
def measured() -> Satisfaction:
    return measure_satisfaction(RATED)


def test_means_and_the_paired_difference() -> None:
    found = measured()
    assert found.reference == "mutual"
    base, mutual = found.models
    for one, place in ((base, 0), (mutual, 1)):
        values = [r.value for r in RATINGS if int(r.answer[1:]) % 2 == place]
        assert one.mean.value == pytest.approx(np.mean(values))
        assert one.ratings == 60
    assert base.difference is not None and mutual.difference is None
    assert base.mean.value is not None and mutual.mean.value is not None
    assert base.difference.value == pytest.approx(mutual.mean.value - base.mean.value)


def test_what_all_annotators_share_is_no_part_of_a_difference() -> None:
    shifted = [
        replace(r, value=2 + (r.answer in ("a1", "a3")) + (r.annotator == "Bo")) for r in RATINGS
    ]
    base = measure_satisfaction(Rated(UNKNOWN, shifted)).models[0]
    assert base.difference is not None and base.difference.ends is not None and base.mean.ends
    wide = base.mean.ends[1] - base.mean.ends[0]
    assert base.difference.ends[1] - base.difference.ends[0] < wide / 2


def test_preferences_count_ties_half() -> None:
    (duel,) = measured().duels
    wins = 2 * int((W[1::2] > W[::2]).sum())
    assert (duel.one, duel.wins, duel.losses, duel.ties) == ("mutual", wins, 40 - wins, 0)
    tied = [replace(choice, value=0) for choice in CHOICES]
    (duel,) = measure_satisfaction(Rated(UNKNOWN, RATINGS, tied)).duels
    assert (duel.ties, duel.share.value) == (40, 0.5)


def test_agreement_is_that_of_the_worked_example() -> None:
    """Krippendorff (2011), section C and D: four observers, twelve units, missing data."""
    table = ["1 2 3 3 2 1 4 1 2 . . .", "1 2 3 3 2 2 4 1 2 5 . 3"]
    table += [". 3 3 3 2 3 4 2 2 5 1 .", "1 2 3 3 2 4 4 1 2 5 1 ."]
    ratings = [
        Rating(who, f"a{unit}", int(value))
        for who, row in zip("ABCD", table, strict=True)
        for unit, value in enumerate(row.split())
        if value != "."
    ]
    ordinal, nominal = measure_satisfaction(Rated(UNKNOWN, ratings)).agreement
    assert (ordinal.level, nominal.level) == ("ordinal", "nominal")
    assert ordinal.alpha.value == pytest.approx(0.815, abs=5e-4)
    assert nominal.alpha.value == pytest.approx(0.743, abs=5e-4)
    assert ordinal.units == 11


def test_one_annotator_agrees_with_nobody() -> None:
    alone = Rated(UNKNOWN, [r for r in RATINGS if r.annotator == "Ann"])
    found = measure_satisfaction(alone)
    assert [one.alpha.value for one in found.agreement] == [None, None]
    report = satisfaction_report(found)
    assert any("agreement of the ratings is unknown" in s for s in report.sentences)
    assert any("There is one annotator" in note for note in report.sheets[0].notes)


def test_correlations_are_those_of_scipy() -> None:
    one, other = W[:12], NOISE[:12]
    expected = (stats.pearsonr, stats.spearmanr, stats.kendalltau)
    for method, function in zip(METHODS, expected, strict=True):
        assert correlation(method, one, other) == pytest.approx(function(one, other).statistic)
    assert np.isnan(correlation("pearson", one[:3], other[:3]))
    assert np.isnan(correlation("kendall", one, np.ones(12)))


def test_w_is_compared_with_each_measure_on_the_same_answers() -> None:
    found = {one.name: one for one in measured().predictors}
    assert list(found) == ["W", "against", "noise"], "U repeats W, and the rest says nothing"
    mean_n = np.array(
        [np.mean([r.value for r in RATINGS if r.answer == f"a{n}"]) for n in range(40)]
    )
    assert found["W"].correlations["pearson"].value == pytest.approx(np.corrcoef(W, mean_n)[0, 1])
    for method in METHODS:
        against, noise = found["against"].ahead[method], found["noise"].ahead[method]
        assert against.value == pytest.approx(0), "a measure that falls predicts as well"
        assert noise.ends is not None and noise.ends[0] > 0
    assert found["W"].chosen is not None and found["W"].chosen.value == 1
    assert found["against"].chosen_ahead is not None
    assert found["against"].chosen_ahead.value == 1
    sentences = satisfaction_report(measured()).sentences
    assert any("By Spearman, W predicts satisfaction better than noise" in s for s in sentences)


def test_a_measure_that_some_answers_lack_is_compared_where_both_are_known() -> None:
    half = {
        name: replace(a, measures={**a.measures, "noise": a.measures["noise"] if n < 20 else None})
        for n, (name, a) in enumerate(ANSWERS.items())
    }
    found = {one.name: one for one in measure_satisfaction(Rated(half, RATINGS)).predictors}
    assert (found["W"].answers, found["noise"].answers) == (40, 20)
    ahead, own = found["noise"].ahead["pearson"], found["noise"].correlations["pearson"]
    mean_n = np.array(
        [np.mean([r.value for r in RATINGS if r.answer == f"a{n}"]) for n in range(20)]
    )
    assert ahead.value is not None and own.value is not None
    assert ahead.value + abs(own.value) == pytest.approx(np.corrcoef(W[:20], mean_n)[0, 1])


def test_without_w_nothing_is_predicted() -> None:
    report = satisfaction_report(measure_satisfaction(Rated(UNKNOWN, RATINGS, CHOICES)))
    assert "W is the same for all rated answers, or unknown, so it predicts nothing." in (
        report.sentences
    )
    assert [sheet.name for sheet in report.sheets][-1] == "annotators"


def test_preferences_alone_are_enough() -> None:
    report = satisfaction_report(measure_satisfaction(Rated(ANSWERS, [], CHOICES)))
    assert [sheet.name for sheet in report.sheets] == ["preferences", "agreement", "annotators"]


def test_simulated_annotators_are_named_everywhere() -> None:
    report = satisfaction_report(replace(measured(), simulated=True))
    assert report.sentences[0].startswith("SIMULATED")
    assert "SIMULATED" in report.title
    for sheet in report.sheets:
        assert "SIMULATED" in sheet.title
        assert all(record["simulated"] is True for record in sheet.records)
    people = satisfaction_report(measured())
    assert "SIMULATED" not in people.title + "".join(people.sentences)


def test_nothing_to_measure() -> None:
    with pytest.raises(DataError, match="there are no ratings yet"):
        measure_satisfaction(Rated(ANSWERS, []))
    with pytest.raises(DataError, match="no answers of model 'ppo'; there are base, mutual"):
        measure_satisfaction(RATED, "ppo")
