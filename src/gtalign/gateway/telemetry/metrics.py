"""Numbers for Prometheus, in its text format."""

from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Sequence
from operator import add
from typing import Final

from gtalign.gateway.keys import Key
from gtalign.gateway.limits import Limits
from gtalign.gateway.served import Models
from gtalign.gateway.spent import Spent
from gtalign.steering import Budget, Decision, Policy

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
SECONDS: Final = (
    0.0005,
    0.001,
    0.002,
    0.005,
    0.01,
    0.025,
    0.05,
    0.1,
    0.25,
    0.5,
    1.0,
    2.5,
    10.0,
    60.0,
)
_MOST: Final = 1000
"""Most combinations of labels of one metric: a client must not be able to fill the memory."""


class Counter:
    """A number that only grows, for each combination of labels.

    Args:
        name: Name of the metric.
        help: What it counts.
        labels: Names of its labels.
    """

    kind = "counter"

    def __init__(self, name: str, help: str, labels: Sequence[str] = ()) -> None:
        self.name = name
        self.help = help
        self.labels = tuple(labels)
        self.joins: Callable[[float, float], float] = add
        self.values: dict[tuple[str, ...], float] = {} if labels else {(): 0.0}

    def add(self, amount: float = 1.0, *values: str) -> None:
        """Count; `values` are those of the labels."""
        if values not in self.values and len(self.values) >= _MOST:
            values = ("other",) * len(self.labels)
        self.values[values] = self.values.get(values, 0.0) + amount

    def merge(self, samples: Iterable[tuple[tuple[str, ...], float]]) -> None:
        """Take those of another process to one's own."""
        for values, number in samples:
            known = self.values.get(values)
            self.values[values] = number if known is None else self.joins(known, number)

    def lines(self) -> Iterator[str]:
        """Its samples."""
        for values, number in self.values.items():
            yield f"{self.name}{_labels(self.labels, values)} {number:.17g}"


class Gauge(Counter):
    """A number that is set.

    Args:
        name: Name of the metric.
        help: What it counts.
        labels: Names of its labels.
        joins: The number of two processes, of those of each: by default their sum.
    """

    kind = "gauge"

    def __init__(
        self,
        name: str,
        help: str,
        labels: Sequence[str] = (),
        joins: Callable[[float, float], float] = add,
    ) -> None:
        super().__init__(name, help, labels)
        self.joins = joins

    def set(self, number: float) -> None:
        """Set it."""
        self.values[()] = number


class Histogram:
    """How values are spread.

    Args:
        name: Name of the metric.
        help: What is measured.
        bounds: Upper ends of the buckets, in ascending order.
    """

    kind = "histogram"

    def __init__(self, name: str, help: str, bounds: Sequence[float] = SECONDS) -> None:
        self.name = name
        self.help = help
        self.bounds = tuple(bounds)
        self.counts = [0] * (len(self.bounds) + 1)
        self.total = 0.0

    def add(self, value: float) -> None:
        """Count a value."""
        self.counts[bisect_left(self.bounds, value)] += 1
        self.total += value

    def add_all(self, counts: Sequence[int], total: float) -> None:
        """Take the counts of another process to one's own."""
        self.counts = [one + other for one, other in zip(self.counts, counts, strict=True)]
        self.total += total

    def lines(self) -> Iterator[str]:
        """Its samples."""
        below = 0
        for bound, count in zip((*self.bounds, "+Inf"), self.counts, strict=True):
            below += count
            end = bound if isinstance(bound, str) else f"{bound:g}"
            yield f'{self.name}_bucket{{le="{end}"}} {below}'
        yield f"{self.name}_sum {self.total:.17g}"
        yield f"{self.name}_count {below}"


class Metrics:
    """All metrics of a gateway."""

    def __init__(self) -> None:
        self.requests = Counter(
            "gtalign_requests_total", "Requests, by path and status.", ("path", "status")
        )
        self.running = Gauge("gtalign_requests_running", "Requests that are being answered.")
        self.processes = Gauge("gtalign_processes", "Processes that serve: the workers.")
        self.processes.set(1)
        self.starts = Counter(
            "gtalign_process_starts_total", "Processes that were started, also in place of others."
        )
        self.starts.add()
        self.answers = Counter(
            "gtalign_answers_total", "Answers, by policy and how they ended.", ("policy", "status")
        )
        self.actions = Counter(
            "gtalign_actions_total",
            "Decisions, by policy, action before the edit and action after it.",
            ("policy", "before", "after"),
        )
        self.flips = Counter(
            "gtalign_flips_total", "Decisions that moved the choice to another action.", ("policy",)
        )
        self.obeyed = Counter(
            "gtalign_obedience_total",
            "Finished answers that were steered, by policy, whether the choice was moved, and"
            " whether the response obeyed (true, false or unknown).",
            ("policy", "flipped", "obeyed"),
        )
        self.retries = Counter(
            "gtalign_retries_total",
            "Answers that were written once more because they did not obey, by policy and the"
            " writing that was served (first or second).",
            ("policy", "served"),
        )
        self.unread = Counter(
            "gtalign_unread_matrices_total", "Answers whose matrix could not be read.", ("policy",)
        )
        self.repairs = Counter(
            "gtalign_repairs_total", "Repairs that it took to read chains.", ("policy",)
        )
        self.dry_runs = Counter(
            "gtalign_dry_runs_total",
            "Answers on which a policy was tried without being applied, by that policy, and whether"
            " it would have chosen another action (true, false or unknown).",
            ("policy", "differs"),
        )
        self.tokens = Counter("gtalign_tokens_total", "Tokens, read and written.", ("kind",))
        self.uncounted = Counter(
            "gtalign_uncounted_answers_total",
            "Answers whose tokens, read or written, nobody counted.",
            ("kind",),
        )
        self.added = Histogram("gtalign_added_seconds", "Time that the gateway added to an answer.")
        self.first = Histogram("gtalign_first_text_seconds", "Time to the first text of an answer.")
        self.seconds = Histogram("gtalign_answer_seconds", "Time of a whole answer.")
        self.upstream = Counter(
            "gtalign_upstream_failures_total",
            "Failures of the upstream, by status sent to the client.",
            ("status",),
        )
        engine = ("model", "engine")
        self.up = Gauge("gtalign_engine_up", "1 while the engine is up.", engine, min)
        self.writing = Gauge(
            "gtalign_engine_running", "Answers that the engine is writing.", engine
        )
        self.asked = Counter(
            "gtalign_engine_answers_total", "Answers that the engine was asked for.", engine
        )
        self.failed = Counter(
            "gtalign_engine_failures_total", "How many of these the engine failed to give.", engine
        )
        self.budgets = Gauge(
            "gtalign_budget_spent_ratio",
            "Share of a key's budget that is spent in this month, in tokens or money.",
            ("key", "unit"),
            max,
        )
        self.estimated = Gauge(
            "gtalign_budget_estimated_answers",
            "Answers of this month of a key with a budget that count by an estimate.",
            ("key",),
            max,
        )
        self.policy_budgets = Gauge(
            "gtalign_policy_budget_spent_ratio",
            "Share of a policy's budget that is spent in this month, in tokens or money.",
            ("policy", "unit"),
            max,
        )
        self.policy_estimated = Gauge(
            "gtalign_policy_budget_estimated_answers",
            "Answers of this month under a policy with a budget that count by an estimate.",
            ("policy",),
            max,
        )
        self.records = Gauge("gtalign_audit_records", "Records that were written since the start.")
        self.waiting = Gauge("gtalign_audit_waiting", "Records that wait to be written.")
        self.dropped = Gauge("gtalign_audit_dropped", "Records that were lost.")
        self.down = Gauge("gtalign_audit_down", "1 while decisions cannot be written.", joins=max)

    def answered(self, *, first_ms: float | None, added_ms: float, total_ms: float) -> None:
        """Time an answer that has come to its end.

        Args:
            first_ms: Milliseconds to its first text; None where it comes as a whole.
            added_ms: Milliseconds that the gateway added.
            total_ms: Milliseconds to its end.
        """
        self.seconds.add(total_ms / 1000)
        self.added.add(added_ms / 1000)
        if first_ms is not None:
            self.first.add(first_ms / 1000)

    def decided(self, decision: Decision) -> None:
        """Count a decision, or a matrix that was asked for and could not be read."""
        policy = decision.policy
        if decision.before is None or decision.after is None:
            self.unread.add(1, policy)
        else:
            self.actions.add(1, policy, decision.before.action, decision.after.action)
        self.flips.add(decision.flipped, policy)
        if decision.steered:
            told = {True: "true", False: "false", None: "unknown"}
            self.obeyed.add(1, policy, told[decision.flipped], told[decision.obeyed])
        if decision.retry is not None:
            self.retries.add(1, policy, decision.retry.served)
        self.repairs.add(len(decision.repairs), policy)

    def engines(self, models: Models) -> None:
        """Read the numbers of each engine."""
        by_engine = (self.up, self.writing, self.asked, self.failed)
        for metric in by_engine:
            metric.values.clear()
        for model in models:
            for engine in model.engines:
                up = engine.problem is None
                numbers = (float(up), engine.running, engine.taken, engine.failures)
                for metric, number in zip(by_engine, numbers, strict=True):
                    metric.values[model.name or "", engine.name] = number

    def spending(self, limits: Limits, keys: Iterable[Key], policies: Iterable[Policy]) -> None:
        """Read what is spent of each budget."""
        gauges = (self.budgets, self.estimated, self.policy_budgets, self.policy_estimated)
        for gauge in gauges:
            gauge.values.clear()
        owners: list[tuple[str, Spent, Budget | None, Gauge, Gauge]] = [
            (key.id, limits.spent(key), key.limits.budget, *gauges[:2]) for key in keys if key.good
        ]
        owners += [
            (policy.name, limits.spent_under(policy.name), policy.budget, *gauges[2:])
            for policy in policies
        ]
        for name, spent, budget, ratio, estimated in owners:
            for unit, share in spent.shares(budget).items():
                ratio.values[name, unit] = share
                estimated.values[name,] = spent.estimated

    def all(self) -> list[Counter | Histogram]:
        """Each of them."""
        return list(vars(self).values())

    def text(self) -> str:
        """Everything, as Prometheus reads it."""
        lines = []
        for metric in self.all():
            lines.append(f"# HELP {metric.name} {metric.help}")
            lines.append(f"# TYPE {metric.name} {metric.kind}")
            lines.extend(metric.lines())
        return "\n".join(lines) + "\n"


def _labels(names: Sequence[str], values: Sequence[str]) -> str:
    if not names:
        return ""
    pairs = (f'{name}="{_escaped(value)}"' for name, value in zip(names, values, strict=True))
    return "{" + ",".join(pairs) + "}"


def _escaped(value: str) -> str:
    return value.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")
