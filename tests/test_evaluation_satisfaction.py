"""Satisfaction, preferences, agreement and prediction of ratings whose answer is known."""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from scipy import stats

from gtalign.drawing import NONE
from gtalign.errors import DataError
from gtalign.evaluation.crossed import Crossed
from gtalign.evaluation.satisfaction import (
    Preference,
    Rated,
    RatedAnswer,
    Rating,
    Satisfaction,
    measure_satisfaction,
    satisfaction_report,
)
from gtalign.evaluation.satisfaction.measures import (
    Annotator,
    AnnotatorAgreement,
    ModelSatisfaction,
    PairwisePreferences,
)
from gtalign.evaluation.satisfaction.prediction import METHODS, Predictor, correlation

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


def number(value: float | None, low: float | None = None, high: float | None = None) -> Crossed:
    ends = None if low is None or high is None else (low, high)
    return Crossed(value, ends, questions=8, annotators=2)


BY_HAND = Satisfaction(
    simulated=False,
    reference="mutual",
    models=[
        ModelSatisfaction("base", 16, number(2.5, 2.25, 2.75), number(1.5, 1.25, 1.75)),
        ModelSatisfaction("sft", 16, number(4.25, 4, 4.5), number(-0.25, -0.5, -0.125)),
        ModelSatisfaction("dpo", 1_600, number(3.75), number(0.25, -0.5, 1)),
        ModelSatisfaction("mutual", 16, number(4, 3.75, 4.25), None),
    ],
    duels=[PairwisePreferences("mutual", "base", 5, 2, 1, number(0.6875, 0.5, 0.875))],
    agreement=[
        AnnotatorAgreement("ratings", "ordinal", 8, number(0.8125, 0.75, 0.875)),
        AnnotatorAgreement("preferences", "nominal", 7, number(0.5)),
    ],
    predictors=[
        Predictor(
            "W", 32, dict.fromkeys(METHODS, number(0.75, 0.5, 0.875)), {}, number(0.75), None
        ),
        Predictor(
            "U",
            30,
            dict.fromkeys(METHODS, number(0.25)),
            {
                "pearson": number(0.5, 0.25, 0.75),
                "spearman": number(-0.5, -0.75, -0.25),
                "kendall": number(0.5),
            },
            number(0.5, 0.25, 0.75),
            number(0.25, 0.125, 0.375),
        ),
        Predictor(
            "quality",
            30,
            dict.fromkeys(METHODS, number(None)),
            dict.fromkeys(METHODS, number(0.25, -0.25, 0.5)),
            None,
            None,
        ),
        Predictor(
            "format",
            30,
            dict.fromkeys(METHODS, number(None)),
            dict.fromkeys(METHODS, number(0.25)),
            number(None),
            number(None),
        ),
    ],
    annotators=[
        Annotator("Ann", 24, 3.5, 0.5, 8, 0.625),
        Annotator("Bo", 24, None, None, 0, None),
    ],
)


def test_each_sentence_says_what_its_number_says() -> None:
    even = "not distinguishably better or worse than"
    sentences = satisfaction_report(BY_HAND).sentences
    assert [one.replace("\N{MINUS SIGN}", "-") for one in sentences] == [
        "2 annotators gave 48 ratings and made 8 choices between two answers.",
        "mutual: satisfaction 4.00 [3.75, 4.25].",
        "dpo: satisfaction 3.75; not distinguishable from mutual: +0.25 [-0.50, +1.00].",
        "sft: satisfaction 4.25 [4.00, 4.50]; mutual is below by -0.25 [-0.50, -0.12].",
        "base: satisfaction 2.50 [2.25, 2.75]; mutual is above by +1.50 [+1.25, +1.75].",
        "mutual is preferred to base in 68.8% [50.0%, 87.5%] of 8 choices, ties counted half.",
        "Krippendorff's alpha is 0.81 [0.75, 0.88] (ratings, ordinal), "
        "0.50 (preferences, nominal).",
        "W and satisfaction correlate over 32 answers: Pearson 0.750 [0.500, 0.875], "
        "Spearman 0.750 [0.500, 0.875], Kendall 0.750 [0.500, 0.875].",
        "By Pearson, W predicts satisfaction better than U.",
        f"By Pearson, W predicts satisfaction {even} quality and format.",
        f"By Spearman, W predicts satisfaction {even} quality and format.",
        "By Spearman, W predicts satisfaction worse than U.",
    ]
    alone = replace(BY_HAND, annotators=BY_HAND.annotators[:1], simulated=True)
    assert satisfaction_report(alone).sentences[1].startswith("1 simulated annotator gave 24 ")


def test_each_table_has_its_numbers_with_their_ends_and_signs() -> None:
    sheets = {sheet.name: sheet for sheet in satisfaction_report(BY_HAND).sheets}
    rows = {
        name: [
            tuple(tuple(line.replace("\N{MINUS SIGN}", "-") for line in cell) for cell in row)
            for row in sheet.rows
        ]
        for name, sheet in sheets.items()
    }
    assert rows["satisfaction"][0] == (("mutual",), ("16",), ("4.00", "[3.75, 4.25]"), ())
    assert rows["satisfaction"][1] == (
        *(("dpo",), ("1,600",), ("3.75",)),
        ("+0.25", "[-0.50, +1.00]"),
    )
    assert rows["preferences"] == [
        (("mutual : base",), ("5",), ("2",), ("1",), ("68.8%", "[50.0%, 87.5%]"))
    ]
    assert rows["agreement"][0] == (
        *(("ratings",), ("ordinal",), ("8",)),
        ("0.812", "[0.750, 0.875]"),
    )
    whole, none = ("0.750", "[0.500, 0.875]"), (NONE,)
    assert rows["prediction"][0] == (("W",), ("32",), *[whole] * 3, ("75.0%",))
    assert rows["prediction"][1][-1] == ("50.0%", "[25.0%, 75.0%]")
    assert rows["prediction"][2][-1] == rows["prediction"][3][-1] == none
    assert rows["prediction-ahead"][0] == (
        *(("U",), ("+0.500", "[+0.250, +0.750]"), ("-0.500", "[-0.750, -0.250]"), ("+0.500",)),
        ("+0.250", "[+0.125, +0.375]"),
    )
    assert [row[-1] for row in rows["prediction-ahead"][1:]] == [none, none]
    assert rows["annotators"] == [
        (("Ann",), ("24",), ("3.50",), ("0.50",), ("8",), ("62.5%",)),
        (("Bo",), ("24",), none, none, ("0",), none),
    ]
    assert not any("There is one annotator" in note for note in sheets["satisfaction"].notes)


def test_each_record_has_the_numbers_of_its_row() -> None:
    records = {sheet.name: list(sheet.records) for sheet in satisfaction_report(BY_HAND).sheets}
    assert records["satisfaction"][-1] == {
        **{"model": "base", "simulated": False, "ratings": 16, "questions": 8, "annotators": 2},
        **{"value": 2.5, "low": 2.25, "high": 2.75},
        **{"difference": 1.5, "difference_low": 1.25, "difference_high": 1.75},
    }
    assert records["satisfaction"][0]["difference"] is None
    duel = records["preferences"][0]
    assert (duel["wins"], duel["losses"], duel["ties"], duel["value"]) == (5, 2, 1, 0.6875)
    measures = [record["measure"] for record in records["prediction"]]
    assert measures == ["W", "U", "quality", "format"]
    first, second = records["prediction"][:2]
    assert (first["pearson"], first["pearson_low"], first["pearson_high"]) == (0.75, 0.5, 0.875)
    assert (second["preferred"], second["preferred_low"]) == (0.5, 0.25)
    assert records["prediction"][2]["preferred"] is None
    ahead = records["prediction-ahead"][0]
    assert (ahead["spearman"], ahead["spearman_high"], ahead["preferred"]) == (-0.5, -0.25, 0.25)


def test_an_interval_ends_where_its_number_cannot_go_further() -> None:
    one = Crossed(0.5, (-0.25, 1.25), 8, 2)
    assert one.within(0, 1) == Crossed(0.5, (0, 1), 8, 2)
    assert Crossed(None, None, 8, 2).within(0, 1) == Crossed(None, None, 8, 2)
    assert Crossed(0.5, None, 1, 2).mapped(lambda value: 2 * value) == Crossed(1.0, None, 1, 2)
    assert one.to_json() == {
        **{"value": 0.5, "low": -0.25, "high": 1.25},
        **{"questions": 8, "annotators": 2},
    }
