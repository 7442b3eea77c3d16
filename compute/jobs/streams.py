"""Streams, buckets and consumers of the queue. The bot makes them; a worker only waits for them.

Every function may be called again at any time: what exists stays, what differs is brought in line.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from compute.jobs.job import MAX_JSON_BYTES
from compute.jobs.subjects import (
    CARD_BUCKET,
    INFO_BUCKET,
    STATE_BUCKET,
    STREAM,
    Timing,
    artefact_bucket,
    consumer_of,
)

if TYPE_CHECKING:
    from nats.js import JetStreamContext
    from nats.js.api import StreamConfig

IN_USE = 10058  # the server's code for "that name is in use with another configuration"
DUPLICATE_S = 120.0  # a job published twice within that time (Nats-Msg-Id) is stored once
ROOM = 64 * 1024  # bytes of a message beside its largest JSON
MAX_PENDING = 10_000  # jobs of one lane that run at once
CHUNK_BYTES = 512 * 1024  # of a file: 20 MB are read in 0.8 s, with the library's 128 KiB in 3 s
# Of all files that lie with one worker. The server sets it aside: 60 workers fit into 16 GB.
STORE_BYTES = 256 * 2**20


async def ensure_streams(js: JetStreamContext, timing: Timing, replicas: int = 1) -> None:
    """The stream of jobs and the buckets that all workers share."""
    from nats.js.api import DiscardPolicy, RetentionPolicy, StorageType, StreamConfig

    jobs = StreamConfig(
        name=STREAM,
        subjects=["jobs.>"],
        retention=RetentionPolicy.WORK_QUEUE,
        storage=StorageType.FILE,
        discard=DiscardPolicy.NEW,
        duplicate_window=DUPLICATE_S,
        max_msg_size=MAX_JSON_BYTES + ROOM,
        num_replicas=replicas,
    )
    await _ensure(js, jobs)
    for bucket in (STATE_BUCKET, INFO_BUCKET):
        await _ensure(js, _bucket(bucket, StorageType.FILE, replicas))
    # A card is worth nothing after its worker: it lies in memory and costs no disk write.
    cards = _bucket(CARD_BUCKET, StorageType.MEMORY, replicas, max_age=3 * timing.gone_s)
    await _ensure(js, cards)


async def ensure_lane(js: JetStreamContext, lane: str, timing: Timing) -> None:
    """The consumer that the workers of ``lane`` share; to be made before anything is published.

    ``max_deliver`` stays -1: a limit would leave dead messages in the stream; workers count.
    """
    from nats.js.api import AckPolicy, ConsumerConfig

    wanted = ConsumerConfig(
        durable_name=consumer_of(lane),
        filter_subject=f"jobs.{lane}.>",
        ack_policy=AckPolicy.EXPLICIT,
        ack_wait=timing.lease_s,
        max_deliver=-1,
        max_ack_pending=MAX_PENDING,
    )
    await js.add_consumer(STREAM, wanted)


async def ensure_worker_bucket(
    js: JetStreamContext, worker: str, timing: Timing, replicas: int = 1
) -> None:
    """The object store that ``worker`` alone writes; what nobody fetched goes after a day."""
    from nats.js.api import DiscardPolicy, StorageType, StreamConfig

    name = artefact_bucket(worker)
    store = StreamConfig(
        name=f"OBJ_{name}",
        subjects=[f"$O.{name}.C.>", f"$O.{name}.M.>"],
        max_age=timing.artefact_ttl_s,
        max_bytes=STORE_BYTES,
        storage=StorageType.FILE,
        discard=DiscardPolicy.NEW,
        allow_rollup_hdrs=True,
        allow_direct=True,
        num_replicas=replicas,
    )
    await _ensure(js, store)


def _bucket(bucket: str, storage: Any, replicas: int, max_age: float = 0.0) -> StreamConfig:
    """A key-value bucket as every NATS client understands it, one value a key."""
    from nats.js.api import DiscardPolicy, StreamConfig

    return StreamConfig(
        name=f"KV_{bucket}",
        subjects=[f"$KV.{bucket}.>"],
        max_msgs_per_subject=1,
        max_age=max_age,
        max_msg_size=2 * MAX_JSON_BYTES + ROOM,  # a result beside the last partial one
        # An age below the window would be refused.
        duplicate_window=min(DUPLICATE_S, max_age or DUPLICATE_S),
        storage=storage,
        discard=DiscardPolicy.NEW,
        # A worker writes its own keys only; by a rollup of the stream it could remove all others.
        allow_rollup_hdrs=False,
        allow_direct=True,
        deny_delete=True,
        num_replicas=replicas,
    )


async def _ensure(js: JetStreamContext, wanted: StreamConfig) -> None:
    from nats.js.errors import BadRequestError

    try:
        await js.add_stream(wanted)
    except BadRequestError as error:
        if error.err_code != IN_USE:
            raise
        await js.update_stream(wanted)
