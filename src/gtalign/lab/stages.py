"""The stages of a lab run: their order, their folders, and the progress of each."""

from pathlib import Path

from gtalign.lab.arms import ARMS, COLD_START
from gtalign.lab.config import LabConfig
from gtalign.lab.experiment import done, needs
from gtalign.lab.policies import compared
from gtalign.lab.rounds import read_curve

__all__ = ["plan"]

Stage = tuple[int, str]
"""A seed, and the cold start, an arm, `STEERING`, or `FAITHFUL` or `POLICIES` and an arm."""

REFERENCE = "mutual"
"""The arm that the others are compared with."""

STEERING = "steering"
"""The stage that steers the model of the reference arm."""

FAITHFUL = "faithful-"
"""How the name of a stage begins that edits the matrices of an arm's model."""

POLICIES = "policies-"
"""How the name of a stage begins that compares policies in the prompt of an arm's model with edits
of its matrices."""


def plan(settings: LabConfig) -> dict[Stage, Stage | None]:
    """Return every stage of a run with the stage that it needs; that one comes before it."""
    stages: dict[Stage, Stage | None] = {}
    pretrained = settings.model.pretrained is not None
    for seed in settings.seeds:
        for arm in settings.arms:
            chain: list[str] = []
            name: str | None = arm
            while name is not None:
                chain.insert(0, name)
                name = needs(name, pretrained=pretrained)
            for stage, before in zip(chain, [None, *chain[:-1]], strict=True):
                stages.setdefault((seed, stage), None if before is None else (seed, before))
        if REFERENCE in settings.arms and settings.steering.questions:
            stages[seed, STEERING] = (seed, REFERENCE)
        for edited in edited_arms(settings):
            stages[seed, FAITHFUL + edited] = (seed, edited)
        for told in told_arms(settings):
            stages[seed, POLICIES + told] = (seed, told)
    return stages


def edited_arms(settings: LabConfig) -> list[str]:
    """Return the arms whose matrices are edited."""
    return _chain_arms(settings) if settings.faithfulness.limit else []


def told_arms(settings: LabConfig) -> list[str]:
    """Return the arms that get policies in their prompts."""
    lines = settings.policy_lines
    return _chain_arms(settings) if lines.share and lines.questions else []


def arm_of(name: str) -> str:
    """Return the arm whose model a stage is about."""
    return REFERENCE if name == STEERING else name.removeprefix(FAITHFUL).removeprefix(POLICIES)


def _chain_arms(settings: LabConfig) -> list[str]:
    """The arms that learned chains, but the base."""
    arms = {name: ARMS[name] for name in settings.arms if name != "base"}
    return [n for n, arm in arms.items() if arm.chain and not (arm.prompted or arm.rule)]


def folder_of(out: Path, stage: Stage) -> Path:
    """Return the folder of a stage in a run directory."""
    seed, name = stage
    return out / f"seed-{seed}" / name


class RunProgress:
    """The progress of a run, read from the files that its stages have written.

    Args:
        settings: Configuration of the run.
        out: Its run directory.
        train: Number of training questions.
        test: Number of answers to test questions.
    """

    def __init__(self, settings: LabConfig, out: Path, train: int, test: int) -> None:
        self.settings = settings
        self.out = out
        self.train = train
        self.test = test
        self._sizes = {stage: self._size(stage[1]) for stage in plan(settings)}

    def share(self) -> float:
        """Return the finished share of the run's time, in [0, 1]."""
        finished = sum(size * self._done(stage) for stage, size in self._sizes.items())
        return finished / max(1, sum(self._sizes.values()))

    def _size(self, name: str) -> int:
        """Rough number of seconds that a stage takes on a slow core."""
        experiment, steering = self.settings.experiment, self.settings.steering
        if name == COLD_START:
            return self.train // 60
        if name == STEERING:
            return steering.questions * len(steering.arms()) // 4
        if name.startswith(FAITHFUL):
            return self._edits() // 20
        if name.startswith(POLICIES):
            return self._told() // 20
        arm = ARMS[name]
        trained = 4 * experiment.rl.steps if arm.rewards else 0
        if arm.column is not None:
            trained = self._examples(name) * experiment.sft.epochs // 25
        elif arm.preferences:
            trained = self.train * experiment.dpo.epochs // 10
        return trained + self.test // 15

    def _examples(self, name: str) -> int:
        """Examples of a supervised arm."""
        return self.train * (self.settings.experiment.raw if name == "base" else 1)

    def _edits(self) -> int:
        """Most answers to edited matrices of one model."""
        settings, policies = self.settings.faithfulness, self.settings.steering.policies
        edits = 1 + len(settings.edits) + len(policies)
        return min(settings.limit, self.test) * edits * len(settings.modes)

    def _told(self) -> int:
        """Answers of one model under the policies that are compared."""
        lines = self.settings.policy_lines
        policies = compared(lines, self.settings.steering.worth).values()
        return min(lines.questions, self.test) * len(lines.ways) * sum(map(len, policies))

    def _done(self, stage: Stage) -> float:
        """The share of a stage that is done."""
        experiment, steering = self.settings.experiment, self.settings.steering
        folder, name = folder_of(self.out, stage), stage[1]
        if done(folder):
            return 1.0
        if name == COLD_START:
            return _lines(folder / "chains.jsonl.part") / self.train
        if name == STEERING:
            answers = min(steering.questions, self.test) * len(steering.arms())
            return _lines(folder / "transcripts.jsonl") / answers
        if name.startswith(FAITHFUL):
            return min(1.0, _lines(folder / "transcripts.jsonl") / self._edits())
        if name.startswith(POLICIES):
            return min(1.0, _lines(folder / "transcripts.jsonl") / self._told())
        tested = _lines(folder / "transcripts.jsonl") / self.test
        arm, steps = ARMS[name], experiment.rl.steps
        if arm.prompted or arm.rule:
            return tested
        if arm.column is not None:
            steps = -(-self._examples(name) // experiment.sft.batch) * experiment.sft.epochs
        elif arm.preferences:
            steps = -(-self.train // experiment.dpo.batch) * experiment.dpo.epochs
        metrics = read_curve(folder)
        trained = min(1.0, metrics[-1]["step"] / steps) if metrics else 0.0
        return 0.9 * trained + 0.1 * tested


def _lines(path: Path) -> int:
    return path.read_bytes().count(b"\n") if path.exists() else 0
