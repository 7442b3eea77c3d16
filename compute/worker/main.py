"""A worker's life: probe the machine, warm a child, connect, serve, and hand back at the end."""

from __future__ import annotations

import asyncio
import contextlib
import importlib.metadata
import logging
import pkgutil
import signal
import sys
from collections.abc import Callable, Iterator, Sequence

import compute
from compute.broker.access import Access
from compute.jobs.connection import ConnectionRefused, connect
from compute.jobs.job import Machine, schema_of
from compute.jobs.lanes import allowed_lanes as among
from compute.jobs.lanes import lanes_of
from compute.jobs.subjects import Timing
from compute.tool import AnyTool, load_tool
from compute.worker.card_lock import CardLock
from compute.worker.child import Load
from compute.worker.child_process import Warm
from compute.worker.leash import set_process_flag
from compute.worker.post import Post, ended
from compute.worker.probe import one_line, probe
from compute.worker.sandbox import Bounds
from compute.worker.serve import Say, Server, Skill
from compute.worker.warm import WarmChild

log = logging.getLogger(__name__)

PR_SET_DUMPABLE = 4
SIGNALS = (signal.SIGTERM, signal.SIGINT)


async def run_worker(
    access: Access,
    *,
    name: str,
    allowed_lanes: Sequence[str] = (),
    machine: Machine | None = None,
    timing: Timing | None = None,
    load: Load = load_tool,
    child_module: str = "compute.worker.child",
    tools: Sequence[str] | None = None,
    bounds: Bounds | None = None,
    say: Say | None = None,
) -> None:
    """Serve the queue as worker ``name`` until SIGTERM, SIGINT or cancellation.

    A job that runs then is handed back: its child is killed and its message returned to the queue,
    so that another worker starts it at once, as its next attempt (three are allowed). It needs no
    bot that is awake, and it costs an attempt: what stopped this worker may have been the job.
    ``machine`` None reads this one; ``tools`` None takes all that ``load`` finds. Raises
    ``ConnectionRefused`` for a key that the queue refuses, also later on.
    """
    say, timing = say or _say, timing or Timing()
    # A child of the same user could otherwise read our environment and memory in /proc.
    set_process_flag(PR_SET_DUMPABLE, 0)
    here = machine if machine is not None else await asyncio.to_thread(probe)
    skill, ready = _skill(here, allowed_lanes, _tools(load, tools))
    lock = CardLock(here.gpu_uuid) if here.gpu_uuid else None
    held = (lock.fd,) if lock else ()
    warm = WarmChild(
        child_module,
        here,
        timing,
        warm=ready,
        held=held,
        bounds=bounds,
    )
    try:
        await _serve(access, name, skill, timing, warm, lock, say)
    finally:
        await warm.close()
        if lock is not None:
            lock.close()


def _skill(
    machine: Machine, allowed: Sequence[str], tools: dict[str, AnyTool]
) -> tuple[Skill, Warm]:
    """What this worker can do, and what its child should have ready for it."""
    lanes = among(lanes_of(machine), allowed)
    if not lanes:
        raise ConnectionRefused(f"This machine ({one_line(machine)}) serves none of those lanes.")
    schemas = {name: schema_of(tool) for name, tool in tools.items()}
    modules = dict.fromkeys(module for tool in tools.values() for module in tool.warm)
    version = importlib.metadata.version("kernels-to-clusters")
    return Skill(machine, lanes, schemas, version), Warm(tuple(modules), tuple(tools))


async def _serve(
    access: Access,
    name: str,
    skill: Skill,
    timing: Timing,
    warm: WarmChild,
    lock: CardLock | None,
    say: Say,
) -> None:
    closed, over = asyncio.Event(), asyncio.Event()

    def down() -> None:
        if not over.is_set():  # else it is we who leave
            say(f"worker {name}: the queue is out of reach; trying again")

    client = await connect(
        access,
        on_down=down,
        on_up=lambda: say(f"worker {name}: connected again"),
        on_closed=closed.set,
        patience_s=None,
    )
    server = Server(Post(name, client, client.jetstream(), timing, warm), skill, lock, say)
    lanes = _short(skill.lanes)
    say(f"worker {name}: {one_line(skill.machine)}, lanes {lanes}; waiting for jobs")
    ending = asyncio.create_task(_stop_at(closed, server))
    try:
        with _signals(server.stop):
            await server.serve()
        if closed.is_set():
            raise ConnectionRefused(f"The queue no longer accepts the key of worker {name}.")
        say(f"worker {name}: ended")
    finally:
        over.set()
        await ended(ending)
        await client.close()


async def _stop_at(closed: asyncio.Event, server: Server) -> None:
    await closed.wait()
    server.stop()


@contextlib.contextmanager
def _signals(stop: Callable[[], None]) -> Iterator[None]:
    """SIGTERM and SIGINT call ``stop``; elsewhere than in a main thread nothing is changed."""
    loop = asyncio.get_running_loop()
    taken = []
    for number in SIGNALS:
        with contextlib.suppress(RuntimeError, ValueError, NotImplementedError):
            loop.add_signal_handler(number, stop)
            taken.append(number)
    try:
        yield
    finally:
        for number in taken:
            loop.remove_signal_handler(number)


def _tools(load: Load, names: Sequence[str] | None) -> dict[str, AnyTool]:
    """The tools that this worker can run; one whose library is missing is left out."""
    found: dict[str, AnyTool] = {}
    for name in names if names is not None else _modules():
        try:
            found[name] = load(name)
        except LookupError:
            continue  # a module of compute that is no tool
        except ImportError as error:
            log.warning("the tool %s is left out: %s", name, error)
    return found


def _modules() -> list[str]:
    return [module.name for module in pkgutil.iter_modules(compute.__path__)]


def _short(lanes: tuple[str, ...]) -> str:
    """Without the lanes that join two others."""
    return ", ".join(lane for lane in reversed(lanes) if "-sm" not in lane)


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()
