"""The documentation is tried: every block of code, every command, every figure drawn from code."""

import importlib
import os
import re
import subprocess
import sys
import tomllib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from subprocess import PIPE
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from doc_pages import (
    DOCS,
    FORKS,
    PAGES,
    ROOT,
    Block,
    blocks,
    check_command,
    check_data,
    commands,
    make_folder,
    run,
    same,
)
from gtalign.config import Config, load_table
from gtalign.dialogue import LEAKS
from gtalign.dialogue.measures import MEASURES
from gtalign.errors import ConfigError
from gtalign.evaluation.faithfulness import EDITS
from gtalign.reward import FACTORS, PRESETS
from gtalign.steering import SOLUTION_RULES, policy_names

RUNS = ("python", "sh")
DATA = ("toml", "json", "jsonl")
TITLES = ("Output", "Recorded output")
UNTITLED = {
    "docs/explanation/asking.md": 1,
    "docs/explanation/method.md": 2,
    "docs/explanation/steering.md": 4,
}
"""Blocks of text that nothing tries, by page: formulas, algorithms and the form of a chain."""
ALL = [block for page in PAGES for block in blocks(page)]
NAMES = [str(page.relative_to(ROOT)) for page in PAGES]


def of(*languages: str) -> list[Block]:
    return [block for block in ALL if block.language in languages]


@pytest.fixture
def hooks(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Import a hook of the site by its name."""
    monkeypatch.syspath_prepend(str(DOCS / "hooks"))

    def find(name: str) -> Any:
        sys.modules.pop(name, None)
        return importlib.import_module(name)

    return find


@pytest.fixture(scope="session")
def forks() -> Iterator[str]:
    """The address of a process that is forked for each command and script."""
    with TemporaryDirectory() as folder:
        address = str(Path(folder, "socket"))
        command = [sys.executable, str(FORKS), address]
        env = {**os.environ, "COLUMNS": "76", "NO_COLOR": "1"}
        with subprocess.Popen(command, env=env, stdin=PIPE, stdout=PIPE) as process:
            assert process.stdout is not None and process.stdin is not None
            assert process.stdout.readline() == b"ready\n"
            yield address
            process.stdin.close()


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_every_block_of_a_page_runs(
    page: Path, forks: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = make_folder(tmp_path, forks)
    monkeypatch.chdir(tmp_path)
    printed: str | None = None
    for block in blocks(page):
        if block.file is not None:
            place = tmp_path / block.file
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(block.code, encoding="utf-8")
        elif block.title == "Output":
            assert printed is not None, f"{block}: no block before it was run"
            assert same(block.code, printed), f"{block}: printed was\n{printed}"
        elif block.language in RUNS and not block.needs:
            printed = run(block, tmp_path, path, forks)
            continue
        printed = None


@pytest.mark.parametrize("block", of(*RUNS), ids=str)
def test_every_command_exists(block: Block) -> None:
    if block.language == "python":
        compile(block.code, str(block), "exec")
        return
    for words in commands(block.code):
        check_command(words)


@pytest.mark.parametrize("block", of(*DATA), ids=str)
def test_every_block_of_data_can_be_read(block: Block) -> None:
    check_data(block)


def test_every_block_says_what_it_is() -> None:
    known = {*RUNS, *DATA, "text"}
    assert [str(block) for block in ALL if block.language not in known] == []
    for block in ALL:
        if block.title and block.file is None:
            assert block.needs or block.title in TITLES, f"{block}: title {block.title!r}"
        assert block.language == "text" or block.title not in TITLES, f"{block} is no text"


def test_every_block_of_text_says_why_it_is_not_tried() -> None:
    untitled = Counter(str(block.page.relative_to(ROOT)) for block in of("text") if not block.title)
    assert untitled == UNTITLED


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_no_command_stands_outside_a_fence(page: Path) -> None:
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    assert (
        re.findall(r"^(?: {4}|\t)(?:gtalign|make|pip|python|export) .*$", text, re.MULTILINE) == []
    )


@pytest.mark.parametrize("block", [b for b in of("toml") if not b.needs], ids=str)
def test_every_block_of_toml_configures_something(block: Block, hooks: Any) -> None:
    refused = []
    for _, place, _ in hooks("settings").FILES:
        try:
            load_table(hooks("settings").config_class(place), tomllib.loads(block.code), place)
        except ConfigError as error:
            refused.append(str(error))
        else:
            return
    pytest.fail(f"{block}: no command reads this:\n" + "\n".join(refused))


def test_the_figure_of_the_packages_is_drawn_from_the_imports(
    hooks: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    packages = hooks("packages")
    imports = packages.read_imports(ROOT / "src" / "gtalign")
    assert imports["game"] == {"config", "drawing", "errors"}
    assert "lab" in imports["cli"]
    order = [name for row in packages.levels(imports) for name in row]
    assert sorted(order) == sorted(imports)
    for name, below in imports.items():
        assert all(order.index(other) < order.index(name) for other in below)
    read = {ROOT / "src" / "gtalign": imports}
    monkeypatch.setattr(packages, "read_imports", read.__getitem__)  # it takes a second
    page = packages.on_page_markdown((DOCS / "explanation/packages.md").read_text())
    assert packages.MARK not in page
    drawn = set(re.findall(r'data-from="(\w+)" data-to="(\w+)"', page))
    told = dict(re.findall(r"^\| `(\w+)` \| (.*) \|$", page, re.MULTILINE))
    assert {name: set(re.findall(r"`(\w+)`", cell)) for name, cell in told.items()} == imports
    reached = {name: set(below) for name, below in imports.items()}
    for name in order:
        reached[name] |= {far for below in imports[name] for far in reached[below]}
    for name, below in imports.items():
        lines = {target for source, target in drawn if source == name}
        assert lines <= below
        assert lines.union(*(reached[target] for target in lines)) == reached[name]


def test_the_figure_leaves_out_what_follows_from_other_imports(hooks: Any) -> None:
    packages = hooks("packages")
    chain: dict[str, set[str]] = {"a": set(), "b": {"a"}, "c": {"a", "b"}}
    assert packages.direct(chain) == {"a": set(), "b": {"a"}, "c": {"b"}}
    assert packages.levels(chain) == [["a"], ["b"], ["c"]]


def test_the_reference_has_a_page_for_every_package(hooks: Any) -> None:
    for name in hooks("packages").read_imports(ROOT / "src" / "gtalign"):
        if name == "cli":  # it has a page of its own
            continue
        text = (DOCS / "reference" / f"{name}.md").read_text(encoding="utf-8")
        assert f"\n::: gtalign.{name}\n" in text
        assert f"reference/{name}.md" in (ROOT / "mkdocs.yml").read_text(encoding="utf-8")


def test_the_command_line_is_described_from_its_commands(hooks: Any) -> None:
    from gtalign.cli import COMMANDS

    page = "\n".join(hooks("commands").describe())
    names = re.findall(r"^## gtalign (.*)$", page, re.MULTILINE)
    assert set(COMMANDS) <= set(names)
    assert {"data build", "data mix"} <= set(names)
    assert "| `--policy` |" in page


def test_every_key_of_every_configuration_is_described(hooks: Any) -> None:
    settings = hooks("settings")
    page = "\n".join(settings.describe())
    for _, place, _ in settings.FILES:
        cls = settings.config_class(place)
        assert issubclass(cls, Config)
        for name in cls.model_fields:
            assert re.search(rf"^\| `(?:[\w.]+\.)?{name}` \|", page, re.MULTILINE), (
                f"{place} {name}"
            )


def test_every_key_of_every_configuration_has_a_meaning(hooks: Any) -> None:
    rows = [line for line in hooks("settings").describe() if line.startswith("| `")]
    assert len(rows) > 300
    assert [row for row in rows if not row.split(" | ")[-1].removesuffix("|").strip()] == []
    assert [row for row in rows if "see the class" in row.split(" | ")[2]] == []


def test_a_key_without_a_meaning_is_noticed(hooks: Any) -> None:
    class Bare(Config):
        """Says nothing of its key."""

        size: int = 3

    assert "| `size` | `int` | `3` |  |" in list(hooks("settings")._keys(Bare, "", set()))


def test_every_page_is_in_the_navigation() -> None:
    listed = re.findall(r"([\w/-]+\.md)$", (ROOT / "mkdocs.yml").read_text(), re.MULTILINE)
    assert sorted(listed) == sorted(str(page.relative_to(DOCS)) for page in PAGES[1:])


def test_the_method_names_every_factor_and_preset(hooks: Any) -> None:
    page = (DOCS / "explanation/method.md").read_text(encoding="utf-8")
    text = hooks("entries").on_page_markdown(page)
    table = text.partition("\n## The factors\n")[2].partition("\n## ")[0]
    assert [name for name in FACTORS if f"`{name}`" not in table] == []
    table = text.partition("\n## The welfare of each side\n")[2].partition("\n## ")[0]
    assert [name for name in PRESETS if f"| `{name}`" not in table] == []


def test_the_explanation_of_steering_names_every_rule_and_policy(hooks: Any) -> None:
    page = (DOCS / "explanation/steering.md").read_text(encoding="utf-8")
    text = hooks("entries").on_page_markdown(page)
    table = text.partition("\n## The choice\n")[2].partition("\n## ")[0]
    assert [name for name in SOLUTION_RULES if f"`{name}`" not in table] == []
    assert [name for name in policy_names() if f"`{name}`" not in text] == []


def test_the_page_on_faithfulness_names_every_edit(hooks: Any) -> None:
    page = (DOCS / "how-to/measure-faithfulness.md").read_text(encoding="utf-8")
    text = hooks("entries").on_page_markdown(page)
    assert [name for name in EDITS if f"| `{name}` |" not in text] == []


def test_the_page_on_conversations_names_every_measure_and_leak(hooks: Any) -> None:
    page = (DOCS / "how-to/converse.md").read_text(encoding="utf-8")
    text = hooks("entries").on_page_markdown(page)
    assert [one.label for one in MEASURES.values() if f"| {one.label} |" not in text] == []
    assert [name for name in LEAKS if f"| `{name}` |" not in text] == []


@pytest.mark.parametrize("folder", ["src", "examples", "benchmarks"])
def test_every_page_that_the_code_names_is_there(folder: str) -> None:
    for file in (ROOT / folder).rglob("*"):
        if file.suffix in (".py", ".toml", ".jinja", ".html", ".ipynb"):
            named = re.findall(r"docs/[\w/-]+\.(?:md|png)", file.read_text(encoding="utf-8"))
            assert [page for page in named if not (ROOT / page).is_file()] == [], file
