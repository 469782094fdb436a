"""Chat templates: fit conversations to them, and check that chains pass through them unchanged."""

from collections.abc import Callable, Sequence

from jinja2 import TemplateError
from transformers import PreTrainedTokenizerBase

from gtalign.chain import TAGS
from gtalign.errors import TrainingError
from gtalign.tasks import Message


def fitted(tokenizer: PreTrainedTokenizerBase, messages: Sequence[Message]) -> list[Message]:
    """Return a conversation in the roles that a chat template knows.

    Some templates (Gemma's) refuse system messages: the first user message then begins with it.

    Raises:
        TrainingError: The template refuses that conversation too, or there is no template.
    """
    given = list(messages)
    try:
        try:
            tokenizer.apply_chat_template(given, tokenize=False)
        except TemplateError:
            if len(given) < 2 or given[0]["role"] != "system":
                raise
            text = f"{given[0]['content']}\n\n{given[1]['content']}"
            given = [Message(role=given[1]["role"], content=text), *given[2:]]
            tokenizer.apply_chat_template(given, tokenize=False)
    except (TemplateError, ValueError) as error:
        raise TrainingError(
            f"the tokenizer's chat template refuses a conversation: {error}"
        ) from error
    return given


def renderer(tokenizer: PreTrainedTokenizerBase) -> Callable[[Sequence[Message]], str]:
    """Return the function that renders a conversation as the prompt of its next answer."""

    def render(messages: Sequence[Message]) -> str:
        text: str = tokenizer.apply_chat_template(
            [dict(message) for message in messages], add_generation_prompt=True, tokenize=False
        )
        return text

    return render


def check_template(
    tokenizer: PreTrainedTokenizerBase, messages: Sequence[Message], completion: str
) -> int:
    """Check that the chat template leaves a completion unchanged.

    Args:
        tokenizer: The tokenizer with its chat template.
        messages: A conversation that fits the template.
        completion: The text that the model is to learn.

    Returns:
        Number of tokens of the conversation with the completion.

    Raises:
        TrainingError: The rendered completion does not follow the rendered prompt, or its text or
            one of the four blocks' tags would be lost.
    """
    prompt = tokenizer.apply_chat_template(
        list(messages), tokenize=False, add_generation_prompt=True
    )
    answer = Message(role="assistant", content=completion)
    whole = tokenizer.apply_chat_template([*messages, answer], tokenize=False)
    if not whole.startswith(prompt):
        raise TrainingError(
            "the chat template writes a prompt with its answer other than the prompt alone; what"
            " the model learns would not be what it is asked"
        )
    if completion.strip() not in whole[len(prompt) :]:
        raise TrainingError("the chat template changes the text of a completion")
    ids = tokenizer(whole, add_special_tokens=False)["input_ids"]
    text = tokenizer.decode(ids, skip_special_tokens=True)
    lost = [tag for tag in TAGS if tag in completion and text.count(tag) < completion.count(tag)]
    if lost:
        raise TrainingError(
            f"the tokenizer loses {', '.join(lost)}: they must not be special tokens of it"
        )
    return len(ids)
