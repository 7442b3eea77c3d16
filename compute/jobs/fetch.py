"""A worker's files, read by the bot from the object store that this worker alone writes."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
import json
from collections.abc import AsyncGenerator
from typing import TYPE_CHECKING, BinaryIO

from compute.jobs.job import Artefact
from compute.jobs.subjects import artefact_bucket

if TYPE_CHECKING:
    from nats.js import JetStreamContext

SILENT_S = 20.0  # between two pieces of a file


class FileLost(Exception):
    """A file that cannot be had: not there, not of its size, or not of its hash."""


async def read_file(
    js: JetStreamContext, worker: str, name: str, file: Artefact, into: BinaryIO
) -> bool:
    """Write what stands under ``name`` to ``into``; whether it is whole and of its hash.

    Raises ``FileLost`` where there is no such file, or a larger one.
    """
    place = await _place_of(js, worker, name, file.size)
    digest = hashlib.sha256()
    size = 0
    async with contextlib.aclosing(_pieces(js, *place)) as pieces:
        async for piece in pieces:
            size += len(piece)
            if size > file.size:
                raise FileLost("it is larger than was said")
            await asyncio.to_thread(_write, into, digest, piece)
            if size == file.size:
                break
    return size == file.size and digest.hexdigest() == file.sha256


async def remove_file(js: JetStreamContext, worker: str, name: str) -> None:
    """Take away what stands under ``name``, if anything."""
    bucket = artefact_bucket(worker)
    with contextlib.suppress(FileLost):
        stream, pieces = await _place_of(js, worker, name, None)
        await js.purge_stream(stream, subject=pieces)
    await js.purge_stream(f"OBJ_{bucket}", subject=_meta_subject(bucket, name))


async def _place_of(
    js: JetStreamContext, worker: str, name: str, size: int | None
) -> tuple[str, str]:
    """The stream of a worker's store and the subject of a file's pieces; ``size`` must agree.

    What the worker wrote of it is not followed to other stores, as the library would.
    """
    import nats.js.errors

    bucket = artefact_bucket(worker)
    stream = f"OBJ_{bucket}"
    try:
        found = await js.get_last_msg(stream, _meta_subject(bucket, name))
        meta = json.loads(found.data or b"")
        nuid, said = str(meta["nuid"]), meta.get("size")
    except (nats.js.errors.NotFoundError, ValueError, KeyError, TypeError):
        raise FileLost("it is not in the worker's store") from None
    if not nuid.isalnum() or (size is not None and said != size) or meta.get("deleted"):
        raise FileLost("it is not in the worker's store as was said")
    return stream, f"$O.{bucket}.C.{nuid}"


async def _pieces(js: JetStreamContext, stream: str, subject: str) -> AsyncGenerator[bytes, None]:
    """The pieces in their order, until the last or until none comes."""
    import nats.errors

    watch = await js.subscribe(subject, stream=stream, ordered_consumer=True)
    try:
        while True:
            try:
                message = await watch.next_msg(timeout=SILENT_S)
            except nats.errors.TimeoutError:
                return
            yield message.data
            if message.metadata.num_pending == 0:
                return
    finally:
        with contextlib.suppress(Exception):
            await watch.unsubscribe()


def _meta_subject(bucket: str, name: str) -> str:
    return f"$O.{bucket}.M.{base64.urlsafe_b64encode(name.encode()).decode()}"


def _write(into: BinaryIO, digest: hashlib._Hash, piece: bytes) -> None:
    digest.update(piece)
    into.write(piece)
