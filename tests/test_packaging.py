"""What a fresh machine gets: pinned versions, two commands, and a CI script that calls them."""

from __future__ import annotations

import importlib.metadata
import re
import subprocess
import tomllib
from pathlib import Path

import bot
import config

ROOT = Path(__file__).parents[1]
# What venv and pip themselves put there, and this project.
NOT_OURS = {"setuptools", "pip", "wheel", "kernels-to-clusters"}


def canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def pins() -> dict[str, str]:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pairs = (line.split("==") for line in lines if line and not line.startswith("#"))
    return {canonical(name): version for name, version in pairs}


def test_every_dependency_is_pinned() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    wanted = [
        *project["project"]["dependencies"],
        *project["project"]["optional-dependencies"]["worker"],
        *project["dependency-groups"]["dev"],
    ]
    names = {canonical(re.split(r"[<>=!~;\[ ]", line)[0]) for line in wanted}
    assert names - pins().keys() == set()


def test_what_is_installed_is_what_is_pinned() -> None:
    pinned = pins()
    installed = {canonical(dist.name): dist.version for dist in importlib.metadata.distributions()}
    wrong = {
        name: version
        for name, version in installed.items()
        if name not in NOT_OURS and pinned.get(name) != version.split("+")[0]
    }
    assert wrong == {}


def test_torch_is_pinned_for_us_and_open_for_others() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert pins()["torch"] == "2.13.0"
    assert "torch>=2.11" in project["project"]["optional-dependencies"]["worker"]
    assert not any(line.startswith("torch") for line in project["project"]["dependencies"])


def test_ci_runs_the_newcomers_command_and_forbids_skips() -> None:
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    assert re.search(r"^make test$", script, re.MULTILINE)
    assert "K2C_REQUIRE_ALL=1" in script
    assert subprocess.run(["bash", "-n", ROOT / ".ci" / "run"]).returncode == 0


def test_the_readme_shows_both_commands_and_a_picture_first() -> None:
    first_screen = "\n".join((ROOT / "README.md").read_text(encoding="utf-8").splitlines()[:30])
    assert "make run" in first_screen and "make test" in first_screen
    picture = re.search(r"!\[.+\]\((docs/pictures/[\w.-]+)\)", first_screen)
    assert picture is not None and (ROOT / picture[1]).is_file()


def test_our_generic_package_names_are_ours() -> None:
    """Another distribution's ``config`` must not shadow ours (both names exist on PyPI)."""
    assert Path(config.__file__).parents[1] == Path(bot.__file__).parents[1]
