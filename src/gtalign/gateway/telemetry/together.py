"""The numbers of several workers as those of one gateway: each leaves its own for the others."""

import asyncio
import logging
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Final

import orjson

from gtalign.files.replace import replacing
from gtalign.gateway.telemetry.metrics import Counter, Gauge, Histogram, Metrics

log = logging.getLogger(__name__)

SECONDS: Final = 1.0
"""Seconds after which a worker leaves its numbers anew."""

ENDED: Final = ".ended"
"""How the files of workers end that have ended; what they have counted stays counted."""


def leave(metrics: Metrics, file: Path) -> None:
    """Leave numbers in a file; a reader sees all of them, or all of those before."""
    found: dict[str, Any] = {}
    for metric in metrics.all():
        if isinstance(metric, Histogram):
            found[metric.name] = [metric.counts, metric.total]
        else:
            found[metric.name] = [[*item] for item in metric.values.items()]
    with replacing(file, durable=False) as beside:  # no worker outlives a power cut
        beside.write_bytes(orjson.dumps(found))


async def keep_leaving(metrics: Callable[[], Metrics], file: Path) -> None:
    """Leave the numbers of a worker every second, until cancelled."""
    while True:
        try:
            leave(metrics(), file)
        except OSError as error:  # a full disk, perhaps
            log.warning("the other workers cannot see the metrics of this one: %s", error)
        await asyncio.sleep(SECONDS)


def together(own: Metrics, files: Iterable[Path]) -> Metrics:
    """The numbers of a worker and of the others.

    Args:
        own: Those of this one.
        files: Where the others have left theirs.
    """
    found = Metrics()
    sources: list[tuple[dict[str, Any], bool]] = []
    for file in files:
        try:
            sources.append((orjson.loads(file.read_bytes()), file.suffix == ENDED))
        except (OSError, orjson.JSONDecodeError):  # it has just ended
            continue
    for mine, metric in zip(own.all(), found.all(), strict=True):
        if isinstance(mine, Histogram) and isinstance(metric, Histogram):
            metric.add_all(mine.counts, mine.total)
            for numbers, _ in sources:
                metric.add_all(*numbers[metric.name])
        elif isinstance(mine, Counter) and isinstance(metric, Counter):
            metric.values = dict(mine.values)
            for numbers, over in sources:
                if not (over and isinstance(metric, Gauge)):  # what is gone has no state
                    metric.merge((tuple(labels), n) for labels, n in numbers[metric.name])
    return found
