"""The teachers: right without noise, wrong as often as they are told to be."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from at_once import at_once
from chain_texts import solution_of
from gtalign.chain import Chain, acted, chosen_cell, parse, work_out
from gtalign.errors import ChainError
from gtalign.game import USER_LLM, Bimatrix, social_optimum
from gtalign.judges import Verdict
from gtalign.lab.judge import LabJudge
from gtalign.lab.languages import LANGUAGES
from gtalign.lab.speech import TERSE
from gtalign.lab.teachers import (
    ChainDraft,
    Noise,
    analyze,
    assemble,
    candidate,
    lesson_of,
    misjudge,
    respond,
)
from gtalign.lab.users import REPLY_RATE
from gtalign.lab.world import make_world
from gtalign.tasks import Question
from small_lab import SILENT

ROUNDING = 2
"""Two cells' sums may swap if they differ by this: each of four payoffs is rounded by up to .5."""
WORLD = make_world(0, 30, 15)
QUESTIONS = [*WORLD.train, *WORLD.test, *WORLD.ood]
MANY = QUESTIONS * 3
CLEAR = [q for q in MANY if q.extra["user_action"] == "DQ" and q.task != "notes"]
"""Questions that the silent teachers answer at once."""


def judge(question: Question, response: str) -> Verdict:
    return at_once(LabJudge().judge(question, response))


def truth(question: Question) -> Bimatrix:
    return Bimatrix.from_json(question.extra["true_payoff"])


def write(noise: Noise, questions: list[Question] = MANY) -> list[Chain]:
    rng = np.random.default_rng(0)
    return [parse(candidate(question, rng, noise)) for question in questions]


def share(hits: list[bool]) -> float:
    return sum(hits) / len(hits)


def test_silent_teachers_write_valid_chains_and_choose_by_their_matrix() -> None:
    for question, chain in zip(QUESTIONS, write(SILENT, QUESTIONS), strict=True):
        assert np.array_equal(chain.payoff.payoffs, np.round(truth(question).payoffs))
        best = USER_LLM.cells[int(social_optimum(chain.payoff.payoffs))]
        assert chosen_cell(chain.analyze, chain.payoff, None).cell == best
        assert solution_of(chain) == 1
        vague = question.extra["user_action"] == "VQ"
        item = question.extra["item"]
        if vague:
            assert chain.thinking == f"{item['quotes']['VQ']} vague."
        else:
            assert chain.thinking == f"{item['quotes']['DQ']} detailed. {item['work']}".strip()


@pytest.mark.parametrize(
    "task",
    [
        "sums",
        "people",
        "requests",
        "notes",
        *LANGUAGES["terse"].ood_tasks,
    ],
)
def test_silent_teachers_do_what_is_truly_best(task: str) -> None:
    questions = [q for q in QUESTIONS if q.task == task]
    for question, chain in zip(questions, write(SILENT, questions), strict=True):
        true, chosen = truth(question), chosen_cell(chain.analyze, chain.payoff, None).cell
        best = true.cell(USER_LLM.cells[int(social_optimum(true.payoffs))])
        assert chosen is not None
        assert np.sum(best) - np.sum(true.cell(chosen)) <= ROUNDING
        verdict = judge(question, chain.response)
        assert verdict.details["right_action"] == 1, question.id
        if question.extra["user_action"] == "DQ":
            assert verdict.score == 1, question.id
        else:
            assert verdict.score is not None
            assert verdict.score >= REPLY_RATE, question.id


def test_matrix_is_written_in_whole_numbers() -> None:
    for question in QUESTIONS[:20]:
        text = candidate(question, np.random.default_rng(0), replace(SILENT, payoff_sd=2.0))
        matrix = text.partition("<payoff>")[2].partition("</payoff>")[0]
        assert "." not in matrix
        assert " " not in matrix
        assert "-0" not in matrix


def test_same_generator_same_candidate() -> None:
    for question in QUESTIONS[:10]:
        first, second = (candidate(question, np.random.default_rng(7)) for _ in "ab")
        assert first == second


def test_every_kind_of_breakage_is_refused() -> None:
    broken = replace(SILENT, broken=1.0)
    rng = np.random.default_rng(0)
    rules: Counter[str] = Counter()
    for question in MANY:
        with pytest.raises(ChainError) as refused:
            parse(candidate(question, rng, broken))
        rules[refused.value.rule] += 1
    kinds = {"order", "missing", "payoff-missing", "payoff-syntax", "unclosed"}
    assert rules.keys() <= kinds
    # Left out, without its last cell, with a trailing comma, not closed: each a quarter.
    for rule in ("order", "payoff-missing", "payoff-syntax", "unclosed"):
        assert rules[rule] / rules.total() == pytest.approx(0.25, abs=0.06)


def test_chains_break_at_the_rate_that_is_set() -> None:
    rng = np.random.default_rng(0)
    hits = []
    for question in MANY:
        try:
            parse(candidate(question, rng))
        except ChainError:
            hits.append(True)
        else:
            hits.append(False)
    assert share(hits) == pytest.approx(Noise().broken, abs=0.05)


def test_misread_question_gets_the_matrix_of_its_other_form() -> None:
    chains = write(replace(SILENT, misread=0.3))
    misread = []
    for question, chain in zip(MANY, chains, strict=True):
        says_vague = chain.thinking.endswith(" vague.")
        misread.append(says_vague != (question.extra["user_action"] == "VQ"))
        seen = question.extra["other_payoff" if misread[-1] else "true_payoff"]
        assert np.array_equal(chain.payoff.payoffs, np.round(Bimatrix.from_json(seen).payoffs))
    assert share(misread) == pytest.approx(0.3, abs=0.06)


def test_teachers_stray_from_the_optimum() -> None:
    chains = write(replace(SILENT, stray_choice=0.6))
    strayed = [
        chosen_cell(c.analyze, c.payoff, None).cell
        != USER_LLM.cells[int(social_optimum(c.payoff.payoffs))]
        for c in chains
    ]
    assert share(strayed) == pytest.approx(0.6 * 5 / 6, abs=0.06)  # one draw in six hits it


def test_teachers_disobey_their_choice() -> None:
    chains = write(replace(SILENT, disobey=0.6), CLEAR)
    assert all(chain.analyze.endswith("choose DQ_DA.") for chain in chains)
    disobeyed = [
        c.response != q.extra["item"]["answer"] for q, c in zip(CLEAR, chains, strict=True)
    ]
    assert share(disobeyed) == pytest.approx(0.6 * 2 / 3, abs=0.07)


def test_teachers_answer_wrongly() -> None:
    chains = write(replace(SILENT, wrong_answer=0.4), CLEAR)
    wrong = [c.response != q.extra["item"]["answer"] for q, c in zip(CLEAR, chains, strict=True)]
    assert share(wrong) == pytest.approx(0.4, abs=0.07)


def test_guess_is_right_no_more_often_than_the_item_allows() -> None:
    rng = np.random.default_rng(0)
    guessed = [q for q in QUESTIONS if q.extra["user_action"] == "VQ"] * 4
    right = [respond(q, "DA", rng, 0.0) == q.extra["item"]["answer"] for q in guessed]
    expected = float(np.mean([q.extra["item"]["guess"] for q in guessed]))
    assert share(right) == pytest.approx(expected, abs=0.06)


def test_actions_have_their_own_responses() -> None:
    rng = np.random.default_rng(0)
    for question in (q for q in QUESTIONS if q.extra["user_action"] == "DQ"):
        item = question.extra["item"]
        assert respond(question, "DA", rng, 0.0) == item["answer"]
        assert respond(question, "CQ", rng, 0.0) == item["ask"]
        assert respond(question, "AQ", rng, 0.0) == f"{item['answer']} {item['ask']}"
        assert respond(question, "DA", rng, 1.0) in item["wrong"]


def test_idle_words_come_first_and_change_no_verdict() -> None:
    chains, silent = write(replace(SILENT, idle_words=0.5), CLEAR), write(SILENT, CLEAR)
    mused = [c.thinking.startswith(TERSE.musings) for c in chains]
    polite = [c.response.startswith(TERSE.courtesies) for c in chains]
    assert share(mused) == pytest.approx(0.5, abs=0.08)
    assert share(polite) == pytest.approx(0.5, abs=0.08)
    for question, chain, plain in zip(CLEAR, chains, silent, strict=True):
        assert chain.response.endswith(plain.response)
        assert judge(question, chain.response) == judge(question, plain.response)


def test_estimates_err_and_tie() -> None:
    rng = np.random.default_rng(0)
    matrices = [truth(q) for q in MANY]
    noisy = np.stack([misjudge(m, rng, replace(SILENT, payoff_sd=1.0)).payoffs for m in matrices])
    exact = np.stack([m.payoffs for m in matrices])
    assert np.abs(noisy).max() <= 5
    assert np.array_equal(noisy, np.round(noisy))
    inside = np.abs(exact) < 3
    assert (noisy - exact)[inside].std() == pytest.approx(np.sqrt(1 + 1 / 12), abs=0.1)
    tied = np.stack([misjudge(m, rng, replace(SILENT, tie=0.5)).payoffs for m in matrices])
    whole = np.round(exact)
    apart = whole[..., 0] != whole[..., 1]
    assert (tied[..., 0] == tied[..., 1])[apart].mean() == pytest.approx(0.5, abs=0.06)


def test_draft_goes_through_analysis_and_assembly() -> None:
    matrix = Bimatrix(USER_LLM, [[[3, 3], [1, 2], [2, 1]], [[0, 1], [2, 4], [1, 1]]])
    draft = analyze(ChainDraft(vague=False, payoff=matrix), np.random.default_rng(0), SILENT)
    assert draft.analyze == "frontier: DQ_AQ, VQ_CQ. choose DQ_AQ."
    assert draft.action == "AQ"
    chain = parse(
        assemble(replace(draft, thinking="so", response="yes."), np.random.default_rng(0), SILENT)
    )
    assert (chain.thinking, chain.response, chain.payoff) == ("so", "yes.", matrix)


def test_worked_out_analyses_end_as_the_others_do() -> None:
    for question in make_world(0, 2, 1).train:
        for seed in range(5):
            plain, worked = (
                parse(candidate(question, np.random.default_rng(seed), SILENT, worked_out=flag))
                for flag in (False, True)
            )
            assert worked.analyze == work_out(worked.payoff).text
            assert (
                plain.analyze.rpartition(" choose ")[2] == worked.analyze.rpartition(" choose ")[2]
            )
            assert (plain.payoff, plain.response) == (worked.payoff, worked.response)


def test_chains_with_an_edited_matrix_do_what_it_recommends() -> None:
    rng = np.random.default_rng(0)
    actions, ignored = set(), 0
    for question in make_world(0, 5, 1).train:
        lesson = lesson_of(question, rng, SILENT)
        made = lesson.right
        chain = parse(made.text)
        assert acted(chain.response, USER_LLM) == made.action == work_out(chain.payoff).action
        actions.add(made.action)
        if lesson.wrong is not None:
            ignored += 1
            before = parse(lesson.wrong)
            assert (before.thinking, before.payoff) == (chain.thinking, chain.payoff)
            assert acted(before.response, USER_LLM) != made.action
    assert actions == {"DA", "CQ", "AQ"} and ignored > 5
