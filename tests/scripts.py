"""Scripts in processes of their own."""

import os
import subprocess
import sys
import textwrap
from pathlib import Path


def run_script(script: str, *args: object) -> subprocess.CompletedProcess[str]:
    """Run a Python script in a process of its own, on one thread, with the tests importable."""
    paths = [str(Path(__file__).parent), os.environ["PYTHONPATH"]]
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script), *map(str, args)],
        capture_output=True,
        text=True,
        env={
            **os.environ,
            "PYTHONPATH": os.pathsep.join(paths),
            "OMP_NUM_THREADS": "1",
            "HF_HUB_OFFLINE": "1",
        },
        check=False,
    )
