"""A small student from scratch, for supervised training on a file of examples.

    python examples/student.py runs/cold-start/kept.jsonl runs/student

Its tokenizer is trained on the examples; its network, of a million weights, knows nothing yet.
"""

import sys
from pathlib import Path

from gtalign.lab.model import make_model
from gtalign.lab.tokenizer import train_tokenizer
from gtalign.synthesis import read_examples

source, target = map(Path, sys.argv[1:3])
examples = list(read_examples(source))
texts = [example.completion for example in examples]
texts += [message["content"] for example in examples for message in example.prompt]
tokenizer = train_tokenizer(texts, 1024)
model = make_model(tokenizer, seed=0, width=128, layers=4, positions=2048)
tokenizer.save_pretrained(target)
model.save_pretrained(target)
print(f"{target}: {sum(p.numel() for p in model.parameters()):,} weights")
