"""Models side by side: what is pooled, paired, corrected, counted and printed."""

import io
import json
import re
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from rich.console import Console

from evaluation_samples import malformed, plain, transcript, unscored, world
from gtalign.drawing import change, fixed, interval
from gtalign.errors import DataError
from gtalign.evaluation.compare import compare
from gtalign.evaluation.comparison import Comparison
from gtalign.evaluation.contrast import contrasts
from gtalign.evaluation.metrics import metrics
from gtalign.evaluation.statistics import holm, mean_ci
from gtalign.evaluation.sums import PairedSums
from gtalign.evaluation.tables import p_value, print_tables
from gtalign.tasks import Message
from gtalign.transcripts.prompts import by_prompt
from gtalign.transcripts.transcript import Transcript

ID, OOD = "In distribution", "Out of distribution"
WORLD = world(20)


def compared(transcripts: list[Transcript], **options: object) -> Comparison:
    given_ones: dict[str, object] = {"reference": "mutual", "resamples": 500}
    return compare(transcripts, rng=np.random.default_rng(0), **(given_ones | options))  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def found() -> Comparison:
    return compared(WORLD, resamples=2000)


def test_groups_models_and_seeds(found: Comparison) -> None:
    assert [group.name for group in found.groups] == [
        ID, OOD, "arithmetic", "writing", "names", "dialogue",
    ]  # fmt: skip
    assert found.models == ("base", "sft", "user", "plain", "mutual")
    assert found.plain == {"plain"}
    assert found.seeds["base"] == (0,)
    assert found.seeds["mutual"] == (0, 1, 2)


def test_means_are_clustered_means_of_the_rows(found: Comparison) -> None:
    rows = [t for t in WORLD if t.model == "sft" and t.split == "test"]
    values = [np.nan if t.mutual_welfare is None else t.mutual_welfare for t in rows]
    expected = mean_ci(values, [t.cluster for t in rows])
    estimate = found.estimate("sft", ID, "mutual_welfare")
    assert estimate is not None
    assert estimate.interval == expected
    assert estimate.rows == len(rows) == estimate.interval.n + estimate.missing
    assert estimate.unscored == sum(t.unscored is not None for t in rows) == estimate.missing
    by_seed = [
        np.nanmean([v for v, t in zip(values, rows, strict=True) if t.seed == seed])
        for seed in (0, 1, 2)
    ]
    assert list(estimate.seeds.values()) == pytest.approx(by_seed)
    assert estimate.spread == pytest.approx(np.std(by_seed, ddof=1))


def test_efficiency_is_a_ratio_of_means(found: Comparison) -> None:
    rows = [
        t for t in WORLD
        if t.model == "mutual" and t.split == "ood" and t.factors["quality"] is not None
    ]  # fmt: skip
    quality = sum(t.factors["quality"] or 0 for t in rows)
    expected = 100 * quality / sum(t.tokens["total"] for t in rows)
    estimate = found.estimate("mutual", OOD, "quality_per_100_tokens")
    assert estimate is not None and estimate.interval.low is not None
    assert estimate.value == pytest.approx(expected)
    assert estimate.interval.n == len(rows)
    assert estimate.interval.low < expected < (estimate.interval.high or 0)


def test_differences_are_paired_by_question(found: Comparison) -> None:
    difference = found.difference("sft", "writing", "quality")
    assert difference is not None
    keyed = {(t.model, t.id, t.seed): t.factors["quality"] for t in WORLD if t.task == "writing"}
    questions = sorted({key[1] for key in keyed})
    sums = np.zeros((10, 2, 2))  # cluster, model, total and rows
    for question in questions:
        for m, model in enumerate(("mutual", "sft")):
            values = [keyed[model, question, seed] for seed in range(3)]
            known = [value for value in values if value is not None]
            sums[int(question.split("-")[1]) // 2, m] += sum(known), len(known)
    totals = sums.sum(axis=0)
    expected = totals[:, 0] / totals[:, 1]
    assert difference.contrast.value == pytest.approx(expected[0] - expected[1])
    assert difference.contrast.clusters == 10
    assert difference.contrast.method == "sign flips"
    (one,) = contrasts(
        PairedSums(*(sums[:, m, part][:, None] for m in (0, 1) for part in (0, 1))),
        np.random.default_rng(0),
        2000,
    )
    assert (one.low, one.high, one.p) == pytest.approx(
        (difference.contrast.low, difference.contrast.high, difference.contrast.p)
    )
    assert len(difference.seeds) == 3
    assert found.difference("base", "writing", "quality").seeds.keys() == {0}  # type: ignore[union-attr]


def test_p_values_are_corrected_over_the_tasks(found: Comparison) -> None:
    tasks = ["arithmetic", "writing", "names", "dialogue"]
    held = [found.difference("user", task, "quality") for task in tasks]
    assert None not in held
    expected = holm([d.contrast.p for d in held if d])
    assert [d.adjusted for d in held if d] == expected


def test_plain_models_are_compared_by_the_answer_alone(found: Comparison) -> None:
    for name, metric in metrics().items():
        if name == "score":
            continue  # only files of other frameworks have one
        estimate = found.estimate("plain", ID, name)
        assert estimate is not None
        assert (estimate.value is not None) == metric.plain, name
        assert (found.difference("plain", ID, name) is not None) == metric.plain, name
    assert not any(standing.model == "plain" for standing in found.standings)


def test_best_baselines_and_published_gains(found: Comparison) -> None:
    assert found.best_baseline(ID, metrics()["mutual_welfare"]) == "user"
    assert found.best_baseline(ID, metrics()["tokens"]) == "plain"
    assert found.best_baseline(ID, metrics()["tokens"], chains=True) == "base"
    assert found.best_baseline("nowhere", metrics()["tokens"]) is None
    assert {(gain.metric, gain.published) for gain in found.gains} == {
        ("quality_per_100_tokens", 21.5),
        ("quality", 4.9),
        ("mutual_welfare", 7.2),
        ("mutual_welfare", 10.5),
        ("quality", 7.4),
    }
    quality = [g.baseline for g in found.gains if (g.metric, g.group) == ("quality", ID)]
    assert quality == ["plain", "user"], "where plain leads, the best chain is named as well"


def test_pareto_standings_use_one_point_a_question() -> None:
    better = [transcript(id=str(i), cluster=str(i), user_welfare=0.9) for i in range(3)]
    worse = [replace(t, model="sft", user_welfare=0.5, llm_welfare=0.5) for t in better]
    standings = {s.model: s for s in compared(better + worse).standings}
    assert (standings["sft"].wins, standings["sft"].losses) == (3, 0)
    assert (standings["mutual"].coverage, standings["sft"].coverage) == (1.0, 0.0)
    assert standings["mutual"].hypervolume == pytest.approx(0.9 * 0.64)
    assert standings["mutual"].wins is None


def test_a_malformed_answer_is_of_the_wrong_kind_where_kinds_are_judged() -> None:
    rows = [transcript(), malformed(id="q2", cluster="c2"), unscored(id="q3", cluster="c3")]
    estimate = compared(rows).estimate("mutual", ID, "right_action")
    assert estimate is not None
    assert (estimate.value, estimate.interval.n, estimate.unscored) == (0.5, 2, 1)
    nobody = compared([replace(rows[0], verdicts=()), rows[1]])
    assert nobody.estimate("mutual", ID, "right_action").value is None  # type: ignore[union-attr]


def test_rows_without_seed_split_or_cluster_are_pooled() -> None:
    rows = [transcript(id=str(i), seed=None, split="", cluster="") for i in range(4)]
    single = compared(rows)
    estimate = single.estimate("mutual", "All", "quality")
    assert estimate is not None
    assert (estimate.interval.clusters, estimate.seeds, estimate.spread) == (4, {}, None)
    assert single.seeds == {"mutual": ()}
    assert single.baselines == () and single.gains == ()


def test_one_task_in_two_splits_gets_two_names() -> None:
    rows = [transcript(), transcript(split="ood")]
    assert [group.name for group in compared(rows).groups] == [
        ID, OOD, "names (test)", "names (ood)",
    ]  # fmt: skip


def asked(model: str, name: str, said: str = "", **changes: Any) -> Transcript:
    prompt = (Message(role="user", content=said or f"What is {name}?"),)
    return transcript(model=model, id=name, cluster=name, prompt=prompt, **changes)


def test_only_shared_questions_are_compared() -> None:
    mine = [asked("mutual", str(i)) for i in range(4)]
    other = [asked("sft", str(i), factors={"quality": 0.5}) for i in (0, 1, 7)]
    found = compared(mine + other)
    difference = found.difference("sft", ID, "quality")
    assert difference is not None
    assert (difference.contrast.value, difference.contrast.clusters) == (0.5, 2)
    (pairing,) = found.pairings
    assert (pairing.by, pairing.paired, pairing.only_reference, pairing.only_baseline) == (
        "id", 2, 2, 1,
    )  # fmt: skip
    assert pairing.answers == 4


def test_a_question_counts_in_a_metric_only_if_both_models_have_it() -> None:
    mine = [asked("mutual", str(i), user_welfare=i / 10) for i in range(4)]
    other = [asked("sft", str(i), user_welfare=None if i == 3 else 0.0) for i in range(4)]
    difference = compared(mine + other).difference("sft", ID, "user_welfare")
    assert difference is not None
    assert difference.contrast.value == pytest.approx(0.1), "the mean of 0, .1 and .2"


def test_clusters_of_one_file_hold_for_answers_that_name_none() -> None:
    mine = [transcript(id=str(i), cluster=f"source {i // 2}") for i in range(6)]
    other = [replace(t, model="sft", cluster="") for t in mine]
    difference = compared(mine + other).difference("sft", ID, "quality")
    assert difference is not None and difference.contrast.clusters == 3


@pytest.mark.parametrize(
    ("mine", "theirs", "by"),
    [
        ([("a", "2+2?"), ("b", "3+3?")], [("x", "3+3?"), ("y", "2+2?")], "prompt"),
        ([("a", "café?"), ("b", "3")], [("x", "cafe\u0301?  "), ("y", "9")], "prompt"),
        ([("a", "2+2?")], [("a", "something else")], "id"),
    ],
)
def test_answers_without_a_shared_id_are_paired_by_prompt(
    mine: list[tuple[str, str]], theirs: list[tuple[str, str]], by: str
) -> None:
    rows = [asked("mutual", *one) for one in mine] + [asked("sft", *one) for one in theirs]
    (pairing,) = compared(rows).pairings
    assert pairing.by == by
    assert pairing.paired >= 1


def test_system_messages_do_not_keep_answers_apart() -> None:
    rows = [asked("mutual", "a", "2+2?"), asked("sft", "b", "2+2?")]
    system = Message(role="system", content="Be brief.")
    rows[1] = replace(rows[1], prompt=(system, *rows[1].prompt))
    (pairing,) = compared(rows).pairings
    assert (pairing.by, pairing.paired) == ("conversation", 1)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"id": "z", "prompt": ()}, "no 'id' and no 'prompt' is in both"),
        ({"id": "z", "prompt": ()}, "give the answers to one question the same 'id'"),
        ({"task": "other"}, "column 'task' is 'names' in one and 'other' in the other"),
        ({"split": "ood"}, "column 'split' is 'test' in one and 'ood' in the other"),
    ],
)
def test_models_that_share_nothing_are_refused_with_what_would_pair_them(
    change: dict[str, Any], says: str
) -> None:
    mine = asked("mutual", "a")
    with pytest.raises(DataError, match=re.escape(says)):
        compared([mine, replace(mine, model="sft", **change)])


def test_one_stranger_among_several_models_is_told() -> None:
    rows = [asked("mutual", "a"), asked("sft", "a"), asked("base", "z")]
    found = compared(rows)
    assert [pairing.paired for pairing in found.pairings] == [1, 0]
    assert found.difference("base", ID, "quality") is None


def test_rollouts_of_one_prompt_are_one_cluster() -> None:
    named = by_prompt((Message(role="user", content="2+2?"),))
    rows = [
        transcript(model=m, id=f"{m}-{i}", cluster=f"{named}{i // 8}", seed=None)
        for m in ("mutual", "sft")
        for i in range(24)
    ]
    found = compared(rows)
    estimate = found.estimate("mutual", ID, "quality")
    assert estimate is not None
    assert (estimate.interval.n, estimate.interval.clusters) == (24, 3)
    assert (found.pairings[0].paired, found.pairings[0].answers) == (3, 48)


def test_the_result_is_the_same_for_the_same_generator() -> None:
    assert compared(WORLD[:200]).to_json() == compared(WORLD[:200]).to_json()


def test_the_digits_of_a_difference_do_not_depend_on_what_else_is_compared(
    found: Comparison,
) -> None:
    for baseline in found.baselines:
        alone = compared(WORLD, baselines=[baseline], resamples=2000)
        assert alone.differences
        for key, one in alone.differences.items():
            assert one == found.differences[key]


def test_json_has_no_numbers_that_json_lacks(found: Comparison) -> None:
    text = json.dumps(found.to_json(), allow_nan=False)
    assert json.loads(text)["reference"] == "mutual"


def test_bad_input_is_named() -> None:
    with pytest.raises(DataError, match="no transcripts"):
        compared([])
    with pytest.raises(DataError, match="'best'; there are mutual"):
        compared([transcript()], reference="best")
    with pytest.raises(DataError, match="'sft'"):
        compared([transcript()], baselines=["sft"])


def printed(comparison: Comparison, width: int) -> str:
    out = io.StringIO()
    print_tables(Console(file=out, width=width), comparison)
    return out.getvalue()


def test_terminal_tables(found: Comparison) -> None:
    text = printed(found, 160)
    estimate = found.estimate("mutual", ID, "mutual_welfare")
    assert estimate is not None
    for part in (f"{estimate.value:.3f}", "Unscored", "seeds sd", "by seed", "published", "+21.5%"):
        assert part in text
    assert "n " in text and " of 180" in text
    assert max(map(len, text.splitlines())) <= 160


def test_narrow_terminals_get_more_tables(found: Comparison) -> None:
    wide, narrow = printed(found, 160), printed(found, 80)
    assert narrow.count("mean and 95% interval") > wide.count("mean and 95% interval") == 2
    assert "by seed" not in narrow
    assert max(map(len, narrow.splitlines())) <= 80
    assert "…" not in narrow


def test_the_differences_of_one_seed_are_not_listed_again(found: Comparison) -> None:
    one = replace(
        found,
        differences={
            key: replace(difference, seeds=dict(list(difference.seeds.items())[:1]))
            for key, difference in found.differences.items()
        },
    )
    assert "by seed" not in printed(one, 160)


def test_a_single_model_is_printed_without_differences() -> None:
    text = printed(compared([transcript(), plain(model="mutual", id="q9")]), 100)
    assert "less each baseline" not in text


def test_numbers_as_text() -> None:
    assert fixed(None) == "–"  # noqa: RUF001
    assert fixed(-0.25, 2) == "−0.25"  # noqa: RUF001
    assert fixed(-0.0001, 2, sign=True) == "0.00"
    assert interval(None, 1.0) == ""
    assert change(0.0723) == "+7.2%"
    assert [p_value(p) for p in (None, 0.0002, 0.04, 1.0)] == ["–", "<.001", ".040", "1"]  # noqa: RUF001
