"""Write dataset rows in verl's schema.

A row has ``prompt`` (our system message, with the instruction for the chain if one is wanted, and
the conversation), ``data_source``, ``ability``, ``reward_model`` and ``extra_info``, which keeps
the bare conversation, so that `gtalign.data.rows` reads the question back as it was.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from functools import cache
from importlib.resources import files
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from gtalign.chain import prompt
from gtalign.data.rows import is_jsonl
from gtalign.errors import DataError, StorageError
from gtalign.files.json_text import to_json
from gtalign.files.replace import replacing
from gtalign.game import USER_LLM, GameForm
from gtalign.tasks import Message, Question

_BATCH = 256
_SURROGATE = re.compile("[\ud800-\udfff]")


@cache
def system_prompt(*, chain: bool = True, form: GameForm = USER_LLM, belief: bool = False) -> str:
    """Return our system message; with `chain`, the instruction for the blocks follows it.

    With `belief`, the chain is to state how likely each action of the user is.
    """
    text = files(__package__).joinpath("prompts", "system.txt").read_text(encoding="utf-8").strip()
    return f"{text}\n\n{prompt(form, belief=belief)}" if chain else text


def instructed(messages: Sequence[Message], system: str) -> list[Message]:
    """Put a system message before a conversation, and before the conversation's own if any."""
    if messages and messages[0]["role"] == "system":
        system = f"{system}\n\n{messages[0]['content']}"
        messages = messages[1:]
    return [Message(role="system", content=system), *messages]


def bare(messages: Sequence[Message]) -> tuple[Message, ...]:
    """Return a conversation without our system message, as it was before `instructed`."""
    if messages and messages[0]["role"] == "system":
        system, rest = messages[0]["content"], messages[1:]
        for ours in (_instruction_in(system), system_prompt(chain=False)):  # the longer one first
            if system == ours:
                return tuple(rest)
            if system.startswith(f"{ours}\n\n"):
                theirs = system.removeprefix(f"{ours}\n\n")
                return (Message(role="system", content=theirs), *rest)
    return tuple(messages)


def _instruction_in(system: str) -> str:
    """The part of a system message that is ours with an instruction, of whatever game."""
    usual = system_prompt()
    if system.startswith(usual):
        return usual
    first, last = system_prompt(chain=False) + "\n\n" + _line(0), _line(-1)
    end = system.find(last)
    return system[: end + len(last)] if system.startswith(first) and end >= 0 else usual


def _line(number: int) -> str:
    """The first or last line of an instruction, which is the same for every game."""
    return prompt().split("\n")[number]


def given(
    messages: Sequence[Message],
    *,
    instruct: bool,
    chain: bool = True,
    form: GameForm = USER_LLM,
    belief: bool = False,
) -> list[Message]:
    """Return what a model is given for a conversation.

    Args:
        messages: The conversation.
        instruct: Whether our system message comes before it; a small model from scratch cannot
            read one, and learns its task from the chains alone.
        chain: Whether a chain is wanted.
        form: The game that the chain is about.
        belief: Whether the chain is to state a belief.
    """
    if not instruct:
        return list(messages)
    return instructed(messages, system_prompt(chain=chain, form=form, belief=belief))


def to_row(
    question: Question, *, index: int, source_prompt: str | None, split: str, system: str | None
) -> dict[str, Any]:
    """Return the row of a question.

    Args:
        question: The question. Its id is kept as ``extra_info.source_id``.
        index: The row's number in its file.
        source_prompt: What the conversation stems from; rows that share it are one cluster. By
            default the first message.
        split: ``train``, ``test`` or ``ood``.
        system: As from `system_prompt`; None leaves the conversation bare.
    """
    return {
        "prompt": list(question.messages)
        if system is None
        else instructed(question.messages, system),
        "data_source": question.task,
        "ability": question.task,
        "reward_model": {"ground_truth": question.ground_truth, "style": "rule"},
        "extra_info": {
            "chat_history": [dict(message) for message in question.messages],
            "index": index,
            "single_turn_completion": question.ground_truth,
            "single_turn_prompt": source_prompt or question.messages[0]["content"],
            "source_id": question.id,
            "split": split,
        },
    }


class RowWriter:
    """Writes rows to a parquet or JSON Lines file, which appears whole or not at all.

    Rows go to a file beside it that takes its name at the end; an error on the way, or a crash,
    leaves what was there before. Use it as a context manager.

    Args:
        path: The file; ``.jsonl`` or ``.json`` is JSON Lines, anything else parquet. Its folder is
            made if need be.

    Raises:
        StorageError: The file cannot be written.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.rows = 0
        self._waiting: list[Mapping[str, Any]] = []
        self._parquet: Any = None
        with self._naming_the_file(), ExitStack() as stack:
            path.parent.mkdir(parents=True, exist_ok=True)
            beside = stack.enter_context(replacing(path))
            self._file = stack.enter_context(beside.open("wb"))
            if not is_jsonl(path):
                from pyarrow import parquet  # of the extra `eval`; JSON Lines do without

                self._parquet = parquet.ParquetWriter(self._file, _arrow_schema())
            stack.push(self._end)
            self._open = stack.pop_all()  # ends the rows, closes the file, puts it in its place

    def write(self, row: Mapping[str, Any]) -> None:
        """Add a row.

        Raises:
            DataError: Its text has no UTF-8 form, which parquet needs; the message names the row.
            StorageError: It could not be written.
        """
        self._waiting.append(row)
        self.rows += 1
        if len(self._waiting) == _BATCH:
            with self._naming_the_file():
                self._flush()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        with self._naming_the_file():
            self._open.__exit__(kind, error, traceback)

    def _end(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Write what is left, unless an error ended the block."""
        whole = False
        try:
            if error is None:
                self._flush()
                if self._parquet is not None:
                    self._parquet.close()
                self._file.flush()
                whole = True
        finally:
            if self._parquet is not None:
                self._parquet.is_open = False  # or its finaliser would write the end once more
            if not whole:
                with suppress(OSError):  # another error is on its way
                    self._file.close()

    def _flush(self) -> None:
        rows, self._waiting = self._waiting, []
        if not rows:
            return
        if self._parquet is None:
            self._file.write(b"".join(map(to_json, rows)))
        else:
            self._parquet.write_table(_table(rows, self.rows - len(rows)))

    @contextmanager
    def _naming_the_file(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            reason = error.strerror or "cannot be written"
            raise StorageError(error.errno, reason, str(self.path)) from error


def _table(rows: list[Mapping[str, Any]], first: int) -> Any:
    import pyarrow as pa

    try:
        return pa.Table.from_pylist(rows, schema=_arrow_schema())
    except UnicodeEncodeError as error:
        texts = (json.dumps(row, ensure_ascii=False) for row in rows)
        wrong = next(n for n, text in enumerate(texts, first) if _SURROGATE.search(text))
        raise DataError(
            f"row {wrong}: a parquet file cannot hold text with a lone surrogate; write JSON Lines,"
            " or correct the text"
        ) from error


def _arrow_schema() -> Any:
    import pyarrow as pa

    text = pa.string()
    messages = pa.list_(pa.struct([("role", text), ("content", text)]))
    info = [
        ("chat_history", messages),
        ("index", pa.int64()),
        ("single_turn_completion", text),
        ("single_turn_prompt", text),
        ("source_id", text),
        ("split", text),
    ]
    return pa.schema(
        [
            ("prompt", messages),
            ("data_source", text),
            ("ability", text),
            ("reward_model", pa.struct([("ground_truth", text), ("style", text)])),
            ("extra_info", pa.struct(info)),
        ]
    )
