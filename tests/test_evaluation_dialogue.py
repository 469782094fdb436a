"""Measures of conversations, arms with intervals, matrices from play, and the order of models."""

import asyncio
import json
import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import kendalltau, spearmanr

from dialogue_parts import (
    ANSWER,
    ASK,
    GOAL,
    IDLE,
    SURE,
    WRONG,
    LabAssistant,
    SayingAssistant,
    asks_then_answers,
    lab_goals,
    match,
)
from gtalign.dialogue import (
    Costs,
    Match,
    Persona,
    Played,
    Rules,
    ScriptedUser,
    SteeredAssistant,
    Turn,
    play,
)
from gtalign.dialogue.measures import MEASURES, welfare
from gtalign.dialogue.played import End
from gtalign.errors import DataError
from gtalign.evaluation.dialogue import Conversations, agreements, stability
from gtalign.evaluation.dialogue.held import PRICES
from gtalign.evaluation.dialogue.matrices import PlayedMatrix, rank_correlation
from gtalign.evaluation.dialogue.stability import kendalls_tau, kendalls_w
from gtalign.evaluation.dialogue.talks import talks
from gtalign.evaluation.paper import Study, table_named
from gtalign.evaluation.paper.conversations import conversations_report
from gtalign.game import USER_LLM, Bimatrix
from gtalign.steering import FakeBackend, SteeringSettings
from gtalign.tasks import Message
from gtalign.transcripts import Transcript, TranscriptWriter


def turn(response: str, **more: Any) -> Turn:
    known = {"action": "DA", "questions": 0, "hits": (), "quality": 0.0, "tokens": 10, "read": 10}
    return Turn(response, **{**known, **more})


def played(*turns: Turn, end: End = "left", missing: int = 1, **more: Any) -> Played:
    persona = Persona(costs=Costs(turn=0.1, read=0.01, written=0.02, llm=0.005, discount=0.5))
    given: dict[str, Any] = {"question": "q", "arm": "ask", "user": "u", **more}
    return Played(persona=persona.model_dump(), missing=missing, turns=turns, end=end, **given)


ASKS = turn(ASK, action="CQ", questions=1, hits=(0,), reply="cartoon", written=2, told=(0,))
RIGHT = turn(ANSWER, quality=1.0)
MISSES = turn(WRONG)
IDLES = turn(IDLE, action="CQ", questions=1)
BOTH = turn("x", action="AQ", questions=1, hits=(0,), quality=1.0)


@pytest.mark.parametrize(
    ("measure", "record", "parts"),
    [
        ("goal", played(ASKS, RIGHT), (1, 1)),
        ("goal", played(MISSES), (0, 1)),
        ("goal", played(replace(RIGHT, quality=0.9)), (0, 1)),
        ("goal", played(replace(RIGHT, quality=None)), None),
        ("goal", played(ASKS), (0, 1)),
        ("quality", played(replace(RIGHT, quality=0.9)), (0.9, 1)),
        ("quality", played(BOTH, empty_handed=True), (0, 1)),
        ("quality", played(BOTH, IDLES, empty_handed=True), (1, 1)),
        ("satisfied", played(RIGHT, end="satisfied"), (1, 1)),
        ("satisfied", played(RIGHT, end="turns"), (0, 1)),
        ("satisfied", played(RIGHT, end="turns", arm="baseline"), None),
        ("turns", played(ASKS, RIGHT), (2, 1)),
        ("read", played(ASKS, RIGHT), (20, 1)),
        ("written", played(ASKS, RIGHT), (2, 1)),
        ("premature", played(RIGHT), (1, 1)),
        ("premature", played(ASKS, RIGHT), (0, 1)),
        ("premature", played(replace(ASKS, told=()), RIGHT), (1, 1)),
        ("premature", played(BOTH), (0, 1)),
        ("premature", played(RIGHT, missing=0), None),
        ("needless", played(IDLES), (1, 1)),
        ("needless", played(ASKS, IDLES, IDLES), (2, 1)),
        ("needless", played(replace(ASKS, questions=3)), (2, 1)),
        ("needless", played(replace(ASKS, questions=1, hits=(0, 1)), missing=2), (0, 1)),
        ("needless", played(RIGHT), (0, 1)),
        ("ask_precision", played(ASKS, IDLES), (1, 2)),
        ("ask_precision", played(RIGHT), None),
        ("ask_recall", played(ASKS, missing=2), (1, 2)),
        ("ask_recall", played(ASKS, ASKS, missing=2), (1, 2)),
        ("ask_recall", played(RIGHT, missing=0), None),
        ("ask_f1", played(ASKS), (2, 2)),
        ("ask_f1", played(IDLES), (0, 2)),
        ("ask_f1", played(RIGHT, missing=0), None),
        ("ask_f1", played(IDLES, missing=0), (0, 1)),
        ("coverage", played(ASKS, missing=2), (1, 2)),
        ("coverage", played(replace(ASKS, told=())), (0, 1)),
        ("leaks", played(replace(ASKS, leaks=("answer", "wish")), RIGHT), (1, 1)),
        ("leaks", played(RIGHT), None),
    ],
)
def test_each_measure_of_a_conversation(measure: str, record: Played, parts: Any) -> None:
    assert MEASURES[measure].of(record) == (None if parts is None else pytest.approx(parts))


def test_welfare_is_discounted_quality_less_costs() -> None:
    """U = .5 - .1*2 - .01*20 - .02*2 and L = .5 - .005*20, by hand."""
    found = welfare(played(ASKS, RIGHT))
    assert found == pytest.approx((0.06, 0.4, math.sqrt(0.06 * 0.4)))
    user, llm, both = welfare(played(MISSES)) or (0, 0, 0)
    assert user < 0 and llm < 0 and both == 0
    assert welfare(played(replace(RIGHT, quality=None))) is None
    assert welfare(played()) is None


def test_every_measure_says_what_it_is_and_stays_in_its_range() -> None:
    for measure in MEASURES.values():
        assert measure.label and measure.says.endswith(".")
        for record in (played(ASKS, RIGHT), played(MISSES), played(IDLES, ASKS)):
            if (parts := measure.of(record)) is not None:
                assert measure.range[0] <= parts[0] / parts[1] <= measure.range[1]


def transcripts(
    says: Any = asks_then_answers,
    model: str = "m",
    users: Sequence[str] = ("u",),
    questions: int = 8,
    persona: Persona = SURE,
) -> list[Transcript]:
    """Every arm on several questions, played."""

    async def every() -> list[Transcript]:
        found = []
        for number in range(questions):
            asked = replace(GOAL.question, id=f"q{number}", cluster=f"q{number}")
            goal = replace(GOAL, question=asked)
            for user in users:
                for arm in ("ask", "baseline", "full"):
                    one = replace(match(goal, persona=persona, arm=arm), name=user)
                    transcript = (await play(one, SayingAssistant(says), Rules()))[1]
                    found.append(replace(transcript, model=model))
        return found

    return asyncio.run(every())


def guesses(messages: Sequence[Message], force: str | None = None) -> str:
    return ANSWER if "cartoon" in messages[-1]["content"] else WRONG


def test_arms_show_what_asking_brings() -> None:
    found = Conversations.read(transcripts())
    assert (found.models, found.users, found.arms) == (("m",), ("u",), ("baseline", "full", "ask"))
    goals = {arm: found.interval("m", "u", arm, "goal").value for arm in found.arms}
    assert goals == {"baseline": 0.0, "full": 1.0, "ask": 1.0}
    assert found.interval("m", "u", "ask", "ask_f1").value == 1.0
    gain = found.difference("m", "u", ("ask", "baseline"), "goal")
    assert (gain.value, gain.clusters) == (1.0, 8)
    lost = found.difference("m", "u", ("full", "ask"), "user_welfare")
    assert lost.value is not None and lost.value > 0


def test_utility_falls_with_the_cost_of_a_question() -> None:
    found = Conversations.read(transcripts())
    asking = [one.value for one in found.curve("m", "u", "ask")]
    assert asking == pytest.approx([1 - price for price in PRICES])
    assert [one.value for one in found.curve("m", "u", "full")] == [1.0] * len(PRICES)


def test_failed_conversations_are_counted_and_measured_nowhere() -> None:
    rows = transcripts(questions=6)
    broken = replace(
        rows[0],
        conversation={**(rows[0].conversation or {}), "end": "failed", "failed": "user"},
    )
    found = Conversations.read([broken, *rows[1:]])
    assert found.failed("m", "u", "ask") == 1
    assert found.interval("m", "u", "ask", "turns").n == 5
    report = conversations_report(found)
    assert any("1 of 18 conversations failed at the user" in line for line in report.sentences)


def test_a_wrong_record_is_named_with_its_transcript() -> None:
    wrong = replace(transcripts(questions=1)[0], conversation={"arm": "ask"})
    with pytest.raises(DataError, match=r"q0 \[u, ask, 0\]: .*lacks 'question'"):
        Conversations.read([wrong])


MATRIX = {
    "DQ_AQ": (1, 1), "DQ_CQ": (-3, -3), "DQ_DA": (3, 3),
    "VQ_AQ": (0, 0), "VQ_CQ": (2, 2), "VQ_DA": (-1, -1),
}  # fmt: skip
SAID = {"DA": WRONG, "CQ": ASK, "AQ": f"{WRONG} {ASK}"}


def chain(text: str, known: bool) -> str:
    """The rest of a chain: its analysis is opened where an action is forced."""
    cells = {cell: {"user": user, "LLM": llm} for cell, (user, llm) in MATRIX.items()}
    head = f"<thinking>x</thinking><payoff>{json.dumps(cells)}</payoff>"
    if "</payoff>" not in text:
        return (
            head[len(text) :]
            + "\n<analyze>choose VQ_CQ.</analyze>\n<response>"
            + (f"{ANSWER if known else ASK}</response>")
        )
    cell = text.rpartition("choose ")[2].removesuffix(".") if "choose" in text else "VQ_CQ"
    said = SAID[cell[-2:]].replace(WRONG, ANSWER) if known else SAID[cell[-2:]]
    return f"</analyze><response>{said}</response>"


def scripted(messages: Sequence[Message], text: str) -> str:
    return chain(text, any("cartoon" in message["content"] for message in messages))


def forced_plays(persona: Persona = SURE, users: Sequence[str] = ("u",)) -> list[Transcript]:
    async def every() -> list[Transcript]:
        backend = FakeBackend(scripted)
        settings = SteeringSettings(mode="observe", instruct="none")
        assistant = SteeredAssistant(backend, "m", settings, max_tokens=4000)
        found = []
        for user in users:
            for cell in USER_LLM.cells:
                row, action = cell.split("_")
                one = Match(
                    GOAL, ScriptedUser(), user, persona, cell, force=action, detailed=row == "DQ"
                )
                record, transcript = await play(one, assistant, Rules())
                assert record.turns[0].action == action, cell
                found.append(replace(transcript, model="m"))
        return found

    return asyncio.run(every())


def test_each_action_is_forced_and_played_out() -> None:
    [found] = agreements(forced_plays())
    [matrix] = found.matrices
    assert matrix.cells.keys() == set(USER_LLM.cells)
    assert (matrix.asked, matrix.choice, matrix.carried) == ("VQ", "DA", 1.0)
    assert matrix.stated == {cell: pytest.approx(MATRIX[cell]) for cell in USER_LLM.cells}
    assert max(matrix.cells, key=lambda cell: sum(matrix.cells[cell])) == "DQ_DA"
    best = sum(matrix.cells["VQ_CQ"])
    assert matrix.regret == pytest.approx(best - sum(matrix.cells["VQ_DA"]))
    assert matrix.cells["VQ_CQ"][0] > matrix.cells["VQ_DA"][0]
    wanted = spearmanr(
        [sum(matrix.cells[c]) for c in USER_LLM.cells], [sum(MATRIX[c]) for c in USER_LLM.cells]
    ).statistic
    assert found.correlation().value == pytest.approx(wanted)


def test_what_is_played_in_the_lab_agrees_with_its_true_matrices() -> None:
    """An assistant that guesses as often right as the world supposes, and asks to the point."""
    plays = 10

    async def every() -> list[Transcript]:
        found = []
        for goal in lab_goals():
            right = goal.question.extra["item"]["guess"] * plays
            row = "VQ" if goal.missing else "DQ"
            for action in USER_LLM.llm_actions:
                for number in range(plays):
                    one = Match(
                        goal, ScriptedUser(), "u", Persona(), f"{row}_{action}", number, action
                    )
                    found.append((await play(one, LabAssistant(goal, number < right), Rules()))[1])
        return found

    [found] = agreements(asyncio.run(every()))
    assert found.questions == 8
    for matrix in found.matrices:
        truth = matrix.truth or {}
        row = [cell for cell in USER_LLM.cells if cell in matrix.cells]
        best = max(row, key=lambda cell: sum(matrix.cells[cell]))
        assert best == max(row, key=lambda cell: sum(truth[cell])), matrix.question
    assert found.truth.value is not None and found.truth.value > 0.8
    assert found.truth.high is not None and found.truth.high <= 1


def test_a_forced_answer_that_does_something_else_is_no_evidence_about_its_cell() -> None:
    plays = forced_plays()
    first = plays[0].conversation or {}
    turns = [{**first["turns"][0], "action": "DA"}, *first["turns"][1:]]
    other = replace(plays[0], conversation={**first, "turns": turns})
    [found] = agreements([other, *plays[1:]])
    [matrix] = found.matrices
    assert first["arm"] not in matrix.cells
    assert matrix.carried == pytest.approx(5 / 6)


def test_single_answers_are_left_out_and_arms_are_those_that_are_there() -> None:
    rows = transcripts(questions=2, users=("u", "v"))
    single = replace(rows[0], id="single", conversation=None)
    held = [
        replace(row, conversation={**row.conversation, "kind": "script"})
        for row in rows
        if row.conversation is not None and row.conversation["arm"] != "baseline"
    ]
    found = Conversations.read([single, *held])
    assert len(found.rows) == len(held) == 8
    assert found.arms == ("full", "ask")
    assert found.kinds == {"u": "script", "v": "script"}


def test_a_failed_conversation_is_on_no_curve() -> None:
    rows = transcripts(questions=3)
    lost = played(ASKS, RIGHT, end="failed", failed="user", problem="gone", arm="ask")
    found = Conversations.read([*rows, replace(rows[0], id="x", conversation=lost.to_json())])
    whole = Conversations.read(rows)
    assert found.failed("m", "u", "ask") == 1
    assert found.curve("m", "u", "ask") == whole.curve("m", "u", "ask")
    assert found.curve("m", "u", "ask")[0].n == 3


def test_a_matrix_without_another_to_compare_it_with_has_no_rank_correlation() -> None:
    cells = {"VQ_DA": (1.0, 2.0), "VQ_CQ": (2.0, 1.0)}
    one = PlayedMatrix("q", "c", "VQ", cells, dict.fromkeys(cells, 1), None, None, 1.0)
    assert math.isnan(one.correlation(None)) and math.isnan(one.correlation(None, 0))
    assert one.choice is None and math.isnan(one.regret)
    assert one.correlation(cells) != one.correlation(cells)  # the sums are constant
    assert one.correlation(cells, 0) == 1.0
    assert one.correlation({cell: (-u, m) for cell, (u, m) in cells.items()}, 0) == -1.0
    stated = dict.fromkeys(USER_LLM.cells, (0.0, 0.0)) | {"DQ_CQ": (3.0, 3.0)}
    chose = replace(one, stated=stated)
    assert chose.choice == "CQ" and math.isnan(chose.regret), "one action was not played"
    assert replace(chose, cells={**cells, "VQ_AQ": (5.0, 0.5)}).regret == 2.5


def test_a_model_that_cannot_be_forced_is_said_to_be_so() -> None:
    def disobeys(row: Transcript) -> Transcript:
        record = row.conversation or {}
        first, *rest = record["turns"]
        return replace(row, conversation={**record, "turns": [{**first, "action": None}, *rest]})

    matrices = agreements(map(disobeys, forced_plays()))
    report = conversations_report(Conversations([]), matrices)
    assert report.sentences == ["m with u: no forced answer carried out its action."]


def test_the_free_conversations_have_no_part_in_the_matrices() -> None:
    assert agreements(transcripts()) == []
    assert Conversations.read(forced_plays()).rows == ()


@given(arrays(np.float64, (2, 6), elements=st.integers(-3, 3).map(float)))
def test_the_rank_correlation_is_spearmans(sides: Any) -> None:
    ours = rank_correlation(*sides)
    if np.ptp(sides[0]) == 0 or np.ptp(sides[1]) == 0:
        assert math.isnan(ours)
    else:
        assert ours == pytest.approx(spearmanr(*sides).statistic)
    assert math.isnan(rank_correlation(sides[0][:1], sides[1][:1]))


@given(arrays(np.float64, (2, 5), elements=st.integers(-2, 2).map(float)))
def test_kendalls_tau_is_scipys(sides: Any) -> None:
    ours, theirs = kendalls_tau(*sides), kendalltau(*sides).statistic
    assert np.isnan(ours) == np.isnan(theirs)
    assert np.isnan(ours) or float(ours) == pytest.approx(theirs)


def test_kendalls_w() -> None:
    assert kendalls_w(np.array([[1.0, 2, 3], [4, 5, 6]])) == pytest.approx(1)
    assert kendalls_w(np.array([[1.0, 2, 3], [3, 2, 1]])) == pytest.approx(0)
    assert kendalls_w(np.array([[1.0, 1, 1], [2, 2, 2]])) is None
    assert kendalls_w(np.array([[1.0], [2]])) is None
    # Siegel and Castellan (1988), table 9.9: W of three judges on six applicants.
    ranks = np.array([[1.0, 6, 3, 2, 5, 4], [1, 5, 6, 4, 2, 3], [6, 3, 2, 5, 4, 1]])
    assert kendalls_w(ranks) == pytest.approx(0.16, abs=0.005)


def test_the_order_of_models_is_compared_between_users() -> None:
    rows = transcripts(model="asks", users=("a", "b"))
    rows += transcripts(guesses, "guesses", ("a", "b"))
    found = stability(Conversations.read(rows), "goal", np.random.default_rng(0))
    assert found is not None
    assert (found.models, found.users, found.clusters) == (("asks", "guesses"), ("a", "b"), 8)
    assert {pair: tau.value for pair, tau in found.tau.items()} == {("a", "b"): 1}
    assert (found.concordance, found.same_best, found.same_order) == (pytest.approx(1), 1, 1)
    report = conversations_report(Conversations.read(rows))
    assert "one model is best under every user in 100% of resamples" in report.sentences[-1]


def test_an_order_that_turns_round_is_seen() -> None:
    hasty = Persona(replies=0.0)
    rows = transcripts(model="asks", users=("patient",))
    rows += transcripts(model="asks", users=("hasty",), persona=hasty)
    half = replace(GOAL, grade=lambda response: 1.0 if response == ANSWER else 0.4)

    async def answered(user: str, number: int) -> Transcript:
        asked = replace(GOAL.question, id=f"q{number}", cluster=f"q{number}")
        one = replace(match(replace(half, question=asked)), name=user)
        transcript = (await play(one, SayingAssistant(lambda m, f: WRONG), Rules()))[1]
        return replace(transcript, model="guesses")

    rows += [asyncio.run(answered(user, n)) for user in ("patient", "hasty") for n in range(8)]
    found = stability(Conversations.read(rows), "quality", np.random.default_rng(0))
    assert found is not None
    assert {pair: tau.value for pair, tau in found.tau.items()} == {("patient", "hasty"): -1}
    assert (found.same_best, found.concordance) == (0, pytest.approx(0))


def test_one_model_or_one_user_has_no_order() -> None:
    rng = np.random.default_rng(0)
    assert stability(Conversations.read(transcripts()), "goal", rng) is None
    assert stability(Conversations.read(transcripts(users=("a", "b"))), "goal", rng) is None


def test_the_report_holds_every_sheet_in_every_form() -> None:
    rows = [*transcripts(users=("a", "b")), *transcripts(guesses, "g", ("a", "b"))]
    rows += forced_plays(users=("a", "b"))
    report = conversations_report(Conversations.read(rows), agreements(rows))
    names = [sheet.name for sheet in report.sheets]
    assert names == [
        "conversations-a",
        "conversations-b",
        "conversations-differences",
        "conversations-utility",
        "conversations-matrices",
        "conversations-payoffs",
        "conversations-stability",
    ]
    assert json.dumps(report.to_json(), allow_nan=False)
    text = report.section()
    assert "Ask-F1" in text and "<svg" in text and "nan" not in text.lower().replace("nanc", "")
    with pytest.raises(DataError, match="no conversations"):
        conversations_report(Conversations([]))


def test_two_runs_of_one_model_are_told_apart(tmp_path: Path) -> None:
    for folder in ("free", "priced"):
        with TranscriptWriter(tmp_path / folder / "transcripts.jsonl") as writer:
            for transcript in transcripts(questions=2, users=("a", "b")):
                writer.write(transcript)
    study = Study([tmp_path], None, None, None, 0, 1000)
    found = table_named("conversations", study).to_json()
    models = {row["model"] for row in found["conversations-a"]}
    assert models == {"m (free)", "m (priced)"}


def test_the_page_quotes_one_conversation_of_each_kind() -> None:
    rows = transcripts(questions=2)
    hostile = replace(rows[0], id="<script>")
    shown = talks([hostile, *rows])
    assert shown.count("<article") == 1
    assert "The one in the cartoon." in shown and "&lt;script&gt;" in shown
    assert not talks([replace(one, task="wildguard") for one in rows])


def test_matrices_keep_the_order_of_the_games_cells() -> None:
    cells = {cell: {"user": user, "LLM": llm} for cell, (user, llm) in MATRIX.items()}
    game = Bimatrix.from_json(cells)
    assert [game.cell(cell) for cell in USER_LLM.cells] == [
        pytest.approx(MATRIX[cell]) for cell in USER_LLM.cells
    ]
