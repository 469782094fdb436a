"""What commands print: results, tables and progress, whatever stands in the data."""

import io
import json
import re
import sys
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from gtalign.cli.show.judges import print_check
from gtalign.cli.show.progress import Bar
from gtalign.cli.show.questions import print_checked, print_mixed, print_summary
from gtalign.cli.show.result import print_result, results_only
from gtalign.cli.show.table import clean, plain_table, print_table, wide_console
from gtalign.data.check import Checked
from gtalign.data.duplicates import DuplicateConfig
from gtalign.data.inspect import summarise
from gtalign.data.mixture import Mixed
from gtalign.data.validate import Problem, ValidationReport
from gtalign.judges import JudgeCheck, WilsonShare
from gtalign.judges.check import PositionCheck, TaskCheck
from gtalign.tasks import Message, Question

ESCAPE = "\x1b[2J\x9b31m\u202e\n"
NOTHING = WilsonShare(None, None, None, 0)


def test_a_result_is_one_json_object_for_programs(capsys: pytest.CaptureFixture[str]) -> None:
    result = {"steps": 3, "last": None, "judges": {"local": {"calls": 2}}, "W": 0.123456}
    print_result(result, as_json=True)
    printed = capsys.readouterr().out
    assert json.loads(printed) == result
    assert printed.count("\n") == 1


def test_a_result_is_a_line_a_fact_for_people(capsys: pytest.CaptureFixture[str]) -> None:
    print_result(
        {
            "checkpoint": "runs/rl",
            "share": 0.25,
            "last": None,
            "judges": {"local": {"calls": 2, "cost": None}, "kept": 3},
            "failures": {},
        },
        as_json=False,
    )
    assert capsys.readouterr().out.splitlines() == [
        "checkpoint: runs/rl",
        "share: 0.250",
        "last: unknown",
        "judges:",
        "    local: calls 2, cost unknown",
        "    kept: 3",
        "failures:",
    ]


def test_what_a_library_prints_is_no_result(capsys: pytest.CaptureFixture[str]) -> None:
    with results_only():
        print("{'loss': 2.0}")
    print("result")
    told = capsys.readouterr()
    assert (told.out, told.err) == ("result\n", "{'loss': 2.0}\n")


@pytest.mark.parametrize("text", ["plain", "é 日本 🙂", "a b"])
def test_what_can_be_printed_is_printed(text: str) -> None:
    assert clean(text) == text


@pytest.mark.parametrize("code", ["\x1b", "\r", "\n", "\x07", "\u202e", "\u200b", "\ud800"])
def test_no_terminal_is_made_to_obey(code: str) -> None:
    assert clean(f"a{code}b") == "a\N{REPLACEMENT CHARACTER}b"


def test_a_file_gets_tables_as_wide_as_they_are(capsys: pytest.CaptureFixture[str]) -> None:
    table = plain_table([f"a column of many words {n}" for n in range(5)])
    table.add_row("task", *"12345")
    print_table(wide_console(), "a title " * 20, table)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].rstrip() == ("a title " * 20).strip()  # on one line
    assert all(f"a column of many words {n}" in lines[1] + lines[2] for n in range(5))


def question(text: str, task: str = "math-hard", **facts: Any) -> Question:
    messages = (Message(role="user", content=text),)
    return Question(f"q{ESCAPE}", task, messages, facts.pop("truth", "4"), "c", extra=facts)


def test_a_summary_shows_questions_but_no_harmful_request(
    capsys: pytest.CaptureFixture[str],
) -> None:
    asked = [
        question("How much is 2+2?" + ESCAPE),
        question("w " * 400),
        question("a wicked request", "wildguard", truth="harmful"),
    ]
    for show in (False, True):
        print_summary(Path("set.jsonl"), summarise(asked, samples=3, seed=0), show_harmful=show)
        printed = capsys.readouterr().out
        assert ("a wicked request" in printed) is show
        assert ("--show-harmful shows it" in printed) is not show
        assert "How much is 2+2?" in printed
        assert "w w w..." in printed or "w w ..." in printed
        assert "\x1b" not in printed and "\u202e" not in printed


def test_a_check_names_the_row_and_column_of_each_problem(
    capsys: pytest.CaptureFixture[str],
) -> None:
    file = Path("set.jsonl")
    problems = (Problem(3, "prompt", f"no list{ESCAPE}"), Problem(None, "", "no rows"))
    report = ValidationReport(9, 7, problems, 5)
    checked = Checked(DuplicateConfig(threshold=0.7), "question", {file: report}, {}, [])
    assert checked.wrong
    print_checked(checked)
    printed = capsys.readouterr().out
    assert "set.jsonl, line 4, column prompt: no list" in printed
    assert "set.jsonl: no rows" in printed
    assert "set.jsonl: and 3 more problems" in printed
    assert "near (Jaccard 0.7)" in printed
    assert "rows of a test file that share" not in printed  # there was no test file
    assert "\x1b" not in printed


def test_a_mixture_prints_shares_and_what_it_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    mixed = Mixed({"math": 30, "safety": 10}, {"math": 300, "safety": 10}, {"near duplicate": 4})
    print_mixed(Path("mix.jsonl"), mixed)
    told = capsys.readouterr()
    assert "mix.jsonl: 40 rows" in told.out
    rows = [line.split() for line in told.out.splitlines()]
    assert ["math", "30", "75.0%", "300"] in rows
    assert ["safety", "10", "25.0%", "10"] in rows
    assert told.err == "4 rows left out: near duplicate\n"


def checked_task(**changes: Any) -> TaskCheck:
    given: dict[str, Any] = {
        "task": "math",
        "labelled": 8,
        "unlabelled": 2,
        "unscored": 0,
        "reason": None,
        "same": WilsonShare(0.75, 0.41, 0.93, 8),
        "alpha": 0.5,
        "alpha_low": None,
        "alpha_high": None,
        "sensitivity": WilsonShare(1.0, 0.51, 1.0, 4),
        "specificity": NOTHING,
        "rate": None,
        "no_rate": "the judge is no better than chance",
    }
    return TaskCheck(**{**given, **changes})


def test_a_check_of_judges_shows_what_is_unknown_as_such(
    capsys: pytest.CaptureFixture[str],
) -> None:
    print_check(JudgeCheck((checked_task(),), ()))
    told = capsys.readouterr()
    assert "0.75 [0.41, 0.93]" in told.out
    assert ["math", "1.00", "[0.51,", "1.00]", "-"] in [x.split() for x in told.out.splitlines()]
    assert "pairs compared" not in told.out  # no endpoint compared any
    assert "without a label" not in told.out  # there is no rate
    assert told.err == "math: the rate is not corrected: the judge is no better than chance\n"


def test_a_check_of_judges_says_who_gave_no_verdict_and_why(
    capsys: pytest.CaptureFixture[str],
) -> None:
    position = PositionCheck(
        "local", 6, 2, "it timed out", WilsonShare(0.5, 0.2, 0.8, 4), NOTHING, NOTHING
    )
    task = checked_task(unlabelled=0, unscored=1, reason="it said nothing")
    print_check(JudgeCheck((task,), (position,)))
    told = capsys.readouterr()
    assert ["local", "6", "0.50", "[0.20,", "0.80]", "-", "-"] in [
        line.split() for line in told.out.splitlines()
    ]
    assert told.err.splitlines() == [
        "math: 1 without a verdict; the last: it said nothing",
        "local: 2 without a verdict; the last: it timed out",
    ]


def terminal() -> Console:
    return Console(file=io.StringIO(), force_terminal=True, width=100)


def shown(console: Console) -> str:
    """What stands on a terminal, without the codes of colours."""
    assert isinstance(console.file, io.StringIO)
    return re.sub(r"\x1b\[[\d;?]*[A-Za-z]", "", console.file.getvalue())


def test_a_bar_appears_with_the_first_step_and_no_earlier() -> None:
    console = terminal()
    with pytest.raises(ValueError, match="refused"), Bar(console):
        raise ValueError("refused")
    assert shown(console) == ""
    with Bar(console, "{task.completed:.0f} answered") as bar:
        assert shown(console) == ""
        bar(1, 2, "answers")
    assert "answers" in shown(console)
    assert "1 answered" in shown(console)


def test_a_problem_is_printed_above_the_bar_as_it_is() -> None:
    console = terminal()
    with Bar(console) as bar:
        bar(1, None, "answers", "q1: [bold]no answer[/bold] [/]")
    assert "q1: [bold]no answer[/bold] [/]" in shown(console)


def test_a_problem_does_not_command_the_terminal() -> None:
    console = terminal()
    with Bar(console) as bar:
        bar(1, None, "answers", f"q1: the server said {ESCAPE}nothing")
    assert "\x1b[2J" not in shown(console) and "\x9b" not in shown(console)
    assert "nothing" in shown(console)


def test_a_bar_does_not_write_among_results(capsys: pytest.CaptureFixture[str]) -> None:
    with Bar() as bar:
        bar(1, 2, "answers", "q1: no answer")
        print("result", file=sys.stdout)
    told = capsys.readouterr()
    assert told.out == "result\n"
    assert "q1: no answer" in told.err


def test_in_a_file_a_line_is_written_each_minute() -> None:
    console, seconds = Console(file=io.StringIO(), width=100), iter([0.0, 30.0, 61.0, 90.0, 125.0])
    with Bar(console, "{task.percentage:>3.0f}%", clock=lambda: next(seconds)) as bar:
        for share in (0.0, 0.1, 0.25, 0.4, 0.5):
            bar(share, 1.0, "base (seed 0)")
    assert shown(console).splitlines() == [
        "base (seed 0): 25%, 1 min so far, about 3 min left",
        "base (seed 0): 50%, 2 min so far, about 2 min left",
    ]


@pytest.mark.parametrize(
    ("shares", "told"),
    [
        ((0.34, 0.34), "1 min so far"),  # an earlier run did that
        ((0.34, 0.67), "1 min so far, about 1 min left"),
        ((0.0, 0.001), "1 min so far"),  # not "about 999 min left"
        ((0.0, 0.02), "1 min so far, about 49 min left"),
    ],
)
def test_it_tells_the_time_left_once_it_can_know(shares: tuple[float, ...], told: str) -> None:
    console, seconds = Console(file=io.StringIO(), width=100), iter([0.0, 60.0])
    with Bar(console, "{task.percentage:>3.0f}%", clock=lambda: next(seconds)) as bar:
        for share in shares:
            bar(share, 1.0, "base")
    assert shown(console).rstrip().endswith(f"%, {told}")


def test_in_a_file_short_work_says_nothing() -> None:
    console = Console(file=io.StringIO(), width=100)
    with Bar(console, clock=lambda: 1.0) as bar:
        bar(1, 2, "answers")
    assert shown(console) == ""
