"""The engines that are known, and the fields in which their requests differ."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from gtalign.errors import SteeringError
from gtalign.steering.backend import Sampling

Language = Literal["gbnf", "ebnf"]


@dataclass(frozen=True, slots=True)
class Engine:
    """The fields that a kind of server understands beyond OpenAI's interface.

    Args:
        name: Name for people and records.
        grammar: Language of its grammars; None if it takes none.
        grammar_field: Where a grammar goes, a path of keys.
        counts: Fields that make it report token counts, with each event where it can: an answer
            that is cut has no last event.
        all_tokens: Its ``top_k`` for no limit; None if it may not know ``top_k``.
        plain: Fields that turn off the changes of probability that it makes by default.
        count: Where it counts the tokens of a text: the path, the field for the text, and the field
            of its answer, a number or a list of tokens; None if it does not.
        interrupts: Whether a new request breaks off the one that it is answering.
    """

    name: str
    grammar: Language | None = None
    grammar_field: tuple[str, ...] = ()
    counts: Mapping[str, Any] = field(default_factory=dict, hash=False)
    all_tokens: int | None = None
    plain: Mapping[str, Any] = field(default_factory=dict, hash=False)
    count: tuple[str, str, str] | None = None
    interrupts: bool = False

    def sampling(self, sampling: Sampling) -> dict[str, Any]:
        """The fields that say how tokens are drawn.

        Of an answer of the engine's own, these are the ones that the request names.
        """
        if sampling.own is not None:
            named = {name: getattr(sampling, name) for name in sorted(sampling.own)}
            return {
                name: value
                for name, value in named.items()
                if value not in (None, 0) or name == "temperature"
            }
        fields: dict[str, Any] = {"temperature": sampling.temperature, "top_p": sampling.top_p}
        if sampling.top_k:
            fields["top_k"] = sampling.top_k
        elif self.all_tokens is not None:
            fields["top_k"] = self.all_tokens
        if sampling.seed is not None:
            fields["seed"] = sampling.seed
        return {**fields, **self.plain}

    def holding(self, grammar: str | None) -> dict[str, Any]:
        """The fields that constrain it by a grammar.

        Raises:
            SteeringError: It takes none.
        """
        if grammar is None:
            return {}
        if self.grammar is None:
            raise SteeringError(f"an engine of kind {self.name!r} cannot be held to a grammar")
        held: Any = grammar
        for key in reversed(self.grammar_field):
            held = {key: held}
        assert isinstance(held, dict)
        return held


_USAGE: Final = {"stream_options": {"include_usage": True}}
_RUNNING: Final = {"stream_options": {"include_usage": True, "continuous_usage_stats": True}}

VLLM: Final = Engine(
    name="vLLM",
    grammar="ebnf",
    grammar_field=("structured_outputs", "grammar"),
    counts=_RUNNING,
    all_tokens=0,
    plain={"min_p": 0.0, "repetition_penalty": 1.0},  # else those of the model's own settings
    count=("/tokenize", "prompt", "count"),
)
SGLANG: Final = Engine(
    name="SGLang",
    grammar="ebnf",
    grammar_field=("ebnf",),
    counts=_RUNNING,
    all_tokens=-1,
    plain={"min_p": 0.0, "repetition_penalty": 1.0},
    count=("/tokenize", "prompt", "count"),
)
LLAMA_CPP: Final = Engine(
    name="llama.cpp",
    grammar="gbnf",
    grammar_field=("grammar",),
    counts={**_USAGE, "timings_per_token": True},
    all_tokens=0,
    plain={"min_p": 0.0, "repeat_penalty": 1.0},
    count=("/tokenize", "content", "tokens"),
)
LLAMA_CPP_PYTHON: Final = Engine(
    name="llama-cpp-python",
    grammar="gbnf",
    grammar_field=("grammar",),
    all_tokens=0,
    plain={"min_p": 0.0, "repeat_penalty": 1.0},
    count=("/extras/tokenize/count", "input", "count"),
    interrupts=True,
)
UNKNOWN: Final = Engine(name="unknown engine", counts=_USAGE)

OWNERS: Final[Mapping[str, Engine]] = {
    "vllm": VLLM,
    "sglang": SGLANG,
    "llamacpp": LLAMA_CPP,
    "me": LLAMA_CPP_PYTHON,
}
"""Engines by what they give as ``owned_by`` of their models."""
