"""The check of every catalogue file at start: the first wrong cell stops with its place."""

from __future__ import annotations

from content.errors import CatalogueError
from content.gpus import load_gpus
from content.measurements import load_measurements
from content.models import load_models


def validate_catalogues() -> None:
    """Read every catalogue and check what refers to what. Raises ``CatalogueError``."""
    gpus = {gpu.key for gpu in load_gpus()}
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
