"""A chat template read once: what it puts before and after an answer.

A template writes a conversation in two ways: as the prompt of the next answer, and as a record of
past answers. Some write other text before an answer in the record than at the end of the prompt
(an empty block of reasoning, the mark of a channel). Then the model would be asked in one form and
trained in another. Here the prompt gets that text too, so that both are the same; a template with
which this cannot be done is refused for training, with the reason.
"""

import json
import re
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Any, Final

import numpy as np
from jinja2 import TemplateError

from gtalign.chain import render as render_chain
from gtalign.errors import ConfigError
from gtalign.game.bimatrix import Bimatrix
from gtalign.game.form import USER_LLM
from gtalign.tasks import Message

SAMPLE: Final = render_chain(
    "The user wants one fact, and names whom it is about.",
    Bimatrix(USER_LLM, np.arange(12).reshape(2, 3, 2) % 5),
    "The cell with the highest sum is best for both: choose DQ_DA.",
    "It has been hers since 1998.",
)
"""A short chain, with which templates and tokenizers are tried."""

DAY: Final = date(2024, 7, 26)
"""What templates that write today's date are given: a prompt has to be the same on every day."""

Apply = Callable[..., Any]
"""``apply_chat_template`` of a tokenizer."""

_ASKED: Final = Message(role="user", content="Who owns the house by the river, and since when?")
_ANSWERED: Final = Message(role="assistant", content=SAMPLE)
_NO_REASONING: Final = "{%- set enable_thinking = false %}{%- set thinking = false %}"
_CLOCK: Final = "strftime_now"


@dataclass(frozen=True, slots=True)
class Form:
    """How a chat template writes conversations.

    Args:
        template: The template, changed so that a prompt ends where an answer begins.
        prompt: The prompt of a conversation of one question.
        before: Text that was added to the end of prompts; empty for most templates.
        after: Text that the template writes after an answer.
        refusal: Why a model cannot be trained with the template; None where it can.
        dated: Whether the template writes the date, which is always `DAY`.
    """

    template: str
    prompt: str
    before: str = ""
    after: str = ""
    refusal: str | None = None
    dated: bool = False


def read_form(apply: Apply, template: str, marks: Collection[str]) -> Form:
    """Read a chat template.

    Args:
        apply: ``apply_chat_template`` of the tokenizer.
        template: The template.
        marks: The tokenizer's tokens that stand for no text, such as ``<|im_end|>``.

    Raises:
        ConfigError: The template cannot write a conversation of plain text.
    """
    pinned = _pinned(template)
    form = _read(apply, pinned, marks)
    if form.refusal is not None and "thinking" in template:
        without = _read(apply, _NO_REASONING + pinned, marks)
        form = form if without.refusal is not None else without
    return replace(form, dated=pinned is not template or _CLOCK in template)


def _read(apply: Apply, template: str, marks: Collection[str]) -> Form:
    def render(messages: Sequence[Message], *, ask: bool) -> str:
        text: str = apply(
            list(messages), chat_template=template, add_generation_prompt=ask, tokenize=False
        )
        return text

    try:
        prompt = render([_ASKED], ask=True)
        whole = render([_ASKED, _ANSWERED], ask=False)
        bare = render([_ASKED], ask=False)
    except (TemplateError, ValueError, TypeError) as error:
        raise ConfigError(f"the chat template refuses a conversation: {error}") from error
    if _ASKED["content"] not in prompt:
        raise ConfigError(
            "the chat template leaves out the text of a message; perhaps it is made for messages"
            " of several parts, such as images and text"
        )
    form = Form(template, prompt)
    start = whole.rfind(SAMPLE)
    if start < 0:
        return replace(form, refusal="the chat template changes the text of an answer")
    head, after = whole[:start], whole[start + len(SAMPLE) :]
    if bare == prompt:
        after = _closing(after, prompt, marks)
    if not head.startswith(prompt):
        pairs = enumerate(zip(prompt, head, strict=False))
        extra = prompt[next((n for n, (a, b) in pairs if a != b), len(head)) :]
        return replace(
            form,
            after=after,
            refusal=f"the chat template ends a prompt with {extra!r}, which is not there before an"
            " answer: what the model learns would not be what it is asked",
        )
    # A space at the end would be a token of its own, which no text continues well.
    before = head[len(prompt) :].rstrip(" ")
    if not before:
        return replace(form, after=after)
    opened = _with_opening(template, before)
    again = apply([_ASKED], chat_template=opened, add_generation_prompt=True, tokenize=False)
    if again != prompt + before:
        return replace(
            form,
            after=after,
            refusal=f"the chat template puts {before!r} before an answer, and it cannot be added"
            " to the prompt",
        )
    return Form(opened, again, before, after)


def _closing(after: str, prompt: str, marks: Collection[str]) -> str:
    """Return what closes an answer, for a template that may open the next one unasked."""
    opens_next = after and prompt.endswith(after[-1])
    found = re.search("|".join(map(re.escape, marks)), after) if marks and opens_next else None
    if found is None:
        return after
    rest = after[found.end() :]
    return after[: found.end()] + rest[: len(rest) - len(rest.lstrip())]


def _with_opening(template: str, before: str) -> str:
    """Return the template with a text added to the end of prompts."""
    # Jinja drops one newline at the end of a template, which is then no longer its end.
    text = template.removesuffix("\n")
    opening = json.dumps(before, ensure_ascii=False)
    return f"{text}{{% if add_generation_prompt %}}{{{{ {opening} }}}}{{% endif %}}"


def _pinned(template: str) -> str:
    """Return the template with a fixed day in place of today."""
    if _CLOCK not in template or f"macro {_CLOCK}" in template:
        return template
    forms = sorted(set(re.findall(_CLOCK + r"""\(\s*["']([^"']*)["']\s*\)""", template)))
    days = json.dumps({form: DAY.strftime(form) for form in forms})
    macro = f"{{{{ {days}.get(format, '{DAY.isoformat()}') }}}}"
    return f"{{%- macro {_CLOCK}(format) %}}{macro}{{% endmacro %}}{template}"
