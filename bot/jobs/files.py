"""Files that runs made: fetched once, checked, and kept on disk under their content hash."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import secrets
import threading
import time
from collections.abc import Iterable
from pathlib import Path
from typing import BinaryIO

from bot.jobs.words import File
from compute.jobs.fetch import FileLost
from compute.jobs.job import Artefact
from compute.jobs.queue import Queue

log = logging.getLogger(__name__)

FOLDER = "artefacts"
PART = "part-"  # what is still being written
YOUNG_S = 3600.0  # a file without a row may belong to a run that is just being recorded
PNG_HEAD, PNG_TAIL = b"\x89PNG\r\n\x1a\n", b"IEND\xaeB\x60\x82"
EMPTY = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
JSON_CHECKED_BYTES = 8 * 2**20  # 0.1 s; larger ones are only checked to be text


class Files:
    """The folder of files below ``data_dir``."""

    def __init__(self, data_dir: Path) -> None:
        self._folder = data_dir / FOLDER
        self._keeping = threading.Lock()  # between a look at a file's age and what follows from it

    def path_of(self, sha256: str) -> Path:
        """Where the file of that hash is, or would be. Raises ``ValueError`` for no hash."""
        if len(sha256) != 64 or not set(sha256) <= set("0123456789abcdef"):
            raise ValueError("that is no SHA-256")
        return self._folder / sha256

    async def fetch(
        self, queue: Queue, worker: str, job: str, artefacts: Iterable[Artefact]
    ) -> tuple[list[File], list[str]]:
        """Bring a run's files here; those that were, and a sentence for each that cannot be.

        Raises ``QueueDown`` when the broker does not answer.
        """
        files: dict[str, File] = {}
        lost = []
        for artefact in artefacts:
            try:
                if artefact.name in files:
                    raise FileLost(f"there are two files named {artefact.name}")
                await self._one(queue, worker, job, artefact)
            except (FileLost, OSError) as error:
                log.warning("file %s of job %s from %s: %s", artefact.name, job, worker, error)
                lost.append(f"{artefact.name} could not be kept: {_reason(error)}.")
                continue
            files[artefact.name] = File(
                artefact.name, artefact.media_type, artefact.size, artefact.sha256
            )
        return list(files.values()), lost

    async def expire(self, kept: set[str]) -> int:
        """Remove every file whose hash is not among ``kept``; how many that were."""
        return await asyncio.to_thread(self._expire, kept)

    async def _one(self, queue: Queue, worker: str, job: str, artefact: Artefact) -> None:
        target = self.path_of(artefact.sha256)
        part = self._folder / f"{PART}{secrets.token_hex(8)}"
        if await asyncio.to_thread(self._reuse, target, artefact):
            return
        await asyncio.to_thread(self._folder.mkdir, parents=True, exist_ok=True)
        into = await asyncio.to_thread(part.open, "xb")
        try:
            if artefact.size:
                await queue.fetch(worker, job, artefact, into)
            await asyncio.to_thread(_settle, into, part, target, artefact)
        finally:
            into.close()
            with contextlib.suppress(FileNotFoundError):
                await asyncio.to_thread(part.unlink)

    def _expire(self, kept: set[str]) -> int:
        removed = 0
        limit = time.time() - YOUNG_S
        for path in self._folder.iterdir() if self._folder.is_dir() else ():
            with contextlib.suppress(FileNotFoundError), self._keeping:
                if path.name not in kept and path.stat().st_mtime < limit:
                    path.unlink()
                    removed += 1
        return removed

    def _reuse(self, target: Path, artefact: Artefact) -> bool:
        """Whether the content is here already; it is then kept as if it came now."""
        try:
            if not target.is_file() or target.stat().st_size != artefact.size:
                return False
            with self._keeping:
                os.utime(target)  # first, or it may be thrown away as old while it is checked
        except FileNotFoundError:
            return False
        check_content(target, artefact.media_type)
        return True


def check_content(path: Path, media_type: str) -> None:
    """Raises ``FileLost`` when a file is not of the type that it is said to be."""
    content = path.read_bytes()
    if media_type == "image/png":
        if not content.startswith(PNG_HEAD) or not content.endswith(PNG_TAIL):
            raise FileLost("it is no PNG image")
        return
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError:
        raise FileLost("it is not UTF-8 text") from None
    if "\0" in text:
        raise FileLost("it is not text")
    if media_type == "application/json" and len(content) <= JSON_CHECKED_BYTES:
        try:
            json.loads(text)
        except (ValueError, RecursionError):
            raise FileLost("it is not JSON") from None


def _settle(into: BinaryIO, part: Path, target: Path, artefact: Artefact) -> None:
    """Give a whole file its name, once it is on disk and is what it is said to be."""
    into.flush()
    os.fsync(into.fileno())
    if not artefact.size and artefact.sha256 != EMPTY:
        raise FileLost("it is not what its hash says")
    check_content(part, artefact.media_type)
    part.replace(target)


def _reason(error: Exception) -> str:
    return (error.strerror or "disk error") if isinstance(error, OSError) else str(error)
