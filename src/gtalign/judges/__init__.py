"""Who says how good an answer is."""

from gtalign.judges.base import Judge, Verdict
from gtalign.judges.fake import FakeJudge
from gtalign.judges.rule import RULES, Rule, RuleJudge

__all__ = ["RULES", "FakeJudge", "Judge", "Rule", "RuleJudge", "Verdict"]
