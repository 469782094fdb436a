"""The pieces of the report's page: its sections, and the tables of a comparison."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import unescape

from gtalign.drawing import (
    COLOURS,
    NONE,
    Content,
    Markup,
    change,
    element,
    fixed,
    interval,
    join,
    share,
)
from gtalign.evaluation.comparison import Comparison, Gain
from gtalign.evaluation.findings import verdict
from gtalign.evaluation.metrics import metrics
from gtalign.evaluation.tables import (
    best_model,
    cell,
    counts,
    label,
    p_value,
    relative_interval,
    seeds_text,
    shown,
)

Colours = Mapping[str, str]

_TAG = re.compile("<[^>]*>")
_NO_WORD = re.compile(r"[^a-z0-9]+")
_SECTION = re.compile(r'<section id="([a-z0-9-]+)"><h2>(.*?)</h2>')


def model_colour(place: int) -> str:
    """Colour classes of the models other than the reference, in their order."""
    return COLOURS[1 + place % (len(COLOURS) - 1)]


def colours_of(comparison: Comparison) -> dict[str, str]:
    """The class of each model's colour: the reference has the accent."""
    others = [model for model in comparison.models if model != comparison.reference]
    return {comparison.reference: COLOURS[0]} | {
        model: model_colour(place) for place, model in enumerate(others)
    }


def section(title: Content, sub: Content, *body: Content) -> Markup:
    """A section of the page; empty if its body is empty."""
    held = join(*body)
    if not held:
        return held
    name = _NO_WORD.sub("-", plain(title).lower()).strip("-")
    return element("section", element("h2", title), element("p", sub, class_="sub"), held, id=name)


def contents(page: Markup) -> Markup:
    """A bar of links to the sections of a page."""
    found = _SECTION.findall(page)
    links = (element("a", Markup(title), href=f"#{name}") for name, title in found)
    return element("nav", links, class_="contents", aria_label="Contents") if found else Markup()


def plain(content: Content) -> str:
    """The text of some content, without its markup."""
    return unescape(_TAG.sub("", join(content)))


def fold(summary: Content, *body: Content, unfolded: bool = False) -> Markup:
    """Content that a reader can unfold."""
    return element("details", element("summary", summary), *body, open=unfolded)


def plots(charts: Sequence[Markup]) -> Markup | None:
    """Charts side by side; empty without charts."""
    return element("div", charts, class_="plots") if any(charts) else None


def small(lines: Iterable[str | bool]) -> list[Markup]:
    """Lines below the number of a cell; empty ones are left out."""
    return [element("small", line) for line in lines if isinstance(line, str) and line]


def legend(colours: Colours) -> Markup:
    """All models with their colours."""
    return element(
        "div", (element("span", _named(m, c)) for m, c in colours.items()), class_="keys"
    )


@dataclass(frozen=True, slots=True)
class Cell:
    """One value of a table.

    Args:
        content: The value.
        kind: Its class.
    """

    content: Content
    kind: str | None = None


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a table.

    Args:
        name: Its head.
        cells: Its values, one for each further column.
        kind: Its class.
    """

    name: Content
    cells: Sequence[Cell]
    kind: str | None = None


def table(head: Sequence[Content], rows: Iterable[Row], reference: int | None = None) -> Markup:
    """A table: it scrolls where it is too wide, and on a phone each row is a card.

    Args:
        head: Content of each column's head.
        rows: The rows.
        reference: Number of the column to mark.
    """
    rows = list(rows)
    kinds = [None, *(cell.kind for cell in rows[0].cells)] if rows else [None] * len(head)
    heads = [
        element("th", content, class_="ref" if place == reference else _side(kind), scope="col")
        for place, (content, kind) in enumerate(zip(head, kinds, strict=True))
    ]
    names = [plain(content) for content in head[1:]]

    def drawn(row: Row) -> Markup:
        cells = (
            element("td", cell.content, class_=cell.kind, data_label=name)
            for name, cell in zip(names, row.cells, strict=True)
        )
        return element("tr", element("th", row.name, scope="row"), cells, class_=row.kind)

    body = element("thead", element("tr", heads)), element("tbody", map(drawn, rows))
    return element("div", element("table", body, class_="data stacks"), class_="wide")


def _side(kind: str | None) -> str | None:
    """The class of the head of a column whose cells have this one: it stands above its texts."""
    return "left" if kind is not None and "left" in kind.split() else None


def estimates(comparison: Comparison, group: str, colours: Colours) -> Markup:
    """Every metric of every model in one group."""
    models = (comparison.reference, *comparison.models[:-1])
    rows = []
    for metric in shown(comparison, group):
        best = best_model(comparison, group, metric)
        cells = []
        for model in models:
            found = cell(comparison.estimate(model, group, metric.name), metric, model == best)
            kinds = ["ref"] if model == comparison.reference else []
            kinds += ["best"] if found.best else []
            kind = " ".join(kinds) or None
            cells.append(Cell((found.value, small(found.lines)), kind))
        rows.append(Row(label(metric), cells))
    for name, which in (("Answers", 0), ("Unscored", 1)):
        held = (counts(comparison, group, model)[which] for model in models)
        rows.append(Row(name, [Cell(str(n)) for n in held], "count"))
    return table(["", *(_named(model, colours[model]) for model in models)], rows, 1)


def differences(comparison: Comparison, group: str, colours: Colours) -> Markup:
    """Reference less every baseline, for every metric."""
    rows = []
    for metric in shown(comparison, group):
        cells = []
        for baseline in comparison.baselines:
            found = comparison.difference(baseline, group, metric.name)
            if found is None:
                cells.append(Cell(NONE))
                continue
            contrast = found.contrast
            seeds = seeds_text(found, metric.digits)
            below = (
                interval(contrast.low, contrast.high, metric.digits, sign=True),
                f"{change(contrast.relative)}, p {p_value(found.adjusted)}",
                contrast.mcnemar is not None and f"McNemar p {p_value(contrast.mcnemar)}",
                contrast.detectable is not None
                and f"detectable {fixed(contrast.detectable, metric.digits)}",
                seeds and f"seeds {seeds}",
            )
            value = element("b", fixed(contrast.value, metric.digits, sign=True))
            cells.append(Cell((value, small(below)), verdict(found, metric)))
        rows.append(Row(label(metric), cells))
    return table(["", *(_named(model, colours[model]) for model in comparison.baselines)], rows)


def standings(comparison: Comparison, colours: Colours) -> Markup:
    """Pareto measures of every model with both welfares."""
    rows = []
    for found in comparison.standings:
        measures = (
            fixed(found.hypervolume),
            NONE if found.coverage is None else share(found.coverage, 1),
            NONE if found.wins is None else f"{found.wins} : {found.losses}",
        )
        kind = "ref" if found.model == comparison.reference else None
        rows.append(
            Row(
                _named(found.model, colours[found.model]),
                [
                    Cell(found.group, "left"),
                    *(Cell(text, kind) for text in measures),
                    Cell(str(found.questions)),
                ],
            )
        )
    against = f"{comparison.reference} dominates : is dominated"
    return table(["Model", "Set", "Hypervolume", "Undominated", against, "Questions"], rows)


def gains(found: Sequence[Gain]) -> Markup:
    """The gains over the best baselines as cards, each next to the published one."""
    cards: dict[tuple[str, str], list[Gain]] = {}
    for gain in found:
        cards.setdefault((gain.metric, gain.group), []).append(gain)
    return join(_card(held[-1], held[:-1]) for held in cards.values())


def _card(gain: Gain, better: Sequence[Gain]) -> Markup:
    """One gain over the best baseline with a chain; below it, over better ones without."""
    ours, metric = gain.ours, metrics()[gain.metric]
    kind = "even" if ours is None else verdict(ours, metric)
    big = NONE if ours is None else change(ours.contrast.relative)
    detail = "" if ours is None else relative_interval(ours)
    over = f"over {gain.baseline}" if gain.baseline else "no baseline"
    rest = (
        f"over {g.baseline}, without a chain: "
        f"{change(g.ours.contrast.relative)} {relative_interval(g.ours)}"
        for g in better
        if g.ours is not None and g.baseline is not None
    )
    lines = (f"{detail} {over}", *rest, f"published {change(gain.published / 100)}")
    return element(
        "div",
        element("p", metric.label, class_="what"),
        element("p", gain.group),
        element("p", big, class_="big"),
        (element("p", line) for line in lines),
        class_=f"card {kind}",
    )


def glossary(comparison: Comparison) -> Markup:
    """The meaning of every metric shown."""
    items = (
        element("li", element("strong", metric.label), f": {metric.note}")
        for metric in comparison.metrics()
    )
    return element("ul", items, class_="notes")


def _named(model: str, colour: str) -> Markup:
    """A model's name after the dot of its colour."""
    return join(element("span", class_=f"key {colour}"), model)
