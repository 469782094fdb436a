"""A student that a test can train, and the commands that train and test it."""

import asyncio
from pathlib import Path

from forked import Forked
from gtalign.cli import main
from gtalign.data.schema import system_prompt
from small_lab import small_model, small_tokenizer

CHAIN = (
    "<thinking>t</thinking>\n<payoff>{"
    + ", ".join(
        f'"{user}_{llm}": {{"LLM": 1.0, "user": 2.0}}'
        for user in ("DQ", "VQ")
        for llm in ("AQ", "CQ", "DA")
    )
    + "}</payoff>\n<analyze>Choose VQ_CQ.</analyze>\n<response>Which one?</response>"
)

SCRIPT = """
import resource, signal, sys
from gtalign.cli import main
if sys.argv[1] != "0":
    # As on a full disk, no file grows any further.
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]),) * 2)
sys.exit(main(sys.argv[2:]))
"""


def make_student(folder: Path) -> Path:
    """Save an untrained student and return where."""
    tokenizer = small_tokenizer([CHAIN, system_prompt(chain=False)])
    tokenizer.save_pretrained(folder)
    small_model(tokenizer).save_pretrained(folder)
    return folder


def write(file: Path, text: str) -> str:
    file.write_text(text)
    return str(file)


async def run_cli(*arguments: str) -> int:
    """Run the command in a thread, beside the server's loop."""
    return await asyncio.to_thread(main, list(arguments))


async def start_cli(*arguments: str, room: int = 0) -> Forked:
    """Start the command in a process of its own, on one thread.

    Args:
        arguments: Of the command.
        room: Largest size of a file that it may write; 0 for any.
    """
    return await asyncio.to_thread(Forked, SCRIPT, room, *arguments)
