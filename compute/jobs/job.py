"""What travels between the bot and a worker: a job, its states, and the worker's own card."""

from __future__ import annotations

import hashlib
import json
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from compute.files import MAX_FILE_BYTES, MAX_FILES, NAME, MediaType
from compute.tool import AnyTool, Refusal

PROTOCOL = 1  # raised when what is below changes so that an older worker would misread it

MAX_JSON_BYTES = 256 * 1024  # of a request, a partial result and a result: one message of the queue
MAX_ATTEMPTS = 3

JobId = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{22}$")]
WorkerName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,30}$")]

Phase = Literal["running", "done", "refused", "failed", "cancelled", "returned"]
# Why a run failed or came back. "returned" is only ever skew or busy: it is no attempt.
Cause = Literal["", "memory", "time", "crash", "error", "lost", "too large", "skew", "busy"]
FINAL: frozenset[Phase] = frozenset({"done", "refused", "failed", "cancelled"})


class Message(BaseModel):
    """Both sides read what they know and pass over what a newer side has added."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class Job(Message):
    """One run of one tool, as the queue carries it from the bot.

    ``schema_id`` says which request and result the bot means (``schema_of``). ``ticket`` is known
    to the bot and to whoever was handed the message: a state without it is not believed.
    ``base`` attempts were made by earlier messages of the same job. Limits: ``host_gib`` resident
    memory of the whole child, ``device_gib`` GPU memory (0 = all of it), ``limit_s`` run time.
    """

    id: JobId
    tool: str = Field(max_length=40)
    schema_id: str = Field(max_length=64)
    request: dict[str, JsonValue]
    lane: str = Field(max_length=60)
    ticket: str = Field(max_length=64)
    base: int = Field(default=0, ge=0)
    host_gib: float = Field(default=4.0, gt=0)
    device_gib: float = Field(default=0.0, ge=0)
    limit_s: float = Field(default=600.0, gt=0)


class Artefact(Message):
    """A file that a job made. Its bytes are in the worker's own object store as ``<job>/<name>``
    until the bot has fetched them; ``sha256`` is lower-case hexadecimal.
    """

    name: str = Field(pattern=NAME)
    media_type: MediaType
    size: int = Field(ge=0, le=MAX_FILE_BYTES)
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")


class JobState(Message):
    """What one worker says of one job; times are Unix seconds of the worker's clock.

    ``attempt`` counts from 1 over the whole job: ``Job.base`` plus the delivery count. ``words``
    is the tool's own progress line, or for a failure a sentence for the person who asked.
    ``partial`` is a result of the tool's own type that is not complete yet.
    """

    job: JobId
    worker: WorkerName
    ticket: str = Field(max_length=64)
    attempt: int = Field(ge=1)
    phase: Phase
    cause: Cause = ""
    fraction: float = Field(default=0.0, ge=0, le=1)
    words: str = Field(default="", max_length=500)
    partial: dict[str, JsonValue] | None = None
    result: dict[str, JsonValue] | None = None
    refusal: Refusal | None = None
    artefacts: tuple[Artefact, ...] = Field(default=(), max_length=MAX_FILES)
    started_at: float
    updated_at: float
    run_s: float = Field(default=0.0, ge=0)


class Machine(Message):
    """What a worker's machine is. ``sm`` is the compute capability times 10 (90 = Hopper), 0
    without a CUDA GPU; ``gpu_key`` is the key of the GPU in our catalogue, "" if it has none.
    """

    gpu: str = Field(default="", max_length=100)
    gpu_key: str = Field(default="", max_length=60)
    gpu_uuid: str = Field(default="", max_length=80)
    memory_gib: float = Field(default=0.0, ge=0)
    sm: int = Field(default=0, ge=0)
    driver: str = Field(default="", max_length=40)
    cuda: str = Field(default="", max_length=20)
    torch: str = Field(default="", max_length=40)
    triton: str = Field(default="", max_length=40)
    cpu: str = Field(default="", max_length=100)
    cores: int = Field(default=0, ge=0)
    host_gib: float = Field(default=0.0, ge=0)


class Card(Message):
    """A worker's presence, written every few seconds. ``tools``: name -> ``schema_of`` of what it
    can run. ``job`` is what runs now, "" when free. ``load``: CPU (1-minute load over cores) and
    ``gpu_load`` (busy share, None where it cannot be read).
    """

    name: WorkerName
    protocol: int
    version: str = Field(max_length=40)
    lanes: tuple[str, ...] = Field(max_length=400)
    tools: dict[str, str] = Field(max_length=100)
    machine: Machine = Machine()
    job: str = Field(default="", max_length=22)
    load: float = Field(default=0.0, ge=0)
    gpu_load: float | None = Field(default=None, ge=0, le=1)
    since: float
    at: float


class BotInfo(Message):
    """What the bot tells its workers of itself, so that an outdated worker takes no job."""

    protocol: int
    version: str = Field(max_length=40)


def schema_of(tool: AnyTool) -> str:
    """16 hexadecimal digits that change whenever the tool's request or result does."""
    shapes = [tool.request.model_json_schema(), tool.result.model_json_schema()]
    text = json.dumps(shapes, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
