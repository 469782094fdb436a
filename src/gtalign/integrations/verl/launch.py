"""Start a run on verl: here, on the cluster of Ray that this machine belongs to, or as a job."""

import json
import shlex
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Final

from gtalign.data.rows import read_rows
from gtalign.dialogue import goal_of
from gtalign.errors import ConfigError, DataError, TrainingError
from gtalign.files.replace import replacing
from gtalign.files.run_directory import at_work, claim
from gtalign.game.file import load_game
from gtalign.integrations.verl.composed import checked
from gtalign.integrations.verl.keys import overrides, verl_keys
from gtalign.integrations.verl.plan import cluster_plan
from gtalign.integrations.verl.prompts import prompt_lengths
from gtalign.integrations.verl.refusals import refuse
from gtalign.integrations.verl.reward import WORKERS
from gtalign.integrations.verl.rows import HELD_OUT, LEARNED, write_rows
from gtalign.tasks import Question
from gtalign.training.rl_run import RLRun

SUPPORTED: Final = "0.9.1"
"""The version of verl whose keys these are."""

MERGE: Final = ("-m", "verl.model_merger", "merge", "--backend", "fsdp")


@dataclass(frozen=True, slots=True)
class Launch:
    """A run that is ready to start.

    Args:
        run: Its configuration.
        out: Its directory.
        questions: Its questions.
        command: What starts verl.
        plan: What it takes.
    """

    run: RLRun
    out: Path
    questions: Sequence[Question]
    command: Sequence[str]
    plan: dict[str, Any]


def ready(run: RLRun, out: Path) -> Launch:
    """Check a run and translate it; nothing is written, and no cluster is touched.

    Where verl is installed, its own schema and checks have to accept the keys.

    Args:
        run: The run.
        out: Its directory.

    Raises:
        ConfigError: The run does not fit together, or verl refuses it.
        DataError: A file of questions is wrong.
    """
    run, out = _absolute(run), out.resolve()
    questions = with_goals(run, list(read_rows(*run.questions, limit=run.limit)))
    prompts = prompt_lengths(run, questions)
    refuse(run, out, prompts)
    plan = cluster_plan(run, questions) | {"prompt_tokens": prompts.to_plan(run.max_prompt)}
    changes = overrides(verl_keys(run, out, len(questions)))
    installed = installed_verl()
    if installed is None:
        plan["checked"] = "not by verl: it is not installed here"
    else:
        checked(changes)
        plan["checked"] = f"by verl {installed}"
    command = [sys.executable, "-m", "verl.trainer.main_ppo", *changes]
    return Launch(run, out, questions, command, plan | {"command": shlex.join(command)})


def _absolute(run: RLRun) -> RLRun:
    """The same run with whole paths: processes on other machines work in other folders."""
    changed: dict[str, Any] = {"questions": tuple(file.resolve() for file in run.questions)}
    if Path(run.model).is_dir():
        changed["model"] = str(Path(run.model).resolve())
    if run.verl is not None and run.verl.validation is not None:
        held_out = tuple(file.resolve() for file in run.verl.validation)
        changed["verl"] = run.verl.model_copy(update={"validation": held_out})
    return run.model_copy(update=changed)


def with_goals(run: RLRun, questions: Sequence[Question]) -> Sequence[Question]:
    """Return the questions that a run can ask: in conversations, those whose user wants something.

    Raises:
        DataError: There are none.
    """
    if run.dialogue is None:
        return questions
    known = [question for question in questions if goal_of(question, run.seed) is not None]
    if not known:
        raise DataError(
            f"none of {len(questions)} questions has a goal that its labels tell; questions of"
            " ambig_qa have one"
        )
    return known


def installed_verl() -> str | None:
    """Return the version of verl in this environment; None if there is none.

    Raises:
        ConfigError: It is not the supported version.
    """
    try:
        found = version("verl")
    except PackageNotFoundError:
        return None
    if found != SUPPORTED:
        raise ConfigError(f"verl {found} is installed; the keys are those of verl {SUPPORTED}")
    return found


def on_cluster(
    run: RLRun, out: Path, *, dry_run: bool = False, address: str | None = None
) -> dict[str, Any]:
    """Plan a run, start it here, or hand it to a cluster; return what came of it.

    Args:
        run: The run.
        out: Its directory.
        dry_run: Whether to plan only.
        address: Where a cluster of Ray takes jobs; by default verl starts here.

    Raises:
        GTAlignError: As for `ready`, `launch` and `submit`.
    """
    found = ready(run, out)
    if dry_run:
        return found.plan
    if address is not None:
        return {"job": submit(found, address), "command": found.plan["command"]}
    print(found.plan["command"], flush=True)
    return launch(found)


def launch(ready: Launch) -> dict[str, Any]:
    """Carry out a run, or resume it, and return a summary.

    verl resumes from the last checkpoint in the run directory. Afterwards the transcripts of all
    workers are one file, and the last checkpoint is one that ``gtalign eval`` and ``gtalign serve``
    take.

    Raises:
        ConfigError: verl is not installed, or the directory holds another run.
        TrainingError: verl ended with an error, which it has printed.
        StorageError: A file cannot be written.
    """
    _need_verl()
    out = ready.out
    prepare(ready)
    with at_work(out):
        code = subprocess.run(ready.command, check=False).returncode
        written = collect(out)
        if code:
            raise TrainingError(
                f"verl ended with the exit code {code}; {written} transcripts are in {out}. The"
                " same command resumes the run"
            )
        return {"checkpoint": merged(out), "transcripts": written}


def prepare(ready: Launch) -> None:
    """Write what the workers read: the configuration, and the questions as rows of verl.

    Raises:
        ConfigError: The directory holds a run of another configuration.
        StorageError: A file cannot be written.
    """
    run, out = ready.run, ready.out
    claim(out, run)
    form = load_game(run.game)
    write_rows(out / "verl" / f"{LEARNED}.jsonl", ready.questions, run, form, LEARNED)
    if run.verl is not None and run.verl.validation is not None:
        held_out = with_goals(run, list(read_rows(*run.verl.validation)))
        write_rows(out / "verl" / f"{HELD_OUT}.jsonl", held_out, run, form, HELD_OUT)


def submit(ready: Launch, address: str) -> str:
    """Hand a run to a cluster as a job of Ray, and return the job's id.

    The job is the same command without ``--submit``. Its run directory, the model and the files of
    questions lie on a file system that this machine shares with the cluster.

    Args:
        ready: The run.
        address: Where the cluster takes jobs, such as ``http://head:8265``.

    Raises:
        ConfigError: Ray is not installed, or nothing answers at the address.
    """
    try:
        from ray.job_submission import JobSubmissionClient
    except ImportError:
        raise ConfigError("--submit needs Ray: pip install 'gtalign[verl]'") from None
    prepare(ready)
    config = ready.out / "config.toml"
    command = ["gtalign", "rl", "--engine", "verl", "--config", str(config)]
    command += ["--out", str(ready.out)]
    try:
        client = JobSubmissionClient(address)
        return str(
            client.submit_job(entrypoint=shlex.join(command), metadata={"run": str(ready.out)})
        )
    except (ConnectionError, RuntimeError, ValueError) as error:
        raise ConfigError(f"--submit {address}: {error}") from error


def collect(out: Path) -> int:
    """Put the transcripts of all workers into one file for each split, in the order of the steps.

    Returns the number of transcripts that were trained on, in ``transcripts.jsonl``; those of the
    validation are in ``validation.jsonl``.

    Raises:
        StorageError: A file cannot be written.
    """
    counts = {}
    for split, name in ((LEARNED, "transcripts.jsonl"), (HELD_OUT, "validation.jsonl")):
        lines: list[tuple[int, bytes]] = []
        for file in sorted((out / WORKERS).glob(f"{split}-*.jsonl")):
            with file.open("rb") as rows:
                lines += [(_step(row), row) for row in rows if row.endswith(b"\n")]
        counts[split] = len(lines)
        if lines:
            with replacing(out / name) as beside, beside.open("wb") as whole:
                whole.writelines(row for _, row in sorted(lines, key=lambda line: line[0]))
    return counts[LEARNED]


def _step(row: bytes) -> int:
    step = json.loads(row)["extra"].get("step")
    return step if isinstance(step, int) else 0


def merged(out: Path) -> str:
    """Merge the parts of the last checkpoint into one folder, ``checkpoint``, and return it.

    Raises:
        TrainingError: There is no checkpoint, or verl cannot merge it.
    """
    steps = sorted(
        (out / "checkpoints").glob("global_step_*"), key=lambda f: int(f.name.rpartition("_")[2])
    )
    if not steps:
        raise TrainingError(f"{out}: verl has saved no checkpoint")
    target = out / "checkpoint"
    parts = ["--local_dir", str(steps[-1] / "actor"), "--target_dir", str(target)]
    code = subprocess.run([sys.executable, *MERGE, *parts], check=False).returncode
    if code:
        raise TrainingError(f"verl cannot merge {steps[-1]}: exit code {code}")
    return str(target)


def _need_verl() -> None:
    if installed_verl() is None:
        raise ConfigError(
            "verl is not installed here; it needs an environment of its own:"
            " pip install 'gtalign[verl]' there, with the engine, as docs/how-to/cluster.md says"
        )
