"""The tables of a comparison as files for other programs: CSV and LaTeX."""

import csv
import errno
import io
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from gtalign.drawing import NONE, change, fixed, interval
from gtalign.errors import StorageError
from gtalign.evaluation.comparison import Comparison
from gtalign.evaluation.metrics import Metric, metrics
from gtalign.evaluation.tables import best_model, p_value, relative_interval, shown
from gtalign.files.replace import replacing


def write_csv(comparison: Comparison, folder: Path) -> list[Path]:
    """Write `Comparison.tables` as ``NAME.csv`` and return the files, one for each that has rows.

    Raises:
        StorageError: A file cannot be written.
    """
    texts = {f"{name}.csv": csv_text(rows) for name, rows in comparison.tables().items() if rows}
    return write_texts(folder, texts)


def write_latex(comparison: Comparison, folder: Path) -> list[Path]:
    """Write tables for a paper as ``NAME.tex``, in the style of booktabs, and return the files.

    A group has ``estimates-GROUP``, its means with 95% intervals, and ``differences-GROUP``; all of
    them together have ``pareto``, ``pairing`` and ``gains``.

    Raises:
        StorageError: A file cannot be written.
    """
    tables = _tables(comparison).items()
    return write_texts(folder, {f"{name}.tex": latex(head, rows) for name, (head, rows) in tables})


def write_markdown(comparison: Comparison, folder: Path) -> list[Path]:
    """Write the tables of `write_latex` as Markdown, ``NAME.md``, and return the files.

    Raises:
        StorageError: A file cannot be written.
    """
    tables = _tables(comparison).items()
    return write_texts(
        folder, {f"{name}.md": markdown(head, rows) for name, (head, rows) in tables}
    )


Texts = tuple[Sequence[str], Iterable[Sequence[str]]]
"""The head of a table and its rows."""


def _tables(comparison: Comparison) -> dict[str, Texts]:
    """The tables by the names of their files."""
    texts: dict[str, Texts] = {}
    for group in comparison.groups:
        name = re.sub(r"[^a-z0-9]+", "-", group.name.lower()).strip("-") or "all"
        texts[f"estimates-{name}"] = _estimates(comparison, group.name)
        if comparison.baselines:
            texts[f"differences-{name}"] = _differences(comparison, group.name)
    if comparison.standings:
        against = (f"Dominated by {comparison.reference}", f"Dominates {comparison.reference}")
        head = ("Model", "Set", "Hypervolume", "Undominated", *against)
        texts["pareto"] = (
            head,
            (
                (
                    one.model,
                    one.group,
                    fixed(one.hypervolume),
                    fixed(one.coverage),
                    NONE if one.wins is None else str(one.wins),
                    NONE if one.losses is None else str(one.losses),
                )
                for one in comparison.standings
            ),
        )
    if comparison.pairings:
        head = (
            "Reference",
            "Baseline",
            "Paired by",
            "Questions",
            "Only reference",
            "Only baseline",
        )
        texts["pairing"] = (
            head,
            (
                (
                    one.reference,
                    one.baseline,
                    one.by,
                    *map(str, (one.paired, one.only_reference, one.only_baseline)),
                )
                for one in comparison.pairings
            ),
        )
    if comparison.gains:
        texts["gains"] = (
            ("", "Set", "Best baseline", "Gain", "95% interval", "Published"),
            (
                (
                    metrics()[one.metric].label,
                    one.group,
                    one.baseline or NONE,
                    NONE if one.ours is None else change(one.ours.contrast.relative),
                    "" if one.ours is None else relative_interval(one.ours),
                    change(one.published / 100),
                )
                for one in comparison.gains
            ),
        )
    return texts


def latex(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table for LaTeX, with booktabs; all columns but the first to the right."""
    lines = [" & ".join(map(_escaped, cells)) + r" \\" for cells in (head, *rows)]
    columns = "l" + "r" * (len(head) - 1)
    start = [rf"\begin{{tabular}}{{{columns}}}", r"\toprule", lines[0], r"\midrule"]
    return "\n".join([*start, *lines[1:], r"\bottomrule", r"\end{tabular}", ""])


def markdown(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table for Markdown; all columns but the first to the right."""
    lines = ["| " + " | ".join(map(_unmarked, cells)) + " |" for cells in (head, *rows)]
    return "\n".join([lines[0], "|---" + "|---:" * (len(head) - 1) + "|", *lines[1:], ""])


def _unmarked(text: str) -> str:
    """Text of a cell: without line breaks, and with what is markup escaped."""
    return re.sub(r"([\\|*_`<>]|\](?=\())", r"\\\1", " ".join(text.split()))


def _estimates(comparison: Comparison, group: str) -> Texts:
    def cell(model: str, metric: Metric) -> str:
        found = comparison.estimate(model, group, metric.name)
        if found is None or found.value is None:
            return NONE
        ends = interval(found.interval.low, found.interval.high, metric.digits)
        mark = "*" if model == best_model(comparison, group, metric) else ""
        return f"{fixed(found.value, metric.digits)}{mark} {ends}".strip()

    return (
        ("", *comparison.models),
        (
            (metric.label, *(cell(model, metric) for model in comparison.models))
            for metric in shown(comparison, group)
        ),
    )


def _differences(comparison: Comparison, group: str) -> Texts:
    rows = []
    for metric in shown(comparison, group):
        for baseline in comparison.baselines:
            found = comparison.difference(baseline, group, metric.name)
            if found is None:
                continue
            one = found.contrast
            rows.append(
                (
                    metric.label,
                    baseline,
                    fixed(one.value, metric.digits, sign=True),
                    interval(one.low, one.high, metric.digits, sign=True),
                    f"{change(one.relative)} {relative_interval(found)}".strip(),
                    p_value(found.adjusted),
                    fixed(one.detectable, metric.digits),
                )
            )
    head = ("", "Baseline", "Difference", "95% interval", "Gain", "p (Holm)", "Detectable")
    return head, rows


_SPECIAL: Final = str.maketrans(
    {
        "\\": r"\textbackslash{}",
        "&": r"\&",
        "%": r"\%",
        "$": r"\$",
        "#": r"\#",
        "_": r"\_",
        "{": r"\{",
        "}": r"\}",
        "~": r"\textasciitilde{}",
        "^": r"\textasciicircum{}",
        "<": "$<$",
        ">": "$>$",
        "\N{MINUS SIGN}": "$-$",
        "\N{EN DASH}": "--",
        "\n": " ",
    }
)


def _escaped(text: str) -> str:
    return text.translate(_SPECIAL)


def csv_text(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return rows of plain values as CSV, with the keys of the first as its head."""
    out = io.StringIO()
    writer = csv.DictWriter(out, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()


def write_texts(folder: Path, texts: Mapping[str, str]) -> list[Path]:
    """Write texts by the names of their files, each whole or not at all, and return the files.

    Raises:
        StorageError: A file cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in texts.items():
            with replacing(folder / name) as beside:
                beside.write_text(text, encoding="utf-8", errors="backslashreplace")
    except OSError as error:
        reason = error.strerror or "cannot be written"
        raise StorageError(error.errno or errno.EIO, reason, str(folder)) from error
    return [folder / name for name in texts]
