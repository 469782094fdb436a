"""Policies in the prompt against edits of the matrix: what is run, measured and shown."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gtalign.errors import DataError
from gtalign.evaluation.faithfulness import Subject
from gtalign.evaluation.files import transcript_files
from gtalign.evaluation.paper import Study, table_named
from gtalign.evaluation.paper.policies import policies_report
from gtalign.evaluation.steering.priced import PricedSettings, answer_priced, right_under
from gtalign.game import USER_LLM, Bimatrix, social_optimum
from gtalign.lab.config import LabConfig
from gtalign.lab.policies import PolicyLineSettings, compared
from gtalign.lab.teachers import respond
from gtalign.lab.world import make_world
from gtalign.steering import FakeBackend, SteeringSettings, edit, fit, policy_line
from gtalign.synthesis.drills import compact
from gtalign.tasks import Message
from gtalign.transcripts import Transcript, read_transcripts

QUESTIONS = make_world(0, 1, 1).test
LAB = LabConfig()
EXPECTED = LAB.steering.expected
POLICIES = compared(
    PolicyLineSettings(
        user=(10.0,), provider=(8.0,), quotas=(150,), new_prices=(12.0,), new_quotas=(200,), each=1
    ),
    LAB.steering.worth,
)
SETTINGS = PricedSettings(batch=4)
LINES = {policy_line(policy): policy for some in POLICIES.values() for policy in some}


def model(messages: Sequence[Message], text: str, *, told: bool = True) -> str:
    """Knows the true matrix and, if it was told, that under a policy of the prompt; obeys it."""
    assert EXPECTED is not None
    asked = messages[-1]["content"]
    line, _, rest = asked.rpartition("\n")
    (question,) = (q for q in QUESTIONS if q.messages[-1]["content"] == rest)
    game = Bimatrix.from_json(question.extra["true_payoff"])
    if line and told:
        exact = edit(game, LINES[line], EXPECTED, prompt_tokens=SETTINGS.prompt_tokens)
        game = fit(exact, decimals=1, low=-5, high=5).edited
    opening = f"<thinking>so</thinking><payoff>{compact(game)}</payoff>"
    written = text if "</payoff>" in text else opening
    payoff = json.loads(written.partition("<payoff>")[2].partition("</payoff>")[0])
    cell = USER_LLM.cells[int(social_optimum(Bimatrix.from_json(payoff).payoffs))]
    said = respond(question, cell[3:], np.random.default_rng(0), wrong=0.0)
    whole = written.partition("<analyze>")[0].removesuffix("<analyze")
    whole += f"<analyze>frontier: {cell}. choose {cell}.</analyze><response>{said}</response>"
    return whole[len(text) :] if whole.startswith(text) else whole[whole.index("</analyze>") :]


def deaf(messages: Sequence[Message], text: str) -> str:
    return model(messages, text, told=False)


def broken(messages: Sequence[Message], text: str) -> str:
    return "no chain at all"


async def answers(file: Path, script: Any = model, **changes: Any) -> list[Transcript]:
    subject = Subject(
        FakeBackend(script), "own", SteeringSettings(instruct="none"), expected=EXPECTED, seed=3
    )
    settings = SETTINGS.model_copy(update=changes)
    await answer_priced(subject, QUESTIONS, POLICIES, settings, file)
    return list(read_transcripts(file))


def found(transcripts: list[Transcript], kind: str) -> dict[tuple[str, str], float | None]:
    report = policies_report(transcripts)
    (sheet,) = (sheet for sheet in report.sheets if sheet.name == f"policies-own-{kind}")
    return {(r["way"], r["measure"]): r["value"] for r in sheet.records}


def welfare(kind: str, transcripts: list[Transcript]) -> float:
    """W of the right action, by hand."""
    cells = [
        t.extra["priced"]["payoff"][f"{t.extra['user_action']}_{t.extra['priced']['after']}"]
        for t in transcripts
        if (t.extra["priced"]["kind"], t.extra["priced"]["way"]) == (kind, "line")
    ]
    return float(np.mean([((c["user"] + 5) * (c["LLM"] + 5)) ** 0.5 / 10 for c in cells]))


async def test_a_model_that_hears_the_line_does_what_is_right(tmp_path: Path) -> None:
    transcripts = await answers(tmp_path / "transcripts.jsonl")
    assert len(transcripts) == len(QUESTIONS) * 5 * sum(map(len, POLICIES.values()))
    assert len({t.id for t in transcripts}) == len(transcripts)
    for kind in POLICIES:
        values = found(transcripts, kind)
        assert 0 < (values["none", "Flips"] or 0) < 1
        for way in ("line", "advise"):
            assert values[way, "Flips carried out"] == values[way, "Matrix right"] == 1.0
        assert values["none", "Flips carried out"] == 0.0
        assert values["none", "Others kept"] == 1.0
        assert (
            values["line", "W"]
            == values["advise", "W"]
            == pytest.approx(welfare(kind, transcripts))
        )


async def test_a_model_that_does_not_hear_it_needs_the_edit(tmp_path: Path) -> None:
    transcripts = await answers(tmp_path / "transcripts.jsonl", deaf)
    for kind in POLICIES:
        values = found(transcripts, kind)
        assert values["line", "Flips carried out"] == 0.0
        assert values["both", "Flips carried out"] == values["advise", "Flips carried out"] == 1.0


async def test_what_cannot_be_read_is_wrong_and_has_no_welfare(tmp_path: Path) -> None:
    transcripts = await answers(tmp_path / "transcripts.jsonl", broken, ways=("line",))
    values = found(transcripts, "price")
    assert values["line", "Readable"] == values["line", "Flips carried out"] == 0.0
    assert values["line", "W"] is None


async def test_it_goes_on_where_it_was_stopped(tmp_path: Path) -> None:
    file = tmp_path / "transcripts.jsonl"
    whole = {t.id: t for t in await answers(file)}
    lines = file.read_bytes().splitlines(keepends=True)
    file.write_bytes(b"".join(lines[:7]))
    again = await answers(file)
    assert len(again) == len(whole) and {t.id: t for t in again} == whole


async def test_the_table_is_made_of_these_files_alone(tmp_path: Path) -> None:
    folder = tmp_path / "run" / "seed-3"
    (folder / "policies-own").mkdir(parents=True)
    await answers(folder / "policies-own" / "transcripts.jsonl", ways=("none", "line", "advise"))
    report = table_named("policies", Study([tmp_path]))
    assert {sheet.name for sheet in report.sheets} == {
        *(f"policies-own-{kind}" for kind in POLICIES),
        "policies-own-differences",
        "policies-own-each",
    }
    assert any(
        "new price: flips carried out, line against none: above" in s for s in report.sentences
    )
    assert "<h3>own: by policy</h3>" in report.section()
    for kind in ("answers", "steered", "edited"):
        with pytest.raises(DataError, match=r"no transcripts\.jsonl"):
            transcript_files([tmp_path], kind)


def test_without_a_true_matrix_nothing_is_right() -> None:
    (policy, *_) = LINES.values()
    bare = replace(QUESTIONS[0], extra={})
    with pytest.raises(DataError, match="has no 'true_payoff'"):
        right_under(bare, policy, EXPECTED)
    with pytest.raises(DataError, match="no answers that compare"):
        policies_report([])
