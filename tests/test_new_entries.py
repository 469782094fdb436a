"""A factor and a rule put where the pages say: the tests of a changed package still hold.

A table, a form or a test that lists the shipped names by hand fails here.
"""

import ast
import os
import shutil
import subprocess
import sys
from pathlib import Path
from textwrap import indent

import pytest

from doc_pages import DOCS, LENT, ROOT, blocks

pytestmark = pytest.mark.early

ENTRIES = {  # of each page: the file that it changes, and the table there
    "add-a-factor.md": ("reward/factors.py", "FACTORS"),
    "add-a-solution-rule.md": ("steering/rules.py", "SOLUTION_RULES"),
}
TESTS = (
    *("test_reward_factors.py", "test_steering_rules.py"),  # as the pages say
    "test_evaluation_metrics.py",
    "test_evaluation_compare.py::test_plain_models_are_compared_by_the_answer_alone",
    "test_docs.py::test_every_block_of_a_page_runs[docs/how-to/add-a-policy.md]",
)


def put(code: str, file: Path, table: str) -> str:
    """Put the function and the entry of a page into a file; returns the name of the entry."""
    function, entry, name = "", "", ""
    for part in ast.parse(code).body:
        if isinstance(part, ast.FunctionDef):
            function = ast.unparse(part)
        elif isinstance(part, ast.Assign) and isinstance(part.targets[0], ast.Subscript):
            assert ast.unparse(part.targets[0].value) == table
            name = ast.literal_eval(part.targets[0].slice)
            entry = ast.unparse(part.value)
    text = file.read_text(encoding="utf-8")
    lines = text.splitlines(keepends=True)
    [at] = [
        part
        for part in ast.parse(text).body
        if isinstance(part, ast.AnnAssign) and ast.unparse(part.target) == table
    ]
    assert at.end_lineno is not None
    last = at.end_lineno - 2  # before the ends of the sequence and of the table
    lines.insert(last, f"{indent(entry, ' ' * 8)},\n")
    lines.insert(at.lineno - 1, f"{function}\n\n\n")
    file.write_text("".join(lines), encoding="utf-8")
    return name


def test_one_entry_more_breaks_no_table_and_no_test(tmp_path: Path) -> None:
    for folder in ("src", "docs", *LENT):
        unread = shutil.ignore_patterns("__pycache__", "*.egg-info")
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=unread)
    for name in ("pyproject.toml", "README.md"):
        shutil.copy(ROOT / name, tmp_path)
    names = []
    for page, (file, table) in ENTRIES.items():
        first = next(
            block for block in blocks(DOCS / "how-to" / page) if block.language == "python"
        )
        names.append(put(first.code, tmp_path / "src" / "gtalign" / file, table))
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-v", "-p", "no:cacheprovider", "-p", "no:xdist"]
        + [f"tests/{test}" for test in TESTS],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(tmp_path / "src")},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout
    assert names == ["plain_words", "worst_case"]
    assert "test_a_batch_is_chosen_like_each_of_its_games[worst_case] PASSED" in done.stdout
