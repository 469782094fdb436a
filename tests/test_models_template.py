"""Chat templates of published models: what a model is asked is what it was trained on."""

from collections.abc import Sequence
from pathlib import Path

import pytest
from transformers import AutoTokenizer

from chat_templates import ASKED, CHATML, KIND, SHIPPED, shipped, tokenizer_with
from gtalign.chain import parse, unanswered
from gtalign.errors import ConfigError, TrainingError
from gtalign.models.chat import Chat
from gtalign.models.model import LocalModel
from gtalign.models.template import SAMPLE
from gtalign.tasks import Message
from gtalign.training import SFTSettings
from gtalign.training.sft import train_sft
from small_lab import small_model

# The trainers complain of their own habits.
pytestmark = pytest.mark.filterwarnings("default")

LONG = (
    *KIND,
    Message(role="assistant", content="Which one do you mean?"),
    Message(role="user", content="The red one."),
)

# Made for messages of several parts; such models are no causal language models.
OF_PARTS = {"idefics3", "llava_next", "smolvlm"}
# They open a block of reasoning that the model itself has to close.
OPEN_REASONING = {"deepseek_r1_distill", "deepseekv3"}
# They put something before an answer that their prompts do not end with.
INSERT = {
    "glm4moe": "\n<think></think>\n",
    "gptoss": "<|channel|>final<|message|>",
    "muse_glimmer": " to=user<|message|>",
    "qwen3": "<think>\n\n</think>\n\n",
    "qwen3_5_think": "\n</think>\n\n",
}
TRAINABLE = [name for name in SHIPPED if name not in OF_PARTS | OPEN_REASONING]


def as_trainers_do(chat: Chat, messages: Sequence[Message]) -> str:
    """Render a prompt as TRL and model servers do, with the tokenizer alone."""
    text: str = chat.tokenizer.apply_chat_template(
        chat.fit(messages), add_generation_prompt=True, tokenize=False
    )
    return text


@pytest.mark.parametrize("messages", [ASKED, KIND, LONG], ids=["asked", "system", "long"])
@pytest.mark.parametrize("name", TRAINABLE)
def test_what_is_learned_is_prompt_answer_and_end(name: str, messages: tuple[Message, ...]) -> None:
    chat = Chat(tokenizer_with(shipped(name)))
    lesson = chat.lesson(messages, SAMPLE)
    prompt = chat.prompt(messages)
    assert as_trainers_do(chat, messages) == prompt
    assert chat.ids(messages) == lesson.ids[: lesson.start]
    assert all(message["content"] in prompt for message in chat.fit(messages))
    learned = chat.tokenizer.decode(lesson.ids[lesson.start :])
    assert learned.startswith(SAMPLE)
    first, *more = chat.tokenizer(learned[len(SAMPLE) :], add_special_tokens=False)["input_ids"]
    assert first in chat.ends
    assert not chat.text(more).strip()
    assert parse(lesson.text) == parse(SAMPLE)


@pytest.mark.parametrize("name", [*INSERT, "llama3_2", "gemma", "nemotron_3_nano", "phi3"])
def test_a_saved_tokenizer_asks_in_the_same_way(name: str, tmp_path: Path) -> None:
    first = Chat(tokenizer_with(shipped(name)))
    first.tokenizer.save_pretrained(tmp_path)
    loaded = AutoTokenizer.from_pretrained(tmp_path)
    again = loaded.apply_chat_template(first.fit(KIND), add_generation_prompt=True, tokenize=False)
    assert again == first.prompt(KIND)  # a server that knows nothing of us
    second = Chat(loaded)
    assert (second.prompt(KIND), second.form.before) == (first.prompt(KIND), "")
    assert second.lesson(KIND, SAMPLE) == first.lesson(KIND, SAMPLE)


@pytest.mark.parametrize("name", INSERT)
def test_text_before_answers_becomes_part_of_the_prompt(name: str) -> None:
    tokenizer = tokenizer_with(shipped(name))
    bare = tokenizer.apply_chat_template(list(ASKED), add_generation_prompt=True, tokenize=False)
    chat = Chat(tokenizer)
    assert chat.form.before == INSERT[name]
    assert chat.prompt(ASKED).startswith(bare.partition("Current date")[0])
    assert chat.prompt(ASKED).endswith(INSERT[name])


def test_reasoning_that_can_be_left_out_is_left_out() -> None:
    chat = Chat(tokenizer_with(shipped("nemotron_3_nano")))
    assert chat.prompt(ASKED).endswith("<think></think>")
    assert chat.form.before == ""


@pytest.mark.parametrize("name", sorted(OPEN_REASONING))
def test_reasoning_that_the_model_has_to_close_is_refused_in_training(name: str) -> None:
    chat = Chat(tokenizer_with(shipped(name)), "r1")
    assert chat.prompt(ASKED).endswith("<think>\n")  # it can still be asked
    for refused in (chat.check, lambda: chat.lesson(ASKED, SAMPLE)):
        with pytest.raises(TrainingError, match=r"r1: .* ends a prompt with '<think>\\n'"):
            refused()


@pytest.mark.parametrize("name", sorted(OPEN_REASONING))
def test_reasoning_that_a_template_opens_stays_reasoning(name: str) -> None:
    chat = Chat(tokenizer_with(shipped(name)), "r1")
    model = LocalModel(small_model(chat.tokenizer), chat)
    (said,) = model.generate([ASKED], max_tokens=3, temperature=0, seed=0)
    assert said.startswith("<think>\n")
    assert unanswered(said) is not None  # it was cut off before its reasoning ended


@pytest.mark.parametrize("name", sorted(OF_PARTS))
def test_a_template_that_writes_no_plain_text_is_refused(name: str) -> None:
    with pytest.raises(ConfigError, match=r"^vision: the chat template (refuses|leaves out)"):
        Chat(tokenizer_with(shipped(name)), "vision")


@pytest.mark.parametrize("name", [n for n in SHIPPED if "strftime_now" in shipped(n)])
def test_the_prompt_is_the_same_on_every_day(name: str) -> None:
    chat = Chat(tokenizer_with(shipped(name)))
    assert chat.form.dated
    assert "2024" in chat.prompt(ASKED)
    assert not Chat(tokenizer_with(shipped("qwen2_5"))).form.dated


@pytest.mark.parametrize("name", ["gptoss", "qwen3", "glm4moe"])
def test_a_model_answers_as_it_has_learned(name: str, tmp_path: Path) -> None:
    chat = Chat(tokenizer_with(shipped(name)))
    model = LocalModel(small_model(chat.tokenizer), chat)
    answer = "it is a cat."
    settings = SFTSettings(
        batch=1, epochs=50, learning_rate=0.02, matrix_learning_rate=0.05, save_steps=1000
    )
    train_sft(model, [chat.lesson(ASKED, answer)], tmp_path, settings, seed=0)
    said = model.generate([ASKED, ASKED], max_tokens=60, temperature=0, seed=0)
    assert said == [answer, answer]


@pytest.mark.parametrize(
    ("template", "ending"),
    [
        # It opens the next answer whether or not that is asked for (an early template of Llama 3).
        (CHATML.replace("{% if add_generation_prompt %}", "").replace("{% endif %}", ""), "\n"),
        # It has no text for an answer to come, and writes a space before one (Mistral's).
        (
            "{% for m in messages %}{% if m.role == 'user' %}[INST] {{ m.content }}[/INST]"
            "{% else %} {{ m.content }}<|im_end|>{% endif %}{% endfor %}",
            "",
        ),
        # Nothing ends a turn but the tokenizer's own end (GLM's).
        (CHATML.replace("<|im_end|>\n", ""), ""),
        # Several ends in a row (Phi's).
        (CHATML.replace("<|im_end|>", "<|end|>\n<|im_end|>"), "\n<|im_end|>\n"),
        # It is one of several templates (Cohere's), or ends with a break of a line.
        (CHATML + "\n", "\n"),
    ],
    ids=["always-open", "no-opening", "no-end", "two-ends", "line-break"],
)
def test_unusual_ends_and_openings(template: str, ending: str) -> None:
    chat = Chat(tokenizer_with(template))
    lesson = chat.lesson(ASKED, SAMPLE)
    learned = chat.tokenizer.decode(lesson.ids[lesson.start :])
    end = learned.removeprefix(SAMPLE)
    assert end in {mark + ending for mark in ("<|im_end|>", "<|end|>")}
    assert not chat.prompt(ASKED).endswith(" ")
    assert chat.prompt(ASKED) + SAMPLE == chat.tokenizer.decode(lesson.ids).removesuffix(end)


def test_a_named_template_is_taken_from_several() -> None:
    several = {"default": CHATML, "tool_use": "{{ raise_exception('tools') }}"}
    assert Chat(tokenizer_with(CHATML, chat_template=several)).prompt(ASKED).endswith("assistant\n")
