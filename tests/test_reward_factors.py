"""Every factor is one entry: what an entry says, and that a new one appears everywhere."""

import html
import importlib.util
import io
import json
import math
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from rich.console import Console

from gtalign.chain import render
from gtalign.cli import main
from gtalign.config import dump, load
from gtalign.errors import ConfigError
from gtalign.evaluation.charts import panels
from gtalign.evaluation.compare import compare
from gtalign.evaluation.report import write_report
from gtalign.evaluation.tables import print_tables
from gtalign.game import USER_LLM, Bimatrix
from gtalign.game.form import Player
from gtalign.judges import Verdict
from gtalign.reward import FACTORS, PRESETS, Evidence, Factor, Reward, RewardConfig
from gtalign.steering import SOLUTION_RULES
from gtalign.tasks import Message, Question
from gtalign.transcripts import Transcript, TranscriptWriter, read_transcripts
from one_score import score_one
from test_reward_batch import CONFIGS, ROWS, ask

ROOT = Path(__file__).parents[1]
PAYOFF = Bimatrix(USER_LLM, [[[3, 3], [1, 2], [2, 1]], [[0, 1], [2, 4], [1, 1]]])
CHAIN = render("think", PAYOFF, "Choose DQ_AQ.", "Unquestionably four.")
QUESTION = Question("q1", "math-hard", (Message(role="user", content="2+2?"),), "4", "c1")
HALF = Verdict("test", 0.5, "half right")
SIDES: tuple[Player, Player] = ("user", "llm")


def count_short_words(evidence: Evidence) -> Any:
    shares = []
    for response in evidence.readings.responses:
        words = (response or "").split()
        shares.append(sum(len(word) <= 8 for word in words) / max(len(words), 1))
    return np.array(shares)


def find_caution(evidence: Evidence) -> Any:
    return (evidence.payoffs_Nn2.min(axis=(1, 2)) >= 0).astype(np.float64) / 2


@pytest.fixture
def short_words(monkeypatch: pytest.MonkeyPatch) -> Factor:
    """A factor of the user's that the package does not have."""
    factor = Factor(
        name="short_words",
        measures="The share of the response's words that have at most eight letters.",
        measure=count_short_words,
        sides=("user",),
        gated=True,
        label="Short words",
    )
    monkeypatch.setitem(FACTORS, factor.name, factor)
    return factor


@pytest.fixture
def caution(monkeypatch: pytest.MonkeyPatch) -> Factor:
    """A factor of the chain that enters both welfares, under a key of another name."""
    factor = Factor(
        name="caution",
        measures="Half where no payoff is below 0.",
        measure=find_caution,
        sides=SIDES,
        weight="care",
        range=(0.0, 0.5),
        chain=True,
    )
    monkeypatch.setitem(FACTORS, factor.name, factor)
    return factor


def reward_of(**keys: Any) -> Reward:
    return Reward(RewardConfig(**keys), count_tokens=len)


def tables_of_documentation() -> dict[str, str]:
    """The tables that the site shows, by their mark."""
    spec = importlib.util.spec_from_file_location("entries", ROOT / "docs/hooks/entries.py")
    assert spec is not None and spec.loader is not None
    hook = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(hook)
    return {mark: hook.on_page_markdown(f"before\n\n{mark}\n") for mark in hook.TABLES}


# --- the entries -------------------------------------------------------------------------------


def test_the_factors_that_ship() -> None:
    shipped = (
        *("quality", "quality_user", "quality_llm", "response_window", "total_window", "latency"),
        *("format", "distinctness", "solution"),
    )
    assert list(FACTORS)[: len(shipped)] == [*shipped]
    assert [n for n in shipped if FACTORS[n].chain] == ["format", "distinctness", "solution"]
    gated = [name for name in shipped if FACTORS[name].gated]
    assert gated == ["response_window", "total_window", "latency"]


def test_an_entry_is_complete() -> None:
    for name, factor in FACTORS.items():
        assert name == factor.name
        assert factor.measures.endswith(".") and "\n" not in factor.measures
        least, most = factor.range
        assert least < most
        assert not factor.sides or (least >= 0 and most <= 1)
    for side in SIDES:
        keys = Counter(factor.key for factor in FACTORS.values() if side in factor.sides)
        assert max(keys.values()) == 1, "one weight would count for two factors"


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("preset", PRESETS)
def test_a_preset_weighs_factors_that_there_are(preset: str, side: Player) -> None:
    known = {factor.key for factor in FACTORS.values() if side in factor.sides}
    assert set(PRESETS[preset][side]) <= known | {"constant"}


@settings(max_examples=15)
@given(rows=ROWS)
def test_a_factor_stays_in_its_range_and_is_the_same_in_every_batch(rows: list[Any]) -> None:
    columns = [list(column) for column in zip(*rows, strict=True)] or [[], [], []]
    tasks, completions, verdicts, *_ = columns
    questions = [ask(task) for task in tasks]
    for keys in CONFIGS:  # texts take longer to draw than to score
        reward = reward_of(**keys)
        scores = reward.score(questions, reward.read(completions), verdicts)
        assert list(scores.factors) == list(FACTORS)
        for name, factor in FACTORS.items():
            column = scores.factors[name]
            assert column.shape == (len(rows),)
            known = column[~np.isnan(column)]
            assert ((known >= factor.range[0]) & (known <= factor.range[1])).all(), (name, keys)
            if factor.chain and keys.get("chain") is False:
                assert not len(known), name
        for row, (question, completion, verdict) in enumerate(
            zip(questions, completions, verdicts, strict=True)
        ):
            alone = reward.score([question], reward.read([completion]), [verdict])
            for name in FACTORS:
                one, many = alone.factors[name][0], scores.factors[name][row]
                assert one == many or (math.isnan(one) and math.isnan(many)), (name, keys)


# --- a new factor ------------------------------------------------------------------------------


def test_a_new_factor_is_a_key_of_the_configuration(short_words: Factor, tmp_path: Path) -> None:
    assert RewardConfig().user.short_words == 0
    assert "short_words" not in RewardConfig().llm.known_keys()
    config = load(RewardConfig, None, ["user.short_words=0.25", "user.quality=0.25"])
    assert config.user.short_words == 0.25
    file = tmp_path / "reward.toml"
    file.write_text(dump(config), encoding="utf-8")
    assert load(RewardConfig, file) == config
    assert "short_words = 0.25" in file.read_text(encoding="utf-8")
    for override, told in (
        ("user.short_word=1", "did you mean 'user.short_words'"),
        ("llm.short_words=1", "did you mean 'user.short_words'"),
        ("user.short_words=-1", "user.short_words: input should be greater than or equal to 0"),
    ):
        with pytest.raises(ConfigError) as caught:
            load(RewardConfig, None, [override])
        assert told in str(caught.value)


def test_without_the_factor_its_key_is_unknown() -> None:
    with pytest.raises(ConfigError, match=r"unknown key 'user\.short_words'"):
        load(RewardConfig, None, ["user.short_words=1"])


@pytest.mark.parametrize(("preset", "gate"), [("robust", 0.5), ("paper", 1.0)])
def test_a_new_factor_is_a_term_of_its_side(short_words: Factor, preset: str, gate: float) -> None:
    without = score_one(reward_of(preset=preset), QUESTION, CHAIN, HALF)
    weighed = reward_of(preset=preset, user={"short_words": 0.25})
    score = score_one(weighed, QUESTION, CHAIN, HALF)
    assert without.factors["short_words"] == score.factors["short_words"] == 0.5
    assert without.user_welfare is not None and score.user_welfare is not None
    assert score.user_welfare - without.user_welfare == pytest.approx(0.25 * 0.5 * gate)
    assert score.llm_welfare == without.llm_welfare
    assert score_one(weighed, QUESTION, "broken", None).factors["short_words"] == 0


def test_a_new_factor_of_the_chain_leaves_plain_answers(caution: Factor) -> None:
    weights = {"user": {"care": 0.5}, "llm": {"care": 0.5}}
    without, score = (
        score_one(reward_of(preset="paper", **keys), QUESTION, CHAIN, HALF)
        for keys in ({}, weights)
    )
    assert score.factors["caution"] == 0.5
    for side in SIDES:
        before, after = (getattr(found, f"{side}_welfare") for found in (without, score))
        assert after - before == pytest.approx(0.5 * 0.5)
    assert without.user_welfare and without.answer_llm_welfare
    # The weights of the others are scaled up to the weight of all: 1 and 0.5 more.
    user, llm = 1.5 * without.user_welfare, 1.5 * without.answer_llm_welfare
    assert score.answer_llm_welfare == pytest.approx(llm)
    assert score.answer_mutual_welfare == pytest.approx(math.sqrt(user * llm))
    plain = score_one(reward_of(preset="paper", chain=False, **weights), QUESTION, "Four.", HALF)
    usual = score_one(reward_of(preset="paper", chain=False), QUESTION, "Four.", HALF)
    assert plain.factors["caution"] is None
    assert plain.user_welfare and usual.user_welfare
    assert plain.user_welfare == pytest.approx(1.5 * usual.user_welfare)
    assert plain.mutual_welfare == plain.answer_mutual_welfare
    with pytest.raises(ConfigError, match=r"and latency.* are 0: nothing would grade"):
        keys = ["user.quality=0", "user.window=0", "user.latency=0", "user.care=1"]
        load(RewardConfig, None, keys)


def test_what_a_new_factor_cannot_measure_is_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    def measure(evidence: Evidence) -> Any:
        return np.full(len(evidence.readings), np.nan)

    factor = Factor("mood", "The mood of the user.", measure, sides=("user",))
    monkeypatch.setitem(FACTORS, factor.name, factor)
    unweighed = score_one(reward_of(), QUESTION, CHAIN, HALF)
    assert unweighed.factors["mood"] is None and unweighed.mutual_welfare is not None
    score = score_one(reward_of(user={"mood": 0.1}), QUESTION, CHAIN, HALF)
    assert (score.user_welfare, score.mutual_welfare, score.reward) == (None, None, None)
    assert score.unscored == "no mood score: it cannot be measured"


def test_a_reward_that_is_older_than_a_factor_reports_it(monkeypatch: pytest.MonkeyPatch) -> None:
    reward = reward_of()
    before = score_one(reward, QUESTION, CHAIN, HALF)
    factor = Factor("ones", "One.", lambda e: np.ones(len(e.readings)), sides=SIDES)
    monkeypatch.setitem(FACTORS, factor.name, factor)
    after = score_one(reward, QUESTION, CHAIN, HALF)
    assert after.factors["ones"] == 1
    assert after.mutual_welfare == before.mutual_welfare


def written(path: Path, model: str, reward: Reward) -> list[Transcript]:
    """A few scored transcripts of a model, written and read again."""
    with TranscriptWriter(path) as writer:
        for number in range(4):
            question = Question(f"q{number}", "math-hard", QUESTION.messages, "4", f"c{number}")
            completion = "broken" if number == 3 else CHAIN.replace("four.", "four. " * number)
            verdict = None if number == 3 else HALF
            score = score_one(reward, question, completion, verdict)
            verdicts = [] if verdict is None else [verdict]
            writer.write(Transcript.of(question, completion, model=model).scored(score, verdicts))
    return list(read_transcripts(path))


def test_a_new_factor_is_in_transcripts_and_tables(
    short_words: Factor, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    reward = reward_of(user={"short_words": 0.25})
    held = [
        transcript
        for model in ("base", "mutual")
        for transcript in written(tmp_path / f"{model}.jsonl", model, reward)
    ]
    assert [t.factors["short_words"] for t in held[:4]] == [0, 0.5, 2 / 3, 0]
    file = str(tmp_path / "base.jsonl")
    assert main(["score", file, "--json", "--set", "user.short_words=0.25"]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["short_words"] for line in lines] == [0, 0.5, 2 / 3, 0]
    assert main(["score", file, "--tables", "--set", "user.short_words=0.25"]) == 0
    table = capsys.readouterr().out.splitlines()
    shown = [line.split() for line in table if line.startswith("all ")]
    assert ["all", "short_words", "0.292", "4"] in shown
    assert [row[1] for row in shown[1:]] == [
        n for n, factor in FACTORS.items() if not factor.stated
    ]

    rng = np.random.default_rng(0)
    found = compare(held, reference="mutual", rng=rng, resamples=100)
    estimate = found.estimate("base", "math-hard", "short_words")
    assert estimate is not None and estimate.value == pytest.approx((0.5 + 2 / 3) / 4)
    console = Console(width=200, file=io.StringIO())
    print_tables(console, found)
    assert isinstance(console.file, io.StringIO)
    assert "Short words ↑" in console.file.getvalue()
    page = tmp_path / "report.html"
    write_report(page, title="t", transcripts=held, reference="mutual", rng=rng, resamples=100)
    text = html.unescape(page.read_text(encoding="utf-8"))
    assert text.count("Short words") >= 3
    assert short_words.measures in text
    assert ("factor/short_words", "Short words", (0.0, 1.0)) in list(panels())


def test_more_factors_change_no_number_of_a_comparison(
    monkeypatch: pytest.MonkeyPatch, short_words: Factor, tmp_path: Path
) -> None:
    held = [
        transcript
        for model in ("base", "mutual")
        for transcript in written(tmp_path / f"{model}.jsonl", model, reward_of())
    ]
    more = compare(held, reference="mutual", rng=np.random.default_rng(0), resamples=100)
    monkeypatch.delitem(FACTORS, short_words.name)
    fewer = compare(held, reference="mutual", rng=np.random.default_rng(0), resamples=100)
    for key, estimate in fewer.estimates.items():
        assert more.estimates[key] == estimate
    for key, difference in fewer.differences.items():
        assert more.differences[key] == difference
    assert {key[2] for key in more.estimates} - {key[2] for key in fewer.estimates} == {
        "short_words"
    }


def test_the_documentation_has_a_row_for_every_entry(short_words: Factor, caution: Factor) -> None:
    tables = tables_of_documentation()
    for name, factor in FACTORS.items():
        assert f"| `{name}` |" in tables["<!-- factors -->"]
        assert factor.measures in tables["<!-- factors -->"]
    assert "| `caution` | U and L |" in tables["<!-- factors -->"]
    assert "`user.care`, `llm.care` | yes |" in tables["<!-- factors -->"]
    for name, rule in SOLUTION_RULES.items():
        assert f"| `{name}` | {rule.says} | {rule.ties} |" in tables["<!-- rules -->"]
    pages = "".join(p.read_text(encoding="utf-8") for p in (ROOT / "docs").rglob("*.md"))
    assert all(mark in pages for mark in tables)
