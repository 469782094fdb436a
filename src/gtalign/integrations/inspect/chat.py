"""Questions as samples, and messages and outputs from one form into the other."""

from collections.abc import Sequence
from typing import Any

from inspect_ai.dataset import MemoryDataset, Sample
from inspect_ai.model import (
    ChatMessage,
    ChatMessageAssistant,
    ChatMessageSystem,
    ChatMessageTool,
    ChatMessageUser,
    ContentReasoning,
    ModelOutput,
)

from gtalign.integrations.suite import Suite
from gtalign.tasks import Message, Question

_MESSAGES = {
    "system": ChatMessageSystem,
    "user": ChatMessageUser,
    "assistant": ChatMessageAssistant,
    "tool": ChatMessageTool,
}


def dataset_of(suite: Suite, questions: Sequence[Question], name: str) -> MemoryDataset:
    """Return questions as a data set; each sample keeps its question, cluster and label."""
    return MemoryDataset([_sample(suite, question) for question in questions], name=name)


def _sample(suite: Suite, question: Question) -> Sample:
    return Sample(
        id=question.id,
        input=chat(suite.prompt(question.messages)),
        target=question.ground_truth,
        metadata={
            "question": question.to_json(),
            "task": question.task,
            "cluster": question.cluster,
            "user_action": question.extra.get("user_action"),
        },
    )


def chat(messages: Sequence[Message]) -> list[ChatMessage]:
    """Return messages in Inspect's form."""
    return [_MESSAGES[message["role"]](content=message["content"]) for message in messages]


def question_of(metadata: dict[str, Any]) -> Question:
    """Return the question of a sample; raises DataError if it has none."""
    return Question.from_json(metadata.get("question") or {})


def written(output: ModelOutput) -> tuple[str, str]:
    """Return what a model wrote: its text, and its reasoning if the provider keeps it apart."""
    if not output.choices:
        return "", ""
    content = output.message.content
    parts = [] if isinstance(content, str) else content
    reasoning = "".join(part.reasoning for part in parts if isinstance(part, ContentReasoning))
    return output.completion, reasoning
