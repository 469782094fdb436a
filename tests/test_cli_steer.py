"""``gtalign steer``: a checkpoint or a server, policies, questions, and what is told of them."""

import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gtalign.cli import main
from gtalign.cli.show.steered import _readable
from gtalign.steering import Decision, load_policy, policy_line
from gtalign.transcripts import read_transcripts
from small_lab import small_model, small_tokenizer
from standins import model
from standins.engines import VLLM, LlamaCppPython
from standins.server import serving_threads
from standins.services import Service

COSTLY = ("--set", "utility_of_money=700")


@pytest.fixture
def serve() -> Iterator[Any]:
    with serving_threads() as start:
        yield start


def test_prices_flip_the_answer_of_a_server(
    serve: Any, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    out = tmp_path / "transcripts.jsonl"
    policies = ("--policy", "subscription", "--policy", "per-token")
    url = serve(VLLM())
    asked = ("--question", "Where to?", "--bare", "--json", "--out", str(out))
    assert main(["steer", url, *policies, *COSTLY, *asked]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["response"] for line in lines] == [model.RESPONSES["CQ"], model.RESPONSES["DA"]]
    decisions = [Decision.from_json(line["decision"]) for line in lines]
    assert [d.after and d.after.action for d in decisions] == ["CQ", "DA"]
    kept = list(read_transcripts(out))
    assert [Decision.from_json(t.decision or {}) for t in kept] == decisions
    assert [(t.chain, t.unscored) for t in kept] == [(None, "not judged")] * 2


def test_a_person_sees_both_matrices_and_every_term(
    serve: Any, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setattr("sys.stdin", io.StringIO("Where to?\n"))
    assert main(["steer", serve(VLLM()), "--policy", "per-token", *COSTLY, "--bare"]) == 0
    text = capsys.readouterr().out
    for part in (
        "user: Where to?",
        "LLM, edited",
        "output tokens (user)",
        "recommended DQ_DA (was VQ_CQ); analysis chose DQ_DA; response: DA",
        model.RESPONSES["DA"],
    ):
        assert part in text


def test_questions_come_from_files_of_text_and_of_rows(
    serve: Any, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    text, rows = tmp_path / "asked.txt", tmp_path / "rows.jsonl"
    text.write_text("Where to?\n")
    row = {
        "prompt": [{"role": "user", "content": "Where to?"}],
        "data_source": "minerva",
        "reward_model": {"ground_truth": "1"},
        "extra_info": {},
    }
    rows.write_text("".join(json.dumps(row) + "\n" for _ in range(3)))
    url = serve(VLLM())
    for source, count in ((text, 1), (rows, 2)):
        given = ("--policy", "free", "--question", str(source), "--limit", "2", "--json", "--bare")
        assert main(["steer", url, *given]) == 0
        assert len(capsys.readouterr().out.splitlines()) == count


def test_a_local_tokenizer_renders_for_a_server_of_plain_text(
    serve: Any, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    small_tokenizer().save_pretrained(tmp_path)
    url = serve(LlamaCppPython())
    given = ("--policy", "free", "--question", "Where to?", "--json", "--bare")
    assert main(["steer", url, *given, "--tokenizer", str(tmp_path)]) == 0
    assert json.loads(capsys.readouterr().out)["response"] == model.RESPONSES["CQ"]
    assert main(["steer", url, *given]) == 1
    assert "cannot continue a message" in capsys.readouterr().err


def test_a_server_that_continues_nothing_may_be_asked_again(
    serve: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    url = serve(Service())
    given = ("--policy", "free", "--question", "Where to?", "--json", "--bare")
    assert main(["steer", url, *given]) == 1
    error = capsys.readouterr().err
    assert "cannot continue a message" in error
    assert error.count("\n") == 1
    assert main(["steer", url, *given, "--fallback", "reask"]) == 0
    decision = json.loads(capsys.readouterr().out)["decision"]
    assert decision["resume"] == "reask"


def test_a_file_of_settings_holds_where_no_option_is_given(
    serve: Any, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    file = tmp_path / "steering.toml"
    file.write_text('mode = "enforce"\n')
    given = ("--policy", "free", "--question", "Where to?", "--json", "--bare")
    url = serve(VLLM())
    for options, mode in (((), "enforce"), (("--mode", "observe"), "observe")):
        assert main(["steer", url, *given, "--config", str(file), *options]) == 0
        assert json.loads(capsys.readouterr().out)["decision"]["mode"] == mode


def test_what_is_asked_of_a_server_is_what_the_options_say(
    serve: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    server = VLLM()
    url = serve(server)
    given = ("--policy", "free", "--question", "Where to?", "--json", "--bare")
    options = ("--model", "other", "--temperature", "0.7", "--seed", "11", "-n", "2")
    assert main(["steer", url, *given, *options, "--max-tokens", "900"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 2
    asked = [body for path, body in server.requests if "temperature" in body]
    first = [body for body in asked if body["temperature"] == 0.7]
    assert {body["model"] for body in first} == {"other"}
    assert max(body["max_tokens"] for body in first) <= 900
    assert {body["seed"] for body in first} == {11, 12}, "each answer is drawn anew"
    server.requests.clear()
    assert main(["steer", url, *given]) == 0
    sent = [body for _, body in server.requests if "Where to?" in json.dumps(body)]
    assert {body.get("temperature", 0) for body in sent} == {0}
    assert {body["model"] for body in sent if "model" in body} == {"toy"}, "the one it serves"


def test_a_model_that_learned_policy_lines_is_told_its_policy(
    serve: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    server = VLLM()
    url = serve(server)
    given = ("--policy", "per-token", "--question", "Where to?", "--json", "--bare")
    line = policy_line(load_policy("per-token"))
    for options, told in (((), False), (("--policy-line", "--mode", "observe"), True)):
        server.requests.clear()
        assert main(["steer", url, *given, *options]) == 0
        asked = [json.dumps(body) for _, body in server.requests]
        assert any(json.dumps(f"{line}\nWhere to?")[1:-1] in body for body in asked) is told
    capsys.readouterr()
    # Who has to ask for a chain, and whose matrix nobody edits, states no prices by itself.
    wrong = ("--policy", "free", "--question", "x", "--policy-line", "--mode", "observe")
    assert main(["steer", url, *wrong]) == 2
    assert "policy_line is true" in capsys.readouterr().err


def test_the_game_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    given = ("nowhere", "--policy", "free", "--question", "x")
    assert main(["steer", *given, "--game", "codin"]) == 2
    assert "did you mean 'coding'" in capsys.readouterr().err
    assert main(["steer", *given, "--game", "coding"]) == 2
    assert "no checkpoint" in capsys.readouterr().err, "the game is known"


@pytest.mark.parametrize(
    "option",
    [("--temperature", "-1"), ("--max-tokens", "0"), ("-n", "0"), ("--limit", "0")],
)
def test_numbers_out_of_range_are_refused_by_the_name_of_their_option(
    option: tuple[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["steer", "nowhere", "--policy", "free", "--question", "x", *option]) == 2
    error = capsys.readouterr().err
    assert option[0] in error and error.count("\n") == 1


def test_a_checkpoint_is_steered_in_process(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    tokenizer = small_tokenizer()
    small_model(tokenizer).save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    given = ("--policy", "per-token", "--question", "what is it?", "--max-tokens", "8", "-n", "2")
    assert main(["steer", str(tmp_path), *given, "--bare", "--json"]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert len(lines) == 2
    for line in lines:  # it was never trained
        assert not line["decision"]["steered"]
        assert "cannot be read" in line["decision"]["reason"]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("nowhere", "--policy", "free", "--question", "x"), "no checkpoint"),
        (("nowhere", "--policy", "fre", "--question", "x"), "did you mean 'free'"),
        (("nowhere", "--policy", "free", "--question", " "), "the question is empty"),
        (
            ("nowhere", "--policy", "free", "--question", "x", "--mode", "obey"),
            "error: --mode: mode: input should be 'observe', 'advise' or 'enforce', got 'obey'",
        ),
        (
            ("nowhere", "--policy", "free", "--question", "x", "--set", "price.outptu=1"),
            "price.output",
        ),
        (("nowhere", "--question", "x"), "--policy"),
    ],
)
def test_bad_input_is_one_line(
    arguments: tuple[str, ...], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["steer", *arguments]) == 2
    error = capsys.readouterr().err
    assert says in error
    assert error.count("\n") == 1


def test_a_server_that_is_not_there_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    given = ("--policy", "free", "--question", "x")
    assert main(["steer", "http://127.0.0.1:9/v1", *given]) == 1
    assert "127.0.0.1:9" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("In 1901.\n\nOr in May.", "In 1901.\n\nOr in May."),
        ("a" + "\n" * 500 + "b", "a\n\nb"),
        ("a\n \n\t\n\nb\n\n\n", "a\n\nb"),
        ("a\x1b[2J\x1b]0;title\x07b", "a\ufffd[2J\ufffd]0;title\ufffdb"),
        ("a\rb\u2028c", "a\nb\nc"),
        ("\u4f60\u597d\tx", "\u4f60\u597d    x"),
        ("", ""),
    ],
)
def test_an_answer_neither_moves_the_screen_nor_fills_it(text: str, shown: str) -> None:
    assert _readable(text) == shown
