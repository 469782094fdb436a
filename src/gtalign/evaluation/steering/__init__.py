"""Steering measured: trials of policies and modes, their effects, and a section of the report."""

from gtalign.evaluation.steering.transcript import steered_transcript
from gtalign.evaluation.steering.trial import Arm, TrialSettings, run_trial

__all__ = ["Arm", "TrialSettings", "run_trial", "steered_transcript"]
