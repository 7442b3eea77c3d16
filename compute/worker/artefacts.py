"""A finished job's files: from the child's folder into this worker's own object store."""

from __future__ import annotations

import base64
import os
import stat
from pathlib import Path

from nats.js import JetStreamContext
from nats.js.api import ObjectMeta, ObjectMetaOptions
from nats.js.object_store import ObjectStore

from compute.files import MAX_FILE_BYTES, MediaType
from compute.jobs.job import Artefact
from compute.jobs.streams import CHUNK_BYTES
from compute.jobs.subjects import artefact_bucket


async def upload(
    js: JetStreamContext, worker: str, job_id: str, path: Path, media_type: MediaType
) -> Artefact:
    """Store the file as ``<job>/<name>``. Raises ``ValueError`` for what is no file of that job.

    Errors of the queue are the library's own; a file that was stored in part is removed by it.
    """
    bucket = artefact_bucket(worker)
    store = ObjectStore(name=bucket, stream=f"OBJ_{bucket}", js=js)
    options = ObjectMetaOptions(max_chunk_size=CHUNK_BYTES)
    with os.fdopen(_open(path), "rb", buffering=0) as file:
        name = f"{job_id}/{path.name}"
        # The library reads in a thread and takes any raw reader; its annotation is narrower.
        info = await store.put(name, file, ObjectMeta(name=name, options=options))  # type: ignore[arg-type]
    digest = base64.urlsafe_b64decode((info.digest or "").removeprefix("SHA-256="))
    return Artefact(name=path.name, media_type=media_type, size=info.size or 0, sha256=digest.hex())


def _open(path: Path) -> int:
    """A regular file of that folder: a link could lead to any file of the worker's."""
    fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    found = os.fstat(fd)
    if not stat.S_ISREG(found.st_mode) or found.st_nlink != 1 or found.st_size > MAX_FILE_BYTES:
        os.close(fd)
        raise ValueError(f"{path.name} is no file that can be sent")
    return fd
