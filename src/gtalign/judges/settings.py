"""Configuration of a judge that answers over HTTP."""

from typing import Annotated, Literal

from pydantic import Field

from gtalign.endpoints.settings import EndpointSettings


class JudgeSettings(EndpointSettings):
    """An endpoint that serves as a judge; repeated judging needs a temperature above 0.

    Keys, besides those of `EndpointSettings`:
        max_chars: Longest text in one block; the middle of a longer one is cut out.
        structured: Form of the verdicts: ``json_schema`` (the server enforces it), ``tagged``, or
            ``auto``: the schema, unless the server refuses it.
    """

    max_chars: Annotated[int, Field(ge=100)] = 20_000
    structured: Literal["auto", "json_schema", "tagged"] = "auto"
