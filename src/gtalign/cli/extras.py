"""The extras of the package: which one brings a missing module, and how large it is."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Extra:
    """One extra of ``pip install "gtalign[NAME]"``.

    Args:
        size: About how much it adds on disk.
        modules: The modules that it brings, by the names under which they are imported.
    """

    size: str
    modules: frozenset[str]


EXTRAS = {
    "eval": Extra("340 MB", frozenset({"scipy", "moocore", "pyarrow", "sacrebleu"})),
    "judge": Extra("140 MB", frozenset({"openai", "stamina", "math_verify", "sympy"})),
    "serve": Extra(
        "250 MB",
        frozenset(
            {"starlette", "uvicorn", "aiohttp", "orjson", "jinja2", "sqlalchemy", "aiosqlite"}
            | {"jsonschema"}
        ),
    ),
    "train": Extra(
        "1.3 GB without CUDA, 5 GB and more with it",
        frozenset(
            {"torch", "trl", "transformers", "accelerate", "datasets", "peft", "tokenizers"}
            | {"safetensors", "gguf", "xgrammar"}
        ),
    ),
    "inspect": Extra("200 MB", frozenset({"inspect_ai"})),
    "ray": Extra("240 MB", frozenset({"ray"})),
    "verifiers": Extra("400 MB", frozenset({"verifiers"})),
    "openenv": Extra("400 MB", frozenset({"openenv"})),
    "verl": Extra("2 GB and more", frozenset({"verl", "ray", "hydra", "omegaconf"})),
    "postgres": Extra("12 MB", frozenset({"asyncpg"})),
    "oidc": Extra("20 MB", frozenset({"authlib", "joserfc", "cryptography"})),
    "otel": Extra("10 MB", frozenset({"opentelemetry"})),
}
"""The extras by name; of two that bring a module, the first is named."""


def advice(module: str) -> str:
    """Say how to install a missing module.

    Args:
        module: Its name, such as ``aiohttp.web``.
    """
    top = module.partition(".")[0]
    for name, extra in EXTRAS.items():
        if top in extra.modules:
            return (
                f"it belongs to the extra {name!r} (about {extra.size}):"
                f" pip install 'gtalign[{name}]', or in a clone: pip install -e '.[{name}]'"
            )
    return f"install it: pip install {top}"
