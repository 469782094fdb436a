"""Judges: they grade answers."""

from gtalign.judges.agreement import krippendorff_alpha
from gtalign.judges.base import Judge, Verdict
from gtalign.judges.batch import judge_all
from gtalign.judges.check import (
    JudgeCheck,
    LabelledAnswer,
    PositionCheck,
    TaskCheck,
    WilsonShare,
    check_judge,
)
from gtalign.judges.config import Judges, JudgesConfig
from gtalign.judges.correction import CorrectedRate, corrected_rate
from gtalign.judges.criterion import CRITERIA, Criterion
from gtalign.judges.endpoint import EndpointJudge
from gtalign.judges.fake import FakeJudge
from gtalign.judges.mathematics import MathJudge
from gtalign.judges.pairwise import PairwiseVerdict, compare
from gtalign.judges.panel import FirstOf, Panel
from gtalign.judges.repeated import Repeated
from gtalign.judges.rule import RULES, Rule, RuleJudge
from gtalign.judges.settings import JudgeSettings

__all__ = [
    "CRITERIA",
    "RULES",
    "CorrectedRate",
    "Criterion",
    "EndpointJudge",
    "FakeJudge",
    "FirstOf",
    "Judge",
    "JudgeCheck",
    "JudgeSettings",
    "Judges",
    "JudgesConfig",
    "LabelledAnswer",
    "MathJudge",
    "PairwiseVerdict",
    "Panel",
    "PositionCheck",
    "Repeated",
    "Rule",
    "RuleJudge",
    "TaskCheck",
    "Verdict",
    "WilsonShare",
    "check_judge",
    "compare",
    "corrected_rate",
    "judge_all",
    "krippendorff_alpha",
]
