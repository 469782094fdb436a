"""Where a model of a name lies."""

from pathlib import Path

import pytest

from gtalign.errors import ConfigError
from gtalign.models import Place, place
from gtalign.models.listed import listed
from gtalign.models.names import is_gguf


def test_folders_and_hubs_are_left_as_they_are(tmp_path: Path) -> None:
    assert place(tmp_path) == Place(str(tmp_path))
    assert place("org/name-1B") == Place("org/name-1B")
    assert place("org/name-1B").label == "name-1B"
    assert not is_gguf("org/name-1B")


def test_a_file_is_found_with_its_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "small model.Q4_1.gguf"
    file.touch()
    monkeypatch.chdir(tmp_path)
    for name in (f"gguf:{file}", f"gguf:{file.name}", f"gguf:./{file.name}"):
        found = place(name)
        assert found == Place(str(tmp_path), file.name)
        assert found.options == {"gguf_file": file.name}
        assert found.label == "small model.Q4_1"
    with pytest.raises(ConfigError, match=r"^gguf:nowhere.gguf: no such file"):
        place("gguf:nowhere.gguf")


@pytest.mark.parametrize(
    ("files", "says"),
    [(("a.gguf", "sub/b.gguf"), "holds a.gguf, b.gguf; name a file"), ((), "holds none")],
)
def test_a_package_holds_one_file(
    files: tuple[str, ...], says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    package = tmp_path / "weights_of_mine"
    (package / "sub").mkdir(parents=True)
    (package / "__init__.py").write_text("raise RuntimeError('it is not imported')")
    for name in files:
        (package / name).touch()
    with pytest.raises(ConfigError, match=says):
        place("package:weights_of_mine")
    for file in package.rglob("*.gguf"):
        file.unlink()
    (package / "sub" / "c.gguf").touch()
    assert place("package:weights_of_mine") == Place(str(package / "sub"), "c.gguf")


@pytest.mark.parametrize("name", ["no_such_package", "not a name", "", "os.path", "__main__"])
def test_what_is_no_package_is_named(name: str) -> None:
    with pytest.raises(ConfigError, match=r"no Python package|holds none"):
        place(f"package:{name}")


@pytest.mark.parametrize("answer", [None, [], {}, {"data": None}, {"data": {"id": "a"}}, "models"])
def test_an_answer_without_a_list_lists_no_model(answer: object) -> None:
    assert listed(answer) == []


def test_what_is_listed_without_a_name_is_left_out() -> None:
    cards: list[object] = [
        3,
        {"id": "a", "max_model_len": 8},
        {"id": ""},
        {"id": 7},
        {},
        {"id": "b"},
    ]
    assert listed({"data": cards}) == [{"id": "a", "max_model_len": 8}, {"id": "b"}]
