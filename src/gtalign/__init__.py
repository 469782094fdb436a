"""GTAlign: train, steer and measure LLM assistants for mutual welfare.

``import gtalign`` alone is quick: it loads neither numpy, nor torch, nor a web framework. Each
package loads at its first use: ``gtalign.game.solve``, or ``from gtalign.game import solve``.
"""

__version__ = "0.1.0"

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType

__all__ = [
    "__version__",
    "chain",
    "config",
    "data",
    "dialogue",
    "drawing",
    "endpoints",
    "errors",
    "evaluation",
    "files",
    "game",
    "gateway",
    "integrations",
    "judges",
    "lab",
    "models",
    "reward",
    "steering",
    "study",
    "synthesis",
    "tasks",
    "training",
    "transcripts",
]


def __getattr__(name: str) -> "ModuleType":
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return import_module(f"{__name__}.{name}")


def __dir__() -> list[str]:
    return __all__
