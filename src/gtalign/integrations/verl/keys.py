"""A run's configuration as the keys of verl."""

import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from gtalign.integrations.verl.rows import HELD_OUT, LEARNED
from gtalign.training.rl_run import RLRun
from gtalign.training.verl import VerlSettings

REWARD: Final = "pkg://gtalign.integrations.verl"
COMPONENTS: Final = ("user_welfare", "llm_welfare")
"""The parts of the reward that GDPO normalises each on its own."""

REPLY: Final = 256
"""Most tokens of a user's reply that a conversation has room for."""

_ESTIMATORS: Final = {"ppo": "gae", "grpo": "grpo", "gdpo": "gdpo"}
_SIMPLE = re.compile(r"[A-Za-z0-9_./:@-]+\Z")
_WORDS = re.compile(r"(true|false|null|nan|inf|[-+.\d].*)\Z", re.IGNORECASE)

Keys = dict[str, Any]


def verl_keys(run: RLRun, out: Path, questions: int) -> Keys:
    """Return what a run changes in verl's configuration, by verl's names.

    A name that begins with ``+`` is one that verl reads but does not list.

    Args:
        run: The run.
        out: Its directory, on a file system that all machines share.
        questions: Number of its questions.
    """
    verl = run.verl or VerlSettings()
    return {
        **_algorithm(run, verl),
        **_data(run, verl, out),
        **_actor(run, verl),
        **(_critic(run, verl) if verl.algorithm == "ppo" else {}),
        **_rollout(run, verl),
        **_reward(run, verl, out),
        **_trainer(run, verl, out, questions),
    }


def agent_loop(run: RLRun) -> str | None:
    """Return the name of the agent loop that draws a run's completions; None for verl's own."""
    if run.dialogue is not None:
        return "gtalign_conversation"
    return "gtalign_counterfactual" if run.rl.counterfactual else None


def longest_course(run: RLRun) -> int:
    """Return the most tokens after the first prompt, of all answers and what users say between."""
    answer = run.rl.max_completion
    if run.dialogue is None:
        return answer
    return run.dialogue.turns * answer + (run.dialogue.turns - 1) * REPLY


def overrides(keys: Mapping[str, Any]) -> list[str]:
    """Return keys as ``name=value`` for Hydra's command line."""
    return [f"{name}={_value(value)}" for name, value in keys.items()]


def _value(value: Any) -> str:
    """Return a value in Hydra's grammar; texts that it could take for something else are quoted."""
    if value is None:
        return "null"
    if isinstance(value, bool | int | float):
        return str(value)
    if isinstance(value, tuple | list):
        return f"[{','.join(map(_value, value))}]"
    text = str(value)
    if _SIMPLE.match(text) and not _WORDS.match(text):
        return text
    # Within quotes only a quote, backslashes before one, and an interpolation mean something.
    text = re.sub(r"(\\*)'", r"\1\1\\'", text)
    text = re.sub(r"(\\+)\Z", r"\1\1", text)
    return "'" + text.replace("${", "\\${") + "'"


def _algorithm(run: RLRun, verl: VerlSettings) -> Keys:
    keys: Keys = {"algorithm.adv_estimator": _ESTIMATORS[verl.algorithm]}
    if verl.algorithm == "ppo":
        return {**keys, "algorithm.gamma": verl.gamma, "algorithm.lam": verl.lam}
    scale = run.rl.scale_rewards or ("none" if run.reward.normalise else "group")
    keys["algorithm.norm_adv_by_std_in_grpo"] = scale == "group"
    if verl.algorithm == "gdpo":
        keys["+algorithm.gdpo_reward_keys"] = COMPONENTS
    return keys


def _data(run: RLRun, verl: VerlSettings, out: Path) -> Keys:
    train = out / "verl" / f"{LEARNED}.jsonl"
    held_out = train if verl.validation is None else out / "verl" / f"{HELD_OUT}.jsonl"
    return {
        "data.train_files": train,
        "data.val_files": held_out,  # verl reads one in any case
        "data.train_batch_size": run.rl.questions,
        "data.max_prompt_length": run.max_prompt,
        "data.max_response_length": longest_course(run),
        "data.filter_overlong_prompts": True,
        "data.seed": run.seed,
    }


def _engine(place: str, verl: VerlSettings) -> Keys:
    return {f"{place}.param_offload": verl.offload, f"{place}.optimizer_offload": verl.offload}


def _model(place: str, run: RLRun) -> Keys:
    keys: Keys = {
        f"{place}.path": run.model,
        f"{place}.enable_gradient_checkpointing": run.rl.hardware.gradient_checkpointing,
    }
    if run.rl.lora is not None:
        keys |= {f"{place}.lora_rank": run.rl.lora.rank, f"{place}.lora_alpha": run.rl.lora.alpha}
    return keys


def _actor(run: RLRun, verl: VerlSettings) -> Keys:
    rl, actor = run.rl, "actor_rollout_ref.actor"
    keys: Keys = {
        **_model("actor_rollout_ref.model", run),
        f"{actor}.optim.lr": rl.learning_rate,
        f"{actor}.ppo_mini_batch_size": verl.mini_batch or rl.questions,
        f"{actor}.use_dynamic_bsz": True,
        f"{actor}.ppo_max_token_len_per_gpu": verl.tokens_per_gpu,
        f"{actor}.data_loader_seed": run.seed,
        **_engine(f"{actor}.fsdp_config", verl),
    }
    if rl.beta:
        keys |= {f"{actor}.use_kl_loss": True, f"{actor}.kl_loss_coef": rl.beta}
    return keys


def _critic(run: RLRun, verl: VerlSettings) -> Keys:
    return {
        **_model("critic.model", run),
        "critic.optim.lr": verl.critic_learning_rate,
        "critic.ppo_max_token_len_per_gpu": verl.tokens_per_gpu,
        "critic.data_loader_seed": run.seed,
        **_engine("critic.fsdp", verl),
    }


def _rollout(run: RLRun, verl: VerlSettings) -> Keys:
    rollout = "actor_rollout_ref.rollout"
    keys: Keys = {
        f"{rollout}.name": verl.rollout,
        f"{rollout}.n": run.rl.group,
        f"{rollout}.temperature": run.rl.temperature,
        f"{rollout}.seed": run.seed,
        f"{rollout}.tensor_model_parallel_size": verl.rollout_parallel,
        f"{rollout}.gpu_memory_utilization": verl.rollout_memory,
    }
    loop = agent_loop(run)
    if loop is not None:
        keys |= {
            f"{rollout}.agent.default_agent_loop": loop,
            f"{rollout}.agent.num_workers": verl.reward_workers,
        }
    if run.rl.lora is not None:
        # The engine reads the weights below the adapter itself; verl sends it the adapter alone.
        keys[f"{rollout}.load_format"] = "safetensors"
    return keys


def _reward(run: RLRun, verl: VerlSettings, out: Path) -> Keys:
    keys: Keys = {
        "reward.num_workers": verl.reward_workers,
        "reward.reward_manager.name": "gtalign",
        "reward.custom_reward_function.path": REWARD,
        "reward.custom_reward_function.name": "compute_score",
        "+reward.custom_reward_function.reward_kwargs.config": out / "config.toml",
    }
    judge = verl.judge
    if judge is not None:
        endpoint, model = run.judges.endpoints[judge.endpoint], "reward.reward_model"
        keys |= {
            f"{model}.enable": True,
            f"{model}.enable_resource_pool": True,
            f"{model}.nnodes": judge.nodes,
            f"{model}.n_gpus_per_node": judge.gpus,
            f"{model}.model_path": endpoint.model,
            f"{model}.rollout.name": verl.rollout,
            f"{model}.rollout.tensor_model_parallel_size": judge.parallel,
            f"{model}.rollout.gpu_memory_utilization": judge.memory,
            # A token has rarely fewer than three characters; the question and the criterion add up
            # to less than the second number.
            f"{model}.rollout.prompt_length": endpoint.max_chars // 3 + 4096,
            f"{model}.rollout.response_length": endpoint.max_tokens,
            # It has GPUs of its own, and answers while others generate.
            f"{model}.rollout.free_cache_engine": False,
        }
    return keys


def _trainer(run: RLRun, verl: VerlSettings, out: Path, questions: int) -> Keys:
    passes = math.ceil(run.rl.steps / max(1, questions // run.rl.questions))
    keys: Keys = {
        "trainer.nnodes": verl.nodes,
        "trainer.n_gpus_per_node": verl.gpus,
        "trainer.total_training_steps": run.rl.steps,
        "trainer.total_epochs": passes,
        "trainer.save_freq": run.rl.save_steps,
        "trainer.test_freq": verl.validate_every or -1,
        "trainer.val_before_train": bool(verl.validate_every),
        "trainer.project_name": "gtalign",
        "trainer.experiment_name": out.name,
        "trainer.logger": ("console", *run.rl.report_to),
        "trainer.default_local_dir": out / "checkpoints",
        "trainer.rollout_data_dir": out / "verl" / "rollouts",
        "trainer.validation_data_dir": out / "verl" / "validation",
    }
    if verl.algorithm == "gdpo":
        # The newer trainer of verl 0.9.1 hands its estimators the total reward alone.
        keys["trainer.use_v1"] = False
    return keys
