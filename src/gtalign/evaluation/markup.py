"""The tables of a comparison as HTML. All names are escaped; a wide table scrolls by itself."""

from collections.abc import Mapping, Sequence
from html import escape

from gtalign.evaluation.comparison import Comparison, Gain
from gtalign.evaluation.findings import verdict
from gtalign.evaluation.metrics import BY_NAME, METRICS
from gtalign.evaluation.tables import (
    ABSENT,
    best_model,
    cell,
    counts,
    interval,
    label,
    number,
    p_value,
    percent,
    relative_interval,
    seeds_text,
    shown,
)

Colours = Mapping[str, str]


def colours_of(comparison: Comparison) -> dict[str, str]:
    """A CSS colour for each model: the reference has the accent."""
    others = [model for model in comparison.models if model != comparison.reference]
    return {comparison.reference: "var(--m0)"} | {
        model: f"var(--m{1 + i % 7})" for i, model in enumerate(others)
    }


def key(colour: str) -> str:
    """The coloured dot before a model's name."""
    return f'<span class="key" style="background:{colour}"></span>'


def legend(colours: Colours) -> str:
    """All models with their colours."""
    items = "".join(f"<span>{key(c)}{escape(model)}</span>" for model, c in colours.items())
    return f'<div class="keys">{items}</div>'


def table(head: Sequence[str], rows: Sequence[str], reference: int | None = None) -> str:
    """A scrolling table; `head` holds HTML, `rows` whole rows, `reference` a marked column."""
    cells = "".join(
        f'<th class="ref">{text}</th>' if i == reference else f"<th>{text}</th>"
        for i, text in enumerate(head)
    )
    return (
        f'<div class="wide"><table class="data"><thead><tr>{cells}</tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table></div>"
    )


def estimates(comparison: Comparison, group: str, colours: Colours) -> str:
    """Every metric of every model in one group."""
    rows = []
    models = (comparison.reference, *comparison.models[:-1])
    for metric in shown(comparison, group):
        best = best_model(comparison, group, metric)
        row = f'<th title="{escape(metric.note)}">{escape(label(metric))}</th>'
        for model in models:
            found = cell(comparison.estimate(model, group, metric.name), metric, model == best)
            kinds = ["ref"] if model == comparison.reference else []
            kinds += ["best"] if found.best else []
            small = "".join(f"<small>{escape(line)}</small>" for line in found.lines)
            row += f'<td class="{" ".join(kinds)}">{found.value}{small}</td>'
        rows.append(f"<tr>{row}</tr>")
    for name, which in (("Answers", 0), ("Unscored", 1)):
        held = [counts(comparison, group, model)[which] for model in models]
        rows.append(
            f'<tr class="count"><th>{name}</th>{"".join(f"<td>{n}</td>" for n in held)}</tr>'
        )
    head = ["", *(key(colours[model]) + escape(model) for model in models)]
    return table(head, rows, 1)


def differences(comparison: Comparison, group: str, colours: Colours) -> str:
    """Reference less every baseline, for every metric."""
    rows = []
    for metric in shown(comparison, group):
        row = f'<th title="{escape(metric.note)}">{escape(label(metric))}</th>'
        for baseline in comparison.baselines:
            found = comparison.difference(baseline, group, metric.name)
            if found is None:
                row += f"<td>{ABSENT}</td>"
                continue
            contrast = found.contrast
            small = [
                interval(contrast.low, contrast.high, metric.digits, sign=True),
                f"{percent(contrast.relative)}, p {p_value(found.adjusted)}",
            ]
            if seeds := seeds_text(found, metric.digits):
                small.append(f"seeds {seeds}")
            row += (
                f'<td class="{verdict(found, metric)}">'
                f"<b>{number(contrast.value, metric.digits, sign=True)}</b>"
                f"{''.join(f'<small>{escape(text)}</small>' for text in small if text)}</td>"
            )
        rows.append(f"<tr>{row}</tr>")
    return table(["", *(key(colours[b]) + escape(b) for b in comparison.baselines)], rows)


def standings(comparison: Comparison, colours: Colours) -> str:
    """Pareto measures of every model with both welfares."""
    rows = []
    for found in comparison.standings:
        against = ABSENT if found.wins is None else f"{found.wins} : {found.losses}"
        share = ABSENT if found.coverage is None else f"{100 * found.coverage:.1f}%"
        kind = ' class="ref"' if found.model == comparison.reference else ""
        rows.append(
            f"<tr><th>{key(colours[found.model])}{escape(found.model)}</th>"
            f'<td class="left">{escape(found.group)}</td><td{kind}>{number(found.hypervolume)}</td>'
            f"<td{kind}>{share}</td><td{kind}>{against}</td><td>{found.questions}</td></tr>"
        )
    against = f"{escape(comparison.reference)} dominates : is dominated"
    return table(["Model", "Set", "Hypervolume", "Undominated", against, "Questions"], rows)


def gains(found: Sequence[Gain]) -> str:
    """The gains over the best baselines as cards, each next to the published one."""
    cards: dict[tuple[str, str], list[Gain]] = {}
    for gain in found:
        cards.setdefault((gain.metric, gain.group), []).append(gain)
    return "".join(_card(held[-1], held[:-1]) for held in cards.values())


def _card(gain: Gain, better: Sequence[Gain]) -> str:
    """One gain over the best baseline with a chain; below it, over better ones without."""
    ours, metric = gain.ours, BY_NAME[gain.metric]
    kind = "even" if ours is None else verdict(ours, metric)
    big = ABSENT if ours is None else percent(ours.contrast.relative)
    detail = "" if ours is None else relative_interval(ours)
    over = f"over {escape(gain.baseline)}" if gain.baseline else "no baseline"
    rest = "".join(
        f"<p>over {escape(g.baseline)}, without a chain: "
        f"{percent(g.ours.contrast.relative)} {relative_interval(g.ours)}</p>"
        for g in better
        if g.ours is not None and g.baseline is not None
    )
    return (
        f'<div class="card {kind}"><p class="what">{escape(metric.label)}</p>'
        f'<p>{escape(gain.group)}</p><p class="big">{big}</p><p>{detail} {over}</p>{rest}'
        f"<p>published {percent(gain.published / 100)}</p></div>"
    )


def glossary(comparison: Comparison) -> str:
    """What every metric shown means."""
    names = {metric.name for metric in comparison.metrics()}
    items = "".join(
        f"<li><strong>{escape(metric.label)}</strong>: {escape(metric.note)}</li>"
        for metric in METRICS
        if metric.name in names
    )
    return f'<ul class="notes">{items}</ul>'
