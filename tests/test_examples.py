"""The examples that people read first: the flat loop and the notebooks, run as they stand."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from urllib.request import Request, urlopen

import nbformat
import pytest
from nbclient import NotebookClient

from forked import run_forked

pytestmark = pytest.mark.early

ROOT = Path(__file__).parents[1]
NOTEBOOKS = sorted((ROOT / "examples" / "notebooks").glob("*.ipynb"))


def test_the_flat_loop_does_the_whole_method() -> None:
    script = "import runpy, sys; runpy.run_path(sys.argv[1], run_name='__main__')"
    done = run_forked(script, ROOT / "examples" / "rl_loop.py", "--quick")
    assert done.returncode == 0, done.stderr
    for said in ("cold start 1/", "after the cold start: ", "step 2/2: W ", "after reinforcement"):
        assert said in done.stdout
    for policy in ("subscription", "per-token"):
        assert f"{policy}: the response is" in done.stdout


def test_the_flat_loop_stays_short() -> None:
    assert len((ROOT / "examples" / "rl_loop.py").read_text().splitlines()) <= 150


def test_the_local_server_says_where_it_listens() -> None:
    command = [sys.executable, str(ROOT / "examples" / "local_server.py"), "--port", "0"]
    path = os.pathsep.join([str(ROOT / "src"), *sys.path])
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": path}
    ) as server:
        try:
            assert server.stdout is not None
            said = server.stdout.readline()
            found = re.fullmatch(r"ready: (http://127\.0\.0\.1:[1-9]\d*/v1) \(.*\)\n", said)
            assert found is not None, said
            body = {"model": "m", "messages": [{"role": "user", "content": "Hi"}]}
            asked = Request(f"{found[1]}/chat/completions", json.dumps(body).encode())
            with urlopen(asked, timeout=60) as reply:
                assert json.load(reply)["object"] == "chat.completion"
        finally:
            server.terminate()


def test_there_is_a_notebook_for_each_kind_of_user() -> None:
    assert [path.stem for path in NOTEBOOKS] == ["audit", "steer", "train"]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=[path.stem for path in NOTEBOOKS])
def test_notebook_runs_from_top_to_bottom(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT / "src"), *sys.path]))
    notebook = nbformat.read(path, as_version=4)
    client = NotebookClient(
        notebook, timeout=600, kernel_name="python3", resources={"metadata": {"path": path.parent}}
    )
    client.execute()  # raises CellExecutionError with the cell's traceback
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    assert outputs


@pytest.mark.parametrize("path", NOTEBOOKS, ids=[path.stem for path in NOTEBOOKS])
def test_notebook_holds_no_path_and_no_output(path: Path) -> None:
    """Outputs hold times and folders of the machine that ran them: they are made anew."""
    notebook = nbformat.read(path, as_version=4)
    assert all(not cell.get("outputs") for cell in notebook.cells)
