"""The worked example of CONTRIBUTING.md, run as a newcomer would type it in."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
BLOCK = re.compile(r"```python file=(\S+)\n(.*?)```", re.DOTALL)

pytestmark = pytest.mark.slow  # starts three interpreters


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the packages with the example's files added and nothing edited."""
    copy = tmp_path_factory.mktemp("newcomer")
    for name in ("bot", "compute", "config", "content", "tests"):
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / name, copy / name, ignore=ignored)
    shutil.copy(ROOT / "pyproject.toml", copy)
    blocks = BLOCK.findall((ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8"))
    assert len(blocks) == 3
    for name, code in blocks:
        assert not (copy / name).exists(), f"{name} is to be a new file"
        (copy / name).write_text(code, encoding="utf-8")
    return copy


def run_python(tree: Path, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=tree, env={"PYTHONPATH": str(tree), "PATH": ""}, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_tool_answers_in_the_terminal_as_the_page_says(tree: Path) -> None:
    page = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    command = re.search(r"\$ k2c (.*)\n((?:.+\n)+)```", page)
    assert command is not None
    code = "import sys; from bot.cli import main; sys.exit(main())"
    assert run_python(tree, "-c", code, *command[1].split()) == command[2]


def test_every_door_finds_it_without_an_edit(tree: Path) -> None:
    code = (
        "from bot.commands import load_commands; c = load_commands()['ridge'];"
        "print(c.name, [(o.name, o.kind, o.required) for o in c.options])"
    )
    assert run_python(tree, "-c", code) == (
        "ridge [('tflops', 'number', True), ('bandwidth', 'number', True)]\n"
    )


def test_its_own_test_and_the_arrows_hold(tree: Path) -> None:
    out = run_python(
        tree, "-m", "pytest", "-p", "no:cacheprovider", "tests/compute/test_ridge.py",
        "tests/test_layers.py", "-k", "ridge or compute_knows or each_other",
    )  # fmt: skip
    assert re.search(r"^\.{9,} ", out, re.MULTILINE), out
