"""Imports only ever go along the arrows of the design; one file of a job does not know another."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

# From the ground up: a module may import its own floor (same job) and any floor before it.
FLOORS: tuple[tuple[str, ...], ...] = (
    ("config",),
    ("content",),
    ("compute",),
    (
        "bot.view",
        "bot.store",
        "bot.tables",
        "bot.backup",
        "bot.results",
        "bot.lock",
        "bot.operator_key",
        "bot.limits",
        "bot.pulse",
    ),
    ("bot.render", "bot.outbox", "bot.effects", "bot.posting"),
    ("bot.community", "bot.discussing"),
    ("bot.jobs",),
    ("bot.runner", "bot.house", "bot.progress_view"),
    ("bot.command", "bot.line", "bot.guild_command"),
    ("bot.commands",),
    ("bot.integrations", "bot.web"),
    (
        "bot.core",
        "bot.broker_watch",
        "bot.announce_cli",
        "bot.check_cli",
        "bot.queueing",
        "bot.doctor",
        "bot.outside",
        "bot.local_worker",
        "bot.app",
        "bot.terminal",
        "bot.worker_cli",
    ),
    ("bot.cli",),
)
# The one place each heavy library may be imported at module level.
HEAVY = {
    "torch": ("compute/kernels/",),
    "triton": ("compute/kernels/",),
    "transformers": (),
    "matplotlib": (),
    "discord": ("bot/integrations/discord_client/", "bot/render/discord"),
    "github": ("bot/integrations/github_discussions/",),
    "nats": ("compute/jobs/connection.py", "compute/jobs/queue.py", "compute/worker/"),
    "genai_prices": (),
}
SERVERS = ("bot", "discord", "github", "aiohttp.web")


def sources() -> list[Path]:
    return [
        p for top in ("config", "content", "compute", "bot") for p in (ROOT / top).rglob("*.py")
    ]


def module_of(path: Path) -> str:
    name = ".".join(path.relative_to(ROOT).with_suffix("").parts)
    return name.removesuffix(".__init__")


def imported(path: Path, *, top_level_only: bool = False) -> Iterator[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in tree.body if top_level_only else ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def floor_of(name: str) -> int | None:
    hits = [
        (len(part), place)
        for place, floor in enumerate(FLOORS)
        for part in floor
        if name == part or name.startswith(part + ".")
    ]
    return max(hits)[1] if hits else None


def job_of(name: str) -> str:
    """The package or file that does one job: ``bot.web``, ``bot.commands.cost``."""
    parts = name.split(".")
    deep = parts[:2] in (["bot", "commands"], ["bot", "integrations"], ["bot", "render"])
    return ".".join(parts[: 3 if deep else 2])


@pytest.mark.parametrize("path", sources(), ids=lambda p: str(p.relative_to(ROOT)))
def test_imports_follow_the_arrows(path: Path) -> None:
    here = module_of(path)
    floor = floor_of(here)
    if here == "bot":
        return
    assert floor is not None, f"{here} stands on no floor: give it one in FLOORS"
    for name in imported(path):
        target = floor_of(name)
        if target is not None:
            assert target <= floor, f"{here} imports {name}, which stands above it"


@pytest.mark.parametrize("folder", ["bot/commands", "bot/integrations"])
def test_two_commands_or_integrations_do_not_import_each_other(folder: str) -> None:
    package = folder.replace("/", ".")
    for path in (ROOT / folder).rglob("*.py"):
        here = module_of(path)
        if here == package:
            continue
        for name in imported(path):
            if name.startswith(package + "."):
                assert job_of(name) == job_of(here), f"{here} imports {name}"


@pytest.mark.parametrize("path", sources(), ids=lambda p: str(p.relative_to(ROOT)))
def test_heavy_libraries_load_only_where_they_must(path: Path) -> None:
    place = path.relative_to(ROOT).as_posix()
    for name in imported(path, top_level_only=True):
        allowed = HEAVY.get(name.split(".")[0])
        if allowed is not None:
            assert place.startswith(allowed) if allowed else False, f"{place} imports {name}"


def tools() -> set[str]:
    """The modules and packages of compute that hold a tool."""
    found = set()
    for path in [*(ROOT / "compute").glob("*.py"), *(ROOT / "compute").glob("*/__init__.py")]:
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for node in tree.body:
            if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "TOOL":
                found.add(module_of(path))
    return found


# The cost of a replica depends on what it serves: the one question a tool may ask another.
CROSSINGS = {"compute/cost/replica.py": "compute.throughput"}


def test_two_tools_do_not_import_each_other_but_for_one_named_file() -> None:
    known, crossed = tools(), set()
    assert {"compute.cost", "compute.throughput", "compute.help"} <= known
    for path in (ROOT / "compute").rglob("*.py"):
        place, here = path.relative_to(ROOT).as_posix(), module_of(path)
        for name in imported(path):
            for tool in known:
                if (name + ".").startswith(tool + ".") and not (here + ".").startswith(tool + "."):
                    assert CROSSINGS.get(place) == tool, f"{here} imports {name}"
                    crossed.add(place)
    assert crossed == set(CROSSINGS), "a crossing that is no longer needed"


def test_compute_knows_no_door() -> None:
    for path in (ROOT / "compute").rglob("*.py"):
        for name in imported(path):
            assert not name.startswith(SERVERS), f"{path.name} imports {name}"


def test_all_tools_and_commands_load_without_torch_or_a_door() -> None:
    code = (
        "import sys; from bot.commands import load_commands; assert load_commands();"
        "print([m for m in ('torch','discord','github','matplotlib','aiohttp','nats') "
        "if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "[]"
