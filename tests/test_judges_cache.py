"""The cache of replies: shared by processes, killed, corrupt."""

import contextlib
import os
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gtalign.endpoints import Cache, Prices, Usage
from gtalign.endpoints.cache import cache_key
from gtalign.endpoints.reply import Reply
from gtalign.errors import DataError, StorageError

REPLY = Reply("yes", None, Usage(calls=1, prompt_tokens=3, completion_tokens=2))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "folder" / "cache.sqlite"


def test_what_is_put_is_there(file: Path) -> None:
    cache = Cache(file)
    assert cache.get("a") is None
    cache.put("a", REPLY)
    cache.put("a", Reply("another", "cut", Usage()))
    assert cache.get("a") == REPLY
    cache.close()
    assert cache.get("a") == REPLY  # opened again
    assert len(cache) == 1
    cache.close()
    other = Cache(file)
    assert other.get("a") == REPLY
    other.close()


def test_what_is_forgotten_counts_but_is_not_found(file: Path) -> None:
    cache = Cache(file)
    for _ in range(2):
        cache.put("a", REPLY, "one")
        cache.forget("a")
        assert cache.get("a") is None
    cache.put("a", REPLY, "one")
    cache.put("b", Reply("no", None, Usage(calls=1, unmetered=1)), "another")
    assert cache.get("a") == REPLY
    assert cache.usage("one") == REPLY.usage + REPLY.usage + REPLY.usage
    assert cache.usage("another") == Usage(calls=1, unmetered=1)
    assert cache.usage("nobody") == Usage()
    cache.close()


def test_a_file_of_the_first_version_is_read_on(file: Path) -> None:
    file.parent.mkdir()
    with contextlib.closing(sqlite3.connect(file, isolation_level=None)) as old:
        old.execute("CREATE TABLE replies (key TEXT PRIMARY KEY, reply TEXT NOT NULL)")
        old.execute("INSERT INTO replies VALUES ('a', ?)", (REPLY.to_text(),))
        old.execute(f"PRAGMA application_id = {0x47544A43}")
        old.execute("PRAGMA user_version = 1")
    for _ in range(2):
        cache = Cache(file)
        assert cache.get("a") == REPLY
        cache.put("b", REPLY, "one")
        assert cache.usage("one") == REPLY.usage
        cache.close()


def test_the_key_holds_every_fact() -> None:
    facts = {"model": "m", "sample": 0, "messages": [{"role": "user", "content": "x"}]}
    assert cache_key(facts) == cache_key(dict(reversed(facts.items())))
    assert len({cache_key(facts), cache_key({**facts, "sample": 1}), cache_key({})}) == 3


@given(st.text(), st.none() | st.text(), st.integers(0, 2**40))
def test_a_reply_comes_back(text: str, problem: str | None, tokens: int) -> None:
    reply = Reply(text, problem, Usage(calls=1, prompt_tokens=tokens))
    assert Reply.from_text(reply.to_text()) == reply


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        '{"text": 1, "problem": null, "usage": {}}',
        '{"text": "", "problem": 1, "usage": {}}',
        '{"text": "", "problem": null, "usage": []}',
        '{"text": "", "problem": null, "usage": {"calls": -1}}',
        '{"text": "", "problem": null, "usage": {"calls": true}}',
        '{"text": "", "problem": null, "usage": {"other": 1}}',
    ],
)
def test_a_broken_entry_is_told(file: Path, text: str) -> None:
    cache = Cache(file)
    cache.put("a", REPLY)
    with sqlite3.connect(file) as connection:
        connection.execute("UPDATE replies SET reply = ?", (text,))
    connection.close()
    with pytest.raises(DataError):
        Reply.from_text(text)
    with pytest.raises(StorageError, match=r"cache\.sqlite: entry a"):
        cache.get("a")
    cache.close()


def test_a_file_that_is_no_database(file: Path) -> None:
    file.parent.mkdir()
    file.write_bytes(b"something else altogether, and long enough" * 100)
    with pytest.raises(StorageError, match=r"cache\.sqlite: corrupt .* move it away"):
        Cache(file).get("a")


def test_a_database_that_was_damaged(file: Path) -> None:
    cache = Cache(file)
    for number in range(500):
        cache.put(str(number), Reply("x" * 100, None, Usage()))
    cache.close()
    with file.open("r+b") as damaged:
        damaged.seek(4096)
        damaged.write(os.urandom(file.stat().st_size - 4096))
    with pytest.raises(StorageError, match="corrupt"):
        len(cache)
    with pytest.raises(StorageError, match="corrupt"):
        cache.put("new", REPLY)
    cache.close()


def test_a_database_of_another_program(file: Path) -> None:
    file.parent.mkdir()
    connection = sqlite3.connect(file)
    connection.execute("CREATE TABLE theirs (x)")
    connection.commit()
    connection.close()
    with pytest.raises(StorageError, match="another program"):
        Cache(file).put("a", REPLY)


def test_a_database_of_another_version(file: Path) -> None:
    cache = Cache(file)
    cache.put("a", REPLY)
    cache.close()
    connection = sqlite3.connect(file)
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(StorageError, match="version 99, and this release reads version 2"):
        cache.get("a")


def test_a_place_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StorageError, match="file"):
        Cache(tmp_path / "file" / "cache.sqlite").get("a")
    with pytest.raises(StorageError, match="cannot be read or written"):
        Cache(tmp_path).get("a")


WRITER = """
import sys
from pathlib import Path
from gtalign.endpoints.cache import Cache
from gtalign.endpoints.reply import Reply
from gtalign.endpoints.usage import Usage
cache, name, count = Cache(Path(sys.argv[1])), sys.argv[2], int(sys.argv[3])
for number in range(count):
    cache.put(f"{name}-{number}", Reply("x" * 1000, None, Usage(calls=1)))
    cache.put(f"shared-{number}", Reply("y", None, Usage(calls=1)))
    print(number, flush=True)
"""


def start(file: Path, name: str, count: int) -> "subprocess.Popen[bytes]":
    arguments = [sys.executable, "-c", WRITER, str(file), name, str(count)]
    return subprocess.Popen(arguments, stdout=subprocess.PIPE)


def test_several_processes_write_one_file(file: Path) -> None:
    writers = [start(file, name, 200) for name in ("a", "b", "c")]
    for writer in writers:
        writer.communicate()
    assert [writer.returncode for writer in writers] == [0, 0, 0]
    cache = Cache(file)
    assert len(cache) == 4 * 200
    cache.close()


def test_what_was_put_survives_kill(file: Path) -> None:
    with start(file, "a", 1_000_000) as writer, start(file, "b", 300) as other:
        assert writer.stdout is not None
        written = -1
        while written < 100:
            written = int(writer.stdout.readline())
        writer.send_signal(signal.SIGKILL)
        told = [int(line) for line in writer.stdout.read().split(b"\n")[:-1]]
        other.communicate()
    assert writer.returncode == -signal.SIGKILL
    assert other.returncode == 0  # the one that was killed held no lock for ever
    cache = Cache(file)
    last = max([written, *told])
    assert all(cache.get(f"a-{number}") is not None for number in range(last + 1))
    assert all(cache.get(f"b-{number}") is not None for number in range(300))
    cache.put("more", REPLY)
    cache.close()
    connection = sqlite3.connect(file)
    assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    connection.close()


def test_a_fork_opens_its_own_connection(file: Path) -> None:
    cache = Cache(file)
    cache.put("a", REPLY)
    cache._process = -1  # as a child sees it
    ours = cache._connection
    assert cache.get("a") == REPLY
    assert cache._connection is not ours
    assert ours is not None
    ours.close()
    cache.close()


def test_usage_adds_up_and_has_a_cost() -> None:
    one = Usage(calls=1, prompt_tokens=1_000_000, completion_tokens=500_000, unread=1)
    assert one + one == Usage(2, 2_000_000, 1_000_000, 0, 2, 0)
    assert one.cost(Prices(prompt=1.0, completion=4.0)) == 3.0
    assert one.cost(None) is None
    assert (one + Usage(calls=1, unmetered=1)).cost(Prices(prompt=1.0, completion=4.0)) is None
    assert Usage.from_json(one.to_json()) == one
