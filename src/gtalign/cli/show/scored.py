"""The scores of a file on a terminal."""

from collections.abc import Mapping, Sequence

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from gtalign.cli.show.table import clean
from gtalign.cli.show.words import SCORES
from gtalign.evaluation.statistics import FEW, LEAST, known_interval
from gtalign.reward import FACTORS
from gtalign.transcripts.score import ScoredFile
from gtalign.transcripts.summary import MEASURES, TaskSums

_REASONS = 3  # for unscored answers, in the summary


def print_scored(console: Console, found: ScoredFile, *, tables: bool = False) -> None:
    """Print the means by task; the first line says what was measured, or why nothing was.

    Args:
        console: Where to.
        found: The scores.
        tables: Whether to print every task, every factor and every reason.
    """
    summary, config = found.summary, found.reward.config
    problem = found.problem
    if problem is not None:
        say(console, problem, style="bold")
    if summary.known:
        units = f"; lengths: {', '.join(sorted(summary.units))}" * (config.unit == "tokens")
        say(console, f"Average scores, 0 to 1{units}")
        other = config.aggregate != "cobb_douglas"
        console.print(scores_table(summary.groups(every=tables), "task", reward=other))
        say(console, SCORES)
        few = min(len(s.clusters) for s in summary.groups(every=tables).values() if s.clusters)
        if few < LEAST:
            say(console, FEW)
        if tables:
            console.print(factors_table(summary.groups(every=True)))
    preset = "" if config.preset in found.reward.origin else f", preset {config.preset}"
    say(console, f"Reward: {found.reward.origin}; aggregate {config.aggregate}{preset}")
    differs = summary.differs()
    if differs is not None:
        was, now = differs
        say(console, f"W was {was:.3f} as the file recorded it, by another reward; now {now:.3f}.")
    for line in summary.alike():
        say(console, clean(line))
    for reason, times in summary.reasons.most_common(None if tables else _REASONS):
        say(console, f"{times} without a score: {clean(reason)}")


def scores_table(summaries: Mapping[str, TaskSums], first: str, *, reward: bool = False) -> Table:
    """Return a table of means with the interval of W, a row for each name.

    Args:
        summaries: The sums by name.
        first: Heading of the names.
        reward: Whether to show the reward too, where it is not W.
    """
    table = Table(box=SIMPLE_HEAD, show_edge=False, padding=0, pad_edge=False)
    table.add_column(first, no_wrap=True, max_width=16)
    own = ("reward",) * reward
    for name in ("rows", "Q", "U", "L", "W", "95% of W", *own, "unscored", "malformed"):
        table.add_column(name, justify="right", no_wrap=True)
    for name, sums in summaries.items():
        table.add_row(*_row(clean(name), sums, own))
    return table


def factors_table(summaries: Mapping[str, TaskSums]) -> Table:
    """Return a table of the mean of every factor by task.

    Args:
        summaries: The sums by task.
    """
    table = Table(box=SIMPLE_HEAD, show_edge=False, padding=0, pad_edge=False)
    table.add_column("task", no_wrap=True, max_width=16)
    table.add_column("factor", no_wrap=True)
    for name in ("mean", "answers"):
        table.add_column(name, justify="right", no_wrap=True)
    for task, sums in summaries.items():
        for name, factor in FACTORS.items():
            if factor.stated and not sums.known(name):
                continue
            table.add_row(clean(task), clean(name), _mean(sums, name), str(sums.known(name)))
        table.add_section()
    return table


def _row(name: str, sums: TaskSums, more: Sequence[str]) -> list[str]:
    means = [_mean(sums, measure) for measure in MEASURES]
    others = [_mean(sums, measure) for measure in more]
    failed = [str(sums.unscored), str(sums.malformed)]
    return [name, str(sums.rows), *means, _interval(sums), *others, *failed]


def _mean(sums: TaskSums, measure: str) -> str:
    mean = sums.mean(measure)
    return "-" if mean is None else f"{mean:.3f}"


def _interval(sums: TaskSums) -> str:
    """The interval of W over source prompts, as `gtalign compare` has it."""
    found = known_interval(*sums.of_clusters())
    if found is None or found.low is None or found.high is None:
        return "-"
    return f"[{max(found.low, 0):.3f}, {min(found.high, 1):.3f}]"


def say(console: Console, text: str, style: str = "") -> None:
    """Print a line that no terminal breaks within a word."""
    console.print(Text(text, style=style), soft_wrap=True)
