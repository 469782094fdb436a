"""The files of `deploy/` agree with each other and with the gateway's settings."""

import json
import re
import shlex
import shutil
import subprocess
import tomllib
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest
import yaml

from gtalign.cli import load
from gtalign.config import load_table
from gtalign.gateway.settings import GatewayConfig, LimitSettings, TimeoutSettings
from gtalign.gateway.store.database import CONNECTIONS
from gtalign.gateway.workers import check_workers

DEPLOY = Path(__file__).parents[1] / "deploy"
ROOT = DEPLOY.parent
DOCS = Path(__file__).parents[1] / "docs"
COMPOSE = yaml.safe_load((DEPLOY / "compose" / "compose.yaml").read_text())
MANIFESTS = [
    manifest
    for file in ("gateway.yaml", "autoscaling.yaml", "once/first-key.yaml")
    for manifest in yaml.safe_load_all((DEPLOY / "kubernetes" / file).read_text())
]


def manifest(kind: str) -> Any:
    return next(one for one in MANIFESTS if one["kind"] == kind)


def config(text: str) -> GatewayConfig:
    found = load_table(GatewayConfig, tomllib.loads(text), "gateway.toml")
    check_workers(found)
    return found


SETTINGS = {
    "compose": config((DEPLOY / "compose" / "gateway.toml").read_text()),
    "kubernetes": config(manifest("ConfigMap")["data"]["gateway.toml"]),
}


@pytest.mark.parametrize("settings", SETTINGS.values(), ids=SETTINGS)
def test_the_settings_are_those_of_several_gateways(settings: GatewayConfig) -> None:
    assert settings.workers == 2 and settings.audit.database.startswith("postgresql")
    assert len(settings.models["assistant"].engines) == 2 and settings.proxies


def test_compose_and_its_nginx_name_the_same_things() -> None:
    services = COMPOSE["services"]
    settings = SETTINGS["compose"]
    nginx = (DEPLOY / "compose" / "nginx.conf").read_text()
    upstreams = dict(re.findall(r"server (\S+):(\d+) max_fails=0;", nginx))
    assert upstreams == {"gateway-1": str(settings.port), "gateway-2": str(settings.port)}
    for engine in settings.models["assistant"].engines:
        assert re.sub(r"http://(.+):8000/v1", r"\1", engine.address) in services
    [subnet] = COMPOSE["networks"]["default"]["ipam"]["config"]
    assert [ip_network(proxy) for proxy in settings.proxies] == [ip_network(subnet["subnet"])]
    for name in upstreams:
        grace = int(services[name]["stop_grace_period"].removesuffix("s"))
        assert grace > settings.timeouts.drain
    assert int(re.findall(r"proxy_read_timeout (\d+)s", nginx)[0]) > settings.timeouts.total


def test_a_pod_drains_before_it_is_killed() -> None:
    pod = manifest("Deployment")["spec"]["template"]["spec"]
    [gateway] = pod["containers"]
    pause = gateway["lifecycle"]["preStop"]["sleep"]["seconds"]
    drain = SETTINGS["kubernetes"].timeouts.drain
    assert pod["terminationGracePeriodSeconds"] > pause + drain
    ready = gateway["readinessProbe"]
    assert ready["httpGet"]["path"] == "/readyz"
    # By then, whoever looks at the readiness has seen that it ends.
    assert pause > ready["periodSeconds"] * ready["failureThreshold"]
    ports = {port["name"]: port["containerPort"] for port in gateway["ports"]}
    assert ports == {"http": SETTINGS["kubernetes"].port, "admin": 8401}


def test_autoscaling_asks_for_less_than_pods_let_in() -> None:
    [metric] = manifest("HorizontalPodAutoscaler")["spec"]["metrics"]
    assert metric["pods"]["metric"]["name"] == "gtalign_requests_running"
    settings = SETTINGS["kubernetes"]
    most = settings.workers * settings.limits.total_concurrency
    assert int(metric["pods"]["target"]["averageValue"]) < most


SUPERUSERS = 3  # connections that PostgreSQL keeps for them, of 100, by default


def test_postgresql_takes_the_connections_of_all_pods() -> None:
    scaled = manifest("HorizontalPodAutoscaler")["spec"]["maxReplicas"]
    surge = manifest("Deployment")["spec"]["strategy"]["rollingUpdate"]["maxSurge"]
    workers = (scaled + surge) * SETTINGS["kubernetes"].workers
    needed = workers * CONNECTIONS
    text = (DEPLOY / "kubernetes" / "autoscaling.yaml").read_text()
    [most] = map(int, re.findall(r"max_connections = (\d+)", text))
    assert needed + SUPERUSERS <= most
    assert f"{CONNECTIONS} for each worker of {scaled} pods" in text
    page = " ".join((DOCS / "scale.md").read_text().split())
    assert f"{workers} workers, {needed} connections, `max_connections = {most}`" in page
    enough = (100 - SUPERUSERS) // CONNECTIONS
    assert f"enough for {enough} workers at all times ({enough * CONNECTIONS} connections)" in page


def test_postgresql_of_the_compose_file_takes_both_gateways() -> None:
    gateways = [name for name in COMPOSE["services"] if name.startswith("gateway")]
    workers = len(gateways) * SETTINGS["compose"].workers
    assert workers * CONNECTIONS <= 100 - SUPERUSERS


SIZES = {"": 1, "k": 1024, "m": 1024**2}


def size(pattern: str, text: str) -> int:
    """The one size that a configuration of nginx gives, in bytes."""
    [(number, unit)] = re.findall(pattern + r" (\d+)([km]?);", text)
    return int(number) * SIZES[unit]


@pytest.mark.parametrize("name", ["nginx.conf", "compose/nginx.conf"])
def test_nginx_lets_through_what_a_gateway_takes(name: str) -> None:
    text, limits = (DEPLOY / name).read_text(), LimitSettings()
    largest = max(limits.upload_bytes, limits.body_bytes)
    assert size("client_max_body_size", text) == largest
    assert size(r"large_client_header_buffers \d", text) >= limits.head_bytes
    [seconds] = re.findall(r"proxy_read_timeout (\d+)s;", text)
    assert int(seconds) > TimeoutSettings().total
    assert text.count("location") == text.count("proxy_pass http://gtalign;")


def test_the_documentation_and_the_manifests_say_the_same_of_a_proxy() -> None:
    limits, total = LimitSettings(), TimeoutSettings().total
    serve = (DOCS / "how-to" / "serve.md").read_text()
    assert size("client_max_body_size", serve) == limits.upload_bytes
    [body] = re.findall(
        r"proxy-body-size: (\d+)m", (DEPLOY / "kubernetes/gateway.yaml").read_text()
    )
    assert int(body) * 1024**2 == limits.upload_bytes
    [read] = re.findall(r'read-timeout: "(\d+)"', (DEPLOY / "kubernetes/gateway.yaml").read_text())
    assert int(read) > total


def test_the_documentation_gives_the_time_to_stop_that_the_files_give() -> None:
    page = (DOCS / "how-to" / "run-in-production.md").read_text()
    pod = manifest("Deployment")["spec"]["template"]["spec"]["terminationGracePeriodSeconds"]
    [unit] = re.findall(r"TimeoutStopSec=(\d+)", (DEPLOY / "gtalign.service").read_text())
    [image] = re.findall(r"docker stop --time (\d+)", (DEPLOY / "Containerfile").read_text())
    assert f"terminationGracePeriodSeconds: {pod}`" in page
    assert f"systemd {unit} seconds" in page and f"`docker stop --time {image}`" in page
    assert unit == image and int(unit) > TimeoutSettings().drain


IMAGE = (DEPLOY / "Containerfile").read_text()
UNIT = (DEPLOY / "gtalign.service").read_text()


def steps(name: str) -> list[str]:
    """What follows an instruction of the Containerfile, each time that it is there."""
    lines = re.sub(r"\\\n\s*", "", IMAGE).splitlines()
    return [line.partition(" ")[2] for line in lines if line.startswith(name + " ")]


def entry() -> list[str]:
    [words] = steps("ENTRYPOINT")
    found: list[str] = json.loads(words)
    return found


def started(file: str) -> list[list[str]]:
    """The commands that start the gateway in a file of `deploy/`, its comments included."""
    if file == "gtalign.service":
        return [shlex.split(words) for words in re.findall(r"^ExecStart=(.*)$", UNIT, re.M)]
    if file == "Containerfile":
        [option] = re.findall(r"add `(.+)` at the end", IMAGE)
        return [entry(), [*entry(), *shlex.split(option)]]
    if file == "compose.yaml":
        text = (DEPLOY / "compose" / file).read_text()
        return [
            [*entry(), *shlex.split(words)]
            for words in re.findall(r"run --rm gateway-1 (.+?)  +#", text)
        ]
    [pod] = manifest("Pod")["spec"]["containers"]
    return [[*entry(), *pod["args"]]]


@pytest.mark.parametrize("file", ["gtalign.service", "Containerfile", "compose.yaml", "pod"])
def test_the_command_line_takes_what_the_files_give_it(file: str, tmp_path: Path) -> None:
    config = tmp_path / "gateway.toml"
    config.write_text('[upstream]\naddress = "http://127.0.0.1:8000/v1"\n')
    commands = started(file)
    assert commands
    for program, name, *options in commands:
        assert Path(program).name == "gtalign"
        assert "/etc/gtalign/gateway.toml" in options
        given = [str(config) if word == "/etc/gtalign/gateway.toml" else word for word in options]
        parsed = load(name).make_context(name, given).params  # an unknown option raises
        assert parsed["config"] == config


def test_the_image_gets_all_that_the_package_is_made_of() -> None:
    copied = {word for line in steps("COPY") for word in line.split()[:-1]}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert {"pyproject.toml", "src", project["readme"], *project["license-files"]} == copied
    assert all((ROOT / name).exists() for name in copied)
    [install] = [line for line in steps("RUN") if "pip install" in line]
    extras = re.findall(r'"\.\[(.+)\]"', install)[0].split(",")
    assert set(extras) <= set(project["optional-dependencies"])
    assert {"serve", "postgres", "oidc", "otel"} == set(extras)  # all that the gateway can use
    [base] = re.findall(r"python:(3\.\d+)", IMAGE)
    assert f"Programming Language :: Python :: {base}" in project["classifiers"]


def test_the_image_answers_where_it_says_and_runs_without_rights() -> None:
    default = load_table(GatewayConfig, {"upstream": {"address": "x"}}, "test")
    assert steps("EXPOSE") == [str(default.port)]
    [check] = steps("HEALTHCHECK")
    assert f"127.0.0.1:{default.port}/readyz" in check
    compile(json.loads(check[check.index("[") :])[-1], "HEALTHCHECK", "exec")
    [user], [made] = steps("USER"), [line for line in steps("RUN") if "useradd" in line]
    assert made.endswith(user) and steps("VOLUME") == steps("WORKDIR")[-1:]
    assert f"{steps('VOLUME')[0]}/gtalign.db" in IMAGE  # the user may write there


def test_systemd_takes_its_unit(tmp_path: Path) -> None:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("no systemd here")
    unit = tmp_path / "gtalign.service"
    verify = ["systemd-analyze", "verify", "--man=no", str(unit)]
    unit.write_text(UNIT.replace("/opt/gtalign/bin/gtalign", "/bin/true"))
    found = subprocess.run(verify, capture_output=True, text=True)
    assert (found.returncode, found.stderr) == (0, "")
    unit.write_text(unit.read_text().replace("KillMode=mixed", "KilMode=mixed"))
    assert "KilMode" in subprocess.run(verify, capture_output=True, text=True).stderr


def test_the_unit_may_write_where_its_database_is() -> None:
    [folder] = re.findall(r"^WorkingDirectory=(.+)$", UNIT, re.M)
    [state] = re.findall(r"^StateDirectory=(.+)$", UNIT, re.M)
    assert folder == f"/var/lib/{state}" and 'audit.database = "gtalign.db"' in UNIT
