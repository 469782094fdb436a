"""The engine: connects to a cluster, or starts one on this machine, and does work there."""

import os
import uuid
from collections.abc import AsyncGenerator
from contextlib import AbstractContextManager, ExitStack, asynccontextmanager
from typing import Any, Final, Self

from gtalign.endpoints.cache import Cache
from gtalign.endpoints.engine import Item, Recipe, Result, Work
from gtalign.endpoints.opening import Failure, opening
from gtalign.endpoints.settings import EndpointSettings
from gtalign.errors import ConfigError
from gtalign.integrations.ray.desk import Desk, DeskCalls, DeskEndpoint
from gtalign.integrations.ray.pool import Pool

_CALLS: Final = 100_000  # of the desk under way at once; the judges' own limits are lower
_STORE_BYTES: Final = 200 << 20  # of a cluster on this machine: items and results are small


class RayEngine(AbstractContextManager["RayEngine"]):
    """Does the work of runs on a Ray cluster.

    It connects to the cluster that ``RAY_ADDRESS`` names; without it, it starts one on this machine
    and stops it at the end. Every machine of the cluster needs this version of the package, and the
    files that a run names (tokenizers, policies, recorded users) under the same paths. Questions,
    answers and the cache of replies stay on the machine of this process.

    Args:
        processes: Number of workers, each with one CPU; by default one for each CPU.

    Attributes:
        processes: Number of workers; 0 before the cluster is there.

    Raises:
        ConfigError: The cluster cannot be reached, or has fewer CPUs.
    """

    def __init__(self, processes: int | None = None) -> None:
        self.processes = 0
        self._wanted = processes
        self._stack = ExitStack()
        self._desk: Any = None
        self._name = ""

    def __enter__(self) -> Self:
        # Ray tells its makers how it is used, unless it is told not to, before it is imported.
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        # It also starts idle workers in advance, which a busy machine cannot bear.
        os.environ.setdefault("RAY_enable_worker_prestart", "0")
        os.environ.setdefault("RAY_prestart_worker_first_driver", "0")
        import ray
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        own = not ray.is_initialized()
        if own:
            _connect(self._wanted)
            self._stack.callback(ray.shutdown)
        there = int(ray.cluster_resources().get("CPU", 0))
        self.processes = self._wanted or max(1, there)
        if self._wanted is not None and self._wanted > there:
            self._stack.close()
            raise ConfigError(
                f"--processes {self._wanted}: the Ray cluster has {there} CPUs, and each process"
                " takes one"
            )
        here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
        # Workers know it by its name: Ray could not start one again whose arguments hold a handle.
        self._name = f"gtalign-desk-{uuid.uuid4()}"
        self._desk = (
            ray.remote(Desk)
            .options(name=self._name, num_cpus=0, scheduling_strategy=here, max_concurrency=_CALLS)
            .remote()
        )
        self._stack.callback(ray.kill, self._desk)
        self._stack.callback(lambda: ray.get(self._desk.aclose.remote()))
        self._stack.enter_context(opening(self._open_endpoint))
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    @asynccontextmanager
    async def open(self, recipe: Recipe[Item, Result]) -> AsyncGenerator[Work[Item, Result], None]:
        """Yield the work, done by the workers; see `gtalign.endpoints.engine.Engine`."""
        async with Pool(recipe, self._name, self.processes) as pool:
            yield pool.work

    def _open_endpoint(
        self, settings: EndpointSettings, cache: Cache | None, failure: Failure, source: str
    ) -> DeskEndpoint:
        if settings.key_env is not None and (key := os.environ.get(settings.key_env)):
            # As an argument of a call: what an actor is made with, the cluster's pages show.
            self._desk.lend.remote(settings.key_env, key)
        return DeskEndpoint(DeskCalls(self._desk), settings, cache, failure, source)


def _connect(processes: int | None) -> None:
    import ray

    options: dict[str, Any] = {"configure_logging": True, "logging_level": "ERROR"}
    if not os.environ.get("RAY_ADDRESS"):
        options |= {
            "address": "local",
            "num_cpus": processes,
            "include_dashboard": False,
            "object_store_memory": _STORE_BYTES,
        }
    try:
        try:
            ray.init(**options)
        except Exception:  # on a busy machine it gives up after half a minute; it raises bare ones
            ray.shutdown()
            ray.init(**options)
    except Exception as error:
        address = os.environ.get("RAY_ADDRESS", "this machine")
        raise ConfigError(f"no Ray cluster at {address}: {error}") from error
