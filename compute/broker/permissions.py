"""What a worker may do on the queue, and nothing else."""

from __future__ import annotations

from dataclasses import dataclass

from compute.jobs.subjects import (
    CARD_BUCKET,
    INFO_BUCKET,
    STATE_BUCKET,
    STREAM,
    artefact_bucket,
    bell,
    cancel_subject,
    consumer_of,
)

API = "$JS.API"


@dataclass(frozen=True, slots=True)
class Worker:
    """A worker that was added. ``lanes`` empty: every lane that its machine serves."""

    name: str
    key: str  # public
    lanes: tuple[str, ...] = ()
    added_at: float = 0.0  # Unix seconds


@dataclass(frozen=True, slots=True)
class Permissions:
    """Subjects of NATS, with its wildcards. ``inbox`` is heard, but comes from nowhere else."""

    publish: tuple[str, ...]
    subscribe: tuple[str, ...]
    inbox: str


def inbox_prefix(name: str) -> str:
    """Where answers to this client arrive; another's answers are no business of it."""
    return f"_INBOX_{name}"


def of_worker(worker: Worker) -> Permissions:
    """Take and acknowledge jobs of its lanes; write its own states, card and files; hear bells.

    Nothing here names a whole bucket of all workers: asked for its subjects, the server would tell
    every job's id.
    """
    name, bucket = worker.name, artefact_bucket(worker.name)
    consumers = [consumer_of(lane) for lane in worker.lanes] or ["*"]
    return Permissions(
        publish=(
            f"{API}.CONSUMER.NAMES.{STREAM}",
            *(f"{API}.CONSUMER.MSG.NEXT.{STREAM}.{consumer}" for consumer in consumers),
            *(f"$JS.ACK.{STREAM}.{consumer}.>" for consumer in consumers),
            *_own_key(STATE_BUCKET, f"{name}.>"),
            *_own_key(CARD_BUCKET, name),
            f"{API}.DIRECT.GET.KV_{INFO_BUCKET}.$KV.{INFO_BUCKET}.>",
            f"{API}.STREAM.INFO.OBJ_{bucket}",
            f"{API}.STREAM.MSG.GET.OBJ_{bucket}",
            f"{API}.STREAM.PURGE.OBJ_{bucket}",
            f"{API}.DIRECT.GET.OBJ_{bucket}.>",
            f"$O.{bucket}.>",
        ),
        subscribe=(bell(">"), cancel_subject(name)),
        inbox=f"{inbox_prefix(name)}.>",
    )


def _own_key(bucket: str, key: str) -> tuple[str, str]:
    """Read and write ``key``. A read names the key in its subject: by number it would be any."""
    return (f"{API}.DIRECT.GET.KV_{bucket}.$KV.{bucket}.{key}", f"$KV.{bucket}.{key}")
