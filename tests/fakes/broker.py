"""A real nats-server in a folder of the test's own: started in 0.05 s, killed and started again."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

from nats.aio.client import Client

from compute.broker.access import Access
from compute.broker.folder import Folder
from compute.broker.process import running_pid
from compute.broker.server import broker_access, ensure_broker, stop_broker
from compute.broker.workers import add_worker, remove_worker
from compute.jobs.connection import connect

GONE_S = 10.0
# The server is nobody's child. Should the tests be killed, the pipe ends and the server with them.
LEASH = 'read _; p=$(cat "$0") && grep -q nats.conf "/proc/$p/cmdline" && kill -9 "$p"'


class Broker:
    """One embedded server as the bot starts it: fsync always, its own keys, loopback.

    Blocking methods take milliseconds; a test may call them from its loop.
    """

    def __init__(self, folder: Path, listen: str = "", public_url: str = "") -> None:
        self.folder = folder
        self.listen = listen
        self.public_url = public_url

    def start(self) -> Access:
        """Start it, or use the running one: the same port, keys and messages as before."""
        return ensure_broker(self.folder, self.listen, self.public_url)

    @property
    def bot(self) -> Access:
        """The access of user "bot", who may do everything."""
        return broker_access(self.folder)

    @property
    def local(self) -> Access:
        """The access of the local worker, who serves every lane."""
        return broker_access(self.folder, "local")

    @property
    def system(self) -> Access:
        """For the server's own figures (``$SYS.REQ.SERVER.PING.VARZ``) and nothing else."""
        return broker_access(self.folder, "sys")

    def worker(self, name: str, *lanes: str) -> Access:
        """A new worker, added as ``k2c worker add`` does. No lane = every lane."""
        return Access.decode(add_worker(self.folder, name, lanes))

    def remove(self, name: str) -> None:
        """Cut that worker off."""
        remove_worker(self.folder, name)

    @property
    def pid(self) -> int:
        """The server's process. Raises ``LookupError`` when it does not run."""
        pid = running_pid(Folder.at(self.folder))
        if pid is None:
            raise LookupError(f"no server runs in {self.folder}")
        return pid

    def kill(self) -> None:
        """End it with SIGKILL and wait until it is gone; ``start`` brings it back."""
        os.kill(self.pid, signal.SIGKILL)
        until = time.monotonic() + GONE_S
        while running_pid(Folder.at(self.folder)) is not None:
            assert time.monotonic() < until, "the killed server is still there"
            time.sleep(0.005)

    def stop(self) -> bool:
        """End it in the ordinary way."""
        return stop_broker(self.folder)

    @asynccontextmanager
    async def client(self, access: Access | None = None) -> AsyncIterator[Client]:
        """A connection of ``access`` (default the bot's), closed at the end."""
        client = await connect(access or self.bot)
        try:
            yield client
        finally:
            await client.close()


@asynccontextmanager
async def running_broker(
    folder: Path | None = None, *, listen: str = "", public_url: str = ""
) -> AsyncIterator[Broker]:
    """A started ``Broker``; at the end it is stopped and, without a ``folder``, removed.

    ``async with running_broker() as broker, broker.client() as client: ...``
    """
    with tempfile.TemporaryDirectory(prefix="k2c-broker-") as made:
        broker = Broker(folder or Path(made) / "broker", listen, public_url)
        with _leash(broker.folder):
            try:
                await asyncio.to_thread(broker.start)
                yield broker
            finally:
                await asyncio.to_thread(broker.stop)


@contextmanager
def _leash(folder: Path) -> Iterator[None]:
    command = ["/bin/sh", "-c", LEASH, str(folder / "nats.pid")]
    shell = subprocess.Popen(
        command, stdin=subprocess.PIPE, stderr=subprocess.DEVNULL, start_new_session=True
    )
    try:
        yield
    finally:
        shell.communicate()
