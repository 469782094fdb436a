"""A table for people and for programs, and the ways to write it: five forms of one sheet."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from gtalign.drawing import Content, Markup, element, fixed, interval, join
from gtalign.evaluation.export import csv_text, latex, markdown, write_texts
from gtalign.evaluation.markup import Cell, Row, section, small, table
from gtalign.evaluation.page import write_page
from gtalign.evaluation.variation import Variation

Lines = tuple[str, ...]
"""The lines of a cell: a number, and what stands below it."""


@dataclass(frozen=True, slots=True)
class Sheet:
    """One table.

    Args:
        name: Name of its files.
        title: Its heading.
        head: Heads of the columns.
        rows: Cells of each row, the first of them its name.
        records: The same numbers as plain values, None where one is unknown.
        notes: What the numbers mean, in sentences.
    """

    name: str
    title: str
    head: Sequence[str]
    rows: Sequence[Sequence[Lines]]
    records: Sequence[Mapping[str, Any]]
    notes: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Report:
    """Tables under one name.

    Args:
        name: Name of the table, as the command takes it.
        title: Its heading.
        sentences: What it shows, and no more than the intervals do.
        sheets: The tables.
        pictures: Pictures for the page, with their legend.
    """

    name: str
    title: str
    sentences: Sequence[str]
    sheets: Sequence[Sheet]
    pictures: Markup | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the sentences, and the numbers of each sheet, as one JSON object."""
        return {
            "table": self.name,
            "sentences": list(self.sentences),
            **{sheet.name: [dict(record) for record in sheet.records] for sheet in self.sheets},
        }

    def print(self, console: Console) -> None:
        """Print the sentences and the tables; columns that do not fit follow in a further table.

        A note stands below the first table that it is about, and holds for the later ones.
        """
        said: set[str] = set()
        for sentence in self.sentences:
            console.print(sentence, markup=False, highlight=False, soft_wrap=True)
        for sheet in self.sheets:
            for columns in _fitting(sheet, console.width):
                console.print(_terminal(sheet, columns))
            for note in sheet.notes:
                if note not in said:
                    console.print(Text(note, style="dim"))
            said.update(sheet.notes)

    def write_html(self, path: Path) -> None:
        """Write one page with everything.

        Raises:
            StorageError: It cannot be written.
        """
        write_page(path, title=self.title, headline=self.sentences, sections=self.sections())

    def sections(self) -> list[Markup]:
        """The pictures and each sheet as a section of a page whose headline is the sentences."""
        pictures = [section("Pictures", "", self.pictures)] if self.pictures else []
        return [*pictures, *(section(sheet.title, "", _html(sheet)) for sheet in self.sheets)]

    def section(self) -> Markup:
        """Everything as one section of another page."""
        sentences = element("ul", (element("li", sentence) for sentence in self.sentences))
        tables = (join(element("h3", sheet.title), _html(sheet)) for sheet in self.sheets)
        return section(self.title, "", sentences, self.pictures, *tables)

    def write_csv(self, folder: Path) -> list[Path]:
        """Write each sheet's numbers as ``NAME.csv``."""
        return write_texts(
            folder, {f"{s.name}.csv": csv_text(s.records) for s in self.sheets if s.records}
        )

    def write_latex(self, folder: Path) -> list[Path]:
        """Write each sheet as ``NAME.tex``."""
        return write_texts(
            folder, {f"{s.name}.tex": latex(s.head, map(_joined, s.rows)) for s in self.sheets}
        )

    def write_markdown(self, folder: Path) -> list[Path]:
        """Write each sheet as ``NAME.md``."""
        return write_texts(
            folder, {f"{s.name}.md": markdown(s.head, map(_joined, s.rows)) for s in self.sheets}
        )


def varied(found: Variation, digits: int = 3, *, sign: bool = False) -> Lines:
    """A number with its intervals, each on a line: over questions, then over both."""
    lines = [fixed(found.value, digits, sign=sign)]
    if found.questions is not None:
        lines.append(interval(*found.questions, digits, sign=sign))
    if found.both is not None:
        lines.append(f"runs {interval(*found.both, digits, sign=sign)}")
    elif found.training is not None:
        lines.append(f"runs alone {interval(*found.training, digits, sign=sign)}")
    if found.spread is not None:
        lines.append(f"sd of runs {fixed(found.spread.training, digits)}")
    return tuple(lines)


INTERVALS = (
    "Below each number: its 95% interval over other questions, with the trained models as they are."
)
RUNS = (
    "Then the 95% interval over other questions and other training runs (runs alone: over other "
    "training runs with these questions), and the standard deviation between training runs that "
    "the spread of the questions does not explain."
)
ONE_RUN = "There is one training run: nothing is known about another one."


def interval_notes(variations: Iterable[Variation]) -> list[str]:
    """The sentences that say what the lines of `varied` are."""
    held = list(variations)
    return [INTERVALS, RUNS if any(one.training is not None for one in held) else ONE_RUN]


def _joined(row: Sequence[Lines]) -> list[str]:
    return [" ".join(filter(None, cell)) for cell in row]


def _html(sheet: Sheet) -> Markup:
    def cell(lines: Lines) -> Cell:
        content: Content = (lines[0], small(lines[1:])) if lines else ""
        return Cell(content)

    rows = [Row(" ".join(row[0]), [cell(lines) for lines in row[1:]]) for row in sheet.rows]
    notes = element("ul", (element("li", note) for note in sheet.notes), class_="notes")
    return join(table(sheet.head, rows), notes if sheet.notes else None)


def _terminal(sheet: Sheet, columns: Sequence[int]) -> Table:
    drawn = Table(
        title=sheet.title,
        box=SIMPLE_HEAD,
        title_justify="left",
        title_style="bold",
        padding=(0, 1, 0, 0),
    )
    for column in columns:
        drawn.add_column(
            Text(sheet.head[column]), justify="right" if column else "left", overflow="fold"
        )
    for row in sheet.rows:
        drawn.add_row(*(_styled(row[column], first=not column) for column in columns))
    return drawn


def _styled(lines: Lines, *, first: bool) -> Text:
    text = Text(lines[0] if lines else "")
    for line in lines[1:]:
        text.append(f"\n{line}", style="" if first else "dim")
    return text


def _fitting(sheet: Sheet, width: int) -> list[list[int]]:
    """The columns of each of the tables that a sheet is split into; the first is in all of them."""

    def wide(column: int) -> int:
        cells = (line for row in sheet.rows for line in row[column])
        return max([len(sheet.head[column]), *map(len, cells)]) + 1

    found: list[list[int]] = []
    room = 0
    for column in range(1, len(sheet.head)):
        if not found or wide(column) > room:
            found.append([0])
            room = width - wide(0)
        found[-1].append(column)
        room -= wide(column)
    return found or [[0]]
