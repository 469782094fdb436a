"""Files that are replaced in one step."""

import os
from pathlib import Path

import pytest

from gtalign.files import replacing, write_json


@pytest.mark.parametrize("durable", [True, False])
def test_a_file_is_the_old_one_or_the_new_one(tmp_path: Path, durable: bool) -> None:
    file, beside = tmp_path / "kept.json", tmp_path / "kept.json.part"
    write_json(file, 1)
    beside.write_text("of an earlier crash")
    with pytest.raises(OSError, match="full"), replacing(file, durable=durable) as draft:
        assert not draft.exists()
        draft.write_text("half")
        raise OSError("the disk is full")
    assert [file.read_text().strip(), *tmp_path.iterdir()] == ["1", file]
    with replacing(file, durable=durable) as draft:
        draft.write_text("2")
        assert file.read_text().strip() == "1"
    assert [file.read_text(), *tmp_path.iterdir()] == ["2", file]


def test_only_what_has_to_outlive_a_power_cut_waits_for_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[int] = []
    monkeypatch.setattr(os, "fsync", synced.append)
    for durable, waits in ((False, 0), (True, 1)):
        with replacing(tmp_path / "kept", durable=durable) as draft:
            draft.write_text("text")
        assert len(synced) == waits
