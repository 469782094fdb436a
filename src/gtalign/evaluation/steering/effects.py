"""The effects of steering: measures of a trial's arms, and their differences by question."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from math import nan
from typing import TYPE_CHECKING, Any

from gtalign.errors import DataError
from gtalign.evaluation.statistics import Interval, mean_ci
from gtalign.game.form import USER_LLM, Player
from gtalign.steering.decision import Decision
from gtalign.steering.edit import FITTING
from gtalign.transcripts import Transcript

if TYPE_CHECKING:
    from pandas import DataFrame


@dataclass(frozen=True, slots=True)
class Effect:
    """One measure of an arm.

    Attributes:
        label: Name for people.
        note: One sentence: what it is, with its unit.
        digits: Decimals to print.
        share: Whether it lies between 0 and 1; its intervals then end there.
    """

    label: str
    note: str
    digits: int = 2
    share: bool = False


EFFECTS: Mapping[str, Effect] = {
    "read": Effect(
        "Readable", "The answer is a chain; one that is not counts for no action.", share=True
    ),
    "flipped": Effect(
        "Edit flips the action",
        "The edited matrix recommends another action than the stated one.",
        share=True,
    ),
    "obeyed": Effect(
        "Obeyed",
        "The response carries out the action that the edited matrix recommends.",
        share=True,
    ),
    "followed": Effect(
        "Flip carried out",
        "The same, of the answers whose action the edit flips.",
        share=True,
    ),
    "agreed": Effect(
        "Analysis agrees", "The analysis settles on the recommended cell.", share=True
    ),
    "DA": Effect("Answers directly (DA)", "The response answers and asks nothing.", share=True),
    "CQ": Effect("Asks back (CQ)", "The response asks and answers nothing.", share=True),
    "AQ": Effect("Answers and asks (AQ)", "The response does both.", share=True),
    "tokens": Effect("Tokens", "Tokens written, with those of a message that was discarded.", 1),
    "computed": Effect(
        "Positions computed",
        "Tokens that the network read or wrote, less those in its cache.",
        1,
    ),
    "user": Effect(
        "True user payoff",
        "What the response was worth to the user, by the true matrix less what the policy charges.",
    ),
    "llm": Effect("True LLM payoff", "The same for the LLM."),
    "sum": Effect("True sum", "Both true payoffs together."),
    "quality": Effect("Answer quality", "The judge's score of the answer, 0 to 1.", 3),
    "W": Effect("Mutual welfare W", "The reward of the answer, as in the other tables.", 3),
}
"""Every measure, in the order of the tables."""

Measured = Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Trial:
    """The measures of a trial.

    Attributes:
        arms: Names of the arms, in their order.
        rows: Arm -> question -> measures; not-a-number where one could not be taken.
        clusters: Cluster of each question.
        transcripts: Arm -> question -> transcript.
    """

    arms: tuple[str, ...]
    rows: Mapping[str, Mapping[str, Measured]]
    clusters: Mapping[str, str]
    transcripts: Mapping[str, Mapping[str, Transcript]]

    def mean(self, arm: str, effect: str) -> Interval:
        """Mean of a measure in an arm with its 95% interval, clustered by question."""
        rows = self.rows[arm]
        mean = mean_ci([rows[q][effect] for q in rows], [self.clusters[q] for q in rows])
        if not EFFECTS[effect].share or mean.low is None or mean.high is None:
            return mean
        return replace(mean, low=max(mean.low, 0.0), high=min(mean.high, 1.0))

    def difference(self, arm: str, other: str, effect: str) -> Interval:
        """Mean of ``arm`` less ``other`` on the same questions, with its interval."""
        one, two = self.rows[arm], self.rows[other]
        shared = [q for q in one if q in two]
        return mean_ci(
            [one[q][effect] - two[q][effect] for q in shared], [self.clusters[q] for q in shared]
        )

    def tables(self) -> dict[str, list[dict[str, Any]]]:
        """Return the tables as rows of plain values: ``means`` of each arm, and ``differences``.

        Differences are those of every arm to the first one.
        """
        others = self.arms[1:]
        return {
            "means": [
                {"arm": arm, "effect": effect, **asdict(self.mean(arm, effect))}
                for arm in self.arms
                for effect in EFFECTS
            ],
            "differences": [
                {
                    "arm": arm,
                    "other": self.arms[0],
                    "effect": effect,
                    **asdict(self.difference(arm, self.arms[0], effect)),
                }
                for arm in others
                for effect in EFFECTS
            ],
        }

    def to_pandas(self) -> dict[str, "DataFrame"]:
        """Return `tables` as data frames.

        Raises:
            ModuleNotFoundError: pandas is not installed.
        """
        from pandas import DataFrame  # whoever wants one has it

        return {name: DataFrame(rows) for name, rows in self.tables().items()}

    def moved(self, arm: str, other: str) -> Interval:
        """Share of the questions on which the responses of two arms carry out different actions."""
        one, two = self.transcripts[arm], self.transcripts[other]
        shared = [q for q in one if q in two]
        return mean_ci(
            [float(decision_of(one[q]).acted != decision_of(two[q]).acted) for q in shared],
            [self.clusters[q] for q in shared],
        )


def measure_trial(transcripts: Iterable[Transcript]) -> Trial:
    """Measure the transcripts of a trial.

    Raises:
        DataError: There are none, or one has no decision.
    """
    rows: dict[str, dict[str, Measured]] = {}
    held: dict[str, dict[str, Transcript]] = {}
    clusters: dict[str, str] = {}
    for transcript in transcripts:
        question = f"{transcript.seed}/{transcript.id.partition(' [')[0]}"
        clusters[question] = transcript.cluster
        rows.setdefault(transcript.model, {})[question] = _measure(transcript)
        held.setdefault(transcript.model, {})[question] = transcript
    if not rows:
        raise DataError("a trial without transcripts has no effects")
    return Trial(tuple(rows), rows, clusters, held)


def decision_of(transcript: Transcript) -> Decision:
    """The decision of a steered answer.

    Raises:
        DataError: The transcript has none.
    """
    if transcript.decision is None:
        raise DataError(f"transcript {transcript.id!r} has no decision")
    return Decision.from_json(transcript.decision)


def _measure(transcript: Transcript) -> Measured:
    decision = decision_of(transcript)
    found = dict.fromkeys(EFFECTS, nan)
    # Without a chain there is no matrix that the response could follow.
    acted = None if transcript.chain is None else decision.acted
    usual = decision.form == USER_LLM
    found["read"] = float(transcript.chain is not None)
    if decision.after is not None:
        found["flipped"] = float(decision.flipped)
        # Of a response of another game that shows no sign, nobody can tell whether it obeys.
        untold = acted is None and not usual and transcript.chain is not None
        found["obeyed"] = nan if untold else float(acted == decision.after.action)
        found["followed"] = found["obeyed"] if decision.flipped else nan
        found["agreed"] = float(decision.chosen == decision.after.cell)
    for action in USER_LLM.llm_actions if usual else ():
        found[action] = float(acted == action)
    found["tokens"] = float(sum(phase.tokens for phase in decision.phases))
    known = [p for p in decision.phases if p.prompt_tokens is not None]
    if len(known) == len(decision.phases):
        found["computed"] = float(
            sum((p.prompt_tokens or 0) - (p.cached_tokens or 0) + p.tokens for p in known)
        )
    true, played = transcript.extra.get("true_payoff"), transcript.extra.get("user_action")
    cell = f"{played}_{acted}"
    if isinstance(true, Mapping) and cell in true:
        found["user"] = true[cell]["user"] + _charged(decision, cell, "user")
        found["llm"] = true[cell]["LLM"] + _charged(decision, cell, "llm")
        found["sum"] = found["user"] + found["llm"]
    quality, welfare = transcript.factors.get("quality"), transcript.mutual_welfare
    found["quality"] = nan if quality is None else quality
    found["W"] = nan if welfare is None else welfare
    return found


def _charged(decision: Decision, cell: str, player: Player) -> float:
    """The points that the policy adds to a payoff, without the terms of `fit`."""
    return sum(
        term.amounts.get(cell, 0.0)
        for term in decision.terms
        if term.player == player and term.name not in FITTING
    )
