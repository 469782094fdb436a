"""What the tests of verl are made of: a judge, a tiny model, a run's configuration, samples."""

import json
import threading
import time
from collections.abc import Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tensordict import TensorDict
from verl import DataProto

from gtalign.chain import render
from gtalign.config import dump, load
from gtalign.game import USER_LLM, Bimatrix
from gtalign.integrations.verl.composed import compose
from gtalign.integrations.verl.rows import write_rows
from gtalign.lab.model import make_model
from gtalign.lab.tokenizer import train_tokenizer
from gtalign.tasks import Question
from gtalign.training.rl_run import RLRun

PAYOFF = Bimatrix(
    USER_LLM,
    [[[3.0, 3.0], [1.0, 0.5], [2.0, 4.0]], [[-1.0, 1.5], [2.0, 2.5], [1.0, 1.0]]],
)


def chain(response: str) -> str:
    """A whole chain with a response."""
    return render("What is meant?", PAYOFF, "Frontier: DQ_AQ, DQ_DA. Choose DQ_AQ.", response)


class JudgeServer:
    """A judge on loopback, in threads of this process.

    Attributes:
        score: What it answers; an answer with ``[score N]`` in it gets N, one with ``[fail]`` an
            error.
        busiest: Most requests that were under way at once.
        asked: Number of requests.
        seconds: How long it thinks.
    """

    def __init__(self) -> None:
        self.reset()
        self._lock = threading.Lock()
        judge = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["content-length"])))
                with judge._counted():
                    status, reply = judge.reply(body)
                payload = json.dumps(reply).encode()
                self.send_response(status)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(payload)))
                self.end_headers()
                self.wfile.write(payload)

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()
        self.address = f"127.0.0.1:{self._server.server_address[1]}"
        self.url = f"http://{self.address}/v1"

    def reset(self) -> None:
        self.score, self.busiest, self.asked, self.seconds, self._busy = 1.0, 0, 0, 0.0, 0
        self.down = False

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def reply(self, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        text = json.dumps(body["messages"])
        if self.down or "[fail]" in text:
            return 400, {"error": {"message": "out of order", "type": "test"}}
        score = self.score
        if "[score " in text:
            score = float(text.split("[score ", 1)[1].split("]", 1)[0])
        said = json.dumps({"reason": "as told", "score": score})
        message = {"role": "assistant", "content": said}
        choice = {"index": 0, "finish_reason": "stop", "message": message}
        usage = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}
        head = {"id": "1", "object": "chat.completion", "created": 0, "model": "judge"}
        return 200, {**head, "choices": [choice], "usage": usage}

    def _counted(self) -> Any:
        judge = self

        class Counted:
            def __enter__(self) -> None:
                with judge._lock:
                    judge.asked += 1
                    judge._busy += 1
                    judge.busiest = max(judge.busiest, judge._busy)
                time.sleep(judge.seconds)

            def __exit__(self, *_: object) -> None:
                with judge._lock:
                    judge._busy -= 1

        return Counted()


def small_checkpoint(folder: Path) -> Path:
    texts = [chain("Which one do you mean?"), "user assistant system What is 17 and 25? It is 42."]
    tokenizer = train_tokenizer(texts * 20, 400)
    model = make_model(tokenizer, seed=0, width=32, layers=1, positions=2048)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def question(number: int = 0, task: str = "math-hard", truth: str = "42") -> Question:
    return Question(
        id=f"{task}-{number}",
        task=task,
        messages=({"role": "user", "content": f"What is {number} and {42 - number}?"},),
        ground_truth=truth,
        cluster=f"{task}-{number}",
        extra={"split": "train"},
    )


def run_config(checkpoint: Path, folder: Path, judge: JudgeServer | None, **changes: Any) -> Path:
    """Write a run's configuration and its questions; return the configuration's path."""
    judges: dict[str, Any] = {"default": ["rule"]}
    if judge is not None:
        endpoint = {"url": judge.url, "model": "judge", "attempts": 1, "concurrency": 4}
        judges = {
            "default": ["judge"],
            "endpoints": {"judge": endpoint | changes.pop("limits", {})},
        }
    rl = {"steps": 2, "questions": 2, "group": 2, "max_completion": 512, **changes.pop("rl", {})}
    settings = {"reward_workers": 2, **changes.pop("verl", {})}
    folder.mkdir(parents=True, exist_ok=True)
    given = {
        "model": str(checkpoint),
        "questions": [str(folder / "questions.jsonl")],
        "instruct": False,
        "max_prompt": 128,
        "rl": rl,
        "judges": judges,
        "verl": settings,
        **changes,
    }
    run = RLRun.model_validate(given)
    write_rows(folder / "questions.jsonl", map(question, range(8)), run, USER_LLM, "train")
    file = folder / "config.toml"
    file.write_text(dump(run), encoding="utf-8")
    return file


def composed(config: Path, *overrides: str, manager: str = "gtalign") -> Any:
    """verl's own configuration, with the keys of the reward that matter here."""
    run = load(RLRun, config)
    return compose(
        [
            f"actor_rollout_ref.model.path={run.model}",
            f"reward.num_workers={run.verl.reward_workers if run.verl else 2}",
            f"reward.reward_manager.name={manager}",
            "reward.custom_reward_function.path=pkg://gtalign.integrations.verl",
            f"+reward.custom_reward_function.reward_kwargs.config={config}",
            *overrides,
        ]
    )


Row = tuple[Question, str]


def batch(tokenizer: Any, rows: Sequence[Row], *, split: str = "train") -> DataProto:
    """Samples as the trainer has them, from questions and completions."""
    prompts, responses = [], []
    for asked, completion in rows:
        text = tokenizer.apply_chat_template(
            list(asked.messages), add_generation_prompt=True, tokenize=False
        )
        prompts.append(tokenizer(text)["input_ids"])
        responses.append([*tokenizer(completion)["input_ids"], tokenizer.eos_token_id])
    width, length = max(map(len, prompts)), max(map(len, responses))
    pad = tokenizer.pad_token_id

    def left(ids: list[int]) -> list[int]:
        return [pad] * (width - len(ids)) + ids

    def right(ids: list[int]) -> list[int]:
        return ids + [pad] * (length - len(ids))

    mask = [
        [0] * (width - len(p)) + [1] * (len(p) + len(r)) + [0] * (length - len(r))
        for p, r in zip(prompts, responses, strict=True)
    ]
    tensors = {
        "prompts": torch.tensor([left(p) for p in prompts]),
        "responses": torch.tensor([right(r) for r in responses]),
        "attention_mask": torch.tensor(mask),
    }
    infos = [
        {"index": n, "split": split, "question": json.dumps(asked.to_json())}
        for n, (asked, _) in enumerate(rows)
    ]
    columns: dict[str, list[Any]] = {
        "data_source": [asked.task for asked, _ in rows],
        "reward_model": [{"ground_truth": asked.ground_truth} for asked, _ in rows],
        "extra_info": infos,
        "raw_prompt": [list(asked.messages) for asked, _ in rows],
    }

    def column(values: Sequence[Any]) -> Any:
        array = np.empty(len(values), dtype=object)
        array[:] = values
        return array

    return DataProto(
        batch=TensorDict(tensors, batch_size=len(rows)),
        non_tensor_batch={name: column(values) for name, values in columns.items()},
    )
