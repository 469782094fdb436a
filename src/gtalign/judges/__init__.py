"""Who says how good an answer is."""

from gtalign.judges.base import Judge, Verdict
from gtalign.judges.fake import FakeJudge

__all__ = ["FakeJudge", "Judge", "Verdict"]
