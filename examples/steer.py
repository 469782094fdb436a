"""Steer one answer of a local model under two pricing policies: ``python steer.py CHECKPOINT``."""

import asyncio
import sys

from gtalign.models.model import open_model
from gtalign.steering import Ask, Sampling, Session, Steering, SteeringSettings, load_policy
from gtalign.steering.local import TransformersBackend

backend = TransformersBackend(open_model(sys.argv[1]))
settings = SteeringSettings(mode="enforce", instruct="none")
text = "say momo of siton is a nurse. momo of kaford is a miner. what is the job of momo?"
asked = {"role": "user", "content": text}
for name in ("subscription", "per-token"):
    # The lab's answers are short: to matter, money has to be worth more than in the policy.
    policy = load_policy(name, ["utility_of_money=1000"])
    steering = Steering(backend, policy, settings)
    ask = Ask((asked,), sampling=Sampling(temperature=0))
    answer = asyncio.run(Session(steering, ask).answer())
    print(name, answer.decision.after.cell, answer.response, sep=" | ")
