"""One of the processes that save a checkpoint as verl does: shares of FSDP2, on the CPU."""

import sys
from pathlib import Path

import torch
from torch.distributed import destroy_process_group, init_process_group
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard
from transformers import AutoModelForCausalLM, AutoTokenizer
from verl.utils.checkpoint.fsdp_checkpoint_manager import FSDPCheckpointManager


def save(rank: int, size: int, meeting: Path, checkpoint: Path, out: Path) -> None:
    init_process_group("gloo", init_method=f"file://{meeting}", rank=rank, world_size=size)
    try:
        mesh = init_device_mesh("cpu", (size,), mesh_dim_names=("fsdp",))
        model = AutoModelForCausalLM.from_pretrained(checkpoint, dtype=torch.float32)
        for layer in model.model.layers:
            fully_shard(layer, mesh=mesh)
        fully_shard(model, mesh=mesh)
        tokenizer = AutoTokenizer.from_pretrained(checkpoint)
        kept = {"save_contents": ["model"], "load_contents": ["model"]}
        manager = FSDPCheckpointManager(model, None, None, tokenizer, kept)
        manager.save_checkpoint(str(out), global_step=2)
    finally:
        destroy_process_group()


if __name__ == "__main__":
    rank, size, meeting, checkpoint, out = sys.argv[1:]
    save(int(rank), int(size), Path(meeting), Path(checkpoint), Path(out))
