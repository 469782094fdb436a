"""``gtalign rl``: reinforcement learning under the welfare reward."""

from pathlib import Path
from typing import Annotated

from gtalign.cli import AsJson, DryTraining, RunConfig, RunFolder, changes
from gtalign.cli.show.result import print_result, results_only
from gtalign.config import load
from gtalign.training.rl_run import RLRun, plan, run


def command(
    config: RunConfig,
    out: RunFolder = Path("runs/rl"),
    overrides: Annotated[list[str] | None, changes("rl.steps=20")] = None,
    dry_run: DryTraining = False,
    as_json: AsJson = False,
) -> None:
    """Train a model for mutual welfare by GRPO (reinforcement learning).

    The judges of the configuration grade each completion. The trained model is
    in OUT/checkpoint; every completion with its score is in
    OUT/transcripts.jsonl. You can stop the run at any time; the same command
    resumes it.

    Examples:
        gtalign rl --config configs/rl/small.toml --dry-run
        gtalign rl --config configs/rl/small.toml --out runs/rl
    """
    settings = load(RLRun, config, overrides or [])
    with results_only():
        result = plan(settings) if dry_run else run(settings, out)
    print_result(result, as_json=as_json)
