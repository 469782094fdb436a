"""How conversations are written for one model: the prompt, the end of a turn, and the padding.

Everything that prompts a model in this process or prepares what it learns goes through `Chat`, so
that a model is trained on exactly what it is asked.
"""

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from jinja2 import TemplateError
from transformers import PreTrainedTokenizerBase

from gtalign.chain import TAGS
from gtalign.errors import ConfigError, TrainingError
from gtalign.models.pretrained import load_tokenizer
from gtalign.models.template import SAMPLE, Form, read_form
from gtalign.models.tokens import continuing_tokens
from gtalign.tasks import Message

__all__ = ["Chat", "Lesson", "open_chat"]

_QUESTION: Final = (Message(role="user", content="Whose is it?"),)


@dataclass(frozen=True, slots=True)
class Lesson:
    """A conversation with the answer that a model is to learn, in tokens.

    Args:
        ids: Prompt, answer and end of the turn.
        start: Number of tokens of the prompt.
        text: The answer as it is read when a model writes these tokens.
        given: Number of tokens that the model is handed and never learns, those of the prompt
            included; 0 if it may learn all.
    """

    ids: list[int]
    start: int
    text: str
    given: int = 0


class Chat:
    """How conversations are written for the model of a tokenizer.

    The tokenizer itself is made to agree, since trainers and saved checkpoints use it: its
    template ends a prompt where an answer begins, it pads on the left, it has tokens for padding
    and for the end, and it decodes every space.

    Args:
        tokenizer: A tokenizer with a chat template. It is changed, as said.
        name: Name of the model in errors.

    Attributes:
        form: How the template writes conversations.
        ends: Tokens that end a turn: the tokenizer's end and the template's.

    Raises:
        ConfigError: There is no chat template, it cannot write plain text, or the tokenizer has no
            token that could end a turn.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase, name: str = "") -> None:
        self.tokenizer = tokenizer
        self.name = name or Path(str(tokenizer.name_or_path or "the model")).name
        if not tokenizer.chat_template:
            raise ConfigError(
                f"{self.name}: its tokenizer has no chat template; a base model has to get one:"
                " set `chat_template` in its tokenizer_config.json"
            )
        marks = {*tokenizer.all_special_tokens, *tokenizer.get_added_vocab()}
        try:
            self.form: Form = read_form(
                tokenizer.apply_chat_template, tokenizer.get_chat_template(), marks
            )
        except ConfigError as error:
            raise ConfigError(f"{self.name}: {error}") from error
        tokenizer.chat_template = self.form.template
        tokenizer.padding_side = "left"
        tokenizer.clean_up_tokenization_spaces = False
        closing = self._closing(marks)
        if tokenizer.eos_token_id is None and closing is not None:
            tokenizer.eos_token = tokenizer.convert_ids_to_tokens(closing)
        if tokenizer.eos_token_id is None:
            raise ConfigError(f"{self.name}: its tokenizer has no token that ends a turn")
        if tokenizer.pad_token_id is None:
            tokenizer.pad_token = tokenizer.eos_token
        self.ends = frozenset({tokenizer.eos_token_id, closing} - {None})
        self._end = self.form.after if closing is not None else tokenizer.eos_token

    def _closing(self, marks: set[str]) -> int | None:
        """Return the token with which the template ends a turn, if it is one of the vocabulary."""
        for token in self.tokenizer.tokenize(self.form.after):
            if token in marks:
                return int(self.tokenizer.convert_tokens_to_ids(token))
        return None

    def fit(self, messages: Sequence[Message]) -> list[Message]:
        """Return a conversation in the roles that the chat template knows.

        Some templates refuse system messages (Gemma's), or leave them out: the first message of
        the user then begins with it.

        Raises:
            TrainingError: The template refuses that conversation too, or leaves out its text.
        """
        given = [Message(role=m["role"], content=m["content"]) for m in messages]
        try:
            return self._whole(given)
        except (TemplateError, ValueError) as error:
            if len(given) < 2 or given[0]["role"] != "system":
                raise self._refused(error) from error
        text = f"{given[0]['content']}\n\n{given[1]['content']}"
        merged = [Message(role=given[1]["role"], content=text), *given[2:]]
        try:
            return self._whole(merged)
        except (TemplateError, ValueError) as error:
            raise self._refused(error) from error

    def _refused(self, error: Exception) -> TrainingError:
        return TrainingError(f"{self.name}: the chat template refuses a conversation: {error}")

    def _whole(self, messages: list[Message]) -> list[Message]:
        """Return the messages if the template writes the first and the last of them."""
        text = self._render(messages)
        for message in (messages[0], messages[-1]) if messages else ():
            if message["content"].strip() not in text:
                raise ValueError(f"it leaves out a message of the role {message['role']!r}")
        return messages

    def _render(self, messages: Sequence[Message]) -> str:
        text: str = self.tokenizer.apply_chat_template(
            list(messages), add_generation_prompt=True, tokenize=False
        )
        return text

    def prompt(self, messages: Sequence[Message]) -> str:
        """Return a conversation as the text that its next answer continues.

        Raises:
            TrainingError: As for `fit`.
        """
        return self._render(self.fit(messages))

    def ids(self, messages: Sequence[Message]) -> list[int]:
        """Return the tokens of `prompt`."""
        return self.tokens(self.prompt(messages))

    def reply_ids(self, reply: str, *, ended: bool) -> list[int]:
        """Return the tokens between an answer of the model and its next one.

        They are the end of the turn, the user's reply, and what comes before an answer.

        Args:
            reply: What the user says.
            ended: Whether the answer's own tokens hold the end of its turn.

        Raises:
            TrainingError: The template writes an earlier answer other than a model does.
        """
        said = Message(role="assistant", content="It is hers.")
        before = self.prompt(_QUESTION) + said["content"]
        whole = self.prompt([*_QUESTION, said, Message(role="user", content=reply)])
        if not whole.startswith(before):
            raise TrainingError(
                f"{self.name}: the chat template changes earlier answers of a conversation; what"
                " the model learns would not be what it is asked"
            )
        ids = self.tokens(whole[len(before) :])
        return ids[1:] if ended and ids[0] in self.ends else ids

    def tokens(self, text: str) -> list[int]:
        """Return the tokens of a text that begins with a prompt."""
        return list(self.tokenizer(text, add_special_tokens=False)["input_ids"])

    def text(self, ids: Sequence[int]) -> str:
        """Return the text of an answer's tokens, without those that stand for no text."""
        text: str = self.tokenizer.decode(ids, skip_special_tokens=True)
        return text

    def refusal(self) -> str | None:
        """Return why no model can be trained with the template or tokenizer; None if one can."""
        try:
            self.check()
        except TrainingError as error:
            return str(error).removeprefix(f"{self.name}: ")
        return None

    def check(self) -> None:
        """Check that a model can be trained with the template and that a chain passes unchanged.

        Raises:
            TrainingError: It cannot, or the tokenizer changes a chain; with the reason.
        """
        self.lesson(_QUESTION, SAMPLE)

    def lesson(self, messages: Sequence[Message], answer: str, given: str = "") -> Lesson:
        """Return what a model learns from an answer: exactly prompt, answer and end of the turn.

        Args:
            messages: The conversation before the answer.
            answer: The answer.
            given: A beginning of the answer that the model is handed and does not learn.

        Raises:
            TrainingError: The template or the tokenizer would change what is learned, or the answer
                does not begin with `given`.
        """
        if not answer.startswith(given):
            raise TrainingError(f"{self.name}: an answer does not begin with what is given of it")
        if self.form.refusal is not None:
            raise TrainingError(f"{self.name}: {self.form.refusal}")
        asked = self.fit(messages)
        prompt = self._render(asked)
        said = [*asked, Message(role="assistant", content=answer)]
        whole = self.tokenizer.apply_chat_template(said, tokenize=False)
        if not whole.startswith(prompt):
            raise TrainingError(
                f"{self.name}: the chat template writes a prompt with its answer other than the"
                " prompt alone; what the model learns would not be what it is asked"
            )
        start, ids = self.tokens(prompt), self.tokens(prompt + answer + self._end)
        if ids[: len(start)] != start:  # the end of the prompt is merged with the answer
            ids = start + continuing_tokens(self.tokenizer, answer + self._end)
        handed = 0
        if given:  # a token that spans the end of what is given has to be learned
            beginning = self.tokens(prompt + given)
            pairs = enumerate(zip(beginning, ids, strict=False))
            handed = next((n for n, (one, other) in pairs if one != other), len(beginning))
        return Lesson(ids, len(start), self._written(answer, ids[len(start) :]), handed)

    def _written(self, answer: str, ids: list[int]) -> str:
        """Return what a model has written with these tokens, which has to be the answer."""
        ending = next((n for n, token in enumerate(ids) if token in self.ends), len(ids))
        written = self.text(ids[:ending])
        if _plain(written) == _plain(answer):
            return written
        lost = [tag for tag in TAGS if written.count(tag) < answer.count(tag)]
        if self.text(ids[ending:]).strip():
            token = self.tokenizer.convert_ids_to_tokens(ids[ending])
            raise TrainingError(
                f"{self.name}: an answer holds {token}, which ends a turn of this model: it would"
                " learn to stop there"
            )
        if lost:
            raise TrainingError(
                f"{self.name}: the tokenizer loses {', '.join(lost)}: they must not be special"
                " tokens of it"
            )
        raise TrainingError(
            f"{self.name}: the tokenizer changes the text of an answer:"
            f" {_difference(answer, written)}"
        )


def open_chat(name: str | Path, **options: Any) -> Chat:
    """Load the tokenizer of a model and return how conversations are written for it.

    Args:
        name: A name of a model; see `gtalign.models.place`.
        options: Of ``from_pretrained``.

    Raises:
        ConfigError: There is no tokenizer, or as for `Chat`.
    """
    return Chat(load_tokenizer(name, **options), str(name))


def _plain(text: str) -> str:
    """Return a text as tokenizers may write it: composed, and without space around it."""
    return unicodedata.normalize("NFC", text).strip()


def _difference(wanted: str, written: str) -> str:
    """Quote the two texts from shortly before where they part."""
    first, second = _plain(wanted), _plain(written)
    pairs = zip(first, second, strict=False)
    at = next((n for n, (a, b) in enumerate(pairs) if a != b), min(len(first), len(second)))
    start = max(0, at - 20)
    return f"{first[start : at + 20]!r} becomes {second[start : at + 20]!r}"
