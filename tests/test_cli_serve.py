"""``gtalign serve`` with a real model in its process, as a user starts it."""

import asyncio
import re
import signal
from pathlib import Path
from typing import Any

import openai
import pytest

from forked import COMMAND, Forked
from gateway_parts import COSTLY, scripted
from gtalign.cli import main
from gtalign.cli.show.served import show_ready
from gtalign.gateway import program
from gtalign.gateway.served import Models
from gtalign.gateway.settings import GatewayConfig
from gtalign.gateway.upstream import Upstream
from gtalign.steering import SteeringSettings
from small_lab import small_model, small_tokenizer

pytestmark = pytest.mark.early


async def test_a_checkpoint_is_served_with_decisions_to_look_at(tmp_path: Path) -> None:
    tokenizer = small_tokenizer()
    small_model(tokenizer).save_pretrained(tmp_path / "model")
    tokenizer.save_pretrained(tmp_path / "model")
    (tmp_path / "costly.toml").write_text(COSTLY)

    command = (
        *("serve", str(tmp_path / "model"), "--bare"),
        *("--policy", str(tmp_path / "costly.toml"), "--policy", "free", "--port", "0"),
        *("--database", str(tmp_path / "audit.db"), "--key", "root", "--demo", "2"),
        *("--set", "limits.max_tokens=12", "--set", "upstream.name=lab"),
    )
    process = await asyncio.to_thread(Forked, COMMAND, *command)
    try:
        secret = (await process.readline()).strip()
        assert re.fullmatch(r"gta-[\w-]{43}", secret)
        address = None
        while line := await process.readline(error=True):
            found = re.search(r"gateway at (\S+), model (\w+)", line)
            if found:
                address = found[1]
            if "decisions are on record" in line:
                break
        assert address is not None
        url = f"{address}/v1"
        async with openai.AsyncOpenAI(base_url=url, api_key=secret, max_retries=0) as client:
            messages: Any = [{"role": "user", "content": "Which?"}]
            answer = await client.chat.completions.create(model="lab:free", messages=messages)
            assert answer.choices[0].finish_reason == "length"
            assert answer.usage is not None and answer.usage.completion_tokens <= 12
            with pytest.raises(openai.BadRequestError, match="does not know presence_penalty"):
                await client.chat.completions.create(
                    model="lab", messages=messages, presence_penalty=1
                )
            for _ in range(500):  # the record of what was refused is written a little later
                page: Any = await client.get("/../admin/decisions", cast_to=object)
                if len(page["data"]) == 2 * 2 + 2:
                    break
            else:
                pytest.fail(f"{len(page['data'])} decisions are on record")
            assert {record["model"] for record in page["data"]} == {"lab"}  # as clients call it
        process.send_signal(signal.SIGTERM)
        _, rest = await process.communicate()
        assert secret.encode() not in rest and b"Traceback" not in rest
        again = await asyncio.to_thread(Forked, COMMAND, *command)  # it would make another key
        written, told = await again.communicate()
        assert (again.returncode, written) == (2, b"")
        assert b"--key: there is a key 'root' already" in told and b"Traceback" not in told
    finally:
        process.kill()


@pytest.mark.parametrize(
    ("steering", "told"),
    [
        ({"mode": "observe"}, True),
        ({"mode": "observe", "instruct": "examples"}, True),
        ({"mode": "observe", "shadow": 0.2}, False),
        ({"mode": "observe", "instruct": "none"}, False),
        ({"mode": "observe", "instruct": "full"}, False),
        ({"mode": "advise"}, False),
        ({"mode": "enforce"}, False),
    ],
)
def test_who_would_see_no_matrix_is_told_how_to(
    steering: dict[str, Any], told: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    models = Models.of_one(Upstream(scripted(), "toy", "toy-1"))
    show_ready(
        SteeringSettings(**steering), models, "http://127.0.0.1:8400", "http://127.0.0.1:8400"
    )
    written = capsys.readouterr().err
    assert "http://127.0.0.1:8400/dashboard" in written
    assert ("--set steering.shadow=0.1" in written) == told


def test_what_cannot_be_served_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    database = ["--database", str(tmp_path / "a.db")]
    assert main(["serve", str(tmp_path), *database]) == 2
    assert "no checkpoint" in capsys.readouterr().err
    assert main(["serve"]) == 2
    error = capsys.readouterr().err
    assert all(way in error for way in ("MODEL_OR_URL", "--config", "--set upstream.address="))
    for wrong, named in (("fre", "did you mean 'free'"), (str(tmp_path / "x.toml"), "x.toml")):
        # There is no server at the address, and it is not asked.
        assert main(["serve", "http://127.0.0.1:9/v1", "--policy", wrong, *database]) == 2
        assert named in capsys.readouterr().err
    assert main(["serve", "http://127.0.0.1:9/v1", "--port", "70000"]) == 2
    assert "--port: port: input should be less" in capsys.readouterr().err


def test_options_are_settings_of_the_gateway(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    held: list[tuple[GatewayConfig, dict[str, Any]]] = []

    def run_gateway(config: GatewayConfig, ready: Any, **named: Any) -> int:
        held.append((config, named))
        return 3

    monkeypatch.setattr(program, "run_gateway", run_gateway)
    options = (
        *("--host", "0.0.0.0", "--port", "8411", "--root-path", "/llm", "--workers", "2"),
        *("--database", "postgresql://h/db", "--game", "coding", "--bare", "--key", "root"),
        *("--policy", "free", "--policy", "per-token", "--set", "admin.port=8412"),
    )
    assert main(["serve", "http://127.0.0.1:9/v1", *options]) == 3, "the code of the program"
    ((config, named),) = held
    assert (config.host, config.port, config.root_path, config.workers) == (
        *("0.0.0.0", 8411),
        *("/llm", 2),
    )
    assert config.audit.database == "postgresql://h/db"
    assert config.upstream is not None and str(config.upstream.game).endswith("coding")
    assert config.steering.instruct == "none"
    assert [str(policy) for policy in config.policies] == ["free", "per-token"]
    assert (named["key"], named["beside"]) == ("root", None)
    assert named["read"]() == config, "SIGHUP reads the same again"
    assert main(["serve", "http://127.0.0.1:9/v1", "--demo", "1"]) == 3
    assert held[1][1]["beside"] is not None


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--workers", "0"], "--workers"),
        (["--workers", "2"], "PostgreSQL"),
        (["--root-path", "llm"], "--root-path"),
        (["--game", "codin"], "did you mean 'coding'"),
        (["--demo", "-1"], "--demo"),
        (["--set", "audit.text=true"], "audit.texts"),
        (["--config", "absent.toml"], "absent.toml"),
    ],
)
def test_a_wrong_option_is_one_clear_line(
    options: list[str], told: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    database = ["--database", str(tmp_path / "a.db")]
    assert main(["serve", "http://127.0.0.1:9/v1", *database, *options]) == 2
    error = capsys.readouterr().err
    assert told in error and error.count("\n") == 1
    assert not (tmp_path / "a.db").exists()
