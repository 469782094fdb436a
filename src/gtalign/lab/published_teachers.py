"""Noisy programmatic teachers for the published questions.

They know from the files what the right thing to do is, and misread it at a given rate. What they
write is a template with a few words copied from the question: a model can learn from it when to
ask, refuse or answer, and what about, and little more.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final, Literal

import numpy as np

from gtalign.chain import Chain
from gtalign.game import USER_LLM, Bimatrix
from gtalign.lab.questions import ALTERNATIVE, pick
from gtalign.lab.speech import ENGLISH, TERSE, Speech
from gtalign.lab.teachers import ChainDraft, Noise, analyze, assemble, misjudge
from gtalign.lab.users import Situation, true_payoff
from gtalign.synthesis.counterfactuals import counterfactual
from gtalign.synthesis.obedience import ObedienceLesson, ignoring
from gtalign.tasks import Question, task_named

PRIORS: dict[str, Bimatrix] = {
    "ask": true_payoff(Situation(True, 0.15, 0.0, answer_words=8, ask_words=6, reply_words=6)),
    "answer": true_payoff(Situation(False, 0.15, 0.0, answer_words=8, ask_words=10, reply_words=6)),
    "refuse": true_payoff(Situation(False, 0.0, 0.0, answer_words=14, ask_words=10, reply_words=6)),
}
"""What the cells are worth in a typical situation of each kind; a guess, not the truth."""

NOISE = Noise()
"""How the teachers err by default."""


@dataclass(frozen=True, slots=True)
class Templates:
    """What the teachers say about a published question.

    ``{about}`` are the last words that it is about, ``{words}`` all of them, and ``{last}`` the
    last one.

    Args:
        speech: The words of every teacher.
        thinking: Thinking by what is to be done: ``ask``, ``refuse`` or ``answer``.
        ask: The clarifying question.
        refusal: A refusal with an alternative.
        plain_refusal: One without.
        result: An answer in mathematics; with the ``{result}``.
        text: A text on the topics.
        fact: An answer to a question of fact; with what is ``{known}``.
        vague_fact: One that states no fact.
        help: An answer to a harmless request.
    """

    speech: Speech
    thinking: Mapping[str, str]
    ask: str
    refusal: str
    plain_refusal: str
    result: str
    text: str
    fact: str
    vague_fact: str
    help: str


TEMPLATES: Final[Mapping[Literal["terse", "english"], Templates]] = {
    "terse": Templates(
        speech=TERSE,
        thinking={
            "ask": "vague: which {last} is not told.",
            "refuse": "detailed. {words}: it does harm.",
            "answer": "detailed. {words}: i can answer.",
        },
        ask="which {last} do you mean?",
        refusal=f"i cannot help with {{last}}, {ALTERNATIVE} you stay safe with it.",
        plain_refusal="i cannot help with {last}.",
        result="for {about}, the answer is {result}.",
        text="this is about {words}.",
        fact="about {about}: {known}.",
        vague_fact="i know of {about}.",
        help="this is how to go on with {about}.",
    ),
    "english": Templates(
        speech=ENGLISH,
        thinking={
            "ask": "It is not said which {last} is meant, so the question is vague.",
            "refuse": "It is about {words}. Help with it would do harm, so I refuse.",
            "answer": "It is about {words}. Nothing is missing, so the question is detailed.",
        },
        ask="Which {last} do you mean?",
        refusal="I cannot help with {last}, but I can help you to stay safe with it.",
        plain_refusal="I cannot help with {last}.",
        result="For {about}, the answer is {result}.",
        text="This text is about {words}.",
        fact="About {about}: {known}.",
        vague_fact="I know of {about}.",
        help="This is how you can go on with {about}.",
    ),
}
"""The words of the teachers, in the two languages of the lab."""

_ANSWER_WORDS = 6
_NOTHING = "it"


@dataclass(frozen=True, slots=True)
class _Reading:
    """What the thinker believes: what to do, and the words that it is about."""

    wanted: str
    about: tuple[str, ...]


def published_candidate(
    question: Question,
    rng: np.random.Generator,
    noise: Noise = NOISE,
    *,
    worked_out: bool = False,
    said: Templates = TEMPLATES["terse"],
) -> str:
    """Write one chain for a published question; it may be wrong, wordy or malformed.

    Args:
        question: A question from `gtalign.lab.published.read_published`.
        rng: Source of chance.
        noise: How often and by how much the teachers err. A misread question is taken for the other
            kind of its task: ambiguous for clear, harmful for harmless, any other for vague.
        worked_out: Whether the analysis writes every sum out.
        said: The words of the teachers.
    """
    reading, draft = _think(question, rng, noise, said)
    draft = replace(draft, payoff=misjudge(PRIORS[reading.wanted], rng, noise))
    draft = analyze(draft, rng, noise, worked_out=worked_out, speech=said.speech)
    draft = _respond(question, reading, draft, rng, noise, said)
    return assemble(draft, rng, noise)


def published_lesson(
    question: Question,
    rng: np.random.Generator,
    noise: Noise = NOISE,
    *,
    worked_out: bool = False,
    said: Templates = TEMPLATES["terse"],
) -> ObedienceLesson:
    """Write a chain for a published question whose matrix was edited, and that follows the edit.

    Beside it stands the chain that ignores the edit; see `gtalign.lab.teachers.lesson_of`.
    """
    reading, draft = _think(question, rng, noise, said)
    payoff = misjudge(PRIORS[reading.wanted], rng, noise)
    thought = Chain(draft.thinking, payoff, "", "")
    right = counterfactual(
        thought, rng, lambda action: _carry_out(question, reading, action, rng, said, wrong=False)
    )
    draft = replace(draft, payoff=payoff)
    draft = analyze(draft, rng, noise, worked_out=worked_out, speech=said.speech)
    draft = _respond(question, reading, draft, rng, noise, said)
    whole = replace(thought, analyze=draft.analyze, response=draft.response)
    return ObedienceLesson(right, ignoring(whole, right))


def _think(
    question: Question, rng: np.random.Generator, noise: Noise, said: Templates
) -> tuple[_Reading, ChainDraft]:
    wanted = str(question.extra["wanted"])
    if rng.random() < noise.misread:
        other = "refuse" if task_named(question.task).kind == "safety" else "ask"
        wanted = other if wanted == "answer" else "answer"
    reading = _Reading(wanted, _about(question, rng))
    told = _filled(said.thinking[wanted], reading)
    idle = pick(rng, said.speech.musings, 1) if rng.random() < noise.idle_words else []
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
    question: Question,
    reading: _Reading,
    draft: ChainDraft,
    rng: np.random.Generator,
    noise: Noise,
    said: Templates,
) -> ChainDraft:
    action = draft.action
    if rng.random() < noise.disobey:
        action = USER_LLM.llm_actions[int(rng.integers(len(USER_LLM.llm_actions)))]
    wrong = rng.random() < noise.wrong_answer
    return replace(draft, response=_carry_out(question, reading, action, rng, said, wrong=wrong))


def _carry_out(
    question: Question,
    reading: _Reading,
    action: str,
    rng: np.random.Generator,
    said: Templates,
    *,
    wrong: bool,
) -> str:
    """Write a response that carries out an LLM action."""
    if reading.wanted == "refuse":
        answer = _filled(said.plain_refusal if wrong else said.refusal, reading)
    else:
        answer = _answer(question, reading, rng, said, wrong)
    ask = _filled(said.ask, reading)
    return {"CQ": ask, "DA": answer, "AQ": f"{answer} {ask}"}[action]


def _answer(
    question: Question, reading: _Reading, rng: np.random.Generator, said: Templates, wrong: bool
) -> str:
    match task_named(question.task).kind:
        case "math":
            result = str(rng.integers(100)) if wrong else question.ground_truth
            return _filled(said.result, reading, result=result)
        case "writing":
            return _filled(said.text, reading)
        case "ambiguity":
            known = question.ground_truth.partition("###")[2].split()[:_ANSWER_WORDS]
            if wrong or question.extra["wanted"] == "ask" or not known:
                return _filled(said.vague_fact, reading)
            return _filled(said.fact, reading, known=" ".join(known).rstrip("."))
        case _:
            return _filled(said.help, reading)


def _filled(template: str, reading: _Reading, **values: str) -> str:
    about = reading.about
    words = {"about": " and ".join(about[-2:]), "words": ", ".join(about), "last": about[-1]}
    return template.format(**words, **values)
