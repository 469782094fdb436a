"""Next tokens by llama.cpp: ``python logits.py FILE.gguf OUT.json``, with JSON on standard input.

The input is a list of texts in token ids; OUT gets, for each, the likeliest next tokens as pairs of
an id and a log-probability. It runs in a process of its own: the engine keeps threads of its own.
"""

import json
import sys
from pathlib import Path

import xllamacpp

LIKELIEST = 100


def main(file: str, out: str) -> None:
    params = xllamacpp.CommonParams()
    params.model.path = file
    params.n_ctx = 512
    params.n_parallel = 1
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = 1
    params.cache_type_k = params.cache_type_v = xllamacpp.ggml_type.GGML_TYPE_F32
    server = xllamacpp.Server(params)
    asked = {"max_tokens": 1, "logprobs": LIKELIEST, "temperature": 0.0}
    found = []
    for ids in json.load(sys.stdin):
        reply = server.handle_completions({"prompt": ids, **asked})
        if isinstance(reply, str):
            reply = json.loads(reply)
        [position] = reply["choices"][0]["logprobs"]["content"]
        found.append([[one["id"], one["logprob"]] for one in position["top_logprobs"]])
    Path(out).write_text(json.dumps(found))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
