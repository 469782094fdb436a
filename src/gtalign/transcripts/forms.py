"""The forms of answers that are read: our transcripts, and what other frameworks write."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from gtalign.errors import DataError
from gtalign.tasks.content import read_truth
from gtalign.transcripts import chats, completions, dumps, harness, traces
from gtalign.transcripts.prompts import by_prompt
from gtalign.transcripts.transcript import Transcript

Record = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Form:
    """A form of answers.

    Args:
        name: Its name, with the columns by which it is known.
        matches: Whether an object is of this form.
        read: Makes the transcript of an object; takes its id and task, if it names none.
    """

    name: str
    matches: Callable[[Record], bool]
    read: Callable[[Record, str, str], Transcript]


def _of(fields: Callable[[Record, str, str], dict[str, Any]]) -> Callable[..., Transcript]:
    """Make a reader from a function that returns the fields of a transcript."""

    def read(record: Record, name: str, task: str) -> Transcript:
        return _ours(fields(record, name, task), name, task)

    return read


def _ours(record: Record, name: str, task: str) -> Transcript:
    """Read a transcript; without an id the answer's question is named by its prompt."""
    truth = read_truth(record.get("ground_truth"), "ground_truth")
    given = {"task": task, **record, "ground_truth": truth}
    prompt = record.get("prompt")
    if isinstance(prompt, str):
        given["prompt"] = [{"role": "user", "content": prompt}]
    if "id" in record:
        return Transcript.from_json(given)
    found = Transcript.from_json({**given, "id": name})
    return found if found.cluster else replace(found, cluster=by_prompt(found.prompt))


FORMS: Final = (
    Form(
        "samples of lm-evaluation-harness (doc_id, resps)",
        harness.is_sample,
        _of(harness.sample_fields),
    ),
    Form("traces of verifiers (task, nodes, rewards)", traces.is_trace, _of(traces.trace_fields)),
    Form(
        "results of verifiers (example_id, completion, reward)",
        traces.is_result,
        _of(traces.result_fields),
    ),
    Form("dumps of verl (input, output, gts, score)", dumps.is_dump, dumps.from_dump),
    Form(
        "completions of TRL (step, prompt, completion, advantage)",
        completions.is_completion,
        _of(completions.completion_fields),
    ),
    Form("chats (messages, or conversations)", chats.is_chat, _of(chats.transcript_fields)),
    Form(
        "transcripts (completion, and id, task, prompt)",
        lambda record: "completion" in record,
        _ours,
    ),
)
"""Every form of a line; logs of Inspect are whole files."""


def transcript_of(record: Record, name: str, task: str = chats.TASK) -> Transcript:
    """Build a transcript from the object of a line, of any of the `FORMS`.

    Args:
        record: The line's object.
        name: The id to give if it has none.
        task: The task of an answer that names none.

    Raises:
        DataError: It is of no known form, or a field is missing or of the wrong type; the message
            names it.
    """
    for form in FORMS:
        if form.matches(record):
            return form.read(record, name, task)
    known = "; ".join(form.name for form in FORMS)
    columns = ", ".join(map(repr, list(record)[:12])) or "none"
    raise DataError(
        f"answers of an unknown form: its columns are {columns}. Known are {known}; and logs of"
        " Inspect (files named .eval)"
    )
