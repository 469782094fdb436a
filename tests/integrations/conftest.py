"""Real frameworks, each in an environment of its own, which `make test-integrations` makes.

Without these, the tests are skipped: nothing else needs the frameworks.
"""

import json
import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from gtalign.cli import main
from gtalign.data.rows import read_rows
from gtalign.dialogue import Played
from gtalign.files.lines import read_lines
from gtalign.integrations.conversations import measured
from gtalign.transcripts import Transcript, TranscriptWriter
from integrations.scripted import Say, chain_answer, plain_answer, rows, serving, verdict

VENVS = Path(os.environ.get("GTALIGN_INTEGRATIONS", ""))
"""The folder of the environments, one for each framework."""

WAIT = 600.0  # seconds for a program: a busy machine takes long


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if "GTALIGN_INTEGRATIONS" in os.environ:
        return
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.skip(reason="run `make test-integrations`"))


@dataclass(frozen=True)
class Case:
    """Questions, a model and a judge, and what `gtalign` itself makes of them.

    Args:
        folder: Holds ``suite.toml`` and its questions.
        say: The model.
        model: Address of the model.
        chain: Whether it writes chains.
    """

    folder: Path
    say: Say
    model: str
    chain: bool

    def run(self, framework: str, *command: str) -> str:
        """What a program of a framework's environment prints; it works in the folder."""
        program = VENVS / framework / "bin" / command[0]
        done = subprocess.run(
            [str(program), *command[1:]],
            cwd=self.folder,
            env={
                **os.environ,
                "LOCAL_BASE_URL": self.model,
                "LOCAL_API_KEY": "none",
                "OPENAI_API_KEY": "none",
                "PYTHONPATH": "",
            },
            capture_output=True,
            text=True,
            timeout=WAIT,
        )
        assert done.returncode == 0, f"{done.stdout[-3000:]}\n{done.stderr[-6000:]}"
        return done.stdout

    def scored(self) -> dict[str, dict[str, Any]]:
        """What `gtalign score` says of the model's answers, by question."""
        answers, out = self.folder / "answers.jsonl", self.folder / "scored.jsonl"
        out.unlink(missing_ok=True)
        answers.unlink(missing_ok=True)
        with TranscriptWriter(answers) as writer:
            for question in read_rows(self.folder / "houses.jsonl"):
                said = self.say({"messages": question.messages}) or ""
                writer.write(Transcript.of(question, said, model="", plain=not self.chain))
        reward, judges = str(self.folder / "reward.toml"), str(self.folder / "judges.toml")
        main(["score", str(answers), "--config", reward, "--judge", judges, "--out", str(out)])
        return {row["id"]: row for _, row in read_lines(out)}

    def conversed(self) -> dict[str, dict[str, float]]:
        """What `gtalign converse` measures of the model's conversations, by question."""
        out = self.folder / "converse"
        command = ["converse", self.model, str(self.folder / "houses.jsonl"), "--out", str(out)]
        persona = "users.open.persona.replies=1.0"
        main([*command, "--set", persona, "--set", "seed=7", "--set", 'arms=["ask"]'])
        found = [row["conversation"] for _, row in read_lines(out / "transcripts.jsonl")]
        return {row["question"]: measured(Played.from_json(row)) for row in found}


JUDGED = """
default = ["local"]

[endpoints.local]
url = "{url}"
model = "judge"
attempts = 1
"""


@pytest.fixture(params=["plain", "chain"])
def case(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Case]:
    """The model writes plain answers, or chains; a server judges."""
    chain = request.param == "chain"
    say = chain_answer if chain else plain_answer
    with serving(say) as model, serving(verdict) as judge:
        yield write_case(tmp_path, say, model, judge, chain=chain)


@pytest.fixture
def talk(tmp_path: Path) -> Iterator[Case]:
    """The model talks with a user."""
    with serving(plain_answer) as model, serving(verdict) as judge:
        yield write_case(tmp_path, plain_answer, model, judge, chain=False)


@pytest.fixture
def failing(tmp_path: Path) -> Iterator[Case]:
    """The judge answers the question of its trial, and every second question."""
    count = 0

    def judge(body: dict[str, Any]) -> str | None:
        nonlocal count
        count += 1
        said = verdict(body)
        return said if count == 1 or "house number 1" in str(body) else None

    with serving(plain_answer) as model, serving(judge) as address:
        yield write_case(tmp_path, plain_answer, model, address, chain=False)


def write_case(folder: Path, say: Say, model: str, judge: str, *, chain: bool) -> Case:
    lines = "".join(json.dumps(row) + "\n" for row in rows())
    (folder / "houses.jsonl").write_text(lines, encoding="utf-8")
    reward, judges = f"chain = {str(chain).lower()}\n", JUDGED.format(url=judge)
    (folder / "reward.toml").write_text(reward, encoding="utf-8")
    (folder / "judges.toml").write_text(judges, encoding="utf-8")
    within = judges.replace("[endpoints", "[judges.endpoints")
    suite = (
        'questions = ["houses.jsonl"]\ninstruct = false\nseed = 7\n\n'
        f"[user.persona]\nreplies = 1.0\n\n[reward]\n{reward}\n[judges]{within}"
    )
    (folder / "suite.toml").write_text(suite, encoding="utf-8")
    return Case(folder, say, model, chain)
