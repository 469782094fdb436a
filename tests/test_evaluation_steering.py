"""A trial of steering: what is run, what is measured, and what is shown of it."""

import asyncio
import io
import json
import re
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console

from gtalign.chain import render
from gtalign.errors import ConfigError, DataError, UpstreamError
from gtalign.evaluation.paper import Study, table_named
from gtalign.evaluation.steering.effects import EFFECTS, measure_trial
from gtalign.evaluation.steering.section import SHOWN, example, print_steering, steering_section
from gtalign.evaluation.steering.trial import TrialSettings, run_trial
from gtalign.game import USER_LLM, Bimatrix, social_optimum
from gtalign.judges import FakeJudge
from gtalign.lab.judge import LabJudge
from gtalign.lab.teachers import respond
from gtalign.lab.world import make_world
from gtalign.reward import Reward, RewardConfig
from gtalign.steering import FakeBackend
from gtalign.transcripts import read_transcripts

WORLD = make_world(0, 1, 6)
QUESTIONS = [q for q in WORLD.test if q.task == "sums"][:8]
EXPECTED = {
    "DA": {"output": 100.0},
    "CQ": {"output": 100.0, "turns": 1.0, "follow_up": 100.0},
    "AQ": {"output": 110.0, "turns": 0.5, "follow_up": 100.0},
}
SETTINGS = TrialSettings.model_validate(
    {"utility_of_money": 2500.0, "questions": 8, "expected": EXPECTED, "temperature": 0.0}
)
ASKING = Bimatrix(USER_LLM, [[[1, 1], [-2, -2], [2, 2]], [[1, 2], [4, 4], [0, 0]]])


def model(messages: Any, text: str) -> str:
    """States that asking is best, and does what the matrix before it says; knows the answers."""
    asked = messages[-1]["content"]
    question = next((q for q in QUESTIONS if asked.startswith(q.text)), QUESTIONS[0])
    opening = render("so", ASKING, "", "").partition("<analyze>")[0]
    written = text if "</payoff>" in text else opening
    payoff = json.loads(written.partition("<payoff>")[2].partition("</payoff>")[0])
    best = int(social_optimum(Bimatrix.from_json(payoff).payoffs))
    cell = USER_LLM.cells[best]
    said = respond(question, cell[3:], np.random.default_rng(0), wrong=0.0)
    rest = f"<analyze>frontier: {cell}. choose {cell}.</analyze>\n<response>{said}</response>"
    whole = written.partition("<analyze>")[0].removesuffix("<analyze") + rest
    whole = whole.replace("</payoff><analyze>", "</payoff>\n<analyze>")
    return whole[len(text) :] if whole.startswith(text) else rest[rest.index("</analyze>") - 1 :]


async def trial(folder: Path, backend: Any = None, settings: TrialSettings = SETTINGS) -> None:
    folder.mkdir(exist_ok=True)
    await run_trial(
        backend or FakeBackend(model, size=8),
        QUESTIONS,
        settings,
        folder,
        reward=Reward(RewardConfig(), len),
        judge=LabJudge(),
        seed=0,
    )


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The answers of one whole trial."""
    folder = tmp_path_factory.mktemp("trial")
    asyncio.run(trial(folder))
    return folder / "transcripts.jsonl"


def test_prices_flip_what_is_done_and_all_of_it_is_measured(whole: Path) -> None:
    transcripts = list(read_transcripts(whole))
    assert len(transcripts) == 8 * 8
    found = measure_trial(transcripts)
    assert found.arms == tuple(
        f"{policy}, {way}"
        for policy in ("subscription", "per-token")
        for way in ("observe", "advise", "enforce", "reask")
    )
    for way in ("advise", "enforce"):
        for policy, action in (("subscription", "CQ"), ("per-token", "DA")):
            arm = f"{policy}, {way}"
            assert found.mean(arm, "obeyed").value == 1.0
            assert found.mean(arm, "agreed").value == 1.0
            assert found.mean(arm, action).value == 1.0
            assert found.mean(arm, "flipped").value == float(policy == "per-token")
        assert found.moved(f"per-token, {way}", f"subscription, {way}").value == 1.0
    assert {name: len(rows) for name, rows in found.tables().items()} == {
        "means": 8 * len(EFFECTS),
        "differences": 7 * len(EFFECTS),
    }
    assert {name: len(frame) for name, frame in found.to_pandas().items()} == {
        name: len(rows) for name, rows in found.tables().items()
    }
    # Asking again goes unheard by this model, and costs more tokens.
    assert found.mean("per-token, reask", "obeyed").value == 0.0
    more = found.difference("per-token, reask", "per-token, advise", "tokens")
    assert more.low is not None and more.low > 0
    # The true payoff of the cell, less what a direct answer costs at this policy.
    arm = "per-token, advise"
    for name, transcript in found.transcripts[arm].items():
        true = transcript.extra["true_payoff"][f"{transcript.extra['user_action']}_DA"]
        assert found.rows[arm][name]["user"] == pytest.approx(true["user"] - 100 * 15 * 2500 / 1e6)
        assert found.rows[arm][name]["llm"] == pytest.approx(true["LLM"])


def test_the_table_of_steering_has_the_means_of_the_trial(whole: Path, tmp_path: Path) -> None:
    folder = tmp_path / "seed-0" / "steering"
    folder.mkdir(parents=True)
    shutil.copy(whole, folder)
    transcripts = list(read_transcripts(whole))
    found = measure_trial(transcripts)
    report = table_named("steering", Study([tmp_path]))
    arms, differences = (
        [r for sheet in report.sheets for r in sheet.records if key in r] for key in ("arm", "way")
    )
    assert {(r["arm"], r["effect"]) for r in arms} == {(a, e) for a in found.arms for e in SHOWN}
    for row in arms:
        mean = found.mean(row["arm"], row["effect"])
        assert row["value"] == pytest.approx(mean.value), row
        assert row["questions_low"] == pytest.approx(mean.low), row
        runs = 0 if row["value"] is None else 1
        assert (row["both_low"], row["training_runs"]) == (None, runs)
    for row in differences:
        way, other = (f"{row['policy']}, {row[name]}" for name in ("way", "other"))
        assert row["value"] == pytest.approx(found.difference(way, other, row["effect"]).value)
    # The same answers under another seed: a second training run that differs in nothing.
    again = tmp_path / "seed-1" / "steering" / "transcripts.jsonl"
    again.parent.mkdir(parents=True)
    rows = (json.dumps(replace(t, seed=1).to_json()) + "\n" for t in transcripts)
    again.write_text("".join(rows))
    both = table_named("steering", Study([tmp_path]))
    for row in (r for sheet in both.sheets for r in sheet.records if r["value"] is not None):
        assert row["training_runs"] == 2
        assert row["sd_training"] == pytest.approx(0)


async def test_what_the_reward_cannot_read_is_not_judged(tmp_path: Path) -> None:
    """Steering reads a chain that needs repair; the reward is strict, and so is the judging."""

    def untidy(messages: Any, text: str) -> str:
        written = model(messages, text.removeprefix("Well. "))
        return written if text else f"Well. {written}"

    judge = FakeJudge(1.0)
    backend = FakeBackend(untidy, size=8)
    settings = SETTINGS.model_copy(update={"ways": ("observe",), "policies": ("subscription",)})
    for reading, asked in (("strict", 0), ("tolerant", len(QUESTIONS))):
        folder = tmp_path / reading
        folder.mkdir()
        reward = Reward(RewardConfig.model_validate({"reading": reading}), len)
        await run_trial(backend, QUESTIONS, settings, folder, reward=reward, judge=judge, seed=0)
        transcripts = list(read_transcripts(folder / "transcripts.jsonl"))
        assert all(found.decision is not None for found in transcripts)
        assert [len(found.verdicts) for found in transcripts] == [bool(asked)] * len(QUESTIONS)
        assert [found.mutual_welfare == 0 for found in transcripts] == [not asked] * len(QUESTIONS)
        assert len(judge.calls) == asked


async def test_a_killed_trial_ends_with_the_same_file(whole: Path, tmp_path: Path) -> None:
    calls = 0

    def dies(messages: Any, text: str) -> str:
        nonlocal calls
        calls += 1
        if calls == 21:
            raise UpstreamError("fake", "died")
        return model(messages, text)

    with pytest.raises(UpstreamError, match="died"):
        await trial(tmp_path / "killed", FakeBackend(dies, size=8))
    await trial(tmp_path / "killed")
    assert whole.read_bytes() == (tmp_path / "killed" / "transcripts.jsonl").read_bytes()
    assert json.loads((tmp_path / "killed" / "seconds.json").read_text())


def test_the_section_shows_every_arm_and_one_decision(whole: Path) -> None:
    found = measure_trial(read_transcripts(whole))
    shown = example(found)
    assert shown is not None
    first, second = shown
    assert first.id.partition(" [")[0] == second.id.partition(" [")[0]
    assert first.extra["user_action"] == "VQ"
    page = steering_section(found, {"per-token, advise": 0.5})
    for text in ("subscription", "per-token", "One decision", "output tokens", "VQ_CQ → <b>"):
        assert text in page
    # One chart for all policies, whose axis ends where shares end; rows only where something flips.
    chart = page[page.index("<figure>") : page.index("</figure>")]
    assert page.count("<figure>") == 1 and "Flip carried out" in chart
    ticks = re.findall(r'class="tick mid"[^>]*>([^<]*)<', chart)
    assert ticks and all(0 <= float(tick) <= 1 for tick in ticks)
    assert re.findall(r'class="name"[^>]*>([^<]*)<', chart) == ["per-token"]
    assert "Asks back (CQ)" in page and all(EFFECTS[name].note in page for name in SHOWN)
    for width in (80, 160):
        console = Console(width=width, record=True, file=io.StringIO())
        print_steering(console, found)
        text = console.export_text()
        assert "Steering under per-token" in text
        assert EFFECTS["obeyed"].label in text
        assert "…" not in text


async def test_unreadable_answers_count_for_no_action(tmp_path: Path) -> None:
    await trial(tmp_path, FakeBackend(lambda messages, text: "it is 7.", size=8))
    found = measure_trial(read_transcripts(tmp_path / "transcripts.jsonl"))
    for arm in found.arms:
        assert found.mean(arm, "read").value == 0.0
        assert found.mean(arm, "DA").value == 0.0
        assert found.mean(arm, "user").value is None
        assert found.mean(arm, "flipped").value is None
    assert example(found) is None
    assert "One decision" not in steering_section(found, {})


def test_harmful_requests_are_not_shown(whole: Path) -> None:
    transcripts = list(read_transcripts(whole))
    assert example(measure_trial(replace(t, task="wildguard") for t in transcripts)) is None


def test_text_of_others_is_escaped(whole: Path) -> None:
    transcripts = read_transcripts(whole)
    evil = "<script>alert(1)</script>"
    hostile = (
        replace(
            t,
            prompt=({"role": "user", "content": evil},),
            chain={**t.chain, "thinking": evil, "analyze": evil, "response": evil},
        )
        for t in transcripts
        if t.chain is not None
    )
    page = steering_section(measure_trial(hostile), {})
    assert "One decision" in page
    assert "&lt;script&gt;" in page
    assert evil not in page


def test_a_trial_needs_transcripts_with_decisions(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="without transcripts"):
        measure_trial([])


def test_the_sample_is_the_same_for_every_seed() -> None:
    settings = TrialSettings(questions=10)
    sample = settings.sample([*WORLD.test, *WORLD.ood])
    assert len(sample) == 10
    assert {q.extra["split"] for q in sample} == {"test"}
    assert sample == settings.sample([*WORLD.test, *WORLD.ood])


def test_an_unknown_policy_is_told_with_the_nearest_one() -> None:
    with pytest.raises(ConfigError, match="per-token"):
        TrialSettings(policies=("per-tokn",)).arms()
