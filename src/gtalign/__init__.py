"""GTAlign: train, steer and measure LLM assistants for mutual welfare.

This module stays cheap to import: it loads neither numpy, nor torch, nor a web framework. Import
the part that is needed, for example ``from gtalign.game import Bimatrix, solve``.
"""

__version__ = "0.1.0"

__all__ = ["__version__"]
