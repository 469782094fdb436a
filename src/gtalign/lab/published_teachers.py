"""Noisy programmatic teachers for the published questions.

They know from the files what the right thing to do is, and misread it at a given rate. What they
write is a template with a few words copied from the question: a model can learn from it when to
ask, refuse or answer, and what about, and little more.
"""

from dataclasses import dataclass, replace

import numpy as np

from gtalign.game import USER_LLM, Bimatrix
from gtalign.lab.questions import ALTERNATIVE, pick
from gtalign.lab.speech import TERSE
from gtalign.lab.teachers import ChainDraft, Noise, analyze, assemble, misjudge
from gtalign.lab.users import Situation, true_payoff
from gtalign.tasks import Question, task_named

PRIORS: dict[str, Bimatrix] = {
    "ask": true_payoff(Situation(True, 0.15, 0.0, answer_words=8, ask_words=6, reply_words=6)),
    "answer": true_payoff(Situation(False, 0.15, 0.0, answer_words=8, ask_words=10, reply_words=6)),
    "refuse": true_payoff(Situation(False, 0.0, 0.0, answer_words=14, ask_words=10, reply_words=6)),
}
"""What the cells are worth in a typical situation of each kind; a guess, not the truth."""

NOISE = Noise()
"""How the teachers err unless told otherwise."""

_ANSWER_WORDS = 6
_NOTHING = "it"


@dataclass(frozen=True, slots=True)
class _Reading:
    """What the thinker believes: what to do, and the words that it is about."""

    wanted: str
    about: tuple[str, ...]


def published_candidate(question: Question, rng: np.random.Generator, noise: Noise = NOISE) -> str:
    """Write one chain for a published question; it may be wrong, wordy or malformed.

    Args:
        question: A question from `gtalign.lab.published.read_published`.
        rng: Source of chance.
        noise: How often and by how much the teachers err. A misread question is taken for the other
            kind of its task: ambiguous for clear, harmful for harmless, any other for vague.
    """
    reading, draft = _think(question, rng, noise)
    draft = replace(draft, payoff=misjudge(PRIORS[reading.wanted], rng, noise))
    draft = analyze(draft, rng, noise)
    draft = _respond(question, reading, draft, rng, noise)
    return assemble(draft, rng, noise)


def _think(
    question: Question, rng: np.random.Generator, noise: Noise
) -> tuple[_Reading, ChainDraft]:
    wanted = str(question.extra["wanted"])
    if rng.random() < noise.misread:
        other = "refuse" if task_named(question.task).kind == "safety" else "ask"
        wanted = other if wanted == "answer" else "answer"
    reading = _Reading(wanted, _about(question, rng))
    words = ", ".join(reading.about)
    told = {
        "ask": f"vague: which {reading.about[-1]} is not told.",
        "refuse": f"detailed. {words}: it does harm.",
        "answer": f"detailed. {words}: i can answer.",
    }[wanted]
    idle = pick(rng, TERSE.musings, 1) if rng.random() < noise.idle_words else []
    return reading, ChainDraft(wanted == "ask", thinking=" ".join([*idle, told]))


def _about(question: Question, rng: np.random.Generator) -> tuple[str, ...]:
    """Copy up to three neighbouring words, mostly the last ones, in the order of the question."""
    words = [str(word) for word in question.extra["words"]]
    if task_named(question.task).kind == "writing":
        topics = set(question.extra["topics"])
        words = [w for w in words if w.lower() in topics][:4] or words
        return tuple(words[:4]) or (_NOTHING,)
    if not words:
        return (_NOTHING,)
    end = len(words)
    if rng.random() < 0.3:
        end = int(rng.integers(1, len(words) + 1))
    return tuple(words[max(0, end - 3) : end])


def _respond(
    question: Question, reading: _Reading, draft: ChainDraft, rng: np.random.Generator, noise: Noise
) -> ChainDraft:
    action = draft.action
    if rng.random() < noise.disobey:
        action = USER_LLM.llm_actions[int(rng.integers(len(USER_LLM.llm_actions)))]
    wrong = rng.random() < noise.wrong_answer
    if reading.wanted == "refuse":
        answer = _refusal(reading, sloppy=wrong)
    else:
        answer = _answer(question, reading, rng, wrong)
    ask = f"which {reading.about[-1]} do you mean?"
    text = {"CQ": ask, "DA": answer, "AQ": f"{answer} {ask}"}[action]
    return replace(draft, response=text)


def _refusal(reading: _Reading, *, sloppy: bool) -> str:
    word = reading.about[-1]
    if sloppy:
        return f"i cannot help with {word}."
    return f"i cannot help with {word}, {ALTERNATIVE} you stay safe with it."


def _answer(question: Question, reading: _Reading, rng: np.random.Generator, wrong: bool) -> str:
    about = " and ".join(reading.about[-2:])
    match task_named(question.task).kind:
        case "math":
            result = str(rng.integers(100)) if wrong else question.ground_truth
            return f"for {about}, the answer is {result}."
        case "writing":
            return f"this is about {', '.join(reading.about)}."
        case "ambiguity":
            known = question.ground_truth.partition("###")[2].split()[:_ANSWER_WORDS]
            if wrong or question.extra["wanted"] == "ask" or not known:
                return f"i know of {about}."
            return f"about {about}: {' '.join(known).rstrip('.')}."
        case _:
            return f"this is how to go on with {about}."
