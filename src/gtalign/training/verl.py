"""Settings of a run on a cluster, which verl trains (``gtalign rl --engine verl``)."""

from typing import Annotated, Literal, Self

from pydantic import Field, NonNegativeInt, PositiveFloat, PositiveInt, model_validator

from gtalign.config import Config, Files

Part = Annotated[float, Field(gt=0, lt=1)]


class VerlJudge(Config):
    """A judge that verl itself serves, on GPUs of its own.

    Keys:
        endpoint: Name of the judge among ``judges.endpoints``. verl loads the ``model`` of that
            endpoint, and its ``url`` is replaced by the address of verl's router.
        nodes: Machines that serve it.
        gpus: GPUs on each of them.
        parallel: GPUs that one copy of the model takes; the copies share the requests.
        memory: Share of a GPU's memory for the engine.
        parameters: Number of the judge's parameters, which the plan needs.
    """

    endpoint: str
    nodes: PositiveInt = 1
    gpus: PositiveInt = 4
    parallel: PositiveInt = 4
    memory: Part = 0.9
    parameters: PositiveInt | None = None

    @model_validator(mode="after")
    def _has_whole_copies(self) -> Self:
        if self.gpus % self.parallel:
            raise ValueError(
                f"gpus ({self.gpus}) has to be a multiple of parallel ({self.parallel})"
            )
        return self


class VerlSettings(Config):
    """How verl spreads a run of reinforcement learning over GPUs; TRL does not read it.

    Keys:
        algorithm: ``ppo`` (with a critic and GAE, as published), ``grpo``, or ``gdpo``: GRPO that
            normalises U and L each on its own before it adds them.
        nodes: Machines that train.
        gpus: GPUs on each of them.
        gpu_memory: Memory of one GPU in GiB.
        mini_batch: Questions in one update of the weights; by default all of a step.
        critic_learning_rate: Learning rate of the critic.
        gamma: Discount factor of ``ppo``.
        lam: Trade-off between bias and variance of ``ppo`` (GAE's lambda).
        tokens_per_gpu: Most tokens that a GPU computes at once; a whole prompt with its completion
            has to fit.
        offload: Whether actor and critic with their optimizers wait in the machine's own memory
            while they do not compute.
        rollout: Engine that draws the completions.
        rollout_parallel: GPUs that one copy of the engine takes.
        rollout_memory: Share of a GPU's memory for the engine.
        reward_workers: Processes that judge and score. The judges' limits hold for all of them
            together.
        judge: A judge that verl serves; by default the judges answer at the addresses of
            ``judges.endpoints``, and verl does not start them.
        validation: Files of questions that are answered between steps and never learned.
        validate_every: Steps between two validations; 0 never validates.
        flops: Peak of one GPU in operations a second (bfloat16, dense), for the plan's hours.
    """

    algorithm: Literal["ppo", "grpo", "gdpo"] = "grpo"
    nodes: PositiveInt = 1
    gpus: PositiveInt = 1
    gpu_memory: PositiveFloat = 80.0
    mini_batch: PositiveInt | None = None
    critic_learning_rate: PositiveFloat = 2e-6
    gamma: Annotated[float, Field(gt=0, le=1)] = 1.0
    lam: Annotated[float, Field(ge=0, le=1)] = 1.0
    tokens_per_gpu: PositiveInt = 16_384
    offload: bool = False
    rollout: Literal["vllm", "sglang"] = "vllm"
    rollout_parallel: PositiveInt = 1
    rollout_memory: Part = 0.5
    reward_workers: PositiveInt = 8
    judge: VerlJudge | None = None
    validation: Files | None = None
    validate_every: NonNegativeInt = 0
    flops: PositiveFloat = 989e12

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.nodes * self.gpus % self.rollout_parallel:
            raise ValueError(
                f"nodes * gpus ({self.nodes * self.gpus}) has to be a multiple of rollout_parallel"
                f" ({self.rollout_parallel})"
            )
        if self.validate_every and self.validation is None:
            raise ValueError("validate_every needs questions: set validation")
        return self

    @property
    def world(self) -> int:
        """Number of GPUs that train."""
        return self.nodes * self.gpus
