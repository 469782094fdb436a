"""``gtalign score``: rewards from recorded verdicts."""

import json
from pathlib import Path
from typing import Any

import pytest

from gtalign.chain import render
from gtalign.cli import main
from gtalign.config import shipped
from gtalign.game import USER_LLM, Bimatrix
from gtalign.judges import Verdict
from gtalign.reward import FACTORS, Reward, RewardConfig
from gtalign.tasks import Message, Question
from gtalign.transcripts import Transcript, TranscriptWriter
from one_score import score_one

PAYOFF = Bimatrix(USER_LLM, [[[3, 3], [1, 2], [2, 1]], [[0, 1], [2, 4], [1, 1]]])
CHAIN = render("think", PAYOFF, "Choose DQ_AQ.", "Four.")
QUESTION = Question("q1", "math-hard", (Message(role="user", content="2+2?"),), "4", "c1")
GOOD = Verdict("test", 1.0, "right")


@pytest.fixture
def run_file(tmp_path: Path) -> Path:
    """Transcripts of a chain, a plain answer, a broken chain and one that the judge failed on."""
    path = tmp_path / "transcripts.jsonl"
    chained = Reward(count_tokens=len)
    plain = Reward(RewardConfig(chain=False), count_tokens=len)
    with TranscriptWriter(path) as writer:
        for reward, completion, verdict in (
            (chained, CHAIN, GOOD),
            (plain, "Four.", GOOD),
            (chained, "broken", None),
            (chained, CHAIN, Verdict("test", None, "down")),
        ):
            score = score_one(reward, QUESTION, completion, verdict)
            verdicts = [] if verdict is None else [verdict]
            writer.write(
                Transcript.of(QUESTION, completion, model="m", plain=reward is plain).scored(
                    score, verdicts
                )
            )
    return path


def results(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


SIDES = [("released", "train"), ("released-eval", "eval")]


@pytest.mark.parametrize(("preset", "side"), SIDES)
def test_recorded_vectors(
    vectors: Path, preset: str, side: str, capsys: pytest.CaptureFixture[str]
) -> None:
    scores_as_recorded(vectors / "released-code-rewards.jsonl", preset, side, capsys)


@pytest.mark.parametrize(("preset", "side"), SIDES)
def test_recorded_vectors_with_published_texts(
    shared: Path, preset: str, side: str, capsys: pytest.CaptureFixture[str]
) -> None:
    scores_as_recorded(shared / "vectors" / "released-code-rewards.jsonl", preset, side, capsys)


def scores_as_recorded(
    file: Path, preset: str, side: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["score", str(file), "--preset", preset, "--json"]) == 0
    found = {result["id"]: result for result in results(capsys)}
    rows = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    assert list(found) == [row["id"] for row in rows]
    for row in rows:
        expected, got = row["expected"].get(side), found[row["id"]]
        assert set(FACTORS) <= set(got)
        if expected is not None:
            wanted = [expected[key] for key in ("user_reward", "llm_reward", "utility")]
            names = ("user_welfare", "llm_welfare", "mutual_welfare")
            assert [got[name] for name in names] == pytest.approx(wanted, abs=1e-6)


def test_transcripts_score_as_they_did(run_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["score", str(run_file), "--json"]) == 0
    chained, plain, broken, failed = results(capsys)
    stored = [json.loads(line) for line in run_file.read_text(encoding="utf-8").splitlines()]
    for got, was in zip((chained, plain, broken, failed), stored, strict=True):
        for name in ("user_welfare", "llm_welfare", "mutual_welfare", "answer_mutual_welfare"):
            assert got[name] == was[name]
        assert {n: got[n] for n, f in FACTORS.items() if not f.stated} == was["factors"]
    assert plain["format"] is None
    assert broken["mutual_welfare"] == 0
    assert broken["chain_error"]
    assert failed["mutual_welfare"] is None
    assert failed["unscored"] == "judge test: down"


def test_weights_change_without_a_judge(run_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--set", "reward.aggregate=user", "--set", "user.latency=0", "--json"]
    assert main(["score", str(run_file), *options]) == 0
    first = results(capsys)[0]
    assert first["reward"] == first["user_welfare"]
    assert first["user_welfare"] == pytest.approx(0.5 + 0.2 * first["response_window"])


def test_a_configuration_file(
    run_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "reward.toml"
    file.write_text('preset = "released"\naggregate = "linear"\n', encoding="utf-8")
    assert main(["score", str(run_file), "--config", str(file), "--json"]) == 0
    first = results(capsys)[0]
    assert first["reward"] == pytest.approx((first["user_welfare"] + first["llm_welfare"]) / 2)


def test_the_summary(
    run_file: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    assert main(["score", str(run_file)]) == 0
    printed = capsys.readouterr().out.splitlines()
    assert printed[0].startswith("Average scores, 0 to 1")
    assert len(printed) <= 25
    assert max(map(len, printed[1:8])) <= 80
    assert "\N{HORIZONTAL ELLIPSIS}" not in "".join(printed)
    lines = [line.split() for line in printed]
    total = next(line for line in lines if line and line[0] == "all")
    assert (total[1], total[-2:]) == ("4", ["1", "1"])
    assert any(line and line[0] == "math-hard" for line in lines)


def test_a_summary_of_nothing_known(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "dump.jsonl"
    dump = {"input": "2+2?", "output": CHAIN, "gts": "4", "score": 0.5}
    file.write_text(json.dumps(dump) + "\n", encoding="utf-8")
    assert main(["score", str(file)]) == 1
    first = capsys.readouterr().out.splitlines()[0]
    assert first.startswith("No score: no judge was asked.") and "Add --judge" in first


@pytest.mark.parametrize(
    ("tasks", "advice"),
    [
        (["direct"], "Add --judge FILE with a model: no rule grades task 'direct'."),
        (["mine", "yours"], "Add --judge FILE with a model: no rule grades tasks 'mine', 'yours'."),
        (["minerva", "ambig_qa"], "Add --judge rules, or --judge FILE with a model."),
        (
            ["mine", "minerva"],
            "Add --judge FILE with a model, or --judge rules, which grade only task 'minerva': no"
            " rule grades task 'mine'.",
        ),
    ],
)
def test_it_advises_a_judge_that_grades_the_tasks(
    tasks: list[str], advice: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "rows.jsonl"
    rows = [{"task": task, "completion": CHAIN, "ground_truth": "4"} for task in tasks]
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    assert main(["score", str(file)]) == 1
    first = capsys.readouterr().out.splitlines()[0]
    assert first == f"No score: no judge was asked. {advice}"


def test_rules_name_a_task_without_a_rule_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "rows.jsonl"
    file.write_text(vector(task="direct", judge_score=None), encoding="utf-8")
    assert main(["score", str(file), "--judge", "rules"]) == 1
    assert capsys.readouterr().out.splitlines()[0].endswith("no rule for task 'direct'")


def vector(**changes: Any) -> str:
    row = {"task": "math-hard", "completion": CHAIN, "ground_truth": "4", "judge_score": 1}
    return json.dumps({**row, **changes}) + "\n"


def test_a_vector_without_an_id_or_a_score(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "v.jsonl"
    file.write_text(vector(judge_score=None), encoding="utf-8")
    assert main(["score", str(file), "--json"]) == 1
    (result,) = results(capsys)
    assert result["id"] == "v-1"
    assert result["mutual_welfare"] is None
    assert "no score" in result["unscored"]


@pytest.mark.parametrize(
    ("line", "named"),
    [
        (vector(completion=3), "line 2: column 'completion'"),
        (vector(judge_score="1"), "line 2: verdict: field 'score'"),
        (vector(pareto_score="1"), "line 2: verdict: field 'score'"),
        (vector(judge_score=7), "line 2: question 'bad-2': verdict 7"),
        ('{"id": "x"}\n', "line 2: answers of an unknown form: its columns are 'id'"),
        ('{"id": 3, "completion": "x"}\n', "line 2: column 'id'"),
        (vector(judge_score=float("inf")), "line 2: verdict: field 'score'"),
        (
            '{"id": "a", "completion": "x", "extra": {"prices": [1, Infinity]}}\n',
            "line 2: column 'extra.prices.1' has to be a number that is finite",
        ),
        (
            '{"id": "a", "completion": "x", "tokens": {"total": 1e999}}\n',
            "line 2: column 'tokens.t",
        ),
        (
            '{"input": "q", "output": "x", "gts": {"a": -Infinity}, "score": 1}\n',
            "line 2: column 'gts.a' has to be",
        ),
        ("nonsense\n", "line 2: not JSON"),
    ],
)
def test_a_bad_line_is_named(
    tmp_path: Path, line: str, named: str, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "bad.jsonl"
    file.write_text(vector() + line, encoding="utf-8")
    assert main(["score", str(file), "--json"]) == 2
    captured = capsys.readouterr()
    assert f"bad.jsonl, {named}" in captured.err
    assert captured.err.count("\n") == 1
    assert len(captured.out.splitlines()) == 1  # what came before it is out


@pytest.mark.parametrize(
    ("options", "named"),
    [
        (["--preset", "papr"], "error: --preset: preset: input should be"),
        (["--set", "llm.fromat=1"], "'llm.format'"),
        (["--preset", "paper", "--config", "robust"], "not both"),
        (["--config", "absent.toml"], "absent.toml"),
    ],
)
def test_bad_options(
    run_file: Path, options: list[str], named: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["score", str(run_file), *options]) == 2
    assert named in capsys.readouterr().err


def test_an_absent_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["score", str(tmp_path / "absent.jsonl")]) == 2
    assert "absent.jsonl" in capsys.readouterr().err


# --- scores of other software --------------------------------------------------------------------

FILTERS = {"strict-match": 1.0, "flexible-extract": 0.0, "none-at-all": 1.0}


def samples(folder: Path, filters: list[str], **changes: Any) -> Path:
    """Write four documents as lm-evaluation-harness logs them: a line for each filter."""
    file = folder / "samples_sums_2026-01-01T00-00-00.jsonl"
    rows = [
        {
            "doc_id": number,
            "target": "4",
            "arguments": [["2+2?", {}]],
            "resps": [["Four."]],
            "filtered_resps": ["4"],
            "filter": kind,
            "metrics": ["exact_match"],
            "exact_match": FILTERS[kind],
            **changes,
        }
        for number in range(4)
        for kind in filters
    ]
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return file


@pytest.mark.parametrize(
    ("filters", "named", "quality"),
    [
        (["strict-match", "flexible-extract"], None, 1.0),
        (["flexible-extract", "strict-match", "none-at-all"], None, 0.0),
        (["strict-match", "flexible-extract"], "exact_match,flexible-extract", 0.0),
        (["flexible-extract", "none-at-all"], "exact_match,none-at-all", 1.0),
        (["strict-match"], None, 1.0),
    ],
)
def test_an_answer_counts_once_whatever_its_filters(
    tmp_path: Path,
    filters: list[str],
    named: str | None,
    quality: float,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    file, out = samples(tmp_path, filters), tmp_path / "out.jsonl"
    caplog.set_level("INFO")
    command = ["score", str(file), "--json", "--out", str(out)]
    command += [] if named is None else ["--score", named]
    assert main(command) == 0
    rows = results(capsys)
    assert [row["id"] for row in rows] == ["0", "1", "2", "3"]
    assert [row["quality"] for row in rows] == [quality] * 4
    counted = filters[0] if named is None else named.partition(",")[2]
    for kind in filters:
        assert (f"4 of filter {kind}" in caplog.text) is (kind != counted)
    assert main(command) == 0  # there is nothing left to do
    assert len(out.read_text(encoding="utf-8").splitlines()) == 4


def test_one_of_several_scores_counts(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    both = {"metrics": ["acc", "acc_norm"], "acc": 0.0, "acc_norm": 1.0, "filter": "none"}
    file = samples(tmp_path, ["strict-match"], **both)
    for words, quality in (([], 0.0), (["--score", "acc_norm"], 1.0)):
        assert main(["score", str(file), "--json", *words]) == 0
        assert [row["quality"] for row in results(capsys)] == [quality] * 4
    assert main(["score", str(file), "--score", "f1"]) == 2
    assert "no score 'f1'; there are acc, acc_norm" in capsys.readouterr().err


def test_few_questions_are_said_to_be_few(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = samples(tmp_path, ["strict-match"])
    assert main(["score", str(file)]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "Fewer than 6 questions" in said
    assert "[" not in said.partition("Reward")[0]  # four that are alike have no interval


# --- configurations of runs ----------------------------------------------------------------------

REWARD = '[reward]\npreset = "paper"\n'


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (REWARD + '[judgse]\ndefault = ["rule"]\n', "unknown key 'judgse'; did you mean 'judges'?"),
        ("stepz = 3\n" + REWARD, "unknown key 'stepz'"),
        (REWARD + "[rl]\nstepz = 3\n", "unknown key 'rl.stepz'; did you mean 'rl.steps'?"),
        (REWARD + "[judges]\ndefautl = []\n", "unknown key 'judges.defautl'"),
        ("[experiment.reward]\n[experiment.sft]\nrate = 1\n", "unknown key 'experiment.sft.rate'"),
        (REWARD + "aggregat = 1\n", "unknown key 'reward.aggregat'"),
        ('preset = "paper"\njudges = 1\n', "unknown key 'judges'"),
    ],
)
def test_a_key_that_nothing_knows_is_refused(
    run_file: Path, text: str, says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    config = run_file.with_name("own.toml")
    config.write_text(text, encoding="utf-8")
    assert main(["score", str(run_file), "--config", str(config)]) == 2
    assert says in capsys.readouterr().err


@pytest.mark.parametrize("kind", ["rl", "sft", "eval", "synth", "reward"])
def test_the_configuration_of_every_kind_of_run_is_taken(
    run_file: Path, kind: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["score", str(run_file), "--config", str(shipped(kind)["paper"])]) == 0
    assert "paper.toml" in capsys.readouterr().out


def test_a_reward_beside_other_tables_of_a_run_is_taken(
    run_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = run_file.with_name("own.toml")
    config.write_text(REWARD + '[judges]\ndefault = ["rule"]\n', encoding="utf-8")
    assert main(["score", str(run_file), "--config", str(config)]) == 0
    assert "preset paper" in capsys.readouterr().out


@pytest.mark.parametrize("device", ["/dev/full", "/dev/zero", "/dev/null"])
def test_a_device_is_written_to_and_not_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], device: str
) -> None:
    file = tmp_path / "chats.jsonl"
    rows = [
        {"messages": [{"role": "user", "content": "2+2?"}, {"role": "assistant", "content": "4"}]}
    ]
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    code = main(["score", str(file), "--out", device])
    assert ("No space left" in capsys.readouterr().err) == (device == "/dev/full")
    assert code == 1


@pytest.mark.parametrize(
    ("aggregate", "column"),
    [("linear", True), ("user", True), ("llm", True), ("ces", True), ("cobb_douglas", False)],
)
def test_a_reward_that_is_not_w_has_a_column(
    aggregate: str,
    column: bool,
    run_file: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    command = ["score", str(run_file), "--set", f"aggregate={aggregate}"]
    assert main([*command, "--json"]) == 0
    rewards = [row["reward"] for row in results(capsys) if row["reward"] is not None]
    assert main(command) == 0
    printed = capsys.readouterr().out.splitlines()
    assert max(map(len, printed[:8])) <= 80
    heads = next(line for line in printed if "95% of W" in line).replace("95% of W", "I").split()
    assert ("reward" in heads) is column
    if column:
        cells = next(line for line in printed if line.startswith("all")).replace(", ", ",").split()
        assert cells[heads.index("reward")] == f"{sum(rewards) / len(rewards):.3f}"


DUMPS: list[tuple[dict[str, Any], bool]] = [
    ({"input": "2+2?", "output": "Four.", "gts": "4", "score": 0.5}, True),
    ({"input": "2+2?", "output": CHAIN, "gts": "4", "score": 0.5, "user_reward": 0.4}, True),
    ({"input": "2+2?", "output": CHAIN, "gts": "4", "score": 0.1, "mutual_welfare": 0.5}, True),
    (
        {"messages": [{"role": "user", "content": "2+2?"}, {"role": "assistant", "content": "4"}]},
        False,
    ),
]


@pytest.mark.parametrize(("row", "own"), DUMPS)
@pytest.mark.parametrize("times", [1, 2])
def test_the_scores_of_a_dump_are_no_verdicts(
    row: dict[str, Any], own: bool, times: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file, out = tmp_path / "step.jsonl", tmp_path / "out.jsonl"
    file.write_text(json.dumps({**row, "data_source": "math-hard"}) + "\n", encoding="utf-8")
    for _ in range(times):
        assert (
            main(["score", str(file), "--out", str(out)] if times == 2 else ["score", str(file)])
            == 1
        )
        first = capsys.readouterr().out.splitlines()[0]
        assert first.startswith("No score: no judge was asked.")
        assert ("The file's own scores are W, and no verdicts of a judge." in first) is own
        own = False  # what our own file holds is no dump
