"""The small world: questions, users, teachers, a judge, a tokenizer and a model from scratch.

Every fact of it is known, so the beliefs of a model can be compared with the truth.
"""

from gtalign.lab.judge import LabJudge
from gtalign.lab.settings import ModelSettings, WorldSettings
from gtalign.lab.world import World, make_world

__all__ = ["LabJudge", "ModelSettings", "World", "WorldSettings", "make_world"]
