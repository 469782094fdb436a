"""Export decisions as JSON Lines or parquet."""

import asyncio
import json
import tempfile
from collections.abc import AsyncGenerator, Mapping
from pathlib import Path
from typing import Any, Final

from starlette.responses import StreamingResponse
from starlette.types import Message, Receive, Scope, Send

from gtalign.errors import DataError
from gtalign.files import to_json
from gtalign.gateway.http.client import ClientGone
from gtalign.gateway.store.reader import TEXTS, Filter, Reader, transcript_of

FORMATS: Final = {"jsonl": "application/x-ndjson", "parquet": "application/vnd.apache.parquet"}
_BATCH: Final = 1000
_HELD: Final = 1 << 24  # characters of texts that are held for a batch
_CHUNK: Final = 1 << 16
_OBJECTS: Final = ("decision", "prompt")
# Types of the columns, since a batch may hold nothing but nulls in one of them.
_FLOATS: Final = (
    *("user_payoff", "llm_payoff", "saved_tokens", "saved_money"),
    *("spent_money", "first_ms", "total_ms", "added_ms"),
)
_COUNTS: Final = (
    *("at", "prompt_tokens", "cached_tokens", "written_tokens", "spent_tokens"),
    *("read_characters", "written_characters", "retries", "repairs"),
)
_FLAGS: Final = ("estimated", "steered", "flipped", "obeyed", "stream")


def export_response(
    reader: Reader, which: Filter, *, format_: str, transcripts: bool, patience: float
) -> StreamingResponse:
    """A download of decisions.

    Args:
        reader: Reader of the store.
        which: Which decisions.
        format_: One of `FORMATS`.
        transcripts: Write those whose texts are kept as transcripts, and no others.
        patience: Seconds that the client may take to read a piece.

    Raises:
        DataError: There is no such format.
    """
    if format_ not in FORMATS or (format_ == "parquet" and transcripts):
        raise DataError("format: jsonl (also with transcripts=true) or parquet")
    lines: AsyncGenerator[bytes, None]
    if format_ == "parquet":
        lines = parquet(reader, which)
    else:
        lines = jsonl(reader, which, transcripts=transcripts)
    name = f'attachment; filename="decisions.{format_}"'
    headers = {"Content-Disposition": name}
    response = _Download(lines, media_type=FORMATS[format_], headers=headers)
    response.patience = patience
    return response


class _Download(StreamingResponse):
    """Ends when its client reads no more."""

    patience = 0.0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def patient(message: Message) -> None:
            try:
                async with asyncio.timeout(self.patience):
                    await send(message)
            except TimeoutError as error:
                raise ClientGone from error

        await super().__call__(scope, receive, patient)


async def jsonl(reader: Reader, which: Filter, *, transcripts: bool) -> AsyncGenerator[bytes, None]:
    """Yield the lines of decisions.

    Args:
        reader: Reader of the store.
        which: Which decisions.
        transcripts: Write those whose texts are kept as transcripts, and no others.
    """
    async for record in reader.all(which):
        if transcripts:
            if record["prompt"] is None or record["answer"] is None:
                continue
            line = transcript_of(record)
        else:
            line = record
        yield to_json(line, portable=True)


async def parquet(reader: Reader, which: Filter) -> AsyncGenerator[bytes, None]:
    """Yield a parquet file of decisions; objects in it are JSON."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema: Any = None
    with tempfile.TemporaryDirectory(prefix="gtalign-export-") as folder:
        path = Path(folder) / "decisions.parquet"
        writer: Any = None
        batch: list[dict[str, Any]] = []

        def write() -> None:
            nonlocal writer, schema
            if writer is None:
                schema = pa.schema([(name, _type(pa, name)) for name in _names()])
                writer = pq.ParquetWriter(path, schema)
            writer.write_table(pa.Table.from_pylist(batch, schema=schema))
            batch.clear()

        try:
            held = 0
            async for record in reader.all(which):
                batch.append(_flat(record))
                held += sum(len(batch[-1][name] or "") for name in TEXTS)
                if len(batch) >= _BATCH or held > _HELD:
                    await asyncio.to_thread(write)
                    held = 0
            await asyncio.to_thread(write)
        finally:
            if writer is not None:
                writer.close()
        with path.open("rb") as file:
            while chunk := file.read(_CHUNK):
                yield chunk


def _names() -> list[str]:
    from gtalign.gateway.store.tables import decisions

    return [*decisions.c.keys(), *TEXTS]


def _type(pa: Any, name: str) -> Any:
    if name in _FLOATS:
        return pa.float64()
    if name in _COUNTS:
        return pa.int64()
    return pa.bool_() if name in _FLAGS else pa.string()


def _flat(record: Mapping[str, Any]) -> dict[str, Any]:
    flat = dict(record)
    for name in _OBJECTS:
        if flat[name] is not None:
            flat[name] = json.dumps(flat[name])
    return flat
