"""Steer one answer of a local model under two pricing policies: ``python steer.py CHECKPOINT``."""

import asyncio
import sys

from transformers import AutoModelForCausalLM, AutoTokenizer

from gtalign.steering import Ask, Sampling, Steering, SteeringSettings, load_policy
from gtalign.steering.local import TransformersBackend

model, tokenizer = (c.from_pretrained(sys.argv[1]) for c in (AutoModelForCausalLM, AutoTokenizer))
backend = TransformersBackend(model, tokenizer)
settings = SteeringSettings(mode="enforce", instruct=False)
asked = {"role": "user", "content": "say momo has 7 coins. momo finds some coins. how many now?"}
for name in ("subscription", "per-token"):
    steering = Steering(backend, load_policy(name), settings)
    answer = asyncio.run(steering.answer(Ask((asked,), sampling=Sampling(temperature=0))))
    print(name, answer.decision.after.cell, answer.response, sep=" | ")
