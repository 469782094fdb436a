"""What a run at the desk shows: welfare of every policy, and its share of the optimum's."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Final

import numpy as np

from gtalign.dialogue.measures import MEASURES
from gtalign.dialogue.played import Played
from gtalign.drawing import fixed
from gtalign.evaluation.paper.sheet import Lines, Report, Sheet, interval_notes, varied
from gtalign.evaluation.statistics import Floats
from gtalign.evaluation.variation import Variation, vary

ARMS: Final = {
    "full": "the person says everything at once, and the best policy answers",
    "optimum": "the best policy, by the belief decision problem",
    "ahead": "asks if one question pays, and counts that people leave",
    "rule": "asks if the reply is worth more than it costs both",
    "asks": "asks whenever it is not certain",
    "direct": "answers at once with what is most likely wanted",
    "cold-start": "the model before reinforcement learning",
    "single": "trained on the first answer alone",
    "turns": "trained on W of whole conversations",
    "turns-credit": "the same, with credit by turn",
    "turns-gdpo": "trained on U and L of whole conversations",
}
"""Every policy, and what it does, in the order of the tables."""

SHOWN: Final = ("goal", "needless", "premature", "turns", "user_welfare", "llm_welfare")
TARGET: Final = 0.95
"""The share of the optimum's welfare that a trained policy is to reach."""

Rows = Mapping[int, Sequence[Played]]
"""The conversations of a policy by the seed of its training; one entry for one without training."""


@dataclass
class Talks:
    """The conversations of a run.

    Args:
        by_arm: Those of each policy.
    """

    by_arm: Mapping[str, Rows]
    _questions: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for rows in self.by_arm.values():
            for one in chain.from_iterable(rows.values()):
                self._questions.setdefault(one.question, len(self._questions))

    def measure(self, arm: str, name: str, group: str | None = None) -> Variation:
        """The mean of a measure, or the ratio of its sums, for some people."""
        seeds = list(self.by_arm[arm])
        return vary(self._sums(arm, name, group), seeds)

    def share(self, arm: str, group: str | None = None) -> Variation:
        """Welfare of a policy divided by that of the optimum with the same people, paired."""
        seeds = list(self.by_arm[arm])
        (top, _), (best, _) = (self._sums(name, "welfare", group) for name in (arm, "optimum"))
        return vary((top, np.broadcast_to(best[:, :1], top.shape)), seeds)

    def _sums(self, arm: str, name: str, group: str | None) -> tuple[Floats, Floats]:
        rows = self.by_arm[arm]
        top, bottom = np.zeros((2, len(self._questions), len(rows)))
        for column, played in enumerate(rows.values()):
            for one in played:
                parts = MEASURES[name].of(one)
                if one.end != "failed" and parts is not None and belongs(one, group):
                    place = self._questions[one.question]
                    top[place, column] += parts[0]
                    bottom[place, column] += parts[1]
        return top, bottom


def belongs(played: Played, group: str | None) -> bool:
    """Whether a conversation is with a person of a kind; None stands for everyone."""
    return group is None or group in played.user.split(", ")


def desk_report(talks: Talks, exact: float, groups: Sequence[str]) -> Report:
    """Return the tables of a run.

    Args:
        talks: Its conversations.
        exact: Mean W of the best policy by calculation, over the questions of the test.
        groups: The kinds of people: types, patience and prices.
    """
    arms = [name for name in ARMS if name in talks.by_arm]
    whole = {arm: talks.share(arm) for arm in arms}
    return Report(
        name="turns",
        title="Conversations of several turns at the desk",
        sentences=_sentences(talks, whole, exact),
        sheets=[
            _sheet_of_arms(talks, arms, whole),
            _sheet_of_groups(talks, arms, groups),
        ],
    )


def _sheet_of_arms(talks: Talks, arms: Sequence[str], whole: Mapping[str, Variation]) -> Sheet:
    names = ("welfare", *SHOWN)
    found = {arm: {name: talks.measure(arm, name) for name in names} for arm in arms}
    return Sheet(
        name="turns",
        title="Policies",
        head=["Policy", "W", "Share of the optimum", *(MEASURES[name].label for name in SHOWN)],
        rows=[
            [
                (arm, ARMS[arm]),
                varied(found[arm]["welfare"]),
                varied(whole[arm]),
                *(_mean(found[arm][name]) for name in SHOWN),
            ]
            for arm in arms
        ],
        records=[
            {
                "policy": arm,
                **{f"share_{key}": value for key, value in whole[arm].to_json().items()},
                **{f"w_{key}": value for key, value in found[arm]["welfare"].to_json().items()},
                **{name: found[arm][name].value for name in SHOWN},
            }
            for arm in arms
        ],
        notes=[
            "The share is W of the policy divided by W of the optimum with the same people.",
            *interval_notes(whole.values()),
        ],
    )


def _sheet_of_groups(talks: Talks, arms: Sequence[str], groups: Sequence[str]) -> Sheet:
    found = {(arm, group): talks.share(arm, group) for arm in arms for group in groups}
    optimum = {group: talks.measure("optimum", "welfare", group) for group in groups}
    others = [arm for arm in arms if arm != "optimum"]
    return Sheet(
        name="turns-people",
        title="Share of the optimum's W, by the people",
        head=["People", "W of the optimum", *others],
        rows=[
            [
                (group,),
                (fixed(optimum[group].value),),
                *(_with_ends(found[arm, group]) for arm in others),
            ]
            for group in groups
        ],
        records=[
            {"people": group, "policy": arm, **found[arm, group].to_json()}
            for group in groups
            for arm in others
        ],
        notes=[
            "Type: detailed (says what is wanted), open (tells when asked), guarded (tells when"
            " asked again); then patience; then the price of a turn.",
        ],
    )


def _mean(found: Variation) -> Lines:
    return (fixed(found.value, 2),)


def _with_ends(found: Variation) -> Lines:
    return varied(found, 2)[:2]


def _sentences(talks: Talks, whole: Mapping[str, Variation], exact: float) -> list[str]:
    best = talks.measure("optimum", "welfare").value
    said = [
        f"The best policy has W = {fixed(exact)} by calculation and {fixed(best)} in the"
        " conversations of this test."
    ]
    for arm in (name for name in whole if name.startswith("turns")):
        share = whole[arm]
        if share.value is None:
            continue
        ends = "" if share.ends is None else f" ({fixed(share.ends[0])} to {fixed(share.ends[1])})"
        verdict = "within" if share.value >= TARGET else "not within"
        said.append(f"{arm} has {fixed(share.value)} of the optimum's W{ends}: {verdict} 5% of it.")
    return said
