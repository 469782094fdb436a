"""Writes the reference of the command line from the commands themselves."""

import inspect
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

SOURCES = Path(__file__).parents[2] / "src"
MARK = "<!-- commands -->"


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Put every command in the place of the mark; mkdocs calls this for every page."""
    return markdown.replace(MARK, "\n".join(describe())) if MARK in markdown else markdown


def root() -> Any:
    """Return the command ``gtalign`` as typer builds it."""
    if str(SOURCES) not in sys.path:
        sys.path.insert(0, str(SOURCES))
    import typer

    from gtalign.cli import app

    return typer.main.get_command(app)


def commands() -> Iterator[tuple[str, Any]]:
    """Yield each command by the words that call it, such as ``data build``."""
    yield from _below("", root())


def describe() -> Iterator[str]:
    """Yield the lines of the reference: the help of each command and a table of its options."""
    for name, command in commands():
        text, example = _split(inspect.cleandoc(command.help or ""))
        yield from (f"## gtalign {name}", "", text, "")
        if example:
            yield from ("```text", *example, "```", "")
        rows = [_row(parameter) for parameter in command.params if not _is_help(parameter)]
        if rows:
            yield from ("| option | value | default | meaning |", "|---|---|---|---|", *rows, "")


def _below(before: str, group: Any) -> Iterator[tuple[str, Any]]:
    context = group.context_class(group, info_name="gtalign")
    for name in group.list_commands(context):
        _, command, _ = group.resolve_command(context, [name])
        words = f"{before} {name}".strip()
        yield words, command
        if hasattr(command, "list_commands"):
            yield from _below(words, command)


def _split(text: str) -> tuple[str, list[str]]:
    """Part a help text into what it says and the lines of its example."""
    said, _, example = text.replace("Examples:", "Example:").partition("Example:")
    return said.strip(), inspect.cleandoc(example).splitlines()


def _is_help(parameter: Any) -> bool:
    return bool(parameter.name == "help")


def _row(parameter: Any) -> str:
    option = bool(parameter.param_type_name == "option")
    names = parameter.opts + parameter.secondary_opts
    shown = ", ".join(f"`{name}`" for name in names) if option else f"`{_metavar(parameter)}`"
    flag = bool(getattr(parameter, "is_flag", False))
    value = "" if flag or not option else f"`{_metavar(parameter)}`"
    default = parameter.default
    if parameter.required:
        told = "required"
    elif flag or default is None or callable(default) or default in ([], ()):
        told = ""
    else:
        told = f"`{default}`"
    return f"| {shown} | {value} | {told} | {_cell(parameter.help or '')} |"


def _metavar(parameter: Any) -> str:
    return str(parameter.metavar or parameter.name.upper())


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")
