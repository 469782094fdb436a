"""``llm``, the command, with a model of its file ``extra-openai-models.yaml``."""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from report import BASE, LONG, MODEL, QUESTION, TOKENS, report

MODELS = f"""
- model_id: own
  model_name: {MODEL}
  api_base: {BASE}
  supports_schema: true
"""


def llm(*words: str) -> subprocess.CompletedProcess[str]:
    options = ("-o", "max_tokens", str(TOKENS), "-o", "temperature", "0")
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "extra-openai-models.yaml").write_text(MODELS)
        return subprocess.run(
            [sys.executable, "-m", "llm", "-m", "own", "--key", "none", *options, *words],
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            env=os.environ | {"LLM_USER_PATH": folder},
        )


def said(*words: str) -> str:
    done = llm(*words)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def chat() -> None:
    assert said("--no-stream", QUESTION)


def stream() -> None:
    assert said(QUESTION)


def schema() -> None:
    assert isinstance(json.loads(said("--schema", "sure bool", QUESTION))["sure"], bool)


def too_long() -> None:
    done = llm(LONG)
    assert done.returncode != 0
    assert "context" in done.stderr, done.stderr


report(chat=chat, stream=stream, schema=schema, error_context=too_long)
