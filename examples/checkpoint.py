"""Make an ordinary checkpoint of a model: a folder that can be trained, and that opens at once.

python examples/checkpoint.py gguf:SmolLM2-135M-Instruct.Q4_1.gguf smollm2 --sha256 b179c9...

A GGUF file is read and dequantised each time it is opened; a checkpoint is not.
"""

import argparse
import hashlib
from pathlib import Path

from gtalign.models import place


def save(name: str, folder: Path) -> None:
    """Open a model, and save it in a folder that is there when it is complete."""
    from gtalign.models.model import open_model  # loads torch: not before the file is the right one

    model = open_model(name)
    draft = folder.with_name(folder.name + ".part")
    model.network.save_pretrained(draft)
    model.chat.tokenizer.save_pretrained(draft)
    draft.rename(folder)


parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("model", help="a folder, a name on a hub, gguf:FILE or package:NAME")
parser.add_argument("folder", type=Path, help="where the checkpoint goes")
parser.add_argument("--sha256", help="what the GGUF file has to hash to")
given = parser.parse_args()

if given.sha256 is not None:
    found = place(given.model)
    file = Path(found.where) / (found.file or "")
    digest = hashlib.sha256(file.read_bytes()).hexdigest() if file.is_file() else "no GGUF file"
    if digest != given.sha256:
        parser.error(f"{file}: its hash is {digest}, not {given.sha256}: it is another file")
save(given.model, given.folder)
print(given.folder)
