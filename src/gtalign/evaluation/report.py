"""The report of a run: one self-contained HTML page, which loads nothing from elsewhere."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np

from gtalign.drawing import Markup, element, join
from gtalign.evaluation import charts, markup
from gtalign.evaluation.charts import Curves
from gtalign.evaluation.compare import compare
from gtalign.evaluation.comparison import Comparison
from gtalign.evaluation.contrast import MANY, PLENTY, RESAMPLES
from gtalign.evaluation.conversation import conversation
from gtalign.evaluation.findings import sentences
from gtalign.evaluation.markup import fold, section
from gtalign.evaluation.page import write_page
from gtalign.evaluation.statistics import LEAST
from gtalign.game.wording import LEGEND
from gtalign.tasks import task_named
from gtalign.transcripts.transcript import Transcript


def write_report(
    path: Path,
    *,
    title: str,
    transcripts: Iterable[Transcript] | Mapping[str, Iterable[Transcript]],
    reference: str,
    rng: np.random.Generator,
    baselines: Sequence[str] | None = None,
    curves: Curves | None = None,
    facts: Mapping[str, str] | None = None,
    sections: Sequence[Markup] = (),
    resamples: int = RESAMPLES,
) -> Comparison:
    """Compare models and write the page.

    Args:
        path: The HTML file; its folder is made if it does not exist.
        title: Heading of the page.
        transcripts: Answers of all models, or lists of them by any key.
        reference: The model that the others are compared with.
        rng: Source of the bootstrap's resamples.
        baselines: The models to compare it with; by default all others.
        curves: Training metrics by run, ``model`` or ``model/seed``; rows with ``step``.
        facts: Facts about the run to show: command, versions, seeds, durations.
        sections: Further parts of the page, before the conversations.
        resamples: Bootstrap resamples.

    Returns:
        The comparison that the page shows.

    Raises:
        DataError: No transcripts, or a named model without any.
        StorageError: The file cannot be written.
    """
    if isinstance(transcripts, Mapping):
        held = [transcript for group in transcripts.values() for transcript in group]
    else:
        held = list(transcripts)
    comparison = compare(
        held, reference=reference, baselines=baselines, rng=rng, resamples=resamples
    )
    write_page(
        path,
        title=title,
        headline=sentences(comparison),
        cards=markup.gains(comparison.gains),
        sections=parts(comparison, held, curves=curves or {}, facts=facts or {}, sections=sections),
    )
    return comparison


def parts(
    comparison: Comparison,
    transcripts: Sequence[Transcript],
    *,
    curves: Curves,
    facts: Mapping[str, str],
    sections: Sequence[Markup] = (),
) -> list[Markup]:
    """The sections of the page."""
    colours = markup.colours_of(comparison)
    return [
        charts.welfare(comparison, colours),
        _results(comparison, colours),
        _differences(comparison, colours),
        charts.learning(curves, colours),
        charts.chains(comparison, transcripts, colours),
        *sections,
        _conversations(comparison, transcripts),
        _method(comparison, facts),
    ]


def examples(
    comparison: Comparison, transcripts: Sequence[Transcript]
) -> list[tuple[Transcript, str]]:
    """Transcripts of the reference to show, each with the rule that chose it.

    The rules take, for each task and each kind of question, the one whose W is nearest to the
    median; then the lowest W among those that parsed; then one answer that did not parse. The
    published harmful requests are real and are not quoted.
    """
    own = [
        t
        for t in transcripts
        if t.model == comparison.reference and task_named(t.task).kind != "safety"
    ]
    kinds: dict[tuple[str, str, str], list[Transcript]] = {}
    for t in own:
        if t.mutual_welfare is not None and (t.chain is not None or t.plain):
            kind = str(t.extra.get("user_action", ""))
            kinds.setdefault((t.split, t.task, kind), []).append(t)
    found: list[tuple[Transcript, str]] = []
    tasks: list[tuple[str, str]] = list(dict.fromkeys((s, task) for s, task, _ in kinds))
    for number, (split, task) in enumerate(tasks):
        sorts = sorted(kind for s, name, kind in kinds if (s, name) == (split, task))
        # Tasks take turns, so that vague and detailed questions both appear.
        kind = sorts[(len(sorts) - 1 - number) % len(sorts)]
        mine = kinds[split, task, kind]
        middle = float(np.median([t.mutual_welfare or 0.0 for t in mine]))
        chosen = min(mine, key=lambda t: (abs((t.mutual_welfare or 0.0) - middle), t.id))
        found.append((chosen, "nearest to the median W of its kind"))
    read = [t for group in kinds.values() for t in group]
    if read:
        found.append((min(read, key=lambda t: (t.mutual_welfare or 0.0, t.id)), "lowest W"))
    broken = [t for t in own if t.chain is None and not t.plain and t.unscored is None]
    found += [(t, "one of those that do not parse") for t in broken[:1]]
    return found


def _results(comparison: Comparison, colours: Mapping[str, str]) -> Markup:
    return section(
        "Results",
        "Means with 95% intervals, clustered by question; below them the standard deviation "
        "between seeds, and the number of answers where not all of them have the measure. The best "
        "value of a row is bold. Each task unfolds.",
        _by_group(comparison, colours, markup.estimates),
    )


def _differences(comparison: Comparison, colours: Mapping[str, str]) -> Markup:
    return section(
        f"{comparison.reference} less each baseline",
        "On the same questions: difference, 95% interval, relative change, p after Holm's "
        "correction, the smallest difference that so many questions show in 80% of cases "
        "(detectable), and the difference of each seed. Green is better and red is worse by both "
        "interval and p; the others could be chance.",
        _by_group(comparison, colours, markup.differences) if comparison.baselines else None,
    )


def _by_group(
    comparison: Comparison,
    colours: Mapping[str, str],
    table: Callable[[Comparison, str, Mapping[str, str]], Markup],
) -> list[Markup]:
    """A table for each group; those of single tasks are folded."""
    found = []
    for group in comparison.groups:
        drawn = table(comparison, group.name, colours)
        whole = join(element("h3", group.name), drawn)
        found.append(whole if group.task is None else fold(group.name, drawn))
    return found


def _conversations(comparison: Comparison, transcripts: Sequence[Transcript]) -> Markup:
    talks = []
    for chosen, note in examples(comparison, transcripts):
        same = [
            t
            for t in transcripts
            if (t.split, t.task, t.id) == (chosen.split, chosen.task, chosen.id)
            and t.model != chosen.model
        ]
        others = {t.model: t for t in sorted(same, key=lambda t: t.seed != chosen.seed)[::-1]}
        ordered = [others[model] for model in comparison.models if model in others]
        talks.append(conversation(chosen, ordered, note))
    return section(
        "Conversations",
        f"Answers of {comparison.reference}, chosen by rule: for each task the one nearest to the "
        f"median, alternating between vague and detailed questions, then the worst. {LEGEND}",
        element("div", talks, class_="talks") if talks else None,
    )


NOTES = (
    "Intervals of means and ratios use the standard error clustered by question and the t "
    "distribution. Differences are paired by question and tested by cluster: by sign flips below "
    f"{MANY} clusters, by a studentised bootstrap from there on, and by Student's t where most "
    f"differences are of a few sizes (0/1 outcomes) or there are {PLENTY} clusters. Below {LEAST} "
    "clusters there is no p value; the interval takes answers to be normal, and where all are "
    "alike, there is none. Intervals say how far a number would move with other questions "
    "and take the trained models as given; the spread between seeds says how far it moves with "
    "another training run.",
    "An answer that does not parse counts 0 in format, quality, right action and welfare and is "
    "left out of the chain's own measures. An answer that no judge could score is left out and "
    "counted.",
    "Holm's correction runs over the tasks, and separately over the sets, for each metric and "
    "baseline. The best baseline is the one with the best mean of that very metric.",
    "Answers without a chain have no chain's terms to earn, so they are compared by the answer "
    "alone.",
)


def _method(comparison: Comparison, facts: Mapping[str, str]) -> Markup:
    seeds = "; ".join(
        f"{model}: {', '.join(map(str, own)) or 'none'}" for model, own in comparison.seeds.items()
    )
    listed = [(element("dt", k), element("dd", v)) for k, v in {"Seeds": seeds, **facts}.items()]
    return section(
        "How this was measured",
        "What the numbers mean and how the run was made.",
        element("ul", (element("li", note) for note in NOTES), class_="notes"),
        fold("Every measure in a sentence", markup.glossary(comparison)),
        element("dl", listed, class_="facts"),
    )
