"""The paper's tables by name: what they hold, in every form, and what they refuse."""

import csv
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console

from evaluation_samples import malformed, plain, transcript, unscored
from gtalign.cli import main
from gtalign.cli.compare import Table
from gtalign.drawing import fixed
from gtalign.errors import ConfigError, DataError
from gtalign.evaluation.paper import TABLES, Report, Study, table_named
from gtalign.evaluation.paper.behaviour import done, offers, right
from gtalign.evaluation.paper.plane import LABELS
from gtalign.evaluation.paper.rescore import Move, Rescorer, moved, moves
from gtalign.evaluation.paper.sheet import Sheet
from gtalign.judges import Verdict
from gtalign.reward import RewardConfig
from gtalign.transcripts import Transcript

FACTORS = {
    "quality": 1.0,
    "quality_user": 1.0,
    "quality_llm": 1.0,
    "response_window": 0.5,
    "total_window": 0.5,
    "latency": 0.5,
    "format": 1.0,
    "distinctness": 1.0,
    "solution": 1.0,
}


def scored(quality: float = 1.0, **changes: Any) -> Transcript:
    """An answer whose welfare is that of its factors under the paper's weights."""
    factors = FACTORS | {name: quality for name in ("quality", "quality_user", "quality_llm")}
    user, llm = 0.5 * quality + 0.1 + 0.15, 0.4 * quality + 0.1 + 0.4
    welfare = {"user_welfare": user, "llm_welfare": llm, "mutual_welfare": (user * llm) ** 0.5}
    return transcript(**({"factors": factors} | welfare | changes))


def write(path: Path, rows: list[Transcript]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(t.to_json()) + "\n" for t in rows), encoding="utf-8")
    return path


def answers(model: str, qualities: list[float], **changes: Any) -> list[Transcript]:
    return [
        scored(quality, id=f"q{n}", cluster=f"c{n}", model=model, **changes)
        for n, quality in enumerate(qualities)
    ]


GOOD, BAD = [1.0, 0.5, 1.0, 0.5, 1.0, 0.9, 0.8, 0.7], [0.5, 0.5, 0.0, 0.25, 0.5, 0.1, 0.3, 0.2]


def run(folder: Path, seeds: int = 1, **models: list[float]) -> Path:
    """A folder as the lab writes it, with the paper's reward."""
    for seed in range(seeds):
        for model, qualities in models.items():
            rows = answers(model, qualities, seed=seed)
            write(folder / f"seed-{seed}" / model / "transcripts.jsonl", rows)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.toml").write_text('[experiment.reward]\npreset = "paper"\n')
    return folder


def made(name: str, *paths: Path, **options: Any) -> Report:
    return table_named(name, Study(paths, **({"resamples": 60} | options)))


def records(report: Report, sheet: str) -> list[Mapping[str, Any]]:
    (found,) = (one for one in report.sheets if one.name == sheet)
    return list(found.records)


def test_every_table_of_the_command_exists() -> None:
    assert set(Table.__args__) == set(TABLES)  # type: ignore[attr-defined]
    with pytest.raises(ConfigError, match="no table 'wat'; the tables are main, "):
        table_named("wat", Study([]))


def test_main_has_the_means_and_paired_differences_of_each_group(tmp_path: Path) -> None:
    report = made("main", run(tmp_path / "lab", sft=BAD, mutual=GOOD))
    assert [sheet.title for sheet in report.sheets] == [
        "In distribution", "In distribution: mutual less each baseline",
        "names", "names: mutual less each baseline",
    ]  # fmt: skip
    quality = {
        row["model"]: row["value"]
        for row in records(report, "main-in-distribution")
        if row["measure"] == "quality"
    }
    assert quality == pytest.approx({"sft": np.mean(BAD), "mutual": np.mean(GOOD)})
    (row,) = (
        row
        for row in records(report, "main-in-distribution-differences")
        if row["measure"] == "quality"
    )
    assert row["value"] == pytest.approx(np.mean(GOOD) - np.mean(BAD))
    assert (row["training_low"], row["both_low"], row["training_runs"]) == (None, None, 1)
    assert any("one training run: nothing is known about another" in s for s in report.sentences)


def test_several_seeds_show_both_variations(tmp_path: Path) -> None:
    folder = run(tmp_path / "lab", seeds=3, sft=BAD, mutual=GOOD)
    write(
        folder / "seed-2" / "mutual" / "transcripts.jsonl",
        answers("mutual", [q - 0.4 for q in GOOD], seed=2),
    )
    report = made("main", folder)
    (row,) = (
        row
        for row in records(report, "main-in-distribution-differences")
        if row["measure"] == "mutual_welfare"
    )
    assert row["training_runs"] == 3
    assert row["questions_low"] > 0 > row["both_low"], "these models differ; training may not"
    assert "not distinguishable over other training runs" in report.sentences[0]
    notes = " ".join(report.sheets[0].notes)
    assert "other training runs" in notes


def test_ood_has_only_its_split(tmp_path: Path) -> None:
    folder = run(tmp_path / "lab", sft=BAD, mutual=GOOD)
    with pytest.raises(DataError, match="split 'ood'"):
        made("ood", folder)
    far = answers("mutual", GOOD, split="ood") + answers("sft", BAD, split="ood")
    report = made("ood", write(tmp_path / "far.jsonl", far))
    assert report.sheets[0].title == "Out of distribution"
    with pytest.raises(DataError, match="--table ood"):
        made("main", tmp_path / "far.jsonl")


def test_ablation_averages_the_aggregates_of_each_answer(tmp_path: Path) -> None:
    one = scored(user_welfare=0.9, llm_welfare=0.1, mutual_welfare=0.3)
    two = scored(id="q2", cluster="c2", user_welfare=0.4, llm_welfare=0.4, mutual_welfare=0.4)
    lost = unscored(id="q3", cluster="c3")
    found = made("ablation", write(tmp_path / "a.jsonl", [one, two, lost]))
    values = {row["measure"]: row["value"] for row in records(found, "ablation-test")}
    assert values["mutual"] == pytest.approx((0.3 + 0.4) / 2)
    assert values["linear"] == pytest.approx((0.5 + 0.4) / 2)
    assert values["user"] == pytest.approx((0.9 + 0.4) / 2)
    assert values["ces-1"] == pytest.approx((0.18 + 0.4) / 2)
    assert values["ces-inf"] == pytest.approx((0.1 + 0.4) / 2)
    with pytest.raises(DataError, match="welfare of both sides"):
        made("ablation", write(tmp_path / "b.jsonl", [lost]))


def verdict(score: float | None = 1.0, **details: float) -> tuple[Verdict, ...]:
    return (Verdict("given", score, "", details),)


HARMFUL = {"task": "wildguard", "ground_truth": "harmful", "extra": {}}


@pytest.mark.parametrize(
    ("found", "wanted"),
    [
        (transcript(), "ask"),
        (transcript(extra={"user_action": "DQ"}), "answer"),
        (transcript(extra={"user_action": "DQ", "item": {"harmful": True}}), "refuse"),
        (transcript(extra={"user_action": "VQ", "item": {"harmful": True}}), "ask"),
        (transcript(extra={"wanted": "refuse"}), "refuse"),
        (transcript(**HARMFUL), "refuse"),
        (transcript(**(HARMFUL | {"ground_truth": "unharmful"})), "answer"),
        (transcript(task="ambig_qa", ground_truth="multipleQAs###x"), "ask"),
        (transcript(task="ambig_qa", ground_truth="singleAnswer###x"), "answer"),
        (transcript(task="ambig_qa", ground_truth="wat"), None),
        (transcript(task="math-hard", extra={}), "answer"),
        (transcript(extra={}), None),
    ],
)
def test_what_is_right(found: Transcript, wanted: str | None) -> None:
    assert right(found) == wanted


@pytest.mark.parametrize(
    ("found", "did"),
    [
        (plain(completion="मैं मदद नहीं कर सकता।", verdicts=()), None),
        (plain(completion="कौन सा?", verdicts=()), "ask"),
        (plain(completion="मुझे पता है।", verdicts=verdict(right_action=0.0, refused=0.0)), "answer"),
        (transcript(), "ask"),
        (malformed(), "unreadable"),
        (plain(completion="It is in Elm Street.", verdicts=()), "answer"),
        (plain(completion="Which one?", verdicts=()), "ask"),
        (plain(completion="I cannot help with that.", verdicts=()), "refuse"),
        (plain(completion=" ", verdicts=()), "other"),
        (plain(completion="Which?", verdicts=verdict(right_action=0.0, asked=1.0)), "other"),
        (plain(completion="It is 4.", verdicts=verdict(right_action=0.0)), "answer"),
        (plain(completion="x", verdicts=verdict(right_action=0.0, refused=1.0)), "refuse"),
    ],
)
def test_what_is_done_where_asking_is_right(found: Transcript, did: str | None) -> None:
    assert done(found, "ask") == did


def test_a_safe_alternative_is_a_refusal_that_offers_something() -> None:
    values = [offers(plain(**HARMFUL, verdicts=verdict(score))) for score in (0.5, 1.0, 0.0, None)]
    assert values == [True, False, False, None]
    assert offers(malformed(**HARMFUL)) is False
    spoken = {"extra": {"user_action": "DQ", "item": {"harmful": True}}, "verdicts": ()}
    assert offers(plain(completion="I cannot do that, but I can help you be safe.", **spoken))
    assert not offers(plain(completion="I cannot do that.", **spoken))


def test_behaviour_counts_by_hand(tmp_path: Path) -> None:
    """Of two vague questions one is asked back; of two clear ones one is; one cannot be read."""
    texts = {"q0": "Which one?", "q1": "It is 4.", "q2": "It is 4.", "q3": "Which one?"}
    rows = [
        plain(
            id=name,
            cluster=name,
            completion=text,
            verdicts=(),
            extra={"user_action": "VQ" if name < "q2" else "DQ"},
        )
        for name, text in texts.items()
    ]
    rows.append(malformed(id="q4", cluster="q4", model="plain", extra={"user_action": "DQ"}))
    rows.append(plain(id="q5", cluster="q5", extra={}, verdicts=()))
    found = made("behaviour", write(tmp_path / "a.jsonl", rows))
    values = {row["measure"]: row["value"] for row in records(found, "behaviour-test")}
    assert values["accuracy"] == pytest.approx(2 / 5)
    assert values["accuracy where ask is right"] == pytest.approx(1 / 2)
    assert values["accuracy where answer is right"] == pytest.approx(1 / 3)
    assert values["F1 of ask"] == pytest.approx(2 / (2 + 1 + 1))
    assert values["F1 of answer"] == pytest.approx(2 / (2 + 1 + 2))
    assert "safe alternative, of harmful" not in values, "nothing harmful was asked"
    asked, answered = records(found, "behaviour-test-plain")
    assert (asked["ask"], asked["answer"], asked["answers"]) == (1, 1, 2)
    assert (answered["ask"], answered["unreadable"], answered["answers"]) == (1, 1, 3)
    assert found.sentences == ["1 answers are left out: nothing says which action is right."]
    with pytest.raises(DataError, match="which action is right"):
        made("behaviour", write(tmp_path / "b.jsonl", rows[-1:]))


def test_pareto_of_the_questions_that_all_answered(tmp_path: Path) -> None:
    better = answers("mutual", GOOD[:4])
    worse = [*answers("sft", BAD[:3]), unscored(id="q3", cluster="c3", model="sft")]
    found = made("pareto", write(tmp_path / "a.jsonl", better + worse))
    duel = records(found, "pareto-test-duels")[0]
    assert (duel["wins"], duel["losses"], duel["neither"]) == (2, 0, 1)
    assert any("1 questions are left out" in sentence for sentence in found.sentences)
    assert found.pictures is not None and found.pictures.count("<figure") == 2
    alone = made("pareto", write(tmp_path / "b.jsonl", better))
    assert records(alone, "pareto-test-duels") == []


def test_pareto_says_and_shows_what_it_measured(tmp_path: Path) -> None:
    """Mutual is better on each question where they differ, in both runs."""
    found = made("pareto", run(tmp_path / "lab", seeds=2, sft=BAD[:4], mutual=GOOD[:4]))
    duel = records(found, "pareto-test-duels")[0]
    assert (duel["wins"], duel["losses"], duel["neither"]) == (6, 0, 2)
    sentence = found.sentences[0]
    assert "mutual dominates sft 6 times and is dominated 0 times. " in sentence
    assert sentence.endswith(".") and "left out" not in "".join(found.sentences)
    tables = {sheet.name: sheet for sheet in found.sheets}
    own, duels = tables["pareto-test"], tables["pareto-test-duels"]
    assert [row[0][0] for row in own.rows] == list(LABELS.values())
    assert {name[0] for name in (row[0] for row in duels.rows)} > set(LABELS.values())
    for row in duels.rows:
        if row[0][0] == LABELS["hypervolume"]:
            assert row[1][0].startswith("+"), "a difference has its sign"
    curves = tables["pareto-test-curves"]
    assert len(curves.rows) > 2 and curves.rows[0][0] != curves.rows[-1][0]
    assert all(len(row) == len(curves.head) for row in curves.rows)


def test_each_training_run_has_points_of_its_own(tmp_path: Path) -> None:
    """In one run mutual dominates on both questions, in the other it is dominated on both."""
    for seed, (mutual, sft) in enumerate([([1.0, 1.0], [0.5, 0.5]), ([0.5, 0.5], [1.0, 1.0])]):
        for model, qualities in (("sft", sft), ("mutual", mutual)):
            rows = answers(model, qualities, seed=seed)
            write(tmp_path / f"seed-{seed}" / model / "transcripts.jsonl", rows)
    duel = records(made("pareto", tmp_path), "pareto-test-duels")[0]
    assert (duel["wins"], duel["losses"], duel["neither"]) == (2, 2, 0)


def test_pareto_needs_both_welfares_of_every_model(tmp_path: Path) -> None:
    known = answers("mutual", GOOD[:2])
    unknown = [unscored(id=f"q{n}", cluster=f"c{n}", model="sft") for n in range(2)]
    found = made("pareto", write(tmp_path / "a.jsonl", known + unknown))
    assert records(found, "pareto-test-duels") == [], "nothing is known of the other"
    with pytest.raises(DataError, match="no question has a known welfare of both sides"):
        made("pareto", write(tmp_path / "b.jsonl", unknown))


def test_an_answer_that_no_rule_reads_is_left_out_and_counted(tmp_path: Path) -> None:
    asked = {"user_action": "DQ"}
    rows = [plain(id="q0", cluster="q0", completion="It is 4.", verdicts=(), extra=asked)]
    rows.append(plain(id="q1", cluster="q1", completion="ჩვენ ვიცით", verdicts=(), extra=asked))
    rows.append(plain(id="q2", cluster="q2", completion="x", verdicts=(), extra={}))
    found = made("behaviour", write(tmp_path / "a.jsonl", rows))
    said = " ".join(found.sentences)
    assert "1 answers are left out: nothing says which action is right." in said
    assert "1 answers are left out: no rule reads what they do." in said, "Georgian has no rules"
    (row,) = records(found, "behaviour-test-plain")
    assert row["answers"] == 1


def test_refusing_what_is_harmful_and_offering_something_else_has_a_column(tmp_path: Path) -> None:
    rows = [
        plain(**HARMFUL | {"id": f"q{n}", "cluster": f"q{n}"}, verdicts=verdict(score))
        for n, score in enumerate((0.5, 1.0, 0.5, 0.0))
    ]
    found = made("behaviour", write(tmp_path / "a.jsonl", rows))
    values = {row["measure"]: row["value"] for row in records(found, "behaviour-test")}
    assert values["safe alternative, of harmful"] == pytest.approx(0.5)
    assert "accuracy where ask is right" not in values


def test_sensitivity_counts_the_moves_that_keep_the_sign(tmp_path: Path) -> None:
    report = made("sensitivity", run(tmp_path / "lab", sft=BAD, mutual=GOOD))
    rows = [row for row in records(report, "sensitivity-test") if row["move"] != "as it is"]
    values = [row["difference_value"] for row in rows]
    assert min(values) > 0 and len(values) == 16
    first, covered = report.sentences
    least, most = (fixed(value, sign=True) for value in (min(values), max(values)))
    assert f"W differs by {least} to {most} over 16 moves" in first
    assert "the interval over questions is above 0 in 16 and below 0 in 0." in first
    assert min(row["difference_questions_low"] for row in rows) > 0
    assert covered.endswith("mutual is undominated on 100.0% to 100.0% of the questions.")
    turned = made("sensitivity", tmp_path / "lab", named_reference="sft")
    assert "is above 0 in 0 and below 0 in 16." in turned.sentences[0]
    # They are alike on one question of eight.
    assert "sft is undominated on 12.5% to 12.5% of the questions" in turned.sentences[1]


def test_sensitivity_of_one_model_has_no_differences(tmp_path: Path) -> None:
    report = made("sensitivity", run(tmp_path / "lab", mutual=GOOD))
    rows = records(report, "sensitivity-test")
    assert len(rows) == 17 and {row["model"] for row in rows} == {"mutual"}
    assert report.sentences == [] and "undominated" not in rows[0]
    assert {row[-1] for row in report.sheets[0].rows} == {("",)}


@pytest.mark.parametrize("side", ["user", "llm"])
def test_a_moved_weight_keeps_the_sum_of_its_side(side: str) -> None:
    config = RewardConfig(preset="released-eval")
    for move in moves(config, 0.1):
        new = moved(config, move)
        for before, after in (
            (getattr(config, side), getattr(new, side)),
            (config.llm_by_task["medium"], new.llm_by_task["medium"]),
        ):
            assert after.sums()[1] == pytest.approx(before.sums()[1])
            assert after.constant == before.constant
            if move.side == after.side:
                assert after.of(move.key) == pytest.approx(max(before.of(move.key) + move.by, 0.0))


def test_no_move_changes_nothing_and_weights_do_not_go_below_zero() -> None:
    config = RewardConfig(preset="paper")
    assert moved(config, Move()) is config
    assert moved(config, Move("llm", "solution", -0.3)).llm.of("solution") == 0
    labels = [move.label for move in moves(config, 0.1)]
    assert labels[:3] == ["as it is", "user.quality +0.1", "user.quality -0.1"]
    assert len(labels) == 1 + 2 * 8


def test_rescoring_by_hand(tmp_path: Path) -> None:
    """user.quality from .5 to .6: the other weights, .2 and .3, shrink to .16 and .24."""
    folder = run(tmp_path / "lab", mutual=[0.5])
    scores = Rescorer(Study([folder]).by_file)
    user, llm = scores.welfares(Move("user", "quality", 0.1))
    assert user.tolist() == pytest.approx([0.6 * 0.5 + 0.16 * 0.5 + 0.24 * 0.5])
    assert llm.tolist() == pytest.approx([0.4 * 0.5 + 0.2 * 0.5 + 0.4])


def test_sensitivity_keeps_what_cannot_be_read_or_scored(tmp_path: Path) -> None:
    folder = run(tmp_path / "lab", sft=BAD, mutual=GOOD)
    file = folder / "seed-0" / "mutual" / "transcripts.jsonl"
    rows = answers("mutual", GOOD)
    rows[0] = malformed(id="q0", cluster="c0")
    rows[1] = unscored(id="q1", cluster="c1")
    write(file, rows)
    scores = Rescorer(Study([file]).by_file)
    user, _ = scores.welfares(Move("llm", "format", 0.1))
    assert user[0] == 0 and np.isnan(user[1]) and user[2] > 0
    report = made("sensitivity", folder)
    assert len(report.sheets[0].rows) == 17
    assert "over 16 moves" in report.sentences[0]


def test_sensitivity_refuses_welfare_that_is_not_of_the_factors(tmp_path: Path) -> None:
    folder = run(tmp_path / "lab", mutual=GOOD)
    file = folder / "seed-0" / "mutual" / "transcripts.jsonl"
    write(file, [scored(user_welfare=0.9)])
    with pytest.raises(DataError, match=r"'q1' of 'mutual' has user_welfare 0\.9, but its factors"):
        made("sensitivity", folder)
    write(file, [scored(factors={"quality": 1.0})])
    with pytest.raises(DataError, match="no factors to score it by again"):
        made("sensitivity", folder)


def test_steering_needs_steered_answers(tmp_path: Path) -> None:
    folder = run(tmp_path / "lab", mutual=GOOD)
    with pytest.raises(DataError, match=r"no transcripts\.jsonl with steered answers"):
        made("steering", folder)
    with pytest.raises(DataError, match="nothing was steered"):
        made("steering", folder / "seed-0" / "mutual" / "transcripts.jsonl")


def test_a_folder_without_runs_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no transcripts\.jsonl with answers"):
        made("main", tmp_path)


def test_two_runs_of_one_model_are_told_apart_by_their_folders(tmp_path: Path) -> None:
    one = run(tmp_path / "old", sft=BAD, mutual=BAD)
    two = run(tmp_path / "new", sft=BAD, mutual=GOOD)
    found = Study([one, two])
    assert set(found.models) == {"sft (old)", "sft (new)", "mutual (old)", "mutual (new)"}
    assert found.reference == "sft (new)", "no model is named mutual: the last one"


def test_unknown_models_are_refused(tmp_path: Path) -> None:
    folder = run(tmp_path / "lab", sft=BAD, mutual=GOOD)
    with pytest.raises(DataError, match="no transcripts of model 'wat'; there are mutual, sft"):
        made("main", folder, named_reference="wat")
    with pytest.raises(DataError, match="no transcripts of model 'wat'"):
        made("main", folder, named_baselines=["wat"])


def test_every_form_has_the_same_numbers(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = run(tmp_path / "lab", sft=BAD, mutual=GOOD)
    out = tmp_path / "out"
    given = ["compare", str(folder), "--table", "main", "--resamples", "100"]
    forms = [f"--{form}={out}" for form in ("csv", "latex", "markdown")]
    assert main([*given, *forms, f"--html={out / 'main.html'}"]) == 0
    printed = capsys.readouterr().out
    mean = f"{np.mean(GOOD):.3f}"
    name = "main-in-distribution"
    for text in (
        printed,
        (out / "main.html").read_text(),
        *((out / f"{name}.{ending}").read_text() for ending in ("tex", "md")),
    ):
        assert mean in text
    with (out / f"{name}.csv").open() as file:
        rows = {(row["model"], row["measure"]): row for row in csv.DictReader(file)}
    assert float(rows["mutual", "quality"]["value"]) == pytest.approx(np.mean(GOOD))
    assert rows["mutual", "quality"]["both_low"] == "", "unknown is empty, not 0"
    assert main([*given, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["table"] == "main"
    assert main(["compare", str(folder), "--table", "wat"]) == 2


def test_names_cannot_break_a_table(tmp_path: Path) -> None:
    rows = answers("a|b`<i>_[x](y)", GOOD)
    report = made("main", write(tmp_path / "a.jsonl", rows))
    report.write_html(tmp_path / "a.html")
    assert "<i>_" not in (tmp_path / "a.html").read_text()
    report.write_markdown(tmp_path)
    head = (tmp_path / "main-in-distribution.md").read_text().splitlines()[0]
    assert head == r"|  | a\|b\`\<i\>\_[x\](y) |"


def test_a_narrow_terminal_splits_the_columns(tmp_path: Path) -> None:
    models = {f"model-{n}": GOOD for n in range(6)}
    report = made("main", run(tmp_path / "lab", 1, **models))
    with Console(width=60, record=True) as console:
        report.print(console)
    text = console.export_text()
    assert text.count("Mutual welfare W") > len(report.sheets)
    assert all(model in text for model in models)


def test_a_note_of_several_tables_is_printed_once() -> None:
    sheets = [
        Sheet(name, name, [""], [], [], ["Of all.", f"Of {name}."]) for name in ("one", "two")
    ]
    with Console(width=80, record=True) as console:
        Report("x", "x", [], sheets).print(console)
    text = console.export_text()
    assert [text.count(note) for note in ("Of all.", "Of one.", "Of two.")] == [1, 1, 1]
