"""Writes the reference of the configuration files from the classes that read them."""

import importlib
import inspect
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

SOURCES = Path(__file__).parents[2] / "src"
MARK = "<!-- settings -->"

# What a file configures, the class that reads it, and the commands that take one.
FILES = (
    ("A lab run", "gtalign.lab.config:LabConfig", "gtalign lab --config"),
    ("A cold start", "gtalign.synthesis:ColdStartConfig", "gtalign synth --config"),
    ("Supervised training", "gtalign.training.sft_run:SFTRun", "gtalign sft --config"),
    ("Training on preferences", "gtalign.training.dpo_run:DPORun", "gtalign dpo --config"),
    ("Reinforcement learning", "gtalign.training.rl_run:RLRun", "gtalign rl --config"),
    ("An evaluation", "gtalign.evaluation.evaluate:EvalRun", "gtalign eval --config"),
    ("A reward", "gtalign.reward:RewardConfig", "gtalign score --config"),
    ("Judges", "gtalign.judges:JudgesConfig", "gtalign score --judge"),
    ("A pricing policy", "gtalign.steering:Policy", "gtalign steer --policy"),
    ("A game", "gtalign.game.file:GameConfig", "gtalign steer --game"),
    ("Steering", "gtalign.steering:SteeringSettings", "gtalign steer --config"),
    (
        "A measurement of faithfulness",
        "gtalign.evaluation.faithfulness:FaithfulnessRun",
        "gtalign faithful --config",
    ),
    (
        "Conversations with simulated users",
        "gtalign.evaluation.dialogue:ConverseRun",
        "gtalign converse --config",
    ),
    (
        "A suite for another framework",
        "gtalign.integrations.suite:Suite",
        "inspect eval gtalign/ask_or_answer -T suite=",
    ),
    ("The gateway", "gtalign.gateway.settings:GatewayConfig", "gtalign serve --config"),
    ("Mixing data", "gtalign.data.mixture:MixtureConfig", "gtalign data mix --set"),
    ("Finding duplicates", "gtalign.data.duplicates:DuplicateConfig", "gtalign data check --set"),
)


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Put the keys of every file in the place of the mark; mkdocs calls this for every page."""
    return markdown.replace(MARK, "\n".join(describe())) if MARK in markdown else markdown


def config_class(place: str) -> Any:
    """Return a configuration class, given as ``module:name``."""
    if str(SOURCES) not in sys.path:
        sys.path.insert(0, str(SOURCES))
    module, _, name = place.partition(":")
    return getattr(importlib.import_module(module), name)


def describe() -> Iterator[str]:
    """Yield the lines of the reference: each file, its keys and those of its tables."""
    shown: set[type] = set()
    for title, place, command in FILES:
        yield from (f"## {title}", "", f"Read by `{command}`.", "")
        yield from _keys(config_class(place), "", shown)


def _keys(cls: Any, path: str, shown: set[type], example: Any = None) -> Iterator[str]:
    """Yield the keys of a class as a table, then those of the tables in it.

    Args:
        cls: The class.
        path: What stands before each key.
        shown: The classes that have been described; this one is added.
        example: The table that holds if a file names none, if there is one.
    """
    shown.add(cls)
    meanings = _meanings(cls)
    yield from (_prose(cls), "", "| key | type | default | meaning |", "|---|---|---|---|")
    inner: list[tuple[str, Any, Any]] = []
    for name in cls.known_keys():
        field = cls.model_fields.get(name)
        if field is None:  # one key for each entry of a kind, such as the weights of factors
            given = f"`{example.of(name)}`" if example is not None else "`0.0`"
            yield f"| `{path}{name}` | `float` | {given} | {meanings.get(name, '')} |"
            continue
        own = getattr(example, name) if example is not None else _own_default(field)
        inner += [
            (f"{path}{name}", found, own if type(own) is found else None)
            for found in _classes(field.annotation)
        ]
        kind = _type(field.annotation)
        default = _default(field, example, name)
        yield f"| `{path}{name}` | {kind} | {default} | {meanings.get(name, '')} |"
    yield ""
    for place, found, own in inner:
        if found in shown:
            yield from (f"Keys of `{place}`: those of `{found.__name__}` above.", "")
        else:
            yield from (f"### `{place}` {{: #{_anchor(cls, place)} }}", "")
            yield from _keys(found, f"{place}.", shown, own)


def _anchor(cls: Any, place: str) -> str:
    return f"{cls.__name__}-{place}".lower().replace(".", "-").replace("_", "-")


def _classes(annotation: Any) -> Iterator[Any]:
    """Yield the configuration classes in an annotation, as of ``tuple[Config, ...]``."""
    if isinstance(annotation, type) and hasattr(annotation, "model_fields"):
        yield annotation
    for part in get_args(annotation):
        yield from _classes(part)


def _type(annotation: Any) -> str:
    literal = str(getattr(annotation, "__origin__", "")) == "typing.Literal"
    if literal:
        return ", ".join(f"`{value}`" for value in get_args(annotation))
    text = getattr(annotation, "__name__", None) if not get_args(annotation) else None
    text = text or re.sub(r"\b(?:[A-Za-z_]+\.)+", "", str(annotation))
    text = re.sub(
        r", (?:FieldInfo|Ge|Gt|Le|Lt|Interval|AllowInfNan|MinLen|Strict)\(.*?\)", "", text
    )
    text = re.sub(r"Annotated\[([^\[\]]*?)(?:, .*?)?\]", r"\1", text)
    return f"`{text.removesuffix(' | None')}`"


def _own_default(field: Any) -> Any:
    return None if field.is_required() else field.get_default(call_default_factory=True)


def _default(field: Any, example: Any, name: str) -> str:
    if field.is_required() and example is None:
        return "required"
    value = getattr(example, name) if example is not None else _own_default(field)
    if hasattr(value, "model_dump"):
        return "see below"
    if value is None or value in ((), [], {}):
        return "none"
    text = ", ".join(map(str, value)) if isinstance(value, tuple) else str(value)
    return f"`{text}`" if len(text) < 80 else "a longer text"


def _prose(cls: Any) -> str:
    """Return the docstring of a class up to its list of keys."""
    return re.split(r"\n\s*Keys:\s*\n", inspect.getdoc(cls) or "")[0]


def _meanings(cls: Any) -> dict[str, str]:
    """Return what a class says of its keys, and the docstrings of it and its bases by ``Keys:``."""
    found: dict[str, str] = dict(getattr(cls, "key_meanings", dict)())
    for owner in cls.__mro__:
        text = inspect.cleandoc(owner.__dict__.get("__doc__") or "")
        parts = re.split(r"\nKeys:\s*\n", text)
        if len(parts) < 2:
            continue
        block = parts[1].split("\n\n")[0]
        for entry in re.split(r"\n(?=    \S)", block):
            names, _, meaning = entry.strip().partition(":")
            for name in re.split(r",\s*", names):
                found.setdefault(name, " ".join(meaning.split()).replace("|", "\\|"))
    return found
