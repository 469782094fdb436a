import io
import json

import pytest
import typer
from typer.testing import CliRunner

from gtalign.cli import main
from gtalign.cli.solve import command

DILEMMA = {
    "DQ_AQ": {"LLM": 3, "user": 3},
    "DQ_CQ": {"LLM": 0, "user": 0},
    "DQ_DA": {"LLM": 4, "user": 0},
    "VQ_AQ": {"LLM": 0, "user": 4},
    "VQ_CQ": {"LLM": 0, "user": 0},
    "VQ_DA": {"LLM": 1, "user": 1},
}
PENNIES = {
    "H_H": {"user": 1, "LLM": -1},
    "H_T": {"user": -1, "LLM": 1},
    "T_H": {"user": -1, "LLM": 1},
    "T_T": {"user": 1, "LLM": -1},
}
MEETING = {
    "DQ_AQ": {"LLM": 2, "user": 1},
    "DQ_CQ": {"LLM": 0, "user": 0},
    "DQ_DA": {"LLM": 0, "user": 0},
    "VQ_AQ": {"LLM": 0, "user": 0},
    "VQ_CQ": {"LLM": 1, "user": 2.5},
    "VQ_DA": {"LLM": -1, "user": 0},
}
app = typer.Typer()
app.command()(command)


def run(*args, text=None):
    return CliRunner().invoke(app, list(args), input=text, catch_exceptions=False)


def fail(tmp_path, capsys, text, *args):
    """The one line that the whole command line prints for a bad file."""
    file = tmp_path / "game.json"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    assert main(["solve", str(file), *args]) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.count("\n") == 1 and str(file) in err
    return err


def test_json_of_one_matrix(tmp_path):
    file = tmp_path / "game.json"
    file.write_text(json.dumps(DILEMMA))
    result = run(str(file), "--json")
    assert result.exit_code == 0
    assert json.loads(result.stdout) == {
        "frontier": ["DQ_AQ", "DQ_DA", "VQ_AQ"],
        "optimum": "DQ_AQ",
        "pure_nash": ["VQ_DA"],
        "equilibria": [{"user": {"VQ": 1.0}, "llm": {"DA": 1.0}}],
        "stackelberg": {"llm": "VQ_DA", "user": "VQ_DA"},
        "leads": {
            "llm": {
                "mixed": {"DA": 1.0},
                "answer": "VQ",
                "payoffs": {"user": 1.0, "llm": 1.0},
                "gain": {"user": 0.0, "llm": 0.0},
            },
            "user": {
                "mixed": {"VQ": 1.0},
                "answer": "DA",
                "payoffs": {"user": 1.0, "llm": 1.0},
                "gain": {"user": 0.0, "llm": 0.0},
            },
        },
        "dominated": {"user": [], "llm": ["AQ", "CQ"]},
        "trap": True,
        "price_of_anarchy": 3.0,
    }


@pytest.mark.parametrize("args", [("-", "--json"), ("--json",)])
def test_lines_of_stdin_give_lines(args):
    lines = [json.dumps(game) for game in (DILEMMA, MEETING, PENNIES)]
    result = run(*args, text="\n\n".join(lines) + "\n\n")
    first, second, third = (json.loads(line) for line in result.stdout.splitlines())
    assert first["optimum"] == "DQ_AQ"
    assert second["equilibria"][-1]["user"] == pytest.approx({"DQ": 1 / 3, "VQ": 2 / 3})
    assert second["equilibria"][-1]["llm"] == pytest.approx({"AQ": 5 / 7, "CQ": 2 / 7})
    assert second["trap"] is False
    assert third["equilibria"] == [{"user": {"H": 0.5, "T": 0.5}, "llm": {"H": 0.5, "T": 0.5}}]
    assert third["price_of_anarchy"] is None


def test_one_matrix_may_take_several_lines():
    result = run("--json", text="\n" + json.dumps(DILEMMA, indent=2))
    assert json.loads(result.stdout)["pure_nash"] == ["VQ_DA"]


def test_payoffs_may_have_any_size():
    game = {key: {side: 1e6 * v for side, v in cell.items()} for key, cell in DILEMMA.items()}
    assert json.loads(run("--json", text=json.dumps(game)).stdout)["price_of_anarchy"] == 3


def test_the_page_says_it_all():
    page = run(text=json.dumps(DILEMMA)).stdout
    assert "3, 3 ★" in page and "1, 1 ●" in page
    for words in (
        "DQ_AQ, welfare 6 (user 3, LLM 3)",
        "the user gains 1 by leaving it",
        "no welfare is lost",
        "DQ_AQ, DQ_DA, VQ_AQ",
        "user VQ; LLM DA",
        "yes: a pure equilibrium",
        "3; welfare gap 4",
        "LLM AQ, CQ",
        "LLM DA secures 1",
    ):
        assert words in page


def test_pages_of_several_matrices_are_numbered():
    page = run(text="\n".join(json.dumps(game) for game in (PENNIES, MEETING))).stdout
    assert "matrix 1" in page and "matrix 2" in page
    assert "0.5 H + 0.5 T" in page
    assert "undefined (a welfare is not positive)" in page
    assert "3 extreme equilibria" in page
    assert "nobody gains by leaving it" in page
    assert "3 of welfare is lost if the user plays DQ" in page


def test_a_terminal_without_unicode_gets_plain_marks(monkeypatch):
    written = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(json.dumps(DILEMMA).encode())))
    monkeypatch.setattr("sys.stdout", written)
    command()
    written.flush()
    assert b"3, 3 *" in written.buffer.getvalue()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"VQ_DA": {"LLM": 1}}, "line 2: VQ_DA: missing user"),
        ({"VQ_DA": {"LLM": 1, "user": True}}, "line 2: VQ_DA: the user payoff is a boolean"),
        ({"VQ_DA": {"LLM": 1, "user": 1e200}}, "line 2: VQ_DA: the user payoff is 1e+200"),
        ({"VQ_DA": {"LLM": 1, "user": float("nan")}}, "line 2: VQ_DA: the user payoff is nan"),
        ({"VQ_XX": {"LLM": 1, "user": 1}}, "line 2: the matrix: unknown 'VQ_XX'"),
    ],
)
def test_errors_name_line_and_cell(tmp_path, capsys, change, message):
    text = json.dumps(DILEMMA) + "\n" + json.dumps({**DILEMMA, **change})
    assert message in fail(tmp_path, capsys, text, "--json")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (json.dumps(DILEMMA)[:-1], "line 1: not JSON"),
        (json.dumps(DILEMMA) + '\n\n{"DQ_AQ": ', "line 3: not JSON"),
        (json.dumps(DILEMMA, indent=1).replace('"user": 1', '"user": ?'), "not JSON"),
        (json.dumps(DILEMMA, indent=1)[:-1] + ', "VQ_DA": 1}', "line 1: the matrix: duplicate"),
        ("", "no payoff matrix"),
        ("{}", "missing DQ_AQ, DQ_CQ"),
        ("[1]", "object, not an array"),
        ("7", "object, not a number"),
        (b"\xff{}", "not UTF-8"),
        ('{"H_H": {}, "H_T": {}, "T_H": {}}', "missing T_T"),
        ('{"H.x_H": {}}', "two action names"),
        ('{"HH": {}}', "two action names"),
        ('{"DQ_AQ": {}, "A_B": {}, "C_D": {}}', "missing DQ_CQ"),
        ('{"A_A": {}, "B_B": {}, "C_C": {}, "D_D": {}}', "4 keys do not fill"),
        (json.dumps({k: v for k, v in DILEMMA.items() if k[-2:] != "CQ"}), "missing DQ_CQ, VQ_CQ"),
    ],
)
def test_what_is_no_matrix_is_refused(tmp_path, capsys, text, message):
    assert message in fail(tmp_path, capsys, text)


def test_a_missing_file_is_bad_input(tmp_path, capsys):
    assert main(["solve", str(tmp_path / "none.json")]) == 2
    assert "none.json" in capsys.readouterr().err


def test_help_shows_an_example(capsys):
    assert main(["solve", "--help"]) == 0
    assert "gtalign solve matrix.json" in capsys.readouterr().out
