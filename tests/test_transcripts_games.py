"""Answers say which game they are of, and are read with no other."""

import asyncio
from dataclasses import replace
from math import isnan
from pathlib import Path

import pytest

from gtalign.chain import render
from gtalign.cli import main
from gtalign.config import load_table
from gtalign.data.schema import bare, given
from gtalign.errors import ConfigError, DataError
from gtalign.evaluation.evaluate import prompt_of
from gtalign.evaluation.files import read_files
from gtalign.evaluation.settings import EvalRun
from gtalign.evaluation.steering.effects import measure_trial
from gtalign.game import USER_LLM, Bimatrix, GameForm
from gtalign.game.file import load_game
from gtalign.judges import Verdict
from gtalign.reward import Reward
from gtalign.steering import Decision, load_policy, recommend
from gtalign.tasks import Question
from gtalign.transcripts import Scorer, Transcript, TranscriptWriter, read_transcripts

CODING, SUPPORT = load_game("coding"), load_game("support")
DECISION = Decision(
    id="1",
    created="2026-01-01",
    model="m",
    backend="fake",
    mode="observe",
    resume="none",
    policy="free",
    policy_hash="0" * 16,
    steered=False,
)
ORDER = {"role": "user", "content": "Rename it."}


def chain_of(form: GameForm, response: str) -> str:
    cell = form.cells[0]
    game = Bimatrix(form, [[[1 + m + n, 2 - n] for n in range(3)] for m in range(2)])
    return render("an order", game, f"Choose {cell}.", response)


def answer(form: GameForm, response: str = "Done. It is renamed.") -> Transcript:
    return Transcript(
        id="q",
        task="wildguard",
        completion=chain_of(form, response),
        prompt=({"role": "user", "content": "Rename it."},),
        ground_truth="unharmful",
        verdicts=(Verdict("me", 1.0, "good"),),
    )


def scored(transcript: Transcript, form: GameForm) -> Transcript:
    [found] = asyncio.run(Scorer(Reward(form=form)).score([transcript]))
    return found.transcript


def test_a_scored_answer_notes_its_game() -> None:
    found = scored(answer(CODING), CODING)
    assert found.game == "coding: HO RV x ACT PLAN ASK"
    assert found.mutual_welfare is not None and found.mutual_welfare > 0.5
    assert Transcript.from_json(found.to_json()) == found
    assert "game" not in scored(answer(USER_LLM), USER_LLM).to_json()


def test_the_response_has_to_show_the_action_of_its_analysis() -> None:
    for response, factor in (
        ("Done. It is renamed.", 1.0),
        ("Plan: rename it. Shall I?", 0.0),
        ("It is renamed.", 0.0),  # nobody can tell
    ):
        assert scored(answer(CODING, response), CODING).factors["format"] == factor


@pytest.mark.parametrize(
    ("written", "noted", "read", "says"),
    [
        (CODING, True, SUPPORT, "coding: HO RV x ACT PLAN ASK, not support: PAT LEA x RES"),
        (CODING, True, USER_LLM, "coding: HO RV x ACT PLAN ASK, not that of one assistant turn"),
        (USER_LLM, False, CODING, "that of one assistant turn, not coding"),
        (SUPPORT, False, USER_LLM, "one of other cells, not that of one assistant turn"),
    ],
)
def test_another_game_is_an_error(
    written: GameForm, noted: bool, read: GameForm, says: str
) -> None:
    found = scored(answer(written), written)
    with pytest.raises(DataError, match=f"answer 'q' is of another game: {says}"):
        scored(found if noted else replace(found, game=""), read)


def test_an_unscored_answer_of_the_usual_game_is_not_read_as_another() -> None:
    with pytest.raises(DataError, match="that of one assistant turn, not coding"):
        scored(answer(USER_LLM), CODING)


def test_score_and_compare_name_the_games(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ours, usual = tmp_path / "ours.jsonl", tmp_path / "usual.jsonl"
    for file, form in ((ours, CODING), (usual, USER_LLM)):
        with TranscriptWriter(file) as writer:
            writer.write(scored(answer(form), form))
    out = tmp_path / "scored.jsonl"
    assert main(["score", str(ours), "--game", "coding", "--out", str(out)]) == 0
    assert [t.game for t in read_transcripts(out)] == [CODING.identity]
    assert main(["score", str(ours)]) == 2
    told = capsys.readouterr().err
    assert f"{ours}, line 1: answer 'q' is of another game: coding" in told and "--game" in told
    with pytest.raises(DataError, match=r"different games: coding: .*; that of one assistant turn"):
        read_files([ours, usual])


def test_the_effects_of_steering_say_what_nobody_can_tell() -> None:
    game = Bimatrix(CODING, [[[4, 3], [1, 1], [0, 0]], [[1, 1], [3, 2], [0, 0]]])
    chosen = recommend(game, load_policy("free"))
    told = replace(DECISION, stated=game, edited=game, before=chosen, after=chosen)
    obeyed = {}
    for acted in ("ACT", "ASK", None):
        decision = replace(told, acted=acted).to_json()
        trial = measure_trial([replace(scored(answer(CODING), CODING), decision=decision)])
        [[measured]] = [rows.values() for rows in trial.rows.values()]
        obeyed[acted] = measured["obeyed"]
        assert isnan(measured["DA"])  # no action of this game
    assert (obeyed["ACT"], obeyed["ASK"], isnan(obeyed[None])) == (1.0, 0.0, True)


def test_a_steered_answer_is_compared_by_the_game_of_its_record(tmp_path: Path) -> None:
    decision = replace(DECISION, form=SUPPORT)
    file = tmp_path / "steered.jsonl"
    steered = replace(answer(SUPPORT), decision=decision.to_json(), unscored="not judged")
    with TranscriptWriter(file) as writer:
        writer.write(replace(steered, game=SUPPORT.identity, verdicts=()))
    [[found]] = read_files([file]).values()
    assert found.chain is not None and set(found.chain["payoff"]) == set(SUPPORT.cells)


def test_an_evaluation_asks_for_chains_of_its_game() -> None:
    question = Question("1", "wildguard", ({"role": "user", "content": "Rename it."},), "", "1")
    run = {"questions": ["q.jsonl"], "model": "m"}
    for game, cell in (("support", "LEA_ESC"), (None, "VQ_DA")):
        config = load_table(EvalRun, run | ({"game": game} if game else {}), "test")
        assert cell in prompt_of(config, question)[0]["content"]
    with pytest.raises(ConfigError, match="game: no configuration 'suport'; did you mean"):
        load_table(EvalRun, run | {"game": "suport"}, "test")


@pytest.mark.parametrize("form", [CODING, SUPPORT, USER_LLM])
@pytest.mark.parametrize("own", ["", "Answer in French."])
def test_our_instruction_is_taken_off_again(form: GameForm, own: str) -> None:
    asked = [ORDER] if not own else [{"role": "system", "content": own}, ORDER]
    messages = given(asked, instruct=True, form=form)  # type: ignore[arg-type]
    assert form.cells[0] in messages[0]["content"]
    assert list(bare(messages)) == asked
