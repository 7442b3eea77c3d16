"""A tool is one function with a typed request and a typed result.

Every door (Discord, terminal, JSON API, pages, the job queue) carries the same ``Request`` and
shows the same ``Result``; names, ranges, help and schema all come from the two models.
"""

from __future__ import annotations

import importlib
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TextIO, TypeVar

from pydantic import BaseModel, ConfigDict, JsonValue


class Request(BaseModel):
    """What a person asked for. A field's alias is its short name (``gpus`` for ``n_gpus``)."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        populate_by_name=True,
        str_strip_whitespace=True,
        str_max_length=400,
        allow_inf_nan=False,
    )


class Result(BaseModel):
    """What came out: plain numbers and words, ready for JSON; units are in the field names."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Fix(BaseModel):
    """A change of the request that would work, one press away ("Use 2 GPUs").

    ``detail`` says how well, for the text above the buttons ("9 users"). ``optional``: the answer
    is good without it. ``in_place``: its asker sees the next answer in the place of this one, as
    when a page is turned. Those of one ``group`` are entries of a menu of that name.
    """

    model_config = ConfigDict(frozen=True)

    label: str
    changes: Mapping[str, JsonValue]
    detail: str = ""
    optional: bool = False
    in_place: bool = False
    group: str = ""


class Refusal(BaseModel):
    """Why an input was not taken, in words for the person, and the nearest thing that works.

    ``field`` is the request's field (not its alias), ``given`` the offending value as typed,
    ``nearest`` valid values close to it, best first, ``example`` one value that works;
    ``our_fault`` where the tool failed and the input may have been right.
    """

    model_config = ConfigDict(frozen=True)

    message: str
    our_fault: bool = False
    field: str | None = None
    given: str | None = None
    nearest: tuple[str, ...] = ()
    example: str | None = None
    fixes: tuple[Fix, ...] = ()


class Refused(Exception):
    """The one way to refuse input: raise it anywhere in a tool, every door shows it."""

    def __init__(
        self,
        message: str,
        *,
        field: str | None = None,
        given: str | None = None,
        nearest: tuple[str, ...] = (),
        example: str | None = None,
        fixes: tuple[Fix, ...] = (),
    ) -> None:
        super().__init__(message)
        self.refusal = Refusal(
            message=message,
            field=field,
            given=given,
            nearest=nearest,
            example=example,
            fixes=fixes,
        )

    @property
    def message(self) -> str:
        """The sentence alone."""
        return self.refusal.message


class Context(Protocol):
    """A running tool's only way to the world; arithmetic ignores it, tests hand in a plain one."""

    @property
    def hub_endpoint(self) -> str:
        """Base URL of the Hugging Face hub (``HF_ENDPOINT``), without a trailing slash."""

    async def fetch(self, url: str, *, limit_bytes: int) -> bytes:
        """The body at ``url``. Raises ``FetchError`` with a sentence for the person."""

    async def progress(self, fraction: float, words: str, partial: Result | None = None) -> None:
        """Say how far the work is (0 to 1) and what it is doing; ``partial`` is what is known.

        Cancelling needs no asking: a cancelled job's process is ended.
        """

    async def keep(self, name: str, media_type: str, content: bytes) -> None:
        """Add a file to the answer (text/plain, text/csv, application/json, image/png or
        text/html; at most 64 MiB). Raises ``ValueError`` for any other.
        """


@dataclass(frozen=True, slots=True)
class Needs:
    """What a request needs of the machine that runs it.

    ``cuda``: an NVIDIA GPU; ``memory_gib``: its memory; ``sm``: its lowest compute capability
    times 10 (90 = Hopper); ``gpu``: this key of the GPU catalogue and no other; ``or_cpu``: any
    worker will do while none with such a GPU is online. Limits of the run: ``host_gib`` of main
    memory, ``limit_s`` seconds. ``shared`` False: another's result is no answer, however alike the
    requests are.
    """

    cuda: bool = False
    or_cpu: bool = False
    memory_gib: float = 0.0
    sm: int = 0
    gpu: str = ""
    host_gib: float = 4.0
    limit_s: float = 600.0
    shared: bool = True


class FetchError(Exception):
    """An outside address did not give what was asked; ``status`` is its HTTP status if any."""

    def __init__(self, message: str, *, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status


RequestT = TypeVar("RequestT", bound=Request)
ResultT = TypeVar("ResultT", bound=Result)


def _never(_: Any) -> bool:
    return False


def _here(_: Any) -> Needs | None:
    """Arithmetic runs in the bot itself."""
    return None


def _nothing() -> None:
    """Most tools have nothing to read beforehand."""


@dataclass(frozen=True)
class Tool(Generic[RequestT, ResultT]):
    """One tool. ``waits`` says whether this request may wait on the network, so doors defer.

    ``needs`` says what machine a request needs; None: it runs in the bot, else as a job on a
    worker. ``warm`` names modules that a worker's child imports before its first job.
    ``prepare`` reads what ``run`` needs from disk: a bot calls it once, in a thread, at start.
    ``batch`` reads one JSON request a line and writes one JSON answer a line; it returns how many
    were answered and how many were impossible. Only the terminal offers it. ``refresh`` keeps its
    data fresh from a thread of its own while the bot runs, and returns what stops it.
    """

    name: str
    title: str
    summary: str
    request: type[RequestT]
    result: type[ResultT]
    run: Callable[[RequestT, Context], Awaitable[ResultT]]
    waits: Callable[[RequestT], bool] = _never
    needs: Callable[[RequestT], Needs | None] = _here
    warm: tuple[str, ...] = ()
    prepare: Callable[[], None] = _nothing
    batch: Callable[[Iterable[str], TextIO], tuple[int, int]] | None = None
    refresh: Callable[[], Callable[[], None]] | None = None


AnyTool = Tool[Any, Any]


def load_tool(name: str) -> AnyTool:
    """The tool whose module or package is ``compute.<name>``. Raises ``LookupError``."""
    unknown = LookupError(f"there is no tool named {name!r}")
    if not name.isidentifier():
        raise unknown
    try:
        tool = getattr(importlib.import_module(f"compute.{name}"), "TOOL", None)
    except ModuleNotFoundError as error:
        if error.name != f"compute.{name}":
            raise  # the tool is there, a library that it needs is not
        raise unknown from None
    if not isinstance(tool, Tool):
        raise unknown
    return tool
