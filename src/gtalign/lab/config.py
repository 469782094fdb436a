"""The configuration of `gtalign lab`, with the lab's own defaults."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final, Self

from pydantic import Field, NonNegativeInt, PositiveInt, field_validator, model_validator

from gtalign.config import Config, Share, merge
from gtalign.evaluation.faithfulness import FaithfulnessSettings
from gtalign.evaluation.steering.trial import TrialSettings
from gtalign.lab import pretrained
from gtalign.lab.arms import ARMS, ArmName
from gtalign.lab.desk.settings import TurnsSettings
from gtalign.lab.experiment import ExperimentSettings
from gtalign.lab.policies import PolicyLineSettings
from gtalign.lab.settings import ModelSettings, PublishedSettings, WorldSettings

__all__ = ["LAB", "LabConfig"]

LAB: Mapping[str, Any] = {
    # The paper's reward with windows and latency scaled to completions of 130 tokens, not 1,500.
    "reward": {
        "preset": "paper",
        "response_window": {"low": 3.0, "high": 40.0, "steepness": 0.5},
        "total_window": {"low": 3.0, "high": 220.0, "steepness": 0.25},
        "latency_scale": 200.0,
    },
    "sft": {
        "batch": 16,
        "learning_rate": 0.01,
        "matrix_learning_rate": 0.03,
        "completion_only": False,
    },
}
"""The lab's defaults of an experiment, where they differ from the general ones."""

TRIAL: Mapping[str, Any] = {
    # An answer of the lab takes a tenth of the tokens of a real one. For prices to matter next to
    # payoffs in whole numbers, money is worth thirty times the default.
    "utility_of_money": 3000.0,
    "again": "choose {{cell}}.",
    "expected": {
        "DA": {"output": 125.0},
        "CQ": {"output": 120.0, "turns": 1.0, "follow_up": 125.0, "reply": 10.0},
        "AQ": {"output": 130.0, "turns": 0.5, "follow_up": 125.0, "reply": 10.0},
    },
}
"""The lab's defaults of its trial of steering, where they differ from the general ones."""

FAITHFUL: Mapping[str, Any] = {"limit": 40, "max_tokens": 480, "batch": 64}
"""The lab's defaults of its measure of faithfulness, where they differ from the general ones."""


WORKED_OUT: Final = "{{sums}} choose {{cell}}."
"""How ``enforce`` begins an analysis where the teachers write every sum out."""


class DialSettings(Config):
    """One degree of conflict of a lab run.

    Keys:
        conflict: The degree; see ``world.conflict``.
        arms: The arms at this degree.
    """

    conflict: Share
    arms: Annotated[tuple[ArmName, ...], Field(min_length=1)]


class LabConfig(Config):
    """A lab run. The same configuration gives the same files on the same machine.

    Keys:
        seeds: Seeds; each gives a run of every arm.
        arms: The models to train and compare. ``base`` is a network from scratch; ``as-is``,
            ``zero-shot`` and ``guided`` are a pretrained model before training.
        workers: Number of stages that run at once.
        threads: Threads of each stage.
        data: Folder of published files that the questions come from; by default they come from the
            small world.
        world: The small world.
        published: Which questions are taken from ``data``.
        model: The network, or the pretrained model that takes its place.
        experiment: How the models are trained and tested.
        dial: Degrees of conflict, each a run of its own with arms of its own; they take the place
            of ``arms`` and ``world.conflict``.
        turns: Conversations of several turns at a desk, whose best policy is known. They take the
            place of the arms; of the other keys only ``seeds``, ``workers``, ``threads``,
            ``world.seed`` and the sizes in ``model`` count.
        steering: The trial of steering after training.
        policy_lines: Policies in the prompts: what is learned of them, and how that compares with
            edits of the matrix. What money is worth and which tokens each action is expected to
            take are those of ``steering``.
        faithfulness: The measure of whether the matrices of the trained models cause their answers;
            its policies are those of ``steering``.
    """

    seeds: Annotated[tuple[NonNegativeInt, ...], Field(min_length=1)] = (0,)
    arms: tuple[ArmName, ...] = ("base", "sft", "mutual")
    workers: PositiveInt = 1
    threads: PositiveInt = 2
    data: Path | None = None
    world: WorldSettings = WorldSettings()
    published: PublishedSettings = PublishedSettings()
    model: ModelSettings = ModelSettings()
    experiment: ExperimentSettings = ExperimentSettings()
    dial: tuple[DialSettings, ...] = ()
    turns: TurnsSettings | None = None
    steering: TrialSettings = TrialSettings()
    policy_lines: PolicyLineSettings = PolicyLineSettings()
    faithfulness: FaithfulnessSettings = FaithfulnessSettings()

    @model_validator(mode="before")
    @classmethod
    def _fit_to_the_lab(cls, given: Any) -> Any:
        if not isinstance(given, Mapping):
            return given
        model = given.get("model", {})
        if isinstance(model, Mapping) and model.get("pretrained") is not None:
            usual: dict[str, Any] = {
                "arms": pretrained.ARMS,
                "world": pretrained.WORLD,
                "published": pretrained.PUBLISHED,
                "experiment": pretrained.EXPERIMENT,
                "steering": pretrained.TRIAL,
                "faithfulness": pretrained.FAITHFUL,
            }
        else:
            usual = {"experiment": LAB, "steering": TRIAL, "faithfulness": FAITHFUL}
        own = {name: given[name] for name in usual if name in given}
        world = merge(usual.get("world", {}), given.get("world", {}))
        if isinstance(world, Mapping) and world.get("worked_out"):
            usual = merge(usual, {"steering": {"opening": WORKED_OUT}})
        if isinstance(world, Mapping) and world.get("belief"):
            usual = merge(usual, {"experiment": {"reward": {"belief": True}}})
        return {**given, **merge(usual, own)}

    @field_validator("seeds")
    @classmethod
    def _seeds_differ(cls, seeds: tuple[int, ...]) -> tuple[int, ...]:
        if len(set(seeds)) < len(seeds):
            raise ValueError("each seed is given once: two runs of one seed are the same run")
        return seeds

    @model_validator(mode="after")
    def _policies_have_a_truth(self) -> Self:
        if self.data is not None and self.policy_lines.share:
            raise ValueError(
                "policy_lines.share: the true payoffs of published questions are unknown, so no"
                " matrix of theirs can know the prices; leave out data"
            )
        return self

    @model_validator(mode="after")
    def _beliefs_are_stated_everywhere(self) -> Self:
        stated, experiment = self.world.belief, self.experiment
        if stated != experiment.reward.belief:
            raise ValueError("world.belief and experiment.reward.belief are true together")
        without = {
            "data": self.data is not None,
            "experiment.drills": experiment.drills,
            "experiment.counterfactual": experiment.counterfactual,
            "policy_lines.share": self.policy_lines.share,
            "steering.questions": self.steering.questions and "mutual" in self.arms,
            "faithfulness.limit": self.faithfulness.limit,
        }
        for key, given in without.items():
            if stated and given:
                raise ValueError(f"world.belief: no chain of {key} states a belief; leave it out")
        return self

    @model_validator(mode="after")
    def _bayes_has_a_belief(self) -> Self:
        if "rule-bayes" in self.arms and not self.world.belief:
            raise ValueError("arms: 'rule-bayes' needs beliefs in the chains: world.belief = true")
        return self

    @model_validator(mode="after")
    def _arms_fit_the_model(self) -> Self:
        scratch = self.model.pretrained is None
        for arm in self.arms:
            if arm == "base" and not scratch:
                raise ValueError(f"arms: {arm!r}: a pretrained model has no base")
            if ARMS[arm].prompted and scratch:
                why = "a network from scratch cannot be asked before it is trained"
                raise ValueError(f"arms: {arm!r}: {why}")
        return self
