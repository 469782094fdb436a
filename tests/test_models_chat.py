"""How conversations are written: roles, ends, padding, and what a tokenizer would lose."""

import unicodedata

import pytest

from chat_templates import ASKED, CHATML, KIND, tokenizer_with
from gtalign.errors import ConfigError, TrainingError
from gtalign.models.chat import Chat
from gtalign.models.template import SAMPLE
from gtalign.tasks import Message
from small_lab import small_tokenizer

NO_SYSTEM = (
    "{% if messages[0].role == 'system' %}{{ raise_exception('no system role') }}{% endif %}"
)
WITHOUT = CHATML.replace("in messages", "in messages if m.role != 'system'")
DEFAULT = (
    "{% if messages[0].role != 'system' %}<|im_start|>system\nYou are S.<|im_end|>\n{% endif %}"
)


@pytest.mark.parametrize("template", [NO_SYSTEM + CHATML, WITHOUT], ids=["refuses", "leaves-out"])
def test_a_system_message_that_a_template_cannot_take_begins_the_question(template: str) -> None:
    chat = Chat(tokenizer_with(template))
    assert chat.fit(KIND) == [Message(role="user", content="Be kind.\n\nWho owns it?")]
    assert "Be kind." in chat.prompt(KIND)
    assert chat.fit(ASKED) == list(ASKED)
    with pytest.raises(TrainingError, match="refuses a conversation"):
        chat.fit(KIND[:1])


def test_a_default_system_prompt_is_asked_learned_and_shown() -> None:
    chat = Chat(tokenizer_with(DEFAULT + CHATML))
    lesson = chat.lesson(ASKED, SAMPLE)
    for text in (chat.prompt(ASKED), chat.tokenizer.decode(lesson.ids), chat.form.prompt):
        assert text.startswith("<|im_start|>system\nYou are S.<|im_end|>\n<|im_start|>user\n")
    assert "You are S." not in chat.prompt(KIND)


def test_a_tokenizer_gets_what_it_lacks() -> None:
    tokenizer = tokenizer_with(CHATML, pad_token=None, padding_side="right")
    tokenizer.clean_up_tokenization_spaces = True
    chat = Chat(tokenizer)
    assert (tokenizer.pad_token, tokenizer.padding_side) == ("<|im_end|>", "left")
    assert chat.text(tokenizer.encode("is n't it , then ?")) == "is n't it , then ?"
    bare = tokenizer_with(CHATML, pad_token=None, eos_token=None)
    chat = Chat(bare)
    assert (bare.eos_token, bare.pad_token) == ("<|im_end|>", "<|im_end|>")
    assert chat.ends == {bare.eos_token_id}


def test_a_turn_ends_by_the_tokenizer_and_by_the_template() -> None:
    tokenizer = tokenizer_with(CHATML.replace("im_end", "eot"), eos_token="<|endoftext|>")
    ends = {tokenizer.convert_tokens_to_ids(t) for t in ("<|eot|>", "<|endoftext|>")}
    assert Chat(tokenizer).ends == ends


def test_what_no_conversation_can_be_written_for_is_named() -> None:
    with pytest.raises(ConfigError, match=r"^base: its tokenizer has no chat template"):
        Chat(tokenizer_with(CHATML, chat_template=None), "base")
    endless = tokenizer_with(CHATML.replace("<|im_end|>", ""), eos_token=None)
    with pytest.raises(ConfigError, match="no token that ends a turn"):
        Chat(endless)
    with pytest.raises(ConfigError, match="refuses a conversation: no users"):
        Chat(tokenizer_with("{{ raise_exception('no users') }}"))


@pytest.mark.parametrize(
    ("template", "says"),
    [
        (CHATML.replace("m.content", "m.content[:60]"), "changes the text of an answer"),
        (CHATML.replace("m.content", "m.content | upper"), "leaves out the text of a message"),
        ("{{ messages | length }}" + CHATML, "which is not there before an answer"),
        (CHATML + "<think>\n", "which is not there before an answer"),
    ],
)
def test_a_template_that_would_teach_something_else_is_refused(template: str, says: str) -> None:
    with pytest.raises((ConfigError, TrainingError), match=says):
        Chat(tokenizer_with(template)).check()


def test_a_template_that_depends_on_the_conversation_is_checked_in_each() -> None:
    odd = CHATML + "{% if add_generation_prompt and messages | length > 1 %}So: {% endif %}"
    chat = Chat(tokenizer_with(odd))
    chat.check()
    with pytest.raises(TrainingError, match="other than the prompt alone"):
        chat.lesson(KIND, SAMPLE)


@pytest.mark.parametrize("tag", ["<payoff>", "</response>", "<thinking>"])
def test_tags_that_are_special_tokens_are_named(tag: str) -> None:
    tokenizer = small_tokenizer()
    tokenizer.add_tokens([tag], special_tokens=True)
    with pytest.raises(TrainingError, match=f"loses {tag}"):
        Chat(tokenizer).check()


@pytest.mark.parametrize("end", ["<|im_end|>", "<|endoftext|>"])
def test_an_end_inside_an_answer_is_refused(end: str) -> None:
    chat = Chat(tokenizer_with(CHATML))
    chat.ends |= {chat.tokenizer.convert_tokens_to_ids("<|endoftext|>")}
    with pytest.raises(TrainingError, match=r"holds <\|.*\|>, which ends a turn"):
        chat.lesson(ASKED, SAMPLE.replace("hers", f"hers{end}"))


def test_a_tokenizer_that_changes_letters_is_refused() -> None:
    from tokenizers import normalizers

    tokenizer = small_tokenizer()
    composed = unicodedata.normalize("NFD", "é") + SAMPLE
    Chat(tokenizer).lesson(ASKED, composed)  # it composes letters, and a reader sees no difference
    tokenizer.backend_tokenizer.normalizer = normalizers.Lowercase()
    with pytest.raises(TrainingError, match=r"changes the text of an answer: .*The user.* becomes"):
        Chat(tokenizer).lesson(ASKED, SAMPLE)


def test_an_answer_that_merges_with_its_prompt_is_learned_after_the_prompt_as_it_is() -> None:
    template = CHATML.replace("assistant\n", "assistant: it is ")
    chat = Chat(tokenizer_with(template.replace("{{ m.role }}\n", "{{ m.role }}: it is ")))
    for answer in ("a cat", "  a cat", "\n\na cat"):
        lesson = chat.lesson(ASKED, answer)
        assert lesson.ids[: lesson.start] == chat.ids(ASKED)
        assert chat.text(lesson.ids[lesson.start :]).strip() == answer.strip()
