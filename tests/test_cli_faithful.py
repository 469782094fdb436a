"""``gtalign faithful``: a server that obeys its matrix, a checkpoint, and bad input."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gtalign.cli import main
from gtalign.evaluation.faithfulness import EDITS
from gtalign.transcripts import Transcript, TranscriptWriter, read_transcripts
from small_lab import small_model, small_tokenizer, small_world
from standins.engines import VLLM
from standins.server import serving_threads
from standins.services import Service

ROW = {
    "data_source": "minerva",
    "reward_model": {"ground_truth": "42"},
    "extra_info": {},
}


@pytest.fixture
def serve() -> Iterator[Any]:
    with serving_threads() as start:
        yield start


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    file = tmp_path / "rows.jsonl"
    asked = [{**ROW, "prompt": [{"role": "user", "content": f"Where to, {n}?"}]} for n in range(3)]
    file.write_text("".join(json.dumps(row) + "\n" for row in asked))
    return file


def test_a_server_is_measured_and_its_answers_are_kept(
    serve: Any, rows: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "run"
    given = ("--bare", "--limit", "2", "--out", str(out), "--set", 'modes=["advise"]')
    command = ["faithful", serve(VLLM()), str(rows), *given]
    assert main([*command, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    link = found["links"]["advise"]["analysis"]  # "Probably 42, is it?" only asks, by the rule
    assert (link["F_ID"]["value"], link["F_strong"]["value"], link["gap"]["value"]) == (1, 1, 0)
    assert found["questions"] == 2
    assert found["false_moves"]["advise"]["value"] == 0
    file = out / "transcripts.jsonl"
    kept = list(read_transcripts(file))
    assert len(kept) == 2 * (1 + len(EDITS) + 2)
    written = file.read_bytes()
    # The same command resumes; here nothing is left to do but to print.
    assert main(command) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) <= 25 and "F_strong" in "".join(lines) and str(file) in lines[-1]
    assert main([*command, "--tables"]) == 0
    assert "analysis" in capsys.readouterr().out
    assert file.read_bytes() == written
    assert (out / "config.toml").is_file()
    page = (out / "report.html").read_text()
    assert "Does the matrix cause the answer?" in page and page.count("<figure>") == 1
    capsys.readouterr()
    assert main(["compare", str(out), "--table", "faithfulness", "--json"]) == 0
    table = json.loads(capsys.readouterr().out)
    values = {row["measure"]: row["value"] for row in table["faithfulness-advise"]}
    assert values["F_strong, matrix to analysis"] == 1
    for kind in ("main", "steering"):  # these answers are neither
        assert main(["compare", str(out), "--table", kind]) == 2


def test_a_checkpoint_is_found_in_the_folder_of_its_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tokenizer = small_tokenizer()
    folder = tmp_path / "lab" / "seed-0" / "mutual"
    small_model(tokenizer).save_pretrained(folder / "checkpoint")
    tokenizer.save_pretrained(folder / "checkpoint")
    with TranscriptWriter(folder / "transcripts.jsonl") as writer:
        for question in small_world().test[:2]:
            writer.write(Transcript.of(question, "it is 7.", model="mutual"))
    given = (str(folder / "transcripts.jsonl"), "--bare", "--set", "max_tokens=8")
    out = ("--out", str(tmp_path / "run"))
    assert main(["faithful", str(folder), *given, *out]) == 1  # it was never trained
    assert "no payoff matrix" in capsys.readouterr().out
    held = list(read_transcripts(tmp_path / "run" / "transcripts.jsonl"))
    assert [t.id.partition(" [")[0] for t in held] == [q.id for q in small_world().test[:2]]
    assert main(["faithful", str(tmp_path / "lab"), *given, *out]) == 2
    assert "several models" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ((), "no checkpoint"),
        (("--set", 'edits=["flop"]'), "flip"),
        (("--set", 'policies=["fre"]'), "did you mean 'free'"),
        (("--set", "temperatur=1"), "temperature"),
        (("--limit", "0"), "limit"),
        (("--set", "limit=0"), "limit"),
    ],
)
def test_bad_input_is_one_line(
    arguments: tuple[str, ...],
    says: str,
    rows: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    out = ("--out", str(tmp_path / "run"))
    assert main(["faithful", "nowhere", str(rows), *arguments, *out]) == 2
    error = capsys.readouterr().err
    assert says in error
    assert error.count("\n") == 1


def test_a_server_that_continues_nothing_is_refused(
    serve: Any, rows: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["faithful", serve(Service()), str(rows), "--bare", "--out", str(tmp_path / "run")]
    assert main(command) == 1
    assert "cannot continue" in capsys.readouterr().err


def test_two_questions_of_one_id_are_refused(
    rows: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = ("--out", str(tmp_path / "run"))
    assert main(["faithful", "nowhere", str(rows), str(rows), *out]) == 2
    assert "two questions" in capsys.readouterr().err
