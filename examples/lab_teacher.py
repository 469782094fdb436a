"""The lab's model as a teacher: it writes the part of a chain that a request asks for.

It was trained on whole chains that follow bare conversations, so that a part is written by going
on with the chain where the request leaves off. Requests that wait are answered together.
"""

import asyncio
import json
import re
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, GenerationConfig

from gtalign.chain import BLOCKS

ASKED = re.compile(
    r"\AThe conversation:\n(?P<conversation>.*?)\n\n(?:The parts so far:\n(?P<before>.*?)\n\n)?"
    r'Write the part "(?P<part>\w+)"',
    re.DOTALL,
)
TURN = re.compile(r"(?:\A|\n\n)(user|assistant): ")
PART = re.compile(rf"(?:\A|\n\n)({'|'.join(BLOCKS)}):\n")
LONGEST = 240
"""Tokens of a part."""


class LabTeacher:
    """Writes parts.

    Args:
        checkpoint: Of `gtalign lab`, such as ``runs/lab/seed-0/sft/checkpoint``.
        batch: Most requests that are answered together.
        seed: Of sampling.
    """

    def __init__(self, checkpoint: Path, batch: int = 64, seed: int = 0) -> None:
        self.tokenizer = AutoTokenizer.from_pretrained(checkpoint, padding_side="left")
        self.model = AutoModelForCausalLM.from_pretrained(checkpoint, dtype="float32").eval()
        self.batch = batch
        self.waiting: dict[str, list[tuple[str, asyncio.Future[str]]]] = {}
        self.at_work: asyncio.Task[None] | None = None
        torch.manual_seed(seed)

    async def write(self, asked: str) -> str:
        """Return the part that a request asks for."""
        found = ASKED.match(asked)
        if found is None:
            return "I write parts of chains, and nothing else."
        text: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self.waiting.setdefault(found["part"], []).append((self.prompt(found), text))
        if self.at_work is None or self.at_work.done():
            self.at_work = asyncio.create_task(self.work())
        return await text

    async def work(self) -> None:
        """Answer what waits, the longest queue first, until nothing does."""
        while self.waiting:
            part = max(self.waiting, key=lambda name: len(self.waiting[name]))
            queue = self.waiting.pop(part)
            batch, rest = queue[: self.batch], queue[self.batch :]
            if rest:
                self.waiting[part] = rest
            texts = await asyncio.to_thread(self.go_on, [prompt for prompt, _ in batch], part)
            for (_, future), text in zip(batch, texts, strict=True):
                if not future.done():  # the request may have been given up
                    future.set_result(text)

    def prompt(self, found: re.Match[str]) -> str:
        """Return the chain so far as the model knows it, up to where the part begins."""
        pieces = TURN.split(found["conversation"])[1:]
        turns = [
            {"role": role, "content": text}
            for role, text in zip(pieces[::2], pieces[1::2], strict=True)
        ]
        text = self.tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True)
        before = PART.split(found["before"] or "")[1:]
        for name, content in zip(before[::2], before[1::2], strict=True):
            if name == "payoff":
                whole = json.dumps(json.loads(content), separators=(",", ":"))
                content = whole.replace(".0", "")  # as the lab's own teachers write it
            text += f"<{name}>{content}</{name}>"
        # Without the tag's end, which the tokenizer joins to the word that follows it.
        return f"{text}<{found['part']}"

    def go_on(self, prompts: list[str], part: str) -> list[str]:
        """Return what the model writes after each prompt, up to the end of the part."""
        inputs = self.tokenizer(
            prompts, add_special_tokens=False, padding=True, return_tensors="pt"
        )
        settings = GenerationConfig(
            max_new_tokens=LONGEST,
            do_sample=True,
            top_k=0,
            stop_strings=[f"</{part}>"],
            eos_token_id=self.tokenizer.eos_token_id,
            pad_token_id=self.tokenizer.pad_token_id,
        )
        with torch.inference_mode():
            ids = self.model.generate(
                input_ids=inputs["input_ids"],
                attention_mask=inputs["attention_mask"],
                generation_config=settings,
                tokenizer=self.tokenizer,
            )
        written = ids[:, inputs["input_ids"].shape[1] :]
        texts = self.tokenizer.batch_decode(written, skip_special_tokens=True)
        return [text.partition(f"</{part}>")[0].removeprefix(">") for text in texts]
