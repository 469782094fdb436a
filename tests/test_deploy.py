"""The files of `deploy/` agree with each other and with the gateway's settings."""

import re
import tomllib
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest
import yaml

from gtalign.config import load_table
from gtalign.gateway.settings import GatewayConfig, LimitSettings, TimeoutSettings
from gtalign.gateway.store.database import CONNECTIONS
from gtalign.gateway.workers import check_workers

DEPLOY = Path(__file__).parents[1] / "deploy"
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
