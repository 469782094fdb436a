"""Logits of llama.cpp: ``python logits.py FILE.gguf OUT.npy ID ID ...``.

Runs in the environment of the engine, which has llama-cpp-python and no torch. OUT gets an array
[positions, vocabulary].
"""

import sys

import numpy as np
from llama_cpp import Llama

file, out, *ids = sys.argv[1:]
model = Llama(file, n_ctx=512, n_threads=1, logits_all=True, verbose=False)
model.eval([int(number) for number in ids])
np.save(out, np.array(model.scores[: len(ids)], np.float32))
