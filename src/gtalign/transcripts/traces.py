"""Rollouts that verifiers saves, read as transcripts.

Its version 1 writes ``traces.jsonl``: a task, the nodes of a conversation, and named rewards with
weights. Earlier ones write ``results.jsonl`` with ``example_id``, ``prompt``, ``completion`` and
``reward``.
"""

from collections.abc import Mapping
from typing import Any, Final

from gtalign.errors import DataError
from gtalign.tasks.content import read_content
from gtalign.tasks.turns import body_of, role_of
from gtalign.transcripts.chats import completion_of
from gtalign.transcripts.given import given_scores, number

BY: Final = "verifiers"


def is_trace(record: Mapping[str, Any]) -> bool:
    """Whether the object of a line is a trace of version 1."""
    return "task" in record and "nodes" in record and "rewards" in record


def is_result(record: Mapping[str, Any]) -> bool:
    """Whether the object of a line is a result of an earlier version."""
    return "example_id" in record and "completion" in record and "reward" in record


def trace_fields(record: Mapping[str, Any], name: str, task: str) -> dict[str, Any]:
    """Return the fields of the transcript of a trace.

    Its question is named by the task's ``key``, ``hash`` or number, so that the rollouts of one
    task are answers to one question. Its score is the reward, the sum of the weighted rewards.

    Args:
        record: The line's object.
        name: Name of the file and number of the line.
        task: The task to give, for a trace names none.

    Raises:
        DataError: A column is of the wrong type; the message names it.
    """
    asked, nodes = record["task"], record["nodes"]
    if not isinstance(asked, Mapping):
        raise DataError("column 'task' has to be an object")
    data = asked["data"] if isinstance(asked.get("data"), Mapping) else asked
    identity = next(
        (v for v in (asked.get("key"), asked.get("hash"), data.get("idx")) if v is not None), None
    )
    turns = _turns(nodes)
    last = max((place for place, (_, sampled) in enumerate(turns) if sampled), default=None)
    prompt = [turn for turn, _ in turns[:last]]
    rewards = record["rewards"]
    if not isinstance(rewards, Mapping):
        raise DataError("column 'rewards' has to be an object")
    parts = {key: _reward(value, f"rewards.{key}") for key, value in rewards.items()}
    known = [value * weight for value, weight in parts.values() if value is not None]
    total = sum(known) if len(known) == len(parts) and parts else None
    agent = record.get("agent")
    config = agent.get("config") if isinstance(agent, Mapping) else None
    return {
        **({} if identity is None else {"id": str(identity)}),
        "task": task,
        "model": _model(config) or _model(agent),
        "prompt": prompt,
        "completion": "" if last is None else turns[last][0]["content"],
        "ground_truth": data.get("answer"),
        "plain": True,
        "tokens": _tokens(record.get("calls")),
        **given_scores(
            {"reward": total, **{key: value for key, (value, _) in parts.items()}},
            BY,
            problem=None if total else _problem(record),
        ),
    }


def result_fields(record: Mapping[str, Any], name: str, task: str) -> dict[str, Any]:
    """Return the fields of the transcript of an earlier version's result; as for `trace_fields`."""
    prompt = _messages(record.get("prompt"), "prompt")
    said = _messages(record["completion"], "completion", role="assistant")
    reward = number(record["reward"])
    metrics = record.get("metrics")
    others = metrics if isinstance(metrics, Mapping) else {}
    return {
        "id": str(record["example_id"]),
        "task": record["task"] if isinstance(record.get("task"), str) else task,
        "prompt": [*prompt, *said[:-1]],
        "completion": said[-1]["content"] if said else "",
        "ground_truth": record.get("answer"),
        "plain": True,
        **given_scores(
            {"reward": reward, **{str(k): number(v) for k, v in others.items()}},
            BY,
            problem=None if reward else _problem(record),
        ),
    }


def _turns(nodes: Any) -> list[tuple[dict[str, str], bool]]:
    """The messages on the way to the last node, each with whether the model wrote it."""
    if not isinstance(nodes, list) or not all(isinstance(node, Mapping) for node in nodes):
        raise DataError("column 'nodes' has to be a list of objects")
    path: list[int] = []
    place = len(nodes) - 1 if nodes else None
    while isinstance(place, int) and 0 <= place < len(nodes) and place not in path:
        path.append(place)
        place = nodes[place].get("parent")
    found = []
    for place in reversed(path):
        (turn,) = _messages([nodes[place].get("message")], f"nodes.{place}.message")
        sampled = nodes[place].get("sampled")
        found.append((turn, turn["role"] == "assistant" if sampled is None else bool(sampled)))
    return found


def _messages(given: Any, name: str, role: str = "user") -> list[dict[str, str]]:
    if given is None:
        return []
    if isinstance(given, str):
        return [{"role": role, "content": given}]
    if not isinstance(given, list):
        raise DataError(f"column {name!r} has to be text or a list of messages")
    found = []
    for message in given:
        author = role_of(message) if isinstance(message, Mapping) else None
        if author is None:
            raise DataError(f"column {name!r}: each message has to have a text 'role'")
        try:
            read = read_content(body_of(message))
        except DataError as error:
            raise DataError(f"column {name!r}: a message {error}") from None
        content = completion_of(read) if author == "assistant" else read.said
        found.append({"role": author, "content": content})
    return found


def _reward(given: Any, name: str) -> tuple[float | None, float]:
    """A reward and its weight."""
    if not isinstance(given, Mapping):
        return number(given), 1.0
    weight = number(given.get("weight", 1.0))
    if weight is None:
        raise DataError(f"column '{name}.weight' has to be a number")
    return number(given.get("score")), weight


def _model(given: Any) -> str | None:
    name = given.get("model") if isinstance(given, Mapping) else None
    return name if isinstance(name, str) else None


def _tokens(calls: Any) -> dict[str, int]:
    used = [call.get("usage") for call in calls or () if isinstance(call, Mapping)]
    counts = [number(u.get("completion_tokens")) for u in used if isinstance(u, Mapping)]
    known = [int(count) for count in counts if count is not None]
    return {"response": sum(known), "total": sum(known)} if known else {}


def _problem(record: Mapping[str, Any]) -> str | None:
    """Say why a rollout failed; None if it did not. verifiers gives a failed one the reward 0."""
    errors = record.get("errors")
    error = errors[-1] if isinstance(errors, list) and errors else record.get("error")
    if not error:
        return None
    if not isinstance(error, Mapping):
        return f"{BY}: {error}"
    named = error.get("type") or error.get("error")
    said = ": ".join(str(part) for part in (named, error.get("message")) if part)
    return f"{BY}: {said or dict(error)}"
