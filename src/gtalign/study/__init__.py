"""Studies: people rate answers without knowing who wrote them, and what follows from that."""

from gtalign.study.analysis import analyse
from gtalign.study.folder import About, StudyFolder, write_study
from gtalign.study.sample import Sample, draw
from gtalign.study.simulated import SimulatedReader, WordCountingReader, simulate

__all__ = [
    "About",
    "Sample",
    "SimulatedReader",
    "StudyFolder",
    "WordCountingReader",
    "analyse",
    "draw",
    "simulate",
    "write_study",
]
