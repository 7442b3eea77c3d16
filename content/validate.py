"""The check of every catalogue file at start: the first wrong cell stops with its place."""

from __future__ import annotations

from content.errors import CatalogueError
from content.gpu_prices import load_gpu_prices
from content.gpus import Gpu, load_gpus
from content.measurements import load_measurements
from content.models import load_models
from content.traffic import load_traffic

MEMORY_APART = 0.12  # B200 is listed as 180 and 192 GB; an RTX 3060 with 8 GB is another card


def validate_catalogues() -> None:
    """Read every catalogue and check what refers to what. Raises ``CatalogueError``."""
    gpus = {gpu.key: gpu for gpu in load_gpus()}
    models = {model.id for model in load_models()}
    for number, row in enumerate(load_measurements(), start=2):
        if row.gpu not in gpus:
            raise CatalogueError(
                "measurements.csv", number, "gpu", repr(row.gpu), "a key of gpus.csv"
            )
        if row.model not in models:
            raise CatalogueError(
                "measurements.csv", number, "model", repr(row.model), "an id of models.jsonl"
            )
    _check_gpu_prices(gpus)
    load_traffic()


def _check_gpu_prices(gpus: dict[str, Gpu]) -> None:
    """A listing's key is a GPU of the catalogue, with that much memory, or says that it is not."""
    for number, offer in enumerate(load_gpu_prices(), start=2):
        if not offer.gpu_key or "?" in offer.gpu_key:
            continue
        gpu = gpus.get(offer.gpu_key)
        if gpu is None:
            raise CatalogueError(
                "gpu_prices.csv", number, "gpu_key", repr(offer.gpu_key), "a key of gpus.csv"
            )
        if abs(offer.vram_gb / gpu.mem_gb - 1.0) > MEMORY_APART:
            allowed = f"about {gpu.mem_gb:g}, the memory of {gpu.key}"
            raise CatalogueError("gpu_prices.csv", number, "vram_gb", f"{offer.vram_gb:g}", allowed)
