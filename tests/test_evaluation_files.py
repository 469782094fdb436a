"""Files that people have, compared: names, pairs, scores, and answers without chains."""

import gzip
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import dataset_rows
from evaluation_samples import malformed, plain, transcript
from gtalign.cli import main
from gtalign.drawing import NONE, fixed, interval
from gtalign.errors import DataError
from gtalign.evaluation.export import markdown, write_csv, write_latex, write_markdown
from gtalign.evaluation.faithfulness.edits import AS_WRITTEN
from gtalign.evaluation.files import (
    RUN_FILE,
    Kind,
    questions_in,
    read_files,
    scored_without_chains,
    transcript_files,
)
from gtalign.evaluation.runs import compare_runs
from gtalign.evaluation.steering.priced import FACTS
from gtalign.evaluation.tables import p_value
from gtalign.transcripts import Transcript, TranscriptWriter
from test_transcripts_forms import dump, logged, parquet, sample, trace, wrote
from train_parts import CHAIN

Out = pytest.CaptureFixture[str]


def rows_of(path: Path, asked: list[str], score: float = 0.5, times: int = 1) -> Path:
    return wrote(path, *(dump(one, "I do not know.", score) for one in asked for _ in range(times)))


UNSCORED: dict[str, Any] = {
    "factors": {},
    "verdicts": (),
    **dict.fromkeys(
        (
            "user_welfare",
            "llm_welfare",
            "mutual_welfare",
            "answer_llm_welfare",
            "answer_mutual_welfare",
        )
    ),
}


def scored(name: str, score: float | None = 0.5, **changes: Any) -> Transcript:
    """An answer without a chain that someone scored; all else can be changed."""
    none = ("user_welfare", "llm_welfare", "answer_llm_welfare", "answer_mutual_welfare")
    fields: dict[str, Any] = {
        "completion": "Four.",
        "chain": None,
        "factors": {},
        "verdicts": (),
        "mutual_welfare": score,
        **dict.fromkeys(none),
    }
    return transcript(id=name, **fields | changes)


# --- pairs ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("completion", "read"), [("chain", True), ("lenient", True), ("broken", False)]
)
def test_a_chain_that_no_reward_has_read_is_read_to_compare_it(
    completion: str, read: bool, tmp_path: Path
) -> None:
    text = CHAIN
    text = {"chain": text, "lenient": f"So: {text}", "broken": "<thinking>hm"}[completion]
    file = tmp_path / "steered.jsonl"
    plain_answer = scored("p", None, plain=True, completion=text, unscored="not judged")
    steered = scored("s", None, completion=text, unscored="not judged")
    with TranscriptWriter(file) as writer:
        writer.write(plain_answer)
        writer.write(steered)
    other, found = read_files([file])[file]
    assert (found.chain is not None) is read
    assert (found.chain_error is None) is read
    assert not found.plain
    assert other.chain is None


def test_two_dumps_are_paired_by_prompt_and_rollouts_are_one_cluster(tmp_path: Path) -> None:
    asked = [f"What is {n} + {n}?" for n in range(12)]
    a = rows_of(tmp_path / "a.jsonl", asked, 0.25, times=4)
    b = rows_of(tmp_path / "b.jsonl", [*asked[:10:-1], *asked[:8], "another"], 0.75, times=3)
    found = compare_runs([a, b], resamples=100)
    (pairing,) = found.pairings
    assert (pairing.by, pairing.paired) == ("prompt", 9)
    assert (pairing.only_reference, pairing.only_baseline) == (1, 3)
    estimate = found.estimate("a", "All", "mutual_welfare")
    assert estimate is not None
    assert (estimate.interval.n, estimate.interval.clusters) == (48, 12)


def test_lines_of_two_dumps_of_one_name_are_not_paired_by_number(tmp_path: Path) -> None:
    asked = [f"question {n}" for n in range(6)]
    a = rows_of(tmp_path / "one" / "100.jsonl", asked)
    b = rows_of(tmp_path / "two" / "100.jsonl", asked[::-1])
    found = compare_runs([a, b], resamples=100)
    assert found.models == ("100 (one)", "100 (two)")
    assert found.pairings[0].by == "prompt"


def test_runs_of_one_model_in_one_folder_are_told_apart(tmp_path: Path) -> None:
    held = [transcript(id=str(n), cluster=str(n)).to_json() for n in range(3)]
    files = [wrote(tmp_path / f"{name}.jsonl", *held) for name in ("before", "after")]
    assert compare_runs(files, resamples=100).models == ("mutual (before)", "mutual (after)")


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ([dump("2+2?")], [dump("3+3?")]),
        ([sample(doc_id=1)], [sample(doc_id=2, arguments={})]),
        ([transcript(id="a", prompt=()).to_json()], [transcript(id="b", prompt=()).to_json()]),
    ],
)
def test_files_that_share_nothing_are_refused(
    tmp_path: Path, capsys: Out, a: list[dict[str, Any]], b: list[dict[str, Any]]
) -> None:
    for row in b:
        row.setdefault("model", "other")
        row["model"] = "other"
    files = [str(wrote(tmp_path / "a.jsonl", *a)), str(wrote(tmp_path / "x" / "b.jsonl", *b))]
    assert main(["compare", *files]) == 2
    error = capsys.readouterr().err
    assert "answer no question in common" in error
    assert "'id'" in error and "'prompt'" in error


@pytest.mark.parametrize("content", [b"", b"\n \n", b"[]", gzip.compress(b"", mtime=0)])
def test_an_empty_file_is_an_error(tmp_path: Path, capsys: Out, content: bytes) -> None:
    full = rows_of(tmp_path / "a.jsonl", ["2+2?"])
    empty = tmp_path / "b.jsonl"
    empty.write_bytes(content)
    assert main(["compare", str(full), str(empty)]) == 2
    assert "b.jsonl: no transcripts" in capsys.readouterr().err


def test_files_that_share_no_measure_are_refused(tmp_path: Path) -> None:
    a = wrote(tmp_path / "a.jsonl", dump("2+2?"))
    chat = {
        "messages": [{"role": "user", "content": "2+2?"}, {"role": "assistant", "content": "4"}]
    }
    b = wrote(tmp_path / "b.jsonl", chat)
    with pytest.raises(DataError, match="a has Mutual welfare W"):
        compare_runs([a, b], resamples=100)


# --- answers without chains ----------------------------------------------------------------------


@pytest.mark.parametrize(
    "held",
    [
        [scored("a"), scored("b", 0.0, chain_error="no chain")],
        [scored("a", 0.0, chain_error="no chain"), scored("b", 0.0, chain_error="no chain")],
        [scored("a", None, factors={"quality": 0.5}, chain_error=None)],
        [scored("a", 0.7, chain_error="no chain", user_welfare=0.7, llm_welfare=0.7)],
    ],
)
def test_what_was_scored_without_a_chain_is_plain(held: list[Transcript]) -> None:
    assert all(t.plain and t.chain_error is None for t in scored_without_chains(held))


@pytest.mark.parametrize(
    "held",
    [
        [malformed(), transcript(id="q2")],
        [malformed()],
        [transcript(), scored("b", 0.0, chain_error="no chain")],
        [scored("b", 0.0, chain_error="not closed", completion="<thinking>hm")],
    ],
)
def test_a_chain_that_failed_is_not_plain(held: list[Transcript]) -> None:
    assert not any(t.plain for t in scored_without_chains(held))


@pytest.mark.parametrize("suffix", ["jsonl", "json"])
def test_no_format_is_shown_for_answers_without_chains(
    tmp_path: Path, capsys: Out, suffix: str
) -> None:
    a = rows_of(tmp_path / f"a.{suffix}", ["1", "2", "3"], 0.0)
    b = rows_of(tmp_path / f"b.{suffix}", ["1", "2", "3"], 1.0)
    assert main(["compare", str(a), str(b), "--resamples", "100"]) == 0
    printed = capsys.readouterr().out
    assert "Format" not in printed and "Mutual welfare W" in printed


def test_a_log_scored_without_a_chain_by_us_is_plain(tmp_path: Path) -> None:
    given = scored("a", None, verdicts=transcript().verdicts, unscored="not yet", seed=None)
    log = wrote(tmp_path / "log.jsonl", given.to_json())
    for preset in ("paper", "robust"):
        out = tmp_path / f"{preset}.jsonl"
        options = ["--preset", preset, "--set", "chain=false", "--out", str(out)]
        assert main(["score", str(log), *options]) == 0
        (held,) = read_files([out]).values()
        assert [t.plain for t in held] == [True]


# --- scores of other frameworks ------------------------------------------------------------------


def test_scores_of_one_name_need_no_word(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    files = [wrote(tmp_path / name / "samples_x.jsonl", sample()) for name in "ab"]
    read_files(files)
    assert "scores of different names" not in caplog.text


def test_a_folder_stands_for_the_answers_of_its_runs(tmp_path: Path) -> None:
    """And for no others: what was steered, edited, priced or said in conversations has tables."""
    kinds: dict[Kind, dict[str, Any]] = {
        "answers": {},
        "steered": {"decision": {"policy": "per-token"}},
        "edited": {"decision": {"policy": AS_WRITTEN.name}},
        "priced": {"decision": {"policy": "per-token"}, "extra": {FACTS: {}}},
        "conversations": {"conversation": {"user": "u"}},
    }
    for kind, changes in kinds.items():
        wrote(tmp_path / kind / RUN_FILE, replace(transcript(), **changes).to_json())
    for kind in kinds:
        assert transcript_files([tmp_path], kind) == [tmp_path / kind / RUN_FILE]
        named = tmp_path / "answers" / RUN_FILE
        assert transcript_files([named, named], kind) == [named], "a file that is named is taken"
    with pytest.raises(DataError, match=f"no {RUN_FILE} with .* in this folder or below it"):
        transcript_files([tmp_path / "steered"])
    empty = tmp_path / "empty" / RUN_FILE
    empty.parent.mkdir()
    empty.touch()
    assert empty in transcript_files([tmp_path], "priced"), "reading it says that it is empty"


def test_questions_come_from_rows_and_from_transcripts_and_have_one_id(tmp_path: Path) -> None:
    rows = [dataset_rows.row(f"What is {n}?") for n in range(2)]
    asked = dataset_rows.write(tmp_path / "rows.jsonl", rows)
    answered = wrote(tmp_path / "t.jsonl", *(transcript(id=name).to_json() for name in "ab"))
    found = list(questions_in([asked, answered]))
    assert [question.text for question in found[:2]] == ["What is 0?", "What is 1?"]
    assert [question.id for question in found[2:]] == ["a", "b"]
    with pytest.raises(DataError, match="two questions have the id 'a'"):
        list(questions_in([answered, wrote(tmp_path / "u.jsonl", transcript(id="a").to_json())]))
    with pytest.raises(DataError, match=r"absent\.jsonl"):
        list(questions_in([tmp_path / "absent.jsonl"]))


def test_the_first_score_counts_and_filters_do_not_count_twice(tmp_path: Path) -> None:
    rows = [
        sample(doc_id=n, filter=kind, exact_match=float(kind == "strict-match"))
        for n in range(3)
        for kind in ("strict-match", "flexible-extract")
    ]
    path = wrote(tmp_path / "Qwen__Q" / "samples_sums_2026-01-01T00-00-00.jsonl", *rows)
    (held,) = read_files([path]).values()
    assert [t.factors["quality"] for t in held] == [1.0, 1.0, 1.0]
    assert {t.model for t in held} == {"Qwen__Q"}
    (held,) = read_files([path], "exact_match,flexible-extract").values()
    assert [t.factors["quality"] for t in held] == [0.0, 0.0, 0.0]
    with pytest.raises(DataError, match="'f1'; there are exact_match,strict-match, exact"):
        read_files([path], "f1")


def test_a_score_needs_a_file_that_gives_some(tmp_path: Path) -> None:
    path = wrote(tmp_path / "a.jsonl", transcript().to_json())
    with pytest.raises(DataError, match="give none by name"):
        read_files([path], "f1")


def test_scores_of_different_names_are_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    a = wrote(tmp_path / "a" / "samples_x.jsonl", sample())
    b = wrote(tmp_path / "b" / "traces.jsonl", trace())
    read_files([a, b])
    assert "scores of different names" in caplog.text


@pytest.mark.parametrize("points", [(7.0, 3.0), (1.0, -2.0)])
def test_scores_on_another_scale_are_compared_as_scores(
    tmp_path: Path, points: tuple[float, float]
) -> None:
    files = [
        wrote(tmp_path / name / "samples_x.jsonl", *(sample(doc_id=n, exact_match=p + n / 10)
              for n in range(3)))
        for name, p in zip("ab", points, strict=True)
    ]  # fmt: skip
    found = compare_runs(files, resamples=100)
    difference = found.difference("a", "All", "score")
    assert difference is not None
    assert difference.contrast.value == pytest.approx(points[1] - points[0])
    assert found.difference("a", "All", "quality") is None


@pytest.mark.parametrize("scores", [(-1.0, 1.0), (50.0, 55.0), (0.0, 1.5)])
def test_the_score_of_a_dump_is_no_welfare_where_one_lies_outside_0_to_1(
    tmp_path: Path, capsys: Out, scores: tuple[float, float]
) -> None:
    for name in ("a", "b"):
        rows = [dump(f"question {n}", score=scores[n % 2]) for n in range(12)]
        wrote(tmp_path / f"{name}.jsonl", *rows)
    assert main(["compare", str(tmp_path / "a.jsonl"), str(tmp_path / "b.jsonl"), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    means = {e["metric"]: e["interval"] for e in found["estimates"] if e["model"] == "a"}
    assert means["score"]["value"] == pytest.approx(sum(scores) / 2)
    assert {"mutual_welfare", "quality"}.isdisjoint(
        name for name, found in means.items() if found["value"] is not None
    )
    low, high = means["score"]["low"], means["score"]["high"]
    assert high - sum(scores) / 2 == pytest.approx(sum(scores) / 2 - low, rel=0.2)


def numbered(path: Path, order: range, score: float = 0.5) -> str:
    rows = (
        {"id": str(n), "task": "t", "completion": "x", "plain": True, "mutual_welfare": score}
        | {"prompt": [{"role": "user", "content": f"question {asked}"}]}
        for n, asked in enumerate(order)
    )
    return str(wrote(path, *rows))


def test_ids_that_number_the_lines_pair_nothing_where_prompts_do(tmp_path: Path) -> None:
    files = [
        numbered(tmp_path / "a.jsonl", range(8)),
        numbered(tmp_path / "b.jsonl", range(7, -1, -1)),
    ]
    (pairing,) = compare_runs([Path(file) for file in files], resamples=100).pairings
    assert (pairing.by, pairing.paired, pairing.unlike) == ("prompt", 8, 0)


def test_prompts_that_differ_under_one_id_are_told(tmp_path: Path, capsys: Out) -> None:
    files = [numbered(tmp_path / "a.jsonl", range(8)), numbered(tmp_path / "b.jsonl", range(8, 16))]
    assert main(["compare", *files]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "8 questions paired by id (16 answers); 8 of them have other prompts in the two" in said


def test_a_gain_over_shared_questions_says_so(tmp_path: Path, capsys: Out) -> None:
    files = [
        numbered(tmp_path / "a.jsonl", range(12), 0.4),
        numbered(tmp_path / "b.jsonl", range(9), 0.5),
    ]
    assert main(["compare", *files]) == 0
    assert "over the 9 shared questions)" in " ".join(capsys.readouterr().out.split())


def test_a_gain_over_nothing_is_no_per_cent(tmp_path: Path, capsys: Out) -> None:
    files = [
        numbered(tmp_path / "a.jsonl", range(3), 0.0),
        numbered(tmp_path / "b.jsonl", range(3), 0.5),
    ]
    assert main(["compare", *files]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "a (0.000): +0.500 (" in said and "0.500 ," not in said
    assert "Not tested: too few clusters for a p value (below 6); the interval takes them" in said


def test_one_model_alone_is_said_to_be_alone(tmp_path: Path, capsys: Out) -> None:
    file = numbered(tmp_path / "a.jsonl", range(3))
    assert main(["compare", file, file]) == 0
    assert "a is the only model: nothing is compared." in capsys.readouterr().out


def test_nothing_scored_is_said_first_and_fails(tmp_path: Path, capsys: Out) -> None:
    logged = {"step": 1, "prompt": "2+2?", "completion": CHAIN, "id": "a", "task": "t"}
    for name in ("a", "b"):
        wrote(tmp_path / f"{name}.jsonl", logged | {"advantage": 0.1})
    assert main(["compare", str(tmp_path / "a.jsonl"), str(tmp_path / "b.jsonl")]) == 1
    said = capsys.readouterr().out
    assert said.startswith("No answer has a score.")
    assert "could not be scored" in said and "Every answer" not in said


def test_a_judged_file_and_a_foreign_one_meet_in_quality(tmp_path: Path) -> None:
    ours = plain(id="3", cluster="3", task="sums", split="", model="ours")
    a = wrote(tmp_path / "a.jsonl", ours.to_json())
    b = wrote(tmp_path / "b" / "samples_sums.jsonl", sample(exact_match=0.0))
    found = compare_runs([a, b], resamples=100)
    difference = found.difference("ours", "All", "quality")
    assert difference is not None and difference.contrast.value == -1.0


# --- what is said first, and files ---------------------------------------------------------------


def versions(tmp_path: Path, worse: str) -> list[str]:
    """Two models on 20 questions; the second is better in U, and worse in one more metric."""
    files = []
    for name in ("old", "new"):
        rows = []
        for n in range(20):
            wave = 0.01 * (n * 7 % 10)
            fields: dict[str, Any] = {
                "user_welfare": 0.5 + wave + 0.2 * (name == "new"),
                "tokens": {"response": 20, "total": 100 + n},
                "factors": {"quality": 0.6 + wave, "format": 1.0},
            }
            if name == "new" and worse == "tokens":
                fields["tokens"] = {"response": 20, "total": 150 + n * 3 % 7}
            if name == "new" and worse == "quality":
                fields["factors"] = {"quality": 0.3 + wave / 2, "format": 1.0}
            rows.append(transcript(model=name, id=str(n), cluster=str(n), **fields).to_json())
        files.append(str(wrote(tmp_path / f"{name}.jsonl", *rows)))
    return files


@pytest.mark.parametrize(("worse", "label"), [("tokens", "Tokens"), ("quality", "Answer quality")])
def test_the_headline_begins_with_what_became_worse(
    tmp_path: Path, capsys: Out, worse: str, label: str
) -> None:
    page = tmp_path / "r.html"
    assert main(["compare", *versions(tmp_path, worse), "--html", str(page)]) == 0
    first = capsys.readouterr().out.splitlines()[0]
    assert first.startswith("new is worse than old")
    assert "in distribution: " in first and f"{label} " in first
    assert "User welfare" not in first
    head = page.read_text(encoding="utf-8").split("<li>")[1]
    assert "worse" in head and label in head


def test_the_headline_says_nothing_of_the_sort_where_nothing_is_worse(
    tmp_path: Path, capsys: Out
) -> None:
    assert main(["compare", *versions(tmp_path, "nothing")]) == 0
    assert "is worse" not in capsys.readouterr().out


def test_few_questions_are_said_to_be_too_few(tmp_path: Path, capsys: Out) -> None:
    a = rows_of(tmp_path / "a.jsonl", ["1", "2"], 0.1, times=9)
    b = rows_of(tmp_path / "b.jsonl", ["1", "2"], 0.9, times=9)
    assert main(["compare", str(a), str(b), "--resamples", "100"]) == 0
    printed = capsys.readouterr().out
    assert "Too few independent questions for a p value: All (2)" in printed
    assert "<.001" not in printed


def test_tables_are_written_as_csv_latex_and_data_frames(tmp_path: Path, capsys: Out) -> None:
    files = versions(tmp_path, "tokens")
    assert main(["compare", *files, "--csv", str(tmp_path), "--latex", str(tmp_path)]) == 0
    capsys.readouterr()
    found = compare_runs([Path(file) for file in files])
    pandas = pytest.importorskip("pandas")
    for name, frame in found.to_pandas().items():
        assert len(frame) == len(found.tables()[name])
        if len(frame):
            written = pandas.read_csv(tmp_path / f"{name}.csv")
            assert list(written.columns) == list(frame.columns)
            assert len(written) == len(frame)
    text = (tmp_path / "differences-in-distribution.tex").read_text(encoding="utf-8")
    assert text.startswith("\\begin{tabular}{lrrrrrr}")
    assert r"95\% interval" in text
    widths = {line.count(" & ") for line in text.splitlines() if line.endswith(r"\\")}
    assert widths == {6}
    assert {file.stem for file in tmp_path.glob("*.tex")} == {
        "differences-in-distribution", "differences-names", "estimates-in-distribution",
        "estimates-names", "gains", "pairing", "pareto",
    }  # fmt: skip


def test_latex_is_escaped(tmp_path: Path) -> None:
    held = [transcript(id=str(n), model="a_b & 50%", task="x^y {z}") for n in range(2)]
    held += [replace(t, model="c$d") for t in held]
    path = wrote(tmp_path / "a.jsonl", *(t.to_json() for t in held))
    assert main(["compare", str(path), "--latex", str(tmp_path / "out")]) == 0
    text = (tmp_path / "out" / "estimates-x-y-z.tex").read_text(encoding="utf-8")
    assert r"a\_b \& 50\%" in text and r"c\$d" in text


def test_a_folder_that_cannot_be_written(tmp_path: Path, capsys: Out) -> None:
    (tmp_path / "file").touch()
    files = versions(tmp_path, "tokens")
    assert main(["compare", *files, "--csv", str(tmp_path / "file")]) == 2
    assert "file" in capsys.readouterr().err


def test_json_has_pairs_methods_and_what_could_be_detected(tmp_path: Path, capsys: Out) -> None:
    assert main(["compare", *versions(tmp_path, "tokens"), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["pairing"][0]["paired"] == 20
    contrast = found["differences"][0]["contrast"]
    assert {"method", "detectable", "mcnemar", "p"} <= contrast.keys()


def test_where_a_ratio_is_less_certain_the_headline_gives_the_difference(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """5 and 9 of 12 right: the difference is told from 0, the gain in per cent is not."""
    for name, right in (("before", {0, 1, 2, 3, 4}), ("after", {0, 1, 2, 3, 4, 5, 6, 7, 8})):
        rows = (
            {"input": f"question {n}", "output": "x", "gts": "x", "score": float(n in right)}
            for n in range(12)
        )
        text = "".join(json.dumps(row) + "\n" for row in rows)
        (tmp_path / f"{name}.jsonl").write_text(text, encoding="utf-8")
    files = [str(tmp_path / f"{name}.jsonl") for name in ("before", "after")]
    assert main(["compare", *files]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "80.0% above" in said
    assert "(0.417) (difference +0.333, 95% interval [+0.020, +0.646], p = .039)" in said


def test_the_score_that_is_compared_is_named(tmp_path: Path, capsys: Out) -> None:
    files = []
    for name, points in (("a", 0.2), ("b", 0.9)):
        rows = [sample(doc_id=n, exact_match=0.5, f1=points, metrics=["exact_match", "f1"])
                for n in range(3)]  # fmt: skip
        files.append(str(wrote(tmp_path / name / "samples_x.jsonl", *rows)))
    found = {}
    for options in ([], ["--score", "f1,strict-match"]):
        assert main(["compare", *files, "--json", "--resamples", "100", *options]) == 0
        rows = json.loads(capsys.readouterr().out)["differences"]
        found[bool(options)] = {
            round(row["contrast"]["value"], 9) for row in rows if row["metric"] == "quality"
        }
    assert found == {False: {0.0}, True: {0.7}}
    assert main(["compare", *files, "--score", "f2"]) == 2
    assert "no file gives a score 'f2'" in capsys.readouterr().err


@pytest.mark.parametrize("write", [wrote, parquet])
@pytest.mark.parametrize(("score", "measure"), [
    ([], "quality"), (["--score", "format_reward"], "quality"), (["--score", "length"], "score")
])  # fmt: skip
def test_rewards_that_trl_logged_are_compared_by_their_names(
    tmp_path: Path, capsys: Out, write: Any, score: list[str], measure: str
) -> None:
    ending = "parquet" if write is parquet else "jsonl"
    files = []
    for name, gain in (("before", 0.0), ("after", 0.25)):
        rows = [
            logged(
                prompt=f"question {n}",
                accuracy_reward=0.5 + gain,
                format_reward=0.25 + 2 * gain,
                length=(3.0, -1.0, 7.0)[n] + 4 * gain,
            )
            for n in range(3)
        ]
        files.append(str(write(tmp_path / f"{name}.{ending}", *rows)))
    assert main(["compare", *files, "--json", "--resamples", "100", *score]) == 0
    found = {row["metric"]: row["contrast"]["value"]
             for row in json.loads(capsys.readouterr().out)["differences"]}  # fmt: skip
    wanted = {"": 0.25, "format_reward": 0.5, "length": 1.0}[score[-1] if score else ""]
    assert found[measure] == pytest.approx(wanted)
    assert {"quality", "score"} & set(found) == {measure}


@pytest.mark.parametrize("write", [wrote, parquet])
def test_where_nothing_is_a_measure_the_columns_are_named(
    tmp_path: Path, capsys: Out, write: Any
) -> None:
    ending = "parquet" if write is parquet else "jsonl"
    rows = [{"prompt": "2+2?", "completion": "4", "points": n} for n in range(2)]
    files = [str(write(tmp_path / f"{name}.{ending}", *rows)) for name in "ab"]
    assert main(["compare", *files]) == 2
    said = " ".join(capsys.readouterr().err.split())
    assert (
        "a has none (the file gives no score; its columns are prompt, completion, points)" in said
    )
    ours = transcript(id="1", **UNSCORED).to_json()
    (held,) = read_files([wrote(tmp_path / "ours.jsonl", ours)]).values()
    assert [t.unscored for t in held] == ["the file gives no score"]


def test_tables_are_written_as_markdown(tmp_path: Path, capsys: Out) -> None:
    files, out = versions(tmp_path, "tokens"), tmp_path / "out"
    assert main(["compare", *files, "--markdown", str(out), "--latex", str(out)]) == 0
    told = capsys.readouterr().err
    assert f"Markdown: {out}: " in told and f"LaTeX: {out}: " in told
    names = {kind: {file.stem for file in out.glob(f"*.{kind}")} for kind in ("md", "tex")}
    assert names["md"] == names["tex"] != set()
    lines = (out / "estimates-in-distribution.md").read_text(encoding="utf-8").splitlines()
    assert lines[:2] == ["|  | old | new |", "|---|---:|---:|"]
    assert {line.count("|") for line in lines} == {4}


def test_each_cell_of_a_written_table_is_the_number_that_was_measured(tmp_path: Path) -> None:
    """U of old is .5 and more, of new .2 more on each question; tokens are the other way round."""
    found = compare_runs([Path(file) for file in versions(tmp_path, "tokens")], resamples=100)
    files = {file.stem: file for file in write_markdown(found, tmp_path / "out")}
    rows = {
        name: [
            [cell.strip().replace("\\<", "<") for cell in line.strip("|").split(" | ")]
            for line in file.read_text(encoding="utf-8").splitlines()
        ]
        for name, file in files.items()
    }
    group = next(group.name for group in found.groups if group.task is None)
    estimates = {row[0]: row[1:] for row in rows["estimates-in-distribution"]}
    for model, cell in zip(("old", "new"), estimates["User welfare U"], strict=True):
        measured = found.estimate(model, group, "user_welfare")
        assert measured is not None
        ends = interval(measured.interval.low, measured.interval.high, 3)
        mark = r"\*" if model == "new" else ""  # the best of the row
        assert cell == f"{fixed(measured.value, 3)}{mark} {ends}"
    assert estimates["User welfare U"][0].startswith("0.545 ")
    less = {tuple(row[:2]): row[2:] for row in rows["differences-in-distribution"]}
    assert set(less) >= {("User welfare U", "old"), ("Tokens", "old")}
    difference = found.difference("old", group, "user_welfare")
    assert difference is not None
    value, ends, gain, p, _ = less["User welfare U", "old"]
    assert (value, p) == ("+0.200", p_value(difference.adjusted))
    assert ends == "[+0.200, +0.200]" and gain.startswith("+36.7%")
    assert less["Tokens", "old"][0].startswith("+")
    pareto = {row[0]: row[1:] for row in rows["pareto"]}
    assert pareto["Model"][-2:] == ["Dominated by new", "Dominates new"]
    assert [pareto[model][-2:] for model in ("old", "new")] == [["20", "0"], [NONE, NONE]]
    assert {row[2] for row in rows["gains"][2:]} == {"old"}, "the only baseline is the best"


def test_a_table_of_nothing_is_not_written(tmp_path: Path) -> None:
    (file,) = versions(tmp_path, "tokens")[:1]
    found = compare_runs([Path(file)], resamples=100)
    for write in (write_csv, write_latex, write_markdown):
        names = {one.stem for one in write(found, tmp_path / write.__name__)}
        assert not [name for name in names if name.startswith("differences")]
        assert "estimates" in str(names) and "pairing" not in names
    text = (tmp_path / "write_csv" / "estimates.csv").read_bytes()
    assert b"\r" not in text and text.count(b"\n") > 1


def test_text_is_no_markup_in_markdown() -> None:
    rows = [("a|b *c*\n_d_", "[x](http://e) `y` <z> \\")]
    assert markdown(("m", "n"), rows).splitlines()[2] == (
        r"| a\|b \*c\* \_d\_ | [x\](http://e) \`y\` \<z\> \\ |"
    )


def test_models_that_are_compared_are_named(tmp_path: Path, capsys: Out) -> None:
    files = versions(tmp_path, "tokens")
    assert main(["compare", *files, "--reference", "old", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["reference"] == "old"
    assert {row["baseline"] for row in found["differences"]} == {"new"}
    for option in ("--reference", "--baseline"):
        assert main(["compare", *files, option, "nobody"]) == 2
        told = capsys.readouterr().err
        assert "nobody" in told and told.count("\n") == 1


def test_the_bootstrap_repeats_itself_by_its_seed(tmp_path: Path, capsys: Out) -> None:
    found = []
    for seed in ("5", "5", "6"):
        options = ["--seed", seed, "--resamples", "100", "--json"]
        assert main(["compare", *versions(tmp_path, "tokens"), *options]) == 0
        found.append(capsys.readouterr().out)
    assert found[0] == found[1] != found[2]
