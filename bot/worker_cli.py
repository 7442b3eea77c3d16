"""``k2c worker``, ``k2c broker``, ``k2c down``: machines join, run jobs and are cut off."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from compute.broker.access import Access
    from config.settings import Settings

USAGE_ERROR = 2
BROKER_FOLDER = "broker"
TOKEN_VARIABLE = "K2C_WORKER_TOKEN"
LOCAL = "local"
PR_SET_PDEATHSIG = 1
ELSEWHERE = (
    "K2C_NATS_URL names a server that is not ours: its accounts are managed there. Give the worker "
    "credentials of that server (docs/attach-a-gpu.md says which subjects) and run there: "
    "k2c worker run --url {url} --creds FILE --name NAME"
)

Subparsers = Any  # argparse's own class for them is private


def add_worker_commands(subparsers: Subparsers) -> None:
    """Add ``worker``, ``broker`` and ``down``; each sets ``start`` as the other commands do."""
    worker = subparsers.add_parser("worker", help="run jobs here, or manage who may")
    worker.description = "Without a subcommand: run jobs of the queue on this machine."
    _lanes(worker)
    worker.add_argument("--with-parent", type=int, help=argparse.SUPPRESS)
    worker.set_defaults(start=_run_local)
    below = worker.add_subparsers(title="subcommands", metavar="SUBCOMMAND")
    _add_run(below)
    add = below.add_parser("add", help="let a machine in: prints its token")
    add.add_argument("name", metavar="NAME", help="small letters, digits and dashes")
    _lanes(add)
    add.add_argument(
        "--public-certificate",
        action="store_true",
        help="a proxy in front has a certificate that every machine trusts; leave ours out",
    )
    add.set_defaults(start=_add)
    remove = below.add_parser("remove", help="cut a machine off, at once and for good")
    remove.add_argument("name", metavar="NAME")
    remove.set_defaults(start=_remove)
    below.add_parser("list", help="who was let in").set_defaults(start=_list)
    check = below.add_parser("check", help="have a worker run a small job of the running bot")
    check.add_argument("--cuda", action="store_true", help="one with a GPU")
    check.set_defaults(start=_check)
    text = "run the queue's server in the foreground (containers); k2c up does it by itself"
    subparsers.add_parser("broker", help=text, description=text).set_defaults(start=_broker)
    text = "stop the queue's server that k2c up started"
    subparsers.add_parser("down", help=text, description=text).set_defaults(start=_down)


def _add_run(below: Subparsers) -> None:
    run = below.add_parser("run", help="run jobs of a bot elsewhere")
    run.add_argument(
        "token",
        metavar="TOKEN",
        nargs="?",
        help=f"what k2c worker add printed; - reads it from the input; default ${TOKEN_VARIABLE}",
    )
    run.add_argument("--url", help="a NATS server that is not ours; default $K2C_NATS_URL")
    run.add_argument("--creds", help="credentials for it; default $K2C_NATS_CREDS")
    run.add_argument("--ca", help="certificate authority, PEM; default $K2C_NATS_CA")
    run.add_argument("--name", help="this worker's name there")
    _lanes(run)
    run.set_defaults(start=_run)


def _lanes(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--lanes",
        metavar="a,b",
        default=argparse.SUPPRESS,
        help="take jobs of these classes only (any, cuda, cuda80, sm90, ...); default all",
    )


def _run_local(chosen: argparse.Namespace) -> int:
    """On the bot's machine: as "local" at the embedded server, or at the one of the settings."""
    if chosen.with_parent and sys.platform == "linux":
        from compute.worker.leash import set_process_flag

        set_process_flag(PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != chosen.with_parent:  # it was killed before we asked to be told
            return 0
    with _sentences():
        settings = _settings()
        if settings.nats_url:
            return _work(_existing(settings, LOCAL), chosen)
        from compute.broker.server import broker_access

        return _work(broker_access(settings.data_dir / BROKER_FOLDER, LOCAL), chosen)


def _run(chosen: argparse.Namespace) -> int:
    with _sentences():
        token = os.environ.get(TOKEN_VARIABLE, "") if chosen.token is None else chosen.token
        if chosen.url or not token.strip():
            return _work(_from_options(chosen), chosen)
        from compute.broker.access import Access

        return _work(Access.decode(sys.stdin.read(20_000) if token == "-" else token), chosen)


def _from_options(chosen: argparse.Namespace) -> Access:
    """An existing NATS, from options over settings. Exits with a sentence where none is named."""
    settings = _settings()
    given = {
        "nats_url": chosen.url,
        "nats_creds": chosen.creds,
        "nats_ca": chosen.ca,
    }
    settings = settings.model_copy(update={k: v for k, v in given.items() if v is not None})
    if not settings.nats_url:
        raise SystemExit(_complain("Give the token that k2c worker add printed, or --url."))
    return _existing(settings, chosen.name or LOCAL)


def _existing(settings: Settings, name: str) -> Access:
    from compute.broker.access import NAME, access_of

    if not NAME.fullmatch(name):
        raise SystemExit(_complain(f"{name!r} is no name: small letters, digits and dashes."))
    return access_of(settings.nats_url, settings.nats_creds, settings.nats_ca, name=name)


def _work(access: Access, chosen: argparse.Namespace) -> int:
    import asyncio

    from compute.worker.main import run_worker

    asyncio.run(run_worker(access, name=access.name, allowed_lanes=_lanes_of(chosen)))
    return 0


def _add(chosen: argparse.Namespace) -> int:
    with _sentences():
        from compute.broker.access import Access, is_loopback
        from compute.broker.workers import add_worker

        own_ca = False if chosen.public_certificate else None
        token = add_worker(_folder(), chosen.name, _lanes_of(chosen), own_ca=own_ca)
        [url] = Access.decode(token).urls
        sys.stderr.write(f"On the machine that shall run jobs as {chosen.name}, over {url}:\n\n")
        sys.stdout.write(f"k2c worker run {token}\n")
        sys.stderr.write("\nWhoever has this token can run that worker. It is not shown again.\n")
        if is_loopback(_host(url)):
            sys.stderr.write(
                "It works on this machine only: set K2C_NATS_LISTEN and K2C_NATS_PUBLIC_URL, "
                "start k2c up again, and add the worker after that, for one elsewhere.\n"
            )
        return 0


def _remove(chosen: argparse.Namespace) -> int:
    with _sentences():
        from compute.broker.workers import remove_worker

        remove_worker(_folder(), chosen.name)
        sys.stdout.write(f"{chosen.name} is cut off. A job that it ran goes to another worker.\n")
        return 0


def _list(_: argparse.Namespace) -> int:
    with _sentences():
        from compute.broker.workers import list_workers

        workers = list_workers(_folder())
        for worker in workers:
            added = time.strftime("%Y-%m-%d", time.localtime(worker.added_at))
            lanes = ",".join(worker.lanes) or "all lanes"
            sys.stdout.write(f"{worker.name:31} added {added}  {lanes}\n")
        if not workers:
            sys.stdout.write("None was added: k2c worker add NAME lets one in.\n")
        return 0


def _check(chosen: argparse.Namespace) -> int:
    from bot.check_cli import check_worker

    return check_worker(_settings(), cuda=chosen.cuda)


def _broker(_: argparse.Namespace) -> int:
    with _sentences():
        from compute.broker.server import run_broker

        folder, settings = _folder(), _settings()
        run_broker(folder, settings.nats_listen, settings.nats_public_url)
        return 0


def _down(_: argparse.Namespace) -> int:
    with _sentences():
        from bot.lock import is_held
        from compute.broker.server import stop_broker

        folder = _folder()
        stopped = stop_broker(folder)
        held, pid = is_held(folder.parent)
        sys.stdout.write("The queue's server is stopped.\n" if stopped else "It was not running.\n")
        if held:
            who = f"process {pid}" if pid else "another process"
            sys.stdout.write(
                f"The bot runs ({who}) and starts it again soon: stop the bot first.\n"
            )
        return 0


def _folder() -> Path:
    """Of the embedded server. Exits with a sentence where another one is used."""
    settings = _settings()
    if settings.nats_url:
        raise SystemExit(_complain(ELSEWHERE.format(url=settings.nats_url)))
    return settings.data_dir / BROKER_FOLDER


def _settings() -> Settings:
    from config.settings import SettingsError, load_settings

    try:
        return load_settings()
    except SettingsError as error:
        raise SystemExit(_complain(*error.problems)) from None


@contextmanager
def _sentences() -> Iterator[None]:
    """What the person must change is one sentence and exit code 2."""
    from compute.broker.access import AccessError
    from compute.broker.folder import BrokerError
    from compute.jobs.connection import ConnectionRefused

    try:
        yield
    except (AccessError, BrokerError, ConnectionRefused) as error:
        raise SystemExit(_complain(str(error))) from None


def _complain(*sentences: str) -> int:
    for sentence in sentences:
        sys.stderr.write(f"k2c: {sentence}\n")
    return USAGE_ERROR


def _lanes_of(chosen: argparse.Namespace) -> tuple[str, ...]:
    given = getattr(chosen, "lanes", "")
    return tuple(lane.strip() for lane in given.split(",") if lane.strip())


def _host(url: str) -> str:
    from urllib.parse import urlsplit

    return urlsplit(url).hostname or ""
