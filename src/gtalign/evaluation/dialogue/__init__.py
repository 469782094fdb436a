"""Conversations with simulated users, measured: arms, payoff matrices from play, stability."""

from gtalign.evaluation.dialogue.held import ARMS, Conversations
from gtalign.evaluation.dialogue.matrices import MatrixAgreement, agreements
from gtalign.evaluation.dialogue.settings import ConverseRun
from gtalign.evaluation.dialogue.stability import Stability, stability

__all__ = [
    "ARMS",
    "Conversations",
    "ConverseRun",
    "MatrixAgreement",
    "Stability",
    "agreements",
    "stability",
]
