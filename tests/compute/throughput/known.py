"""What several tests need: specs and devices of the catalogue, a plain context, a question."""

from __future__ import annotations

from compute.throughput.arrange import arrange
from compute.throughput.estimate import Question
from compute.throughput.hardware import Device, from_catalogue
from compute.throughput.library import Library
from compute.throughput.model import ModelSpec
from compute.throughput.request import ThroughputRequest
from compute.tool import FetchError, Result

LIBRARY = Library()


class PlainContext:
    """A context whose hub answers from a dictionary of addresses."""

    def __init__(self, pages: dict[str, bytes | int] | None = None) -> None:
        self.pages = pages or {}
        self.asked: list[tuple[str, int]] = []

    @property
    def hub_endpoint(self) -> str:
        return "http://hub.test"

    async def fetch(self, url: str, *, limit_bytes: int) -> bytes:
        self.asked.append((url, limit_bytes))
        page = self.pages.get(url, 404)
        if isinstance(page, int):
            raise FetchError(f"status {page}", status=page or None)
        return page

    async def progress(self, fraction: float, words: str, partial: Result | None = None) -> None:
        raise AssertionError("arithmetic needs no progress")

    async def keep(self, name: str, media_type: str, content: bytes) -> None:
        raise AssertionError("arithmetic makes no files")


def spec(model: str) -> ModelSpec:
    """A catalogue model."""
    found = LIBRARY.models.find(model)
    assert found is not None, model
    return LIBRARY.spec(found.id, found.config)


def device(gpu: str) -> Device:
    """A catalogue GPU."""
    found = LIBRARY.gpus.find(gpu)
    assert found is not None, gpu
    return from_catalogue(found)


def question(**fields: object) -> Question:
    """The deployment and load that a request with these fields means (on its first GPU)."""
    request = ThroughputRequest.model_validate({"model": "llama-3.1-8b", "gpu": "h100", **fields})
    assert isinstance(request.gpu, str)
    return arrange(request, spec(request.model), device(request.gpu), LIBRARY)
