"""What a run on verl takes: GPUs, memory, tokens, calls of judges, hours; nothing is started."""

from collections import Counter
from collections.abc import Sequence
from typing import Any, Final

from gtalign.errors import ConfigError
from gtalign.integrations.verl.keys import longest_course
from gtalign.models.memory import GIB, ModelSize, generation
from gtalign.tasks import Question
from gtalign.training.memory import FORMULA, memory
from gtalign.training.rl_run import RLRun
from gtalign.training.verl import VerlSettings

TRAINING: Final = 0.35
"""Share of a GPU's peak that training reaches, taken for the hours."""

WRITING: Final = 0.05
"""Share of a GPU's peak that an engine reaches while it writes many answers at once."""

HOURS: Final = (
    "steps * (6*P*n*(1 + critic) / (.35*G*F) + 2*P*(n*(1 + critic) / (.35*G*F) + c / (.05*G*F))"
    " + 2*J*j / (.05*g*F)) / 3600, one after the other. P and J parameters of the model and of the"
    " judge that verl serves, G and g their GPUs, F the peak of one (verl.flops), n tokens of a"
    " step, c those of completions, j those of the judge's replies, all at their longest; gradient"
    " checkpointing adds a third of the first term. The wait for other judges is not in it"
)


def cluster_plan(run: RLRun, questions: Sequence[Question]) -> dict[str, Any]:
    """Return what a run on verl would do and how much it takes.

    Raises:
        ConfigError: A GPU has less memory than the run needs.
    """
    rl, verl = run.rl, run.verl or VerlSettings()
    answers = rl.questions * rl.group
    tokens = answers * (run.max_prompt + longest_course(run))
    calls = run.judges.calls_for(Counter(question.task for question in questions))
    each = {name: count * answers / len(questions) for name, count in calls.items()}
    if run.dialogue is not None:
        each = {}  # the users say what a conversation is worth
    found: dict[str, Any] = {
        "engine": "verl",
        "algorithm": verl.algorithm,
        "model": run.model,
        "learns": "all weights" if rl.lora is None else f"LoRA of rank {rl.lora.rank}",
        "questions": len(questions),
        "steps": rl.steps,
        "gpus": _gpus(verl),
        "answers_a_step": answers,
        "updates_a_step": rl.questions // (verl.mini_batch or rl.questions),
        "tokens_a_step_at_most": tokens,
        "judge_calls_a_step": {name: round(count) for name, count in each.items()},
        "normalised": _normalised(run),
        "not_by_verl": "guard: verl's own logs show whether a run diverges",
    }
    if run.size is None:
        found["memory_and_hours"] = "unknown: the configuration has no [size]"
        return found
    parts = _memory(run, run.size, verl)
    found |= {"memory_gib_of_a_gpu": parts, "memory_formula": FORMULA}
    total = max(parts["training"]["total"], parts["rollout"]["total"])
    if total > verl.gpu_memory:
        raise ConfigError(
            f"a GPU needs about {total:.0f} GiB and has verl.gpu_memory = {verl.gpu_memory:g}:"
            f" training takes {parts['training']['total']:.0f} GiB, drawing completions"
            f" {parts['rollout']['total']:.0f}. Take more GPUs, verl.offload, a smaller"
            " verl.tokens_per_gpu or rl.lora"
        )
    found |= {"hours_at_most": _hours(run, run.size, verl, each), "hours_formula": HOURS}
    return found


def _gpus(verl: VerlSettings) -> dict[str, Any]:
    """GPUs by what they do; those that train also draw the completions, in turns."""
    judge = verl.judge
    served = 0 if judge is None else judge.nodes * judge.gpus
    found: dict[str, Any] = {"actor": f"{verl.world} ({verl.nodes} x {verl.gpus})"}
    if verl.algorithm == "ppo":
        found["critic"] = f"the same {verl.world}"
    copies = f"{verl.rollout} in copies of {verl.rollout_parallel}"
    found["rollout"] = f"the same {verl.world}, {copies}"
    found["judge"] = "asked over HTTP" if judge is None else f"{served} of their own"
    return found | {"total": verl.world + served}


def _normalised(run: RLRun) -> str:
    if run.reward.normalise is None:
        return "not per task"
    # verl scores one sample at a time, so that no batch is there to normalise.
    method, window = run.reward.normalise.method, run.reward.normalise.window
    return f"per task by {method} over its last {window} rewards, shared by all workers"


def _memory(run: RLRun, size: ModelSize, verl: VerlSettings) -> dict[str, dict[str, float]]:
    """GiB of one GPU: while it trains, and while it draws completions.

    Weights, gradients and the optimizer are spread over all GPUs, activations are not. The critic
    computes after the actor, so that only one of them has activations at a time; with
    ``verl.offload`` the other one is away altogether, as both are while completions are drawn.
    """
    rl = run.rl
    whole = memory(
        size,
        tokens=verl.tokens_per_gpu,
        lora=rl.lora,
        bf16=True,
        checkpointing=rl.hardware.gradient_checkpointing,
        reference=rl.beta > 0 and rl.lora is None,
    )
    networks = 2 if verl.algorithm == "ppo" and not verl.offload else 1
    kept: dict[str, float] = {
        name: whole[name] * (1 if name == "reference" else networks) / verl.world
        for name in ("weights", "reference", "gradients", "optimizer")
        if name in whole
    }
    passing = {name: whole[name] for name in ("activations", "logits")}
    training = {**kept, **passing}
    # The engine takes its share for weights and cache beside what is trained.
    rollout: dict[str, float] = {"engine": verl.rollout_memory * verl.gpu_memory}
    if not verl.offload:
        rollout |= {name: value for name, value in kept.items() if name != "gradients"}
    weights = generation(size, tokens=0, bf16=True)["weights"] / verl.rollout_parallel
    if weights > rollout["engine"]:
        raise ConfigError(
            f"verl.rollout_memory ({verl.rollout_memory:g}): the weights alone take"
            f" {weights:.0f} GiB of a GPU, and the engine gets {rollout['engine']:.0f}; raise it or"
            " verl.rollout_parallel"
        )
    found = {"training": training, "rollout": rollout}
    judge = verl.judge
    if judge is not None and judge.parameters is not None:
        found["judge"] = {"weights": 2 * judge.parameters / judge.parallel / GIB}
        if found["judge"]["weights"] > judge.memory * verl.gpu_memory:
            raise ConfigError(
                f"verl.judge.parallel ({judge.parallel}): the judge's weights alone take"
                f" {found['judge']['weights']:.0f} GiB of a GPU"
            )
    return {name: {**part, "total": sum(part.values())} for name, part in found.items()}


def _hours(
    run: RLRun, size: ModelSize, verl: VerlSettings, calls: dict[str, float]
) -> dict[str, float]:
    rl = run.rl
    answers = rl.questions * rl.group
    tokens = answers * (run.max_prompt + longest_course(run))
    networks = 2 if verl.algorithm == "ppo" else 1
    power = verl.world * verl.flops
    learn = 6 * size.parameters * tokens * networks / (TRAINING * power)
    if rl.hardware.gradient_checkpointing:
        learn *= 4 / 3
    passes = networks + (1 if rl.beta else 0)
    look = 2 * size.parameters * tokens * passes / (TRAINING * power)
    write = 2 * size.parameters * answers * longest_course(run) / (WRITING * power)
    seconds = {"learning": learn + look, "completions": write}
    judge = verl.judge
    if judge is not None and judge.parameters is not None:
        replies = calls.get(judge.endpoint, 0.0) * run.judges.endpoints[judge.endpoint].max_tokens
        power = judge.nodes * judge.gpus * verl.flops
        seconds["judge"] = 2 * judge.parameters * replies / (WRITING * power)
    hours = {name: rl.steps * value / 3600 for name, value in seconds.items()}
    return {**hours, "total": sum(hours.values())}
