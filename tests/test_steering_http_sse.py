"""Server-sent events, from bytes in any slicing."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gtalign.steering.http.sse import Event, EventReader

PIECES = st.sampled_from(
    [
        b"data: ",
        b"data:",
        b"data",
        b"event: error",
        b": ping",
        b"id: 7",
        b"\n",
        b"\r\n",
        b"\r",
        b"\n\n",
        b'{"a": 1}',
        "\N{SNOWMAN}é".encode(),
        b"\xef\xbb\xbf",
        b"\xff",
        b"x" * 30,
    ]
)


def read(slices: list[bytes], limit: int = 1 << 20) -> tuple[list[Event], bool]:
    """The events of a stream, and whether it ended within the limit."""
    reader = EventReader(limit)
    events: list[Event] = []
    try:
        for piece in slices:
            events.extend(reader.feed(piece))
        events.extend(reader.close())
    except ValueError:
        return events, False
    return events, True


def data(stream: bytes) -> list[bytes]:
    return [event.data for event in read([stream])[0]]


@given(st.lists(PIECES, max_size=20).map(b"".join), st.data())
def test_any_slicing_reads_the_same(stream: bytes, draw: st.DataObject) -> None:
    cuts = sorted(draw.draw(st.lists(st.integers(0, len(stream)), max_size=8)))
    bounds = [0, *cuts, len(stream)]
    slices = [stream[start:end] for start, end in itertools.pairwise(bounds)]
    limit = draw.draw(st.sampled_from([20, 1 << 20]))
    whole = read([stream], limit)
    assert read(slices, limit) == whole
    assert read([stream[i : i + 1] for i in range(len(stream))], limit) == whole


@given(st.lists(st.text(st.characters(exclude_characters="\r\n", codec="utf-8")), max_size=6))
def test_reads_back_what_was_written(texts: list[str]) -> None:
    stream = b"".join(f"data: {text}\n\n".encode() for text in texts)
    assert data(stream) == [text.encode() for text in texts]


@pytest.mark.parametrize(
    ("stream", "expected"),
    [
        (b"data: a\r\n\r\ndata: b\r\n\r\n", [b"a", b"b"]),
        (b"data: a\r\rdata: b\r\r", [b"a", b"b"]),
        (b"data:a\n\n", [b"a"]),
        (b"data:  a\n\n", [b" a"]),
        (b"data: a\ndata: b\ndata\n\n", [b"a\nb\n"]),
        (b": ping\n\n:\n\ndata: a\n\n", [b"a"]),
        (b"\xef\xbb\xbfdata: a\n\n", [b"a"]),
        (b"event: x\n\nid: 3\nretry: 9\ndata: a\n\n", [b"a"]),
        (b"data: cut", [b"cut"]),
        (b"", []),
        (b"<html>\n<body>data: a</body>\n\n", []),
    ],
)
def test_dialects(stream: bytes, expected: list[bytes]) -> None:
    assert data(stream) == expected


def test_a_line_that_reports_an_error_is_an_event() -> None:
    stream = b'data: 1\n\nerror: {"code":500}\n\nerror:boom\ndata: more\n\nerrors: x\n\n'
    found, _ = read([stream])
    assert found == [
        Event("", b"1"),
        Event("error", b'{"code":500}'),
        Event("error", b"boom\nmore"),
    ]


def test_tells_the_type_of_an_event() -> None:
    events, _ = read([b"event: error\ndata: a\n\ndata: b\n\n"])
    assert events == [Event("error", b"a"), Event("", b"b")]


@pytest.mark.parametrize(
    "stream",
    [
        b"data: " + b"x" * 200,
        b"x" * 200,
        b":" + b"x" * 200,
        b"data: x\n" * 30,
        b"data: " + b"x" * 200 + b"\n\n",
    ],
)
def test_holds_to_its_limit(stream: bytes) -> None:
    events, whole = read([b"data: before\n\n" + stream], limit=100)
    assert (events, whole) == ([Event("", b"before")], False)


def test_many_small_events_and_comments_meet_no_limit() -> None:
    stream = b": ping\n" * 100 + b"data: x\n\n" * 100
    assert read([stream], limit=50) == ([Event("", b"x")] * 100, True)
