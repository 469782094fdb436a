"""Logs of Inspect (``.eval`` or JSON), read as transcripts by `inspect_ai`, an extra."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from gtalign.chain import with_reasoning
from gtalign.errors import DataError
from gtalign.tasks.content import read_content
from gtalign.transcripts.chats import completion_of
from gtalign.transcripts.given import given_scores, number

BY: Final = "Inspect"

_HEAD = 400  # bytes of a log in JSON that hold its first three keys


def is_log(path: Path) -> bool:
    """Whether a file is a log of Inspect: by its name, or as JSON by how it begins."""
    if path.suffix != ".json" or not path.is_file():
        return path.suffix == ".eval"
    with path.open("rb") as file:
        head = file.read(_HEAD)
    return all(key in head for key in (b'"version"', b'"status"', b'"eval"'))


def read_log(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the place and the fields of the transcript of each sample; epochs are rows of one id.

    Raises:
        DataError: The file is no log of Inspect.
        ModuleNotFoundError: `inspect_ai` is not installed.
    """
    from inspect_ai.log import read_eval_log  # of the extra `inspect`

    if not path.is_file():
        raise DataError(f"{path}: cannot be read: No such file or directory")
    try:
        log = read_eval_log(str(path))
    except Exception as error:  # whatever zip, JSON or pydantic make of another file
        reason = str(error).partition("\n")[0]
        raise DataError(f"{path}: not a log of Inspect that can be read: {reason}") from error
    for sample in log.samples or ():
        place = f"{path}, sample {sample.id!r}, epoch {sample.epoch}"
        yield place, _fields(sample, log.eval.task, log.eval.model)


def _fields(sample: Any, task: str, model: str) -> dict[str, Any]:
    asked = sample.input
    prompt = (
        [{"role": "user", "content": asked}]
        if isinstance(asked, str)
        else [{"role": message.role, "content": message.text} for message in asked]
    )
    target = sample.target
    scores: dict[str, float | None] = {}
    reason = ""
    for name, score in (sample.scores or {}).items():
        reason = reason or score.explanation or ""
        scores |= _values(name, score.value)
    usage = sample.output.usage
    tokens = {} if usage is None else dict.fromkeys(("response", "total"), usage.output_tokens)
    problem = None if sample.error is None else f"{BY}: {sample.error.message}"
    return {
        "id": str(sample.id),
        "task": task,
        "model": model,
        "prompt": prompt,
        "completion": _completion(sample.output),
        "ground_truth": target if isinstance(target, str) else "\n".join(target),
        "plain": True,
        "tokens": tokens,
        **given_scores(scores, BY, reason, problem),
    }


def _completion(output: Any) -> str:
    """What the model said, after its reasoning; where that is nothing, the calls in its place."""
    said = str(output.completion or "")
    if not output.choices:
        return said
    read = read_content(output.choices[0].message.model_dump())
    return with_reasoning(read.reasoning, said) if said else completion_of(read)


def _values(name: str, value: Any) -> dict[str, float | None]:
    """The numbers of one scorer; those of an object carry its keys."""
    if isinstance(value, Mapping):
        return {f"{name}/{key}": _value(one) for key, one in value.items()}
    return {name: _value(value)}


def _value(value: Any) -> float | None:
    """A score as Inspect itself turns it into a number: C is 1, P is 0.5, I and N are 0."""
    if not isinstance(value, str):
        return number(value)
    from inspect_ai.scorer import value_to_float

    known = {"c", "i", "p", "n", "yes", "no", "true", "false"}
    try:
        return value_to_float()(value) if value.lower() in known else number(float(value))
    except ValueError:
        return None
