"""The whole method as one loop that you can read from top to bottom.

    python examples/rl_loop.py            # about ten minutes on one core
    python examples/rl_loop.py --quick    # half a minute: every step runs, nothing is learned

It trains a small model from scratch: on a teacher's best chains, then by reinforcement learning on
mutual welfare; and it steers one answer under two prices. `gtalign lab` does it with reports.
"""

import asyncio
import sys

import numpy as np
import torch
from transformers import GenerationConfig

from gtalign.judges import judge_all
from gtalign.lab import LabJudge, make_world
from gtalign.lab.config import LAB
from gtalign.lab.model import make_model
from gtalign.lab.teachers import candidate
from gtalign.lab.tokenizer import train_tokenizer
from gtalign.models.chat import Chat
from gtalign.models.model import LocalModel
from gtalign.reward import Reward, RewardConfig
from gtalign.steering import Ask, Sampling, Session, Steering, SteeringSettings, load_policy
from gtalign.steering.local import TransformersBackend
from gtalign.training.optimizer import MuonWithAdamW

quick = "--quick" in sys.argv
ITEMS, CHAINS, EPOCHS, RL_STEPS = (4, 2, 1, 2) if quick else (200, 4, 3, 40)
WIDTH, LAYERS, LONGEST, QUESTIONS, GROUP = (32, 1, 60, 4, 4) if quick else (128, 4, 180, 8, 8)

torch.set_num_threads(1)  # a second one gains nothing for so small a network
torch.manual_seed(0)
rng = np.random.default_rng(0)

# 1. A world of questions with known answers; the judge of the lab knows them.
world = make_world(seed=0, train_items=ITEMS, test_items=2 if quick else 12)

# 2. A teacher writes several chains for each question.
written = [[candidate(question, rng) for _ in range(CHAINS)] for question in world.train]
texts = [text for chains in written for text in chains]
texts += [message["content"] for question in world.train for message in question.messages]
tokenizer = train_tokenizer(texts, vocabulary=768)
model = make_model(tokenizer, seed=0, width=WIDTH, layers=LAYERS, positions=1024)

# 3. The reward: welfare of the user U and of the LLM L, and their geometric mean W = sqrt(U L).
reward = Reward(
    RewardConfig.model_validate(LAB["reward"]),
    count_tokens=lambda text: len(tokenizer.encode(text, add_special_tokens=False)),
)


def score(questions, completions):
    """Read completions as chains, judge those that are, and score all: one W for each."""
    readings = reward.read(completions)
    answered = [row for row, response in enumerate(readings.responses) if response is not None]
    asked = [(questions[row], readings.responses[row]) for row in answered]
    verdicts = dict(zip(answered, asyncio.run(judge_all(LabJudge(), asked)), strict=True))
    return reward.score(questions, readings, [verdicts.get(row) for row in range(len(completions))])


def log_probabilities(prompts, completions):
    """Log-probability of each token of each completion [N, T], and which of them are real."""
    width = max(len(p) + len(c) for p, c in zip(prompts, completions, strict=True))
    ids = torch.full((len(prompts), width), tokenizer.pad_token_id)
    mine = torch.zeros((len(prompts), width), dtype=torch.bool)
    for row, (prompt, completion) in enumerate(zip(prompts, completions, strict=True)):
        ids[row, : len(prompt) + len(completion)] = torch.tensor(prompt + completion)
        mine[row, len(prompt) : len(prompt) + len(completion)] = True
    logits = model(input_ids=ids[:, :-1]).logits
    chosen = logits.log_softmax(-1).gather(-1, ids[:, 1:, None]).squeeze(-1)
    return chosen, mine[:, 1:]


def prompt_ids(question):
    """The tokens that a question is asked in, up to where the answer begins."""
    asked = [*question.messages]
    return tokenizer.apply_chat_template(asked, add_generation_prompt=True, return_dict=False)


def sample(questions):
    """One completion of each question, as tokens and as text."""
    prompts = [prompt_ids(question) for question in questions]
    padded = tokenizer.pad({"input_ids": prompts}, return_tensors="pt")
    end, pad = tokenizer.eos_token_id, tokenizer.pad_token_id
    settings = GenerationConfig(
        max_new_tokens=LONGEST, do_sample=True, top_k=0, eos_token_id=end, pad_token_id=pad
    )
    with torch.inference_mode():
        out = model.generate(**padded, generation_config=settings)
    written = out[:, padded["input_ids"].shape[1] :].tolist()
    completions = [row[: [*row, end].index(end) + 1] for row in written]  # up to the end of turn
    return prompts, completions, tokenizer.batch_decode(completions, skip_special_tokens=True)


def test():
    """Mean W of one sampled answer to each test question."""
    return float(np.nanmean(score(world.test, sample(world.test)[2]).mutual_welfare))


# 4. Cold start: learn the teacher's best chain for each question, by W.
best = []
for question, chains in zip(world.train, written, strict=True):
    scores = score([question] * CHAINS, chains)
    best.append((question, chains[int(np.nanargmax(scores.mutual_welfare))]))
optimizer = MuonWithAdamW(model, 0.03, 0.01)
steps = EPOCHS * len(best) // 16
schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 1 - step / steps)
for step in range(steps):
    batch = rng.choice(len(best), size=16, replace=False)
    chains = [[*tokenizer.encode(best[row][1]), tokenizer.eos_token_id] for row in batch]
    chosen, mine = log_probabilities([prompt_ids(best[row][0]) for row in batch], chains)
    loss = -chosen[mine].mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    schedule.step()
    print(f"cold start {step + 1}/{steps}: loss {loss.item():.3f}", flush=True)
print(f"W on test questions after the cold start: {test():.3f}")

# 5. Reinforcement learning (GRPO): of the answers to a question, raise those with more W than most.
optimizer = torch.optim.AdamW(model.parameters(), lr=2e-4, weight_decay=0.0)
for step in range(RL_STEPS):
    drawn = rng.choice(len(world.train), size=QUESTIONS, replace=False)
    questions = [world.train[row] for row in drawn for _ in range(GROUP)]
    prompts, completions, answers = sample(questions)
    scores = score(questions, answers)
    welfare = torch.tensor(scores.reward, dtype=torch.float32).reshape(QUESTIONS, GROUP)
    advantage = (welfare - welfare.mean(1, keepdim=True)) / (welfare.std(1, keepdim=True) + 1e-4)
    chosen, mine = log_probabilities(prompts, completions)
    loss = -(advantage.reshape(-1, 1).expand_as(chosen)[mine] * chosen[mine]).mean()
    optimizer.zero_grad()
    loss.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
    bad = len(scores.chain_errors)
    print(f"step {step + 1}/{RL_STEPS}: W {welfare.mean():.3f}, {bad} malformed", flush=True)
print(f"W on test questions after reinforcement learning: {test():.3f}")

# 6. Steer: the matrix is edited under a price while the model writes, and it continues from there.
model.eval()
backend = TransformersBackend(LocalModel(model, Chat(tokenizer)))
settings = SteeringSettings(mode="enforce", instruct="none")
ask = Ask(world.test[0].messages, max_tokens=300, sampling=Sampling(temperature=1.0, seed=0))
for name in ("subscription", "per-token"):
    steering = Steering(backend, load_policy(name, ["utility_of_money=3000"]), settings)
    answer = asyncio.run(Session(steering, ask).answer())
    print(f"{name}: the response is {answer.decision.acted}: {answer.response}")
