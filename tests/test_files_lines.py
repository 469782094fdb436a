"""The one reader of JSON Lines: strict for what we read, lenient for what we check or mend."""

import bz2
import gzip
import json
import lzma
from pathlib import Path
from typing import Any

import pytest

from gtalign.errors import DataError
from gtalign.files.lines import read_lines, read_objects, scan, torn_line
from gtalign.synthesis.candidates import Candidates

TORN = b'{"a": 1}\n\n{"a": "\xc3\xa9"}\r\n{"a": '


def written(tmp_path: Path, text: bytes, name: str = "a.jsonl") -> Path:
    path = tmp_path / name
    path.write_bytes(text)
    return path


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_each_line_has_its_number_offset_and_bytes(tmp_path: Path, pack: Any) -> None:
    path = written(tmp_path, pack(TORN))
    lines = list(scan(path))
    assert [line.number for line in lines] == [1, 3, 4]
    assert [line.value for line in lines] == [{"a": 1}, {"a": "é"}, None]
    assert [line.torn for line in lines] == [False, False, True]
    for line in lines:
        assert TORN[line.start :].startswith(line.raw)
        assert line.place == f"{path}, line {line.number}"
    assert [line.value for line in read_objects(path)] == [{"a": 1}, {"a": "é"}]


@pytest.mark.parametrize("last", [b"nonsense\n", b'{"a": \n', b"\xff\n", b'{"a": 1}{"b": 2}\n'])
def test_a_wrong_line_that_was_written_whole_is_no_torn_one(tmp_path: Path, last: bytes) -> None:
    path = written(tmp_path, b'{"a": 1}\n' + last)
    first, second = scan(path)
    assert first.problem is None
    assert second.problem is not None and second.problem.startswith("not JSON: ")
    assert not second.torn
    with pytest.raises(DataError, match=r"line 2: not JSON: "):
        list(read_lines(path))


@pytest.mark.parametrize("value", [b"[1]", b"1", b"null", b'"text"'])
def test_a_line_that_is_no_object_is_read_by_those_who_check_alone(
    tmp_path: Path, value: bytes
) -> None:
    path = written(tmp_path, b'{"a": 1}\n' + value + b"\n")
    assert [line.value for line in scan(path)] == [{"a": 1}, json.loads(value)]
    with pytest.raises(DataError, match="line 2: not a JSON object"):
        list(read_objects(path))


def test_a_mark_at_the_beginning_of_a_file_is_no_part_of_its_first_line(tmp_path: Path) -> None:
    path = written(tmp_path, b'\xef\xbb\xbf{"a": 1}\n{"a": 2}\n')
    assert [line.value for line in scan(path)] == [{"a": 1}, {"a": 2}]
    with pytest.raises(DataError, match="UTF-16"):
        list(scan(written(tmp_path, '{"a": 1}'.encode("utf-16"))))


def test_items_of_an_array_are_numbered_too(tmp_path: Path) -> None:
    path = written(tmp_path, b' [{"a": 1}, 2]')
    assert [(line.place, line.value) for line in scan(path)] == [
        (f"{path}, item 1", {"a": 1}),
        (f"{path}, item 2", 2),
    ]
    with pytest.raises(DataError, match="not a JSON array"):
        list(scan(written(tmp_path, b"[1,")))


def test_a_candidate_is_found_by_the_offset_of_its_line(tmp_path: Path) -> None:
    facts: dict[str, Any] = {"failed": None, "unscored": None, "mutual_welfare": 0.5, "factors": {}}
    rows = [{"id": "é" * n, "number": n, "action": "DA", **facts} for n in range(4)]
    lines = [json.dumps(row, ensure_ascii=False).encode() + b"\n" for row in rows]
    path = written(tmp_path, b"\n".join(lines) + b'{"id": "to')
    with Candidates(path) as candidates:
        assert [candidates.read(("é" * n, n)) for n in range(4)] == rows


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('{"a": "caf\xe9"}'.encode("latin-1"), r"no UTF-8 text .* save it as UTF-8"),
        (b'{"a": 1}\r{"a": 2}\r', r"\\r does not end a line"),
        (b'{\n "a": 1\n}\n', "an object over several lines"),
        (lzma.compress(b'{"a": 1}\n'), "compressed with xz"),
        (bz2.compress(b'{"a": 1}\n'), "compressed with bzip2"),
        (b"\x28\xb5\x2f\xfd\x04\x58", "compressed with zstd"),
        (b"PAR1\x15\x04", "a parquet file; gtalign reads JSON Lines"),
        (b"PK\x03\x04\x14\x00", "a zip archive"),
    ],
)
def test_what_is_no_json_lines_is_told_from_a_torn_file(
    tmp_path: Path, text: bytes, says: str
) -> None:
    path = written(tmp_path, text)
    with pytest.raises(DataError, match=says):
        list(read_lines(path))
    assert torn_line(path) is None


def test_a_line_that_is_torn_within_a_character_is_torn(tmp_path: Path) -> None:
    path = written(tmp_path, b'{"a": 1}\n{"a": "caf\xc3')
    assert [line.torn for line in scan(path)] == [False, True]
    assert torn_line(path) == 2
