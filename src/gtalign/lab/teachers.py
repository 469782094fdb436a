"""Noisy programmatic teachers that write the four blocks, one block each, as in the cold start.

Every teacher sees what those before it wrote and errs at its own rate, so that candidates differ
and choosing the best of several is worth something.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from gtalign.chain import BLOCKS, Chain, work_out
from gtalign.chain.belief import written
from gtalign.chain.blocks import BELIEVING
from gtalign.game import USER_LLM, Bimatrix, pareto_frontier
from gtalign.lab.hedges import right_belief
from gtalign.lab.questions import pick
from gtalign.lab.speech import TERSE, Speech
from gtalign.lab.terms import Terms
from gtalign.steering import ActionTokens, Policy
from gtalign.synthesis.counterfactuals import counterfactual
from gtalign.synthesis.drills import compact
from gtalign.synthesis.obedience import ObedienceLesson, ignoring
from gtalign.synthesis.priced import Priced, priced
from gtalign.tasks import Question

__all__ = ["Noise", "candidate"]


@dataclass(frozen=True, slots=True)
class Noise:
    """How often, or by how much, the teachers err."""

    misread: float = 0.12
    payoff_sd: float = 0.6
    tie: float = 0.08
    stray_choice: float = 0.15
    disobey: float = 0.1
    wrong_answer: float = 0.2
    idle_words: float = 0.5
    broken: float = 0.12


SURE: Final = Noise(misread=0.0, idle_words=0.0)
"""Teachers that read every question right, and say nothing idle."""


@dataclass(frozen=True, slots=True)
class ChainDraft:
    """The blocks of one candidate so far, and the thinker's belief about the question."""

    vague: bool
    thinking: str = ""
    payoff: Bimatrix | None = None
    action: str = ""
    analyze: str = ""
    response: str = ""
    belief: Mapping[str, float] | None = None


def candidate(
    question: Question,
    rng: np.random.Generator,
    noise: Noise = Noise(),
    *,
    worked_out: bool = False,
    belief: bool = False,
    speech: Speech = TERSE,
) -> str:
    """Write one chain for a question; it may be wrong, wordy or malformed.

    Args:
        question: The question.
        rng: Source of chance.
        noise: How often the teachers err.
        worked_out: Whether the analysis writes every sum out; otherwise it names the frontier.
        belief: Whether the chain states a belief: the right one. Who states it misreads nothing.
        speech: The words of the teachers.
    """
    if belief:
        noise = replace(noise, misread=0.0)
    draft = _think(question, rng, noise, speech)
    if belief:
        draft = replace(draft, belief=right_belief(question))
    draft = _value(question, draft, rng, noise)
    draft = analyze(draft, rng, noise, worked_out=worked_out, speech=speech)
    draft = _respond(question, draft, rng, noise, speech)
    return assemble(draft, rng, noise)


def lesson_of(
    question: Question,
    rng: np.random.Generator,
    noise: Noise = Noise(),
    *,
    worked_out: bool = False,
    speech: Speech = TERSE,
) -> ObedienceLesson:
    """Write a chain whose matrix was edited after the thinking, and that follows the edit.

    Its analysis is right and its response does what the analysis chooses. To a question as it was
    asked, the answer may still be a guess. Beside it stands the chain that ignores the edit.
    """
    draft = _value(question, _think(question, rng, noise, speech), rng, noise)
    assert draft.payoff is not None
    thought = Chain(draft.thinking, draft.payoff, "", "")
    right = counterfactual(thought, rng, lambda action: respond(question, action, rng, 0.0))
    draft = analyze(draft, rng, noise, worked_out=worked_out, speech=speech)
    draft = _respond(question, draft, rng, noise, speech)
    whole = replace(thought, analyze=draft.analyze, response=draft.response)
    return ObedienceLesson(right, ignoring(whole, right))


def priced_lesson_of(
    question: Question,
    policy: Policy,
    expected: Mapping[str, ActionTokens],
    rng: np.random.Generator,
    *,
    prompt_tokens: int = 0,
    speech: Speech = TERSE,
) -> Priced:
    """Write a chain for a question that names a policy: its matrix is the true one under it.

    Nothing in it is wrong, but to a vague question the answer may still be a guess.
    """
    truth = Bimatrix.from_json(question.extra["true_payoff"])
    draft = _think(question, rng, SURE, speech)
    return priced(
        Chain(draft.thinking, truth, "", ""),
        policy,
        expected,
        lambda action: respond(question, action, rng, 0.0),
        prompt_tokens=prompt_tokens,
    )


def assemble(draft: ChainDraft, rng: np.random.Generator, noise: Noise) -> str:
    """Put the blocks of a finished draft together; now and then the chain breaks."""
    assert draft.payoff is not None
    # Whole numbers, written as such: a small model spends most of its tokens on the matrix.
    stated = () if draft.belief is None else (written(draft.belief),)
    contents = (draft.thinking, *stated, compact(draft.payoff), draft.analyze, draft.response)
    blocks = BELIEVING if stated else BLOCKS
    texts = [f"<{b}>{c}</{b}>" for b, c in zip(blocks, contents, strict=True)]
    return _break(texts, rng) if rng.random() < noise.broken else "".join(texts)


def _break(texts: list[str], rng: np.random.Generator) -> str:
    """Break the chain in one of the ways that are common in models."""
    match int(rng.integers(4)):
        case 0:  # a block is left out
            del texts[int(rng.integers(len(texts) - 1))]
        case 1:  # the matrix lacks its last cell
            texts[-3] = texts[-3].rpartition(',"VQ_DA"')[0] + "}</payoff>"
        case 2:  # a trailing comma
            texts[-3] = texts[-3].replace("}}", "},}")
        case _:  # the last tag is missing
            texts[-1] = texts[-1].removesuffix("</response>")
    return "".join(texts)


def _think(
    question: Question, rng: np.random.Generator, noise: Noise, speech: Speech
) -> ChainDraft:
    item, hedged = question.extra["item"], question.extra.get("hedged")
    vague = (right_belief(question)["VQ"] > 0.5) != (rng.random() < noise.misread)
    # The quotation that decides comes first: a small model cannot decide from words further back.
    quote, work = item["quotes"]["VQ" if vague else "DQ"], item["work"]
    if hedged is not None:
        quote, work = f"{hedged['hedge']} {hedged['reply']}", hedged["work"]
    told = (speech.vague if vague else speech.detailed).format(quote=quote, work=work)
    told = told.strip()
    if "terms" in question.extra:
        told = f"{told} {Terms(**question.extra['terms']).said(speech.noted)}"
    idle = pick(rng, speech.musings, 1) if rng.random() < noise.idle_words else []
    return ChainDraft(vague, thinking=" ".join([*idle, told]))


def _value(
    question: Question, draft: ChainDraft, rng: np.random.Generator, noise: Noise
) -> ChainDraft:
    """Estimate the true matrix; a misread question gets the matrix of its other form."""
    read_well = draft.vague == (question.extra["user_action"] == "VQ")
    truth = Bimatrix.from_json(question.extra["true_payoff" if read_well else "other_payoff"])
    return replace(draft, payoff=misjudge(truth, rng, noise))


def misjudge(truth: Bimatrix, rng: np.random.Generator, noise: Noise) -> Bimatrix:
    """Return a matrix with errors in its payoffs, some cells of which pay both sides alike."""
    payoffs = truth.payoffs + rng.normal(0, noise.payoff_sd, truth.payoffs.shape)
    tied = rng.random(payoffs.shape[:2]) < noise.tie
    payoffs[tied, 1] = payoffs[tied, 0]
    payoffs = np.clip(np.round(payoffs), -5.0, 5.0) + 0.0  # no negative zero
    return Bimatrix(USER_LLM, payoffs)


def analyze(
    draft: ChainDraft,
    rng: np.random.Generator,
    noise: Noise,
    *,
    worked_out: bool = False,
    speech: Speech = TERSE,
) -> ChainDraft:
    """Choose the social optimum of the draft's matrix, or stray; the rest as in `candidate`."""
    assert draft.payoff is not None
    solved = work_out(draft.payoff)
    chosen = solved.cell
    if rng.random() < noise.stray_choice:
        chosen = USER_LLM.cells[int(rng.integers(len(USER_LLM.cells)))]
    if worked_out:
        steps = solved.text.removesuffix(f" choose {solved.cell}.")
    else:
        frontier = USER_LLM.where(pareto_frontier(draft.payoff.payoffs))
        steps = speech.frontier.format(cells=", ".join(frontier))
    text = f"{steps} {speech.choose.format(cell=chosen)}"
    return replace(draft, analyze=text, action=chosen.split("_")[1])


def _respond(
    question: Question,
    draft: ChainDraft,
    rng: np.random.Generator,
    noise: Noise,
    speech: Speech,
) -> ChainDraft:
    actions = USER_LLM.llm_actions
    disobeys = rng.random() < noise.disobey
    action = actions[int(rng.integers(len(actions)))] if disobeys else draft.action
    text = respond(question, action, rng, noise.wrong_answer)
    if rng.random() < noise.idle_words:
        text = f"{pick(rng, speech.courtesies, 1)[0]} {text}"
    return replace(draft, response=text)


def respond(question: Question, action: str, rng: np.random.Generator, wrong: float) -> str:
    """Write a response that carries out an LLM action.

    Args:
        question: The question.
        action: ``DA``, ``CQ`` or ``AQ``.
        rng: Source of chance.
        wrong: Probability that a stated answer is wrong. To a vague question the answer is a guess,
            right at most as often as the item allows; to a hedged one it follows from the fact
            that the question states.
    """
    item, hedged = question.extra["item"], question.extra.get("hedged")
    if action == "CQ":
        return str(item["ask"])
    guesses = question.extra["user_action"] == "VQ" and hedged is None
    right = (item["guess"] if guesses else 1.0) * (1 - wrong)
    known = (item if hedged is None else hedged)["answer"]
    answer = known if rng.random() < right else pick(rng, item["wrong"], 1)[0]
    return str(answer) if action == "DA" else f"{answer} {item['ask']}"
