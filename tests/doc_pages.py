"""The pages of the documentation: their blocks of code, and how each is tried.

A block is tried as it stands, in the order of its page, in one folder for each page:

- ``python`` and ``sh`` run in a process of their own, with ``gtalign`` on the path; both begin as
  forks of a process that has imported the package (`command_forks`);
- a block whose title is a file name is written to that file, for the blocks after it;
- ``text title="Output"`` is what the block before it prints; ``...`` stands for anything,
  and alone on a line for any number of lines, none included;
- ``text title="Recorded output"`` was printed once by something that a test does not have;
- ``toml`` is a configuration that some command accepts; ``json`` and ``jsonl`` are JSON.

A block titled ``Needs ...`` needs what a test does not have (a network, a GPU, a model server,
minutes, or an entry of the reader's). It does not run, but its Python compiles, its TOML can be
read, and its commands, options and files exist.
"""

import json
import os
import re
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

import typer

from command_forks import ask
from gtalign.cli import app

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", *sorted(DOCS.rglob("*.md"))]
FORKS = Path(__file__).parent / "command_forks.py"
LENT = ("examples", "benchmarks", "tests")  # folders of the repository that pages name

_FENCE = re.compile(r"^( *)```(\S*)([^\n`]*)\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
_TITLE = re.compile(r'title="([^"]*)"')
_FILE = re.compile(r"[\w./-]+\.\w+")


@dataclass(frozen=True)
class Block:
    """One block of code.

    Args:
        page: The page that holds it.
        line: Number of its first line on the page.
        language: As the fence names it; empty for none.
        title: As the fence says; empty for none.
        code: What it holds.
    """

    page: Path
    line: int
    language: str
    title: str
    code: str

    def __str__(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"

    @property
    def needs(self) -> bool:
        """Whether it says that it needs more than a test has."""
        return self.title.startswith("Needs ")

    @property
    def file(self) -> str | None:
        """The file that it shows."""
        return self.title if _FILE.fullmatch(self.title) else None


def blocks(page: Path) -> list[Block]:
    """Return the blocks of a page in their order."""
    text = page.read_text(encoding="utf-8")
    found = []
    for match in _FENCE.finditer(text):
        indent, language, info, code = match.groups()
        title = _TITLE.search(info)
        lines = [line.removeprefix(indent) for line in code.splitlines(keepends=True)]
        number = text.count("\n", 0, match.start()) + 1
        found.append(Block(page, number, language, title[1] if title else "", "".join(lines)))
    return found


def run(block: Block, folder: Path, path: str, forks: str) -> str:
    """Run a block and return what it prints to standard output.

    Args:
        block: Python or shell code.
        folder: Where it runs.
        path: PATH of its commands.
        forks: Address of the process that is forked.
    """
    env = {**os.environ, "PATH": path, "COLUMNS": "76", "NO_COLOR": "1"}
    with TemporaryFile() as printed, TemporaryFile() as errors, open(os.devnull, "rb") as nothing:
        files = [file.fileno() for file in (nothing, printed, errors)]
        if block.language == "python":
            code = ask(forks, ["python", block.code], str(folder), env, files)
        else:
            bash = ["bash", "-euc", block.code]
            how: dict[str, Any] = {"stdin": nothing, "stdout": printed, "stderr": errors}
            code = subprocess.run(bash, cwd=folder, env=env, timeout=300, **how).returncode
        out, told = (os.pread(number, 1 << 24, 0).decode() for number in files[1:])
    assert code == 0, f"{block}: exit code {code}\n{told}"
    return out


def same(expected: str, printed: str) -> bool:
    """Whether a block of output is what was printed; spaces at the ends of lines are left out."""
    ours, theirs = (
        [f"{line.rstrip()}\n" for line in text.strip().splitlines()] for text in (expected, printed)
    )
    dots = re.escape("...")
    pattern = "".join(
        "(?:.*\n)*" if line == "...\n" else re.escape(line).replace(dots, "[\\s\\S]*")
        for line in ours
    )
    return re.fullmatch(pattern, "".join(theirs)) is not None


def make_folder(folder: Path, forks: str) -> str:
    """Fill the folder of a page and return the PATH of its commands."""
    client = f'-S -E "{FORKS}" "{forks}" gtalign '
    for name in LENT:
        (folder / name).symlink_to(ROOT / name)
    place = folder / ".bin"
    place.mkdir()
    for name, module in {"gtalign": client, "python": ""}.items():
        script = place / name
        script.write_text(f'#!/bin/sh\nexec "{sys.executable}" {module}"$@"\n', encoding="utf-8")
        script.chmod(0o755)
    return f"{place}{os.pathsep}{os.environ['PATH']}"


def commands(code: str) -> Iterator[list[str]]:
    """Yield the words of each command of a shell script."""
    joined = re.sub(r"(^|\s)# [^\n]*", "", code.replace("\\\n", " "))
    lexer = shlex.shlex(joined, posix=True, punctuation_chars="|&;")
    lexer.whitespace = " \t"
    lexer.whitespace_split = True
    words: list[str] = []
    for word in [*lexer, "\n"]:
        for part in re.split(r"(\n)", word):
            if part == "\n" or (part and set(part) <= set("|&;")):
                if words:
                    yield words
                words = []
            elif part:
                words.append(part)


def check_command(words: list[str]) -> None:
    """See that a command of a script exists, with its options and the files that it names."""
    while words and re.fullmatch(r"[A-Z_]+=.*", words[0]):
        words = words[1:]
    if not words:
        return
    if words[0] == "gtalign":
        check_options(words[1:])
    elif words[0] == "make":
        targets = re.findall(r"^([a-z0-9-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
        assert words[1] in targets, f"make has no target {words[1]!r}"
    for word in words[1:]:
        if word.partition("/")[0] in (*LENT, "docs"):
            assert (ROOT / word).exists(), f"no file {word}"


def check_options(words: list[str]) -> None:
    """See that a command of ``gtalign`` and all of its options exist.

    Raises:
        TyperException: One does not.
    """
    group: Any = typer.main.get_command(app)
    context = group.context_class(group, info_name="gtalign")
    while hasattr(group, "resolve_command"):
        if not words or words[0].startswith("-"):
            break
        _, group, words = group.resolve_command(context, words)
        context = group.context_class(group, info_name=group.name, parent=context)
    group.make_parser(context).parse_args(list(words))


def check_data(block: Block) -> None:
    """See that a block of TOML, JSON or JSON Lines is what it says."""
    if block.language == "toml":
        tomllib.loads(block.code)
    elif block.language == "json":
        json.loads(block.code)
    else:
        for line in block.code.splitlines():
            json.loads(line)
