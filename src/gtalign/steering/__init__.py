"""Steering: edit the payoff matrix while the model is writing, and let it go on from there."""

from gtalign.steering.backend import Backend, Draft, Finish, Report, Sampling

__all__ = ["Backend", "Draft", "Finish", "Report", "Sampling"]
