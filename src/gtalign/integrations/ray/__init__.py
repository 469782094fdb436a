"""The work of a run on a Ray cluster, as `gtalign score --engine ray` does it.

This process reads and writes the files, keeps their order and counts failures; workers do the rest.
Needs the extra ``ray``.
"""

from gtalign.integrations.ray.engine import RayEngine

__all__ = ["RayEngine"]
