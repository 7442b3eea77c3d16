"""The container files, read by a parser: no engine is needed, and none is at hand in tests."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from fnmatch import fnmatch
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml

from bot.cli import main
from bot.queueing import BROKER_FOLDER
from compute.broker.access import access_of
from compute.broker.certs import ensure_certificates
from compute.broker.folder import Folder
from compute.broker.place import place_of
from compute.broker.server import BOT_KEY
from config.settings import load_settings

ROOT = Path(__file__).parents[1]


@dataclass
class Stage:
    """One FROM and what follows it."""

    base: str
    name: str
    steps: list[tuple[str, str]] = field(default_factory=list)


def parse(text: str) -> dict[str, Stage]:
    """The stages by name, in order; comments gone, continued lines joined."""
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    stages: dict[str, Stage] = {}
    for line in re.sub(r"\\\n\s*", "", "\n".join(lines)).splitlines():
        word, _, rest = line.strip().partition(" ")
        if word == "FROM":
            base, _, name = rest.partition(" AS ")
            assert name, f"a stage without a name: {line}"
            assert name not in stages
            stage = stages[name] = Stage(base, name)
        elif word:
            stage.steps.append((word, rest.strip()))
    return stages


STAGES = parse((ROOT / "Dockerfile").read_text(encoding="utf-8"))
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text(encoding="utf-8"))
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]


def steps(target: str) -> list[tuple[str, str]]:
    """All steps of ``target``, those of the stages below it first."""
    stage = STAGES[target]
    return (steps(stage.base) if stage.base in STAGES else []) + stage.steps


def last(target: str, word: str) -> str:
    return [rest for name, rest in steps(target) if name == word][-1]


def environment(target: str) -> dict[str, str]:
    text = " ".join(rest for word, rest in steps(target) if word == "ENV")
    return dict(re.findall(r"(\w+)=(\S+)", text))


def test_every_step_is_one_that_docker_knows() -> None:
    words = {word for stage in STAGES.values() for word, _ in stage.steps}
    known = {"RUN", "COPY", "ENV", "WORKDIR", "VOLUME", "USER", "EXPOSE"}
    assert words <= known | {"HEALTHCHECK", "ENTRYPOINT", "CMD"}


def test_the_targets_are_there_and_a_plain_build_makes_the_bot() -> None:
    assert {"bot", "worker"} <= set(STAGES)
    assert list(STAGES)[-1] == "bot"


def test_bases_are_slim_of_our_python_and_pinned_to_a_release() -> None:
    for stage in STAGES.values():
        if stage.base not in STAGES:
            assert re.fullmatch(r"python:3\.11(\.\d+)?-slim-\w+", stage.base)


@pytest.mark.parametrize("target", ["bot", "worker"])
def test_nothing_runs_as_root(target: str) -> None:
    user = last(target, "USER")
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", user)
    assert f"--uid {user.partition(':')[0]} " in "".join(rest for _, rest in steps(target))


@pytest.mark.parametrize("target", ["bot", "worker"])
def test_what_runs_has_no_source_tree_and_gets_its_packages_from_the_build(target: str) -> None:
    copies = [rest for word, rest in STAGES[target].steps if word == "COPY"]
    assert len(copies) == 1
    source = re.fullmatch(r"--from=(\S+) /opt/k2c /opt/k2c", copies[0])
    assert source is not None
    assert source[1] in STAGES


def test_every_install_is_constrained_and_only_the_worker_takes_torch() -> None:
    installs = {
        stage.name: rest
        for stage in STAGES.values()
        for word, rest in stage.steps
        if word == "RUN" and "pip install" in rest
    }
    assert installs
    assert all("--constraint constraints.txt" in command for command in installs.values())
    assert [name for name, command in installs.items() if "[worker]" in command] == ["build-worker"]
    assert "--from=build " in last("bot", "COPY")
    assert "--from=build-worker " in last("worker", "COPY")


def test_the_environment_of_the_images_is_valid_settings(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    for name, value in environment("bot").items():
        if name.startswith("K2C_"):
            monkeypatch.setenv(name, value)
    settings = load_settings()
    assert (settings.http_host, settings.http_port) == ("0.0.0.0", 8080)
    assert settings.data_dir == Path("/data")
    assert last("bot", "EXPOSE") == str(settings.http_port)


@pytest.mark.parametrize("target", ["bot", "worker"])
def test_the_data_directory_is_the_volume(target: str) -> None:
    assert last(target, "VOLUME") == environment(target)["K2C_DATA_DIR"] == "/data"


@pytest.mark.parametrize("target", ["bot", "worker"])
def test_what_starts_is_a_command_that_exists(target: str) -> None:
    words = [*json.loads(last(target, "ENTRYPOINT")), *json.loads(last(target, "CMD"))]
    assert words[0] == "k2c"
    with pytest.raises(SystemExit) as ended:  # what argparse does, 2 for an unknown command
        main([*words[1:], "--help"])
    assert ended.value.code == 0


def patterns() -> list[str]:
    lines = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    return [line for line in lines if line and not line.startswith("#")]


def reaches_docker(name: str) -> bool:
    """Whether a top-level name passes .dockerignore: the last pattern that fits decides."""
    passes = True
    for pattern in patterns():
        if fnmatch(name, pattern.removeprefix("!").removeprefix("**/")):
            passes = pattern.startswith("!")
    return passes


def test_everything_copied_exists_and_reaches_docker() -> None:
    copied = [rest.split() for word, rest in STAGES["build"].steps if word == "COPY"]
    sources = [source for words in copied for source in words[:-1]]
    assert "constraints.txt" in sources
    for source in sources:
        assert (ROOT / source).exists(), source
        assert reaches_docker(source), source


def test_every_package_of_the_wheel_is_copied() -> None:
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    listed = re.search(r"\[tool\.hatch\.build\.targets\.wheel\]\npackages = (\[.*\])", project)
    assert listed is not None
    copied = " ".join(rest for word, rest in STAGES["build"].steps if word == "COPY").split()
    assert set(json.loads(listed[1])) <= set(copied)


@pytest.mark.parametrize(
    "name", [".env", ".git", ".venv", "data", "k2c.sqlite", "k2c.sqlite-wal", "tests", "secret.pem"]
)
def test_secrets_and_data_never_reach_docker(name: str) -> None:
    assert not reaches_docker(name)


class Health(BaseHTTPRequestHandler):
    """Says the status that its server has, for /healthz only."""

    def do_GET(self) -> None:
        assert isinstance(self.server, HealthServer)
        self.send_response(self.server.status if self.path == "/healthz" else 404)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Keep the test's output clean."""


class HealthServer(HTTPServer):
    status = 200


@pytest.fixture
def server() -> Iterator[HealthServer]:
    with HealthServer(("127.0.0.1", 0), Health) as running:
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield running
        running.shutdown()
        thread.join()


@pytest.mark.parametrize(("status", "code"), [(200, 0), (503, 1)])
def test_the_health_check_follows_the_pages(server: HealthServer, status: int, code: int) -> None:
    server.status = status
    words = json.loads(last("bot", "HEALTHCHECK").partition("CMD ")[2])
    assert words[0] == "python"
    given = {
        **os.environ,
        "K2C_HTTP_PORT": str(server.server_port),
        "http_proxy": "http://127.0.0.1:9",
    }
    done = subprocess.run([sys.executable, *words[1:]], env=given, capture_output=True, check=False)
    assert done.returncode == code, done.stderr


def test_compose_has_the_three_services_and_starts_no_worker_unasked() -> None:
    assert set(SERVICES) == {"bot", "broker", "worker"}
    unasked = [name for name, service in SERVICES.items() if "profiles" not in service]
    assert unasked == ["bot", "broker"]


def test_compose_builds_targets_that_exist() -> None:
    for service in SERVICES.values():
        assert service["build"]["target"] in STAGES


def test_what_compose_starts_is_a_command_that_exists() -> None:
    words = [*json.loads(last("bot", "ENTRYPOINT")), *SERVICES["broker"]["command"]]
    assert words[0] == "k2c"
    with pytest.raises(SystemExit) as ended:
        main([*words[1:], "--help"])
    assert ended.value.code == 0


def test_the_bot_finds_the_queue_that_compose_starts(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The names in the files are those that the broker makes, and its certificate fits."""
    bot, broker = SERVICES["bot"], SERVICES["broker"]
    queue = next(v for v in bot["volumes"] if v.endswith(":/queue:ro")).partition(":")[0]
    assert f"{queue}:/data" in broker["volumes"]
    place = place_of(broker["environment"]["K2C_NATS_LISTEN"], "")
    assert place.tls and "broker" in place.hosts
    assert bot["environment"]["K2C_NATS_URL"] == place.public_url == "tls://broker:4222"
    home = Folder.at(tmp_path / BROKER_FOLDER)
    ensure_certificates(home, place.hosts)
    home.write_text(BOT_KEY, home.seeds()["bot"])
    monkeypatch.chdir(tmp_path)
    given = {
        name: bot["environment"][name].replace("/queue", str(tmp_path))
        for name in ("K2C_NATS_CREDS", "K2C_NATS_CA")
    }
    access = access_of(place.public_url, given["K2C_NATS_CREDS"], given["K2C_NATS_CA"])
    assert access.seed == home.seeds()["bot"] and access.ca


@pytest.mark.parametrize("name", sorted(SERVICES))
def test_no_service_may_more_than_it_needs(name: str) -> None:
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert "no-new-privileges:true" in service["security_opt"]
    for key in ("privileged", "network_mode", "pid", "ipc", "cap_add", "devices", "user"):
        assert key not in service
    for volume in service["volumes"]:
        source, target, *mode = volume.split(":")
        assert source in COMPOSE["volumes"], "only named volumes, nothing of the host"
        assert target == "/data" or mode == ["ro"]


@pytest.mark.parametrize("name", sorted(SERVICES))
def test_ports_are_for_this_machine_only(name: str) -> None:
    ports = SERVICES[name].get("ports", [])
    assert all(str(port).startswith("127.0.0.1:") for port in ports)
    assert len(ports) == (0 if name == "worker" else 1)


def test_the_containers_port_and_data_hold_whatever_env_says() -> None:
    given = SERVICES["bot"]["environment"]
    built = environment("bot")
    fixed = {"K2C_HTTP_HOST", "K2C_HTTP_PORT", "K2C_DATA_DIR"}
    assert {name: given[name] for name in fixed} == {name: built[name] for name in fixed}
    assert given.keys() - fixed == {"K2C_NATS_URL", "K2C_NATS_CREDS", "K2C_NATS_CA"}
    assert SERVICES["bot"]["ports"][0].endswith(f":{given['K2C_HTTP_PORT']}")


def test_the_worker_gets_no_token_of_ours() -> None:
    assert "env_file" not in SERVICES["worker"]
    assert "env_file" not in SERVICES["broker"]
    assert set(SERVICES["worker"]["environment"]) == {"K2C_DATA_DIR", "K2C_WORKER_TOKEN"}
    assert not any(
        "DISCORD" in name or "GITHUB" in name for name in SERVICES["broker"]["environment"]
    )


def test_a_worker_can_compile_and_load_what_it_compiled() -> None:
    """Triton builds its launchers with the machine's compiler (triton/runtime/build.py), and
    torch.compile loads its own from the folder for temporary files, which Docker mounts noexec.
    """
    installed = [step for word, step in STAGES["worker"].steps if word == "RUN"]
    assert any("apt-get install" in step and "g++" in step for step in installed)
    users = [step for word, step in STAGES["worker"].steps if word == "USER"]
    assert users[-1] == "10001:10001"
    (mount,) = SERVICES["worker"]["tmpfs"]
    assert mount.startswith("/tmp:") and "exec" in mount.partition(":")[2].split(",")
