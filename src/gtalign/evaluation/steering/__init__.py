"""Steering measured: trials of policies and modes, their effects, and a section of the report."""
