"""The published questions, bare and cut to what a small model can read.

The only facts about a question are those of its file: whether it is ambiguous, harmful or neither
decides which action is right. The true payoffs of a real prompt are unknown, so there are none.
"""

import re
import zlib
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from gtalign.data.rows import read_rows
from gtalign.errors import DataError
from gtalign.tasks import Message, Question, task_named
from gtalign.tasks.ambiguity import is_ambiguous
from gtalign.tasks.safety import is_harmful

SETS = {
    "math-hard": ("math-hard-train", "math-hard-test"),
    "ambig_qa": ("ambig_qa-train", "ambig_qa-test"),
    "wildguard": ("wildguard-train", "wildguard-test"),
}
"""Tasks with one file for training and one for the test."""

WRITING_SET = ("medium", "medium-test")
"""The task that has one file; half of its source prompts are for training."""

OOD_SETS = {"minerva": "minerva-test", "abg-coqa": "abg_coqa-test", "advbench": "advbench-test"}

TOPICS = 10
"""Number of a reference text's most frequent content words that are its topics."""

_ROOM = 8
"""Least number of characters that a conversation can be cut to."""

_WORD = re.compile(r"(?<![^\W_])[^\W\d_]{3,20}(?![^\W_])")
_LAST_QUESTION = "\nQuestion:\n"

_FUNCTION_WORDS = """
about above after again all also always among and another any are aren around ask asked asking
back because been before being below between both but came can cannot come could couldn did didn
does doesn doing don done down during each either else etc even ever every explain few find
first for from get give given gives gonna got had has hasn have haven having hello help her here
hers hey him his how however into isn its itself just keep kind know last less let like ll long
look made make makes making many may maybe mean means might more most much must need needs never
new next nor not now off oh once one only onto other our ours out over own per please put really
right said same say says see seem she should shouldn show since some something still such sure
take tell than thank thanks that the their theirs them then there these they thing things think
this those though through thus too two under until upon use used using very want wants was wasn
way well went were weren what when where whether which while who whom whose why will with within
without won would wouldn write yes yet you your yours yourself
"""
_STOPWORDS = frozenset(_FUNCTION_WORDS.split())


@dataclass(frozen=True, slots=True)
class Published:
    """Training questions, and test questions in and out of distribution."""

    train: list[Question] = field(repr=False)
    test: list[Question] = field(repr=False)


def read_published(
    folder: Path, *, train_questions: int, test_questions: int, max_chars: int, seed: int
) -> Published:
    """Read a sample of the published questions.

    ``extra`` of a question holds ``split`` (``train``, ``test`` or ``ood``), ``user_action``
    (``VQ`` where the right thing is to ask, else ``DQ``), ``wanted`` (``ask``, ``refuse`` or
    ``answer``), ``words`` (content words of what is asked, as they are written) and, for writing,
    ``topics`` (the most frequent content words of the reference text).

    No training question shares its source prompt with a test question. Writing has one file: half
    of its source prompts are for training and the other half for the test.

    Args:
        folder: Where the parquet files are.
        train_questions: Most training questions of each task.
        test_questions: Most test questions of each task.
        max_chars: Longest conversation in characters; of a longer one the end is kept, as in
            `cut_conversation`.
        seed: Seed of the samples. They take equal shares of ambiguous and clear questions, and of
            harmful and harmless requests, if there are enough.

    Raises:
        DataError: A file is missing, lacks a column, holds another task or has a wrong row; the
            message names it.
    """
    if max_chars < _ROOM:
        raise DataError(f"max_chars is {max_chars}; a conversation needs at least {_ROOM}")

    def read(name: str, task: str) -> list[Question]:
        return _read(folder / f"{name}.parquet", task)

    def take(asked: Sequence[Question], count: int, split: str) -> list[Question]:
        sample = _sample(asked, count, _rng(seed, f"{asked[0].task}-{split}" if asked else split))
        return [_prepare(q, split, max_chars) for q in sample]

    train: list[Question] = []
    test: list[Question] = []
    for task, (learned, tested) in SETS.items():
        held_out = read(tested, task)
        train += take(_without(read(learned, task), held_out), train_questions, "train")
        test += take(held_out, test_questions, "test")
    task, name = WRITING_SET
    first, second = _halves(read(name, task), _rng(seed, name))
    train += take(_without(first, second), train_questions, "train")
    test += take(second, test_questions, "test")
    for task, name in OOD_SETS.items():
        test += take(read(name, task), test_questions, "ood")
    return Published(train=train, test=test)


def wanted(question: Question) -> str:
    """Return the right kind of action: ``ask``, ``refuse`` or ``answer``."""
    kind = task_named(question.task).kind
    if kind == "ambiguity" and is_ambiguous(question):
        return "ask"
    return "refuse" if kind == "safety" and is_harmful(question) else "answer"


def cut_conversation(messages: Sequence[Message], max_chars: int) -> tuple[Message, ...]:
    """Cut a conversation to its last ``max_chars`` characters, the end of the last question.

    A shorter one stays as it is. Otherwise all turns become one message of the user, with the role
    before each turn where there are several, and the cut moves to the next whitespace so that no
    word is torn. A label such as harmful may then refer to words that were cut off.
    """
    if sum(len(m["content"]) for m in messages) <= max_chars:
        return tuple(messages)
    text = messages[-1]["content"]
    if len(messages) > 1:
        text = "\n".join(f"{m['role']}: {m['content']}" for m in messages)
    text = text.rstrip()
    if len(text) > max_chars:
        tail = text[-max_chars:]
        whole = re.search(r"\s", tail) if not text[-max_chars - 1].isspace() else None
        text = (tail[whole.end() :] if whole else tail).lstrip()
    return (Message(role="user", content=text),)


def content_words(text: str) -> list[str]:
    """Return the different words that carry content, as written, in order of appearance.

    Those are runs of 3 to 20 letters other than function words; case is ignored.
    """
    words: dict[str, str] = {}
    for word in _WORD.findall(text):
        if word.lower() not in _STOPWORDS:
            words.setdefault(word.lower(), word)
    return list(words.values())


def topics(text: str) -> list[str]:
    """Return the `TOPICS` most frequent content words of a text, in lower case.

    The most frequent comes first; of equally frequent ones, the first to appear.
    """
    counts = Counter(word.lower() for word in _WORD.findall(text))
    words = [word.lower() for word in content_words(text)]
    return sorted(words, key=lambda word: -counts[word])[:TOPICS]


def _read(path: Path, task: str) -> list[Question]:
    if not path.is_file():
        raise DataError(f"{path}: no such file")
    questions = list(read_rows(path))
    for number, question in enumerate(questions):
        if question.task != task:
            raise DataError(
                f"{path}, row {number}: column 'data_source' is {question.task!r}, not {task!r}"
            )
    return questions


def _rng(seed: int, name: str) -> np.random.Generator:
    return np.random.default_rng([seed, zlib.crc32(name.encode())])


def _without(questions: Iterable[Question], tested: Iterable[Question]) -> list[Question]:
    """Leave out questions that share a source prompt, or the wording, with a test question."""
    others = list(tested)
    clusters, texts = {q.cluster for q in others}, {q.text.strip() for q in others}
    return [q for q in questions if q.cluster not in clusters and q.text.strip() not in texts]


def _halves(
    questions: Sequence[Question], rng: np.random.Generator
) -> tuple[list[Question], list[Question]]:
    """Split by source prompt."""
    clusters = list(dict.fromkeys(q.cluster for q in questions))
    order = rng.permutation(len(clusters))
    first = {clusters[i] for i in order[: len(clusters) // 2]}
    return (
        [q for q in questions if q.cluster in first],
        [q for q in questions if q.cluster not in first],
    )


def _sample(questions: Sequence[Question], count: int, rng: np.random.Generator) -> list[Question]:
    """Draw questions, equally many of each label while there are enough; in file order."""
    rows: dict[str, list[int]] = {}
    for row in rng.permutation(len(questions)):
        rows.setdefault(wanted(questions[row]), []).append(int(row))
    chosen: list[int] = []
    while len(chosen) < count and any(rows.values()):
        for label in sorted(rows):
            if rows[label] and len(chosen) < count:
                chosen.append(rows[label].pop())
    return [questions[row] for row in sorted(chosen)]


def _prepare(question: Question, split: str, max_chars: int) -> Question:
    messages = cut_conversation(question.messages, max_chars)
    right = wanted(question)
    # Of a passage with a question about it, the question is what is asked.
    asked = question.text.rpartition(_LAST_QUESTION)[2]
    visible = _visible(asked, messages[-1]["content"])
    extra: dict[str, Any] = {
        "split": split,
        "user_action": "VQ" if right == "ask" else "DQ",
        "wanted": right,
        "words": content_words(visible) or content_words(messages[-1]["content"]),
    }
    if task_named(question.task).kind == "writing":
        extra["topics"] = topics(question.ground_truth)
    return replace(question, messages=messages, extra=extra)


def _visible(asked: str, shown: str) -> str:
    """Return the part of the question that remains after the cut."""
    asked = asked.rstrip()
    return asked if shown.rstrip().endswith(asked) else shown
