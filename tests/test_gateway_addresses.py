"""Addresses as clients, proxies and browsers write them."""

import re
from pathlib import Path
from typing import Any

import openai
import pytest

import gtalign.gateway
from gateway_parts import MESSAGES, served
from gtalign.config import load_table
from gtalign.errors import ConfigError
from gtalign.gateway.http.addresses import plain_path
from gtalign.gateway.program import load_gateway
from gtalign.gateway.settings import GatewayConfig
from standins import model

CHAT: Any = {"model": "toy", "messages": MESSAGES}
PAGE = "https://app.example"
NAMED = {
    name
    for file in Path(gtalign.gateway.__path__[0]).rglob("*.py")
    for name in re.findall(r'"(x-gtalign-[a-z-]*[a-z])"', file.read_text().lower())
}
"""The headers that the gateway writes or reads."""
ASKED = {"x-gtalign-show"}
"""Those of a request alone."""


@pytest.mark.parametrize(
    "path",
    [
        *("/v1/chat/completions/", "//v1/chat/completions", "/v1//chat///completions//"),
        *("/chat/completions", "/chat/completions/", "/v1/v1/chat/completions"),
        "/v1/v1/v1/chat/completions",
    ],
)
async def test_a_slip_in_an_address_is_no_error(tmp_path: Path, path: str) -> None:
    async with served(tmp_path) as gateway:
        status, _, body = await gateway.post(CHAT, path)
        assert status == 200
        assert body["choices"][0]["message"]["content"] == model.RESPONSES["DA"]


@pytest.mark.parametrize("base", ["", "/", "/v1/", "/v1/v1"])
async def test_the_real_client_with_another_base(tmp_path: Path, base: str) -> None:
    async with (
        served(tmp_path) as gateway,
        openai.AsyncOpenAI(base_url=gateway.address + base, api_key="none") as client,
    ):
        answer = await client.chat.completions.create(model="toy", messages=MESSAGES)
        assert answer.choices[0].message.content == model.RESPONSES["DA"]
        assert (await client.models.retrieve("toy")).id == "toy"


async def test_messages_show_what_was_asked_for(tmp_path: Path) -> None:
    async with served(tmp_path) as gateway:
        for path in ("/v1/decisions/abc", "/admin/policies/costly", "/v1/models/toy"):
            async with gateway.http.patch(gateway.address + path) as answer:
                told = (await answer.json())["error"]["message"]
                assert answer.status == 405 and path in told and "{" not in told


async def test_head_and_options(tmp_path: Path) -> None:
    async with served(tmp_path) as gateway:
        for path in ("/v1/models", "/models/", "/healthz", "/admin/policies", "/metrics"):
            async with gateway.http.get(gateway.address + path) as answer:
                size = str(len(await answer.read()))
            async with gateway.http.head(gateway.address + path) as answer:
                assert (answer.status, await answer.read()) == (200, b"")
                assert answer.headers["content-length"] == size or path == "/metrics"
        for path, known in (
            ("/v1/chat/completions", "POST, OPTIONS"),
            ("/v1/models", "GET, HEAD, OPTIONS"),
            ("/admin/keys", "GET, POST, HEAD, OPTIONS"),
        ):
            async with gateway.http.options(gateway.address + path) as answer:
                assert (answer.status, answer.headers["allow"]) == (204, known)
                assert "access-control-allow-origin" not in answer.headers


async def preflight(gateway: Any, path: str, origin: str) -> Any:
    headers = {
        "Origin": origin,
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization, content-type",
    }
    async with gateway.http.options(gateway.address + path, headers=headers) as answer:
        return answer.status, answer.headers


async def test_pages_elsewhere_may_ask_where_they_are_named(tmp_path: Path) -> None:
    async with served(tmp_path, cors=[PAGE]) as gateway:
        status, headers = await preflight(gateway, "/v1/chat/completions", PAGE)
        assert (status, headers["access-control-allow-origin"]) == (200, PAGE)
        assert "authorization" in headers["access-control-allow-headers"]
        assert "access-control-allow-credentials" not in headers
        status, headers, _ = await gateway.post(CHAT, Origin=PAGE)
        assert (status, headers["access-control-allow-origin"]) == (200, PAGE)
        assert "X-GTAlign-Decision" in headers["access-control-expose-headers"]
        status, headers, _ = await gateway.post({"model": "toy"}, Origin=PAGE)
        assert (status, headers["access-control-allow-origin"]) == (400, PAGE)
        for path, origin in (
            ("/v1/chat/completions", "https://evil.example"),
            ("/v1/chat/completions", "http://app.example"),
            ("/admin/keys", PAGE),
            ("/dashboard", PAGE),
        ):
            status, headers = await preflight(gateway, path, origin)
            assert "access-control-allow-origin" not in headers
        status, headers, _ = await gateway.post(CHAT, Origin="https://evil.example")
        assert status == 403 and "access-control-allow-origin" not in headers
        status, headers, _ = await gateway.post(CHAT, Origin=PAGE, Host="evil.example")
        assert status == 403
        for method in ("PUT", "PATCH", "DELETE", "GET", "POST"):
            headers = {"Origin": PAGE, "Access-Control-Request-Method": method}
            asked = gateway.http.options(f"{gateway.address}/v1/embeddings", headers=headers)
            async with asked as answer:
                assert answer.status == 200, method
        for path, body in (("chat/completions", {"messages": MESSAGES}), ("nothing", {})):
            headers = {"Origin": PAGE}
            asked = gateway.http.post(f"{gateway.address}/v1/{path}", json=body, headers=headers)
            async with asked as answer:
                told = answer.headers["access-control-expose-headers"].lower().split(", ")
                assert {name.lower() for name in answer.headers if "gtalign" in name} <= set(told)
                assert set(told) >= NAMED - ASKED


async def test_all_pages_may_ask_a_gateway_with_keys_alone(tmp_path: Path) -> None:
    async with served(tmp_path, cors=["*"]) as gateway:
        assert (await gateway.post(CHAT, Origin=PAGE))[0] == 403
        _, key = await gateway.key()
        status, headers, _ = await gateway.post(CHAT, Origin=PAGE, Authorization=f"Bearer {key}")
        assert (status, headers["access-control-allow-origin"]) == (200, "*")
        assert (await gateway.post(CHAT, Origin=PAGE))[0] == 401


async def test_by_default_no_page_elsewhere_is_told_that_it_may(tmp_path: Path) -> None:
    async with served(tmp_path) as gateway:
        _, headers = await preflight(gateway, "/v1/chat/completions", PAGE)
        assert not [name for name in headers if name.lower().startswith("access-control")]


LINKS = re.compile(r'(?:href|src|action|hx-get|hx-post|data-answer|data-decisions)="(/[^"]*)"')


@pytest.mark.parametrize("sent", ["/ab/llm", ""], ids=["left on", "cut off"])
async def test_a_gateway_under_a_path(tmp_path: Path, sent: str) -> None:
    async with served(tmp_path, root_path="/ab/llm") as gateway:
        status, _, body = await gateway.post(CHAT, f"{sent}/v1/chat/completions")
        assert status == 200
        assert (await gateway.get(f"{sent}/healthz"))[0] == 200
        assert (await gateway.get(f"{sent}/ab/llmx/healthz"))[0] == 404
        pages = ["", "/decisions", "/policies", "/policies/+new", "/keys", "/playground"]
        pages += ["/what-if", f"/decisions/{body['id']}", "/sign-in", "/policies/costly", "/x"]
        for page in pages:
            async with gateway.http.get(f"{gateway.address}{sent}/dashboard{page}") as answer:
                links = LINKS.findall(await answer.text())
            assert len(links) > 5, page
            assert [link for link in links if not link.startswith("/ab/llm/dashboard")] == []
        for link in set(links):
            path = link if sent else link.removeprefix("/ab/llm")
            async with gateway.http.get(gateway.address + path) as answer:
                assert answer.status == 200
        browser = {"Accept": "text/html"}
        url = f"{gateway.address}{sent}/"
        async with gateway.http.get(url, headers=browser, allow_redirects=False) as answer:
            assert answer.headers["location"] == "/ab/llm/dashboard"
        _, key = await gateway.key()
        url = f"{gateway.address}{sent}/dashboard/keys"
        async with gateway.http.get(url, allow_redirects=False) as answer:
            assert answer.headers["location"] == "/ab/llm/dashboard/sign-in?next=%2Fkeys"
        async with gateway.http.get(f"{gateway.address}{sent}/dashboard/sign-in") as answer:
            cookie = answer.headers["set-cookie"]
            found = re.search('name="csrf" value="([0-9a-f]+)"', await answer.text())
        assert "Path=/ab/llm;" in cookie + ";" and found is not None
        form = {"csrf": found[1], "key": key, "next": "/keys"}
        visitor = {"Cookie": cookie.partition(";")[0]}
        url = f"{gateway.address}{sent}/dashboard/sign-in"
        async with gateway.http.post(
            url, data=form, headers=visitor, allow_redirects=False
        ) as answer:
            assert (answer.status, answer.headers["location"]) == (303, "/ab/llm/dashboard/keys")
            assert "Path=/ab/llm" in answer.headers["set-cookie"]


@pytest.mark.parametrize(
    ("path", "root", "plain"),
    [
        ("/", "", "/"),
        ("", "", "/"),
        ("//", "", "/"),
        ("/llm", "/llm", "/"),
        ("/llm/", "/llm", "/"),
        ("//llm//v1/models", "/llm", "/v1/models"),
        ("/llm/models", "/llm", "/v1/models"),
        ("/llmx/models", "/llm", "/llmx/models"),
        ("/v1", "", "/v1"),
        ("/v1/v1", "", "/v1/v1"),
        ("/modelsx", "", "/modelsx"),
        ("/completions", "", "/v1/completions"),
        ("/embeddings/", "", "/v1/embeddings"),
        ("/dashboard/", "", "/dashboard"),
        ("/v1/models/org/name", "", "/v1/models/org/name"),
    ],
)
def test_a_path_as_the_application_knows_it(path: str, root: str, plain: str) -> None:
    assert plain_path(path, root) == plain


@pytest.mark.parametrize(
    "wrong",
    [
        *({"root_path": "llm"}, {"root_path": "/llm/"}, {"root_path": "/a b"}, {"root_path": "//"}),
        *({"root_path": "/../x"}, {"root_path": "/a/."}, {"root_path": "/a/../b"}),
        *({"passes": ["/v1/../x"]}, {"passes": ["/."]}, {"passes": ["/v1/./*"]}),
        *({"cors": ["app.example"]}, {"cors": ["https://a.example/"]}, {"cors": ["null"]}),
    ],
)
def test_wrong_settings_are_named(wrong: Any) -> None:
    with pytest.raises(ConfigError, match=next(iter(wrong))):
        load_table(GatewayConfig, {"upstream": {"address": "x"}, **wrong}, "test")


@pytest.mark.parametrize("right", ["/..x", "/a..b/...", "/.well-known"])
def test_dots_in_a_name_are_no_steps(right: str) -> None:
    wanted = {"upstream": {"address": "x"}, "root_path": right, "passes": [f"{right}/*"]}
    assert load_table(GatewayConfig, wanted, "test").root_path == right


@pytest.mark.parametrize(
    ("pattern", "root", "plain"),
    [
        ("/embeddings", "", "/v1/embeddings"),
        ("/audio/*", "", r"/v1/audio/\*"),
        ("/v1/v1/files", "", "/v1/files"),
        ("/llm/v1/files", "/llm", "/v1/files"),
    ],
)
def test_a_pattern_that_no_request_has_is_refused(
    tmp_path: Path, pattern: str, root: str, plain: str
) -> None:
    file = tmp_path / "gateway.toml"
    text = (
        f'root_path = "{root}"\npasses = ["{{}}"]\n[upstream]\naddress = "http://127.0.0.1:1/v1"\n'
    )
    file.write_text(text.format(pattern))
    with pytest.raises(ConfigError, match=f"passes: no request comes as .*reads {plain}$"):
        load_gateway(file)
    file.write_text(text.format("/v1/files/*"))
    assert load_gateway(file).passes == ("/v1/files/*",)
