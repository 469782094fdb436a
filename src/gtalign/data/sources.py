"""The public sets for training and testing the method: where they are, and how to read their rows.

Sizes are those of GTAlign (arXiv 2510.08872, section 4), in source prompts. Each reader turns a row
of the source into an `Item`, or gives a short reason for leaving the row out. Ground truths are
written as in the released rows.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from gtalign.errors import DataError
from gtalign.judges.answer import last_boxed
from gtalign.tasks import Message
from gtalign.tasks.question import read_messages


@dataclass(frozen=True, slots=True)
class Item:
    """One conversation to answer.

    Args:
        messages: The bare conversation; the last turn is the user's.
        ground_truth: In the task's notation.
        source_prompt: What it stems from: the problem behind several turns, the passage behind
            several questions. A source prompt is in one split only.
    """

    messages: tuple[Message, ...]
    ground_truth: str
    source_prompt: str


Row = Mapping[str, Any]
Read = Callable[[Row], Item | str]


@dataclass(frozen=True, slots=True)
class Source:
    """A public set.

    Args:
        name: Name of the files that are built from it.
        task: Their ``data_source``.
        address: Name on the Hugging Face hub, or the URL of a JSON file.
        read: Turns a row into an item, or says why it is left out.
        licence: As its authors state it; where it could not be found, that is said.
        citation: Authors, title, year, arXiv number or venue.
        config: Configuration of the hub's set.
        split: Of the hub's set.
        field: Where a JSON file keeps its rows.
        size: Most source prompts that are taken; None takes all.
        tested_only: No training split is made of it.
        note: Facts or steps that are needed to use it.
    """

    name: str
    task: str
    address: str
    read: Read
    licence: str
    citation: str
    config: str | None = None
    split: str = "train"
    field: str | None = None
    size: int | None = None
    tested_only: bool = False
    note: str = ""

    def to_json(self) -> dict[str, Any]:
        """Return the facts of the set as an object."""
        return {
            "set": self.name,
            "task": self.task,
            "source": self.address,
            "config": self.config,
            "split": self.split,
            "source_prompts": self.size,
            "files": "test" if self.tested_only else "train and test",
            "licence": self.licence,
            "citation": self.citation,
            "note": self.note or None,
        }


def _text(row: Row, column: str) -> str:
    value = row.get(column)
    if not isinstance(value, str):
        known = ", ".join(row) or "none"
        raise DataError(f"column {column!r} has to be text; the row's columns are {known}")
    return value


def _asked(text: str, truth: str) -> Item:
    """Return an item of a single turn."""
    return Item((Message(role="user", content=text),), truth, text)


def _math(row: Row) -> Item | str:
    if _text(row, "level") != "Level 5":
        return "not of level 5"
    answer = last_boxed(_text(row, "solution"))
    return "no boxed answer" if not answer else _asked(_text(row, "problem"), answer)


def _conversation(row: Row) -> Item | str:
    """Read a turn of a CollabLLM conversation; its instruction for the assistant is left out."""
    messages = read_messages(row.get("prompt"), "prompt")
    if messages[0]["role"] == "system":
        messages = messages[1:]
    if not messages or messages[-1]["role"] != "user":
        return "the last turn is not the user's"
    source = _text(row, "single_turn_prompt")
    return Item(messages, _text(row, "single_turn_completion"), source)


def _math_conversation(row: Row) -> Item | str:
    item = _conversation(row)
    if isinstance(item, str):
        return item
    answer = last_boxed(item.ground_truth) or item.ground_truth.strip()
    return Item(item.messages, answer, item.source_prompt)


def _ambiguous(row: Row) -> Item | str:
    """Read a question of AmbigNQ: it is ambiguous if an annotator found several readings."""
    question = _text(row, "question")
    annotations = list(_records(row.get("annotations"), "annotations"))
    for annotation in annotations:
        if annotation.get("type") == "multipleQAs":
            pairs = _records(annotation.get("qaPairs"), "annotations.qaPairs")
            readings = "".join(
                f"Meaning {number}: {_text(pair, 'question')};"
                f" Answer {number}: {_aliases(pair.get('answer'))}\n"
                for number, pair in enumerate(pairs)
            )
            truth = f"multipleQAs###There are multiple meanings of the question.{readings}"
            return _asked(question, truth)
    for annotation in annotations:
        if annotation.get("type") == "singleAnswer":
            return _asked(question, f"singleAnswer###{_aliases(annotation.get('answer'))}")
    return "no annotation"


def _records(value: Any, column: str) -> Iterator[Row]:
    """Yield objects from a list of them, or from the object of columns that `datasets` makes it."""
    if isinstance(value, Mapping):
        columns = list(value.values())
        if not all(isinstance(v, list) and len(v) == len(columns[0]) for v in columns):
            raise DataError(f"column {column!r} has to be an object of equally long lists")
        for values in zip(*columns, strict=True):
            yield dict(zip(value, values, strict=True))
    elif isinstance(value, list) and all(isinstance(v, Mapping) for v in value):
        yield from value
    else:
        raise DataError(f"column {column!r} has to be a list of objects")


def _aliases(value: Any) -> str:
    if not isinstance(value, list) or not all(isinstance(alias, str) for alias in value):
        raise DataError("column 'annotations': an answer has to be a list of texts")
    return ", ".join(value)


def _wildguard(row: Row) -> Item | str:
    text = _text(row, "prompt")
    for column in ("adversarial", "prompt_harm_label"):
        if column not in row:
            raise DataError(f"no column {column!r}; the row's columns are {', '.join(row)}")
    if row["adversarial"]:
        return "adversarial"
    label = row["prompt_harm_label"]
    return _asked(text, label) if label in ("harmful", "unharmful") else "no label of harm"


def _minerva(row: Row) -> Item | str:
    return _asked(_text(row, "question"), _text(row, "answer"))


def _abg_coqa(row: Row) -> Item | str:
    """Read a question about a passage, in one message with the passage and what was asked before.

    The source prompt is that message; `gtalign.data.rows` knows the passage as its cluster.
    """
    label = _text(row, "ambiguity")
    if label not in ("ambiguous", "non_ambiguous"):
        raise DataError(f"column 'ambiguity' is {label[:40]!r}, not ambiguous or non_ambiguous")
    target = row.get("target_turn")
    if not isinstance(target, Mapping):
        raise DataError("column 'target_turn' has to be an object")
    parts = [f"Context:\n{_text(row, 'story')}"]
    turns = _records(row.get("history_turns") or [], "history_turns")
    before = [f"Q: {_text(turn, 'question')}\nA: {_text(turn, 'answer')}" for turn in turns]
    if before:
        parts.append("Previous Q&A:\n" + "\n\n".join(before))
    parts.append(f"Question:\n{_text(target, 'question')}")
    return _asked("\n\n".join(parts), label)


def _advbench(row: Row) -> Item | str:
    return _asked(_text(row, "prompt"), _text(row, "target"))


_MATH = (
    "Hendrycks et al., Measuring Mathematical Problem Solving With the MATH Dataset, 2021,"
    " arXiv 2103.03874"
)
_COLLABLLM = (
    "Wu et al., CollabLLM: From Passive Responders to Active Collaborators, 2025, arXiv 2502.00640"
)
_CARD = "not found where we could look: see the set's card on the hub"

SOURCES: Mapping[str, Source] = {
    source.name: source
    for source in (
        Source(
            name="math-hard",
            task="math-hard",
            address="collabllm/collabllm-multiturn-math-hard-large",
            read=_math_conversation,
            licence=_CARD,
            citation=f"{_COLLABLLM}; problems from {_MATH}",
            size=2000,
            note="Level 5 of MATH as conversations: what the released rows are made of. The hub"
            " has several answers to each turn; one row is made of them.",
        ),
        Source(
            name="math-level-5",
            task="math-hard",
            address="lighteval/MATH-Hard",
            read=_math,
            licence="MIT",
            citation=_MATH,
            size=2000,
            note="The bare problems; the ground truth is what the solution boxes last.",
        ),
        Source(
            name="medium",
            task="medium",
            address="collabllm/collabllm-multiturn-medium-large",
            read=_conversation,
            licence=_CARD,
            citation=_COLLABLLM,
            size=1000,
        ),
        Source(
            name="ambig_qa",
            task="ambig_qa",
            address="sewon/ambig_qa",
            config="light",
            read=_ambiguous,
            licence="CC BY-SA 3.0",
            citation="Min et al., AmbigQA: Answering Ambiguous Open-domain Questions, 2020,"
            " arXiv 2004.10645",
            size=3000,
        ),
        Source(
            name="wildguard",
            task="wildguard",
            address="allenai/wildguardmix",
            config="wildguardtrain",
            read=_wildguard,
            licence="ODC-BY, with AI2's Responsible Use Guidelines",
            citation="Han et al., WildGuard: Open One-Stop Moderation Tools for Safety Risks,"
            " Jailbreaks, and Refusals of LLMs, 2024, arXiv 2406.18495",
            size=3000,
            note="Accept its terms on the hub and set HF_TOKEN. Holds harmful requests. The"
            " released rows have no adversarial ones, so these are left out.",
        ),
        Source(
            name="minerva",
            task="minerva",
            address="math-ai/minervamath",
            split="test",
            read=_minerva,
            licence=_CARD,
            citation="Lewkowycz et al., Solving Quantitative Reasoning Problems with Language"
            " Models, 2022, arXiv 2206.14858",
            tested_only=True,
        ),
        Source(
            name="abg_coqa",
            task="abg-coqa",
            address="https://raw.githubusercontent.com/MeiqiGuo/AKBC2021-Abg-CoQA/main/abg-coqa/"
            "coqa_abg_test.json",
            field="data",
            read=_abg_coqa,
            licence="MIT; its passages are those of CoQA, under the licences of their sources",
            citation="Guo et al., Abg-CoQA: Clarifying Ambiguity in Conversational Question"
            " Answering, AKBC 2021",
            tested_only=True,
        ),
        Source(
            name="advbench",
            task="advbench",
            address="walledai/AdvBench",
            read=_advbench,
            licence="MIT",
            citation="Zou et al., Universal and Transferable Adversarial Attacks on Aligned"
            " Language Models, 2023, arXiv 2307.15043",
            tested_only=True,
            note="Holds harmful requests. The hub may ask to accept its terms: set HF_TOKEN.",
        ),
    )
}
"""The public sets by name."""
