"""The models of the catalogue: Hugging Face config fields with their source, found by name."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from content.errors import CatalogueError
from content.name_index import NameIndex
from content.names import Entry, entry, nearest, squeeze
from content.tables import CATALOGUE

ENDINGS = ("", "instruct", "it", "chat", "hf", "chathf", "base", "instructhf", "bf16")
VERSIONS = ("", "v03", "v02", "v01")
BEGINNINGS = ("", "meta")
COUNTS = (
    "num_hidden_layers", "num_attention_heads", "num_key_value_heads", "head_dim",
    "num_experts", "num_experts_per_tok", "max_position_embeddings",
)  # fmt: skip
NEEDED = ("hidden_size", "vocab_size")


@dataclass(frozen=True)
class Model:
    """One model: its hub id, its config fields and where they are from."""

    id: str
    name: str
    config: Mapping[str, Any]
    source: str


class ModelCatalogue:
    """The models in the file's order, with look-up, nearest names and completion in memory."""

    def __init__(self, models: Mapping[str, Model]) -> None:
        self._models = dict(models)
        self._entries = tuple(_entry(model) for model in models.values())
        self._completion = NameIndex(self._entries)
        self._ids = {squeeze(model.id): model.id for model in models.values()}
        self._short = _short_names(models)

    def __iter__(self) -> Iterator[Model]:
        return iter(self._models.values())

    def __len__(self) -> int:
        return len(self._models)

    def find(self, text: str) -> Model | None:
        """The model that ``text`` names: its id in any case, or a short name; or nothing.

        A short name means the model of exactly that name, else its instruct or chat version.
        """
        typed = text.strip()
        if typed in self._models:
            return self._models[typed]
        squeezed = squeeze(typed)
        if "/" in typed:
            return self._models.get(self._ids.get(squeezed, ""))
        for beginning in BEGINNINGS:
            for ending in ENDINGS:
                for version in VERSIONS:
                    found = self._short.get(beginning + squeezed + ending + version)
                    if found is not None:
                        return self._models[found]
        return None

    def nearest(self, text: str, limit: int = 3) -> list[Model]:
        """The models whose names are closest to ``text``, best first."""
        return [self._models[item.value] for item in nearest(text, self._entries, limit)]

    def suggest(self, text: str, limit: int = 25) -> list[tuple[str, str]]:
        """(label, value) for completion."""
        return self._completion.suggest(text, limit)


def load_models(path: Path = CATALOGUE / "models.jsonl") -> ModelCatalogue:
    """Every model. Raises ``CatalogueError`` for the first line that is wrong."""
    models: dict[str, Model] = {}
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise CatalogueError(path.name, 0, "-", str(error), "a readable file") from error
    for number, line in enumerate(lines, start=1):
        if line.strip():
            model = _model(path.name, number, line)
            if model.id in models:
                raise CatalogueError(path.name, number, "id", repr(model.id), "each model once")
            models[model.id] = model
    return ModelCatalogue(models)


def _model(file: str, number: int, line: str) -> Model:
    try:
        record = json.loads(line)
    except ValueError as error:
        raise CatalogueError(file, number, "-", str(error), "one JSON object a line") from error
    if not isinstance(record, dict):
        raise CatalogueError(file, number, "-", type(record).__name__, "one JSON object a line")
    for field in ("id", "source"):
        if not isinstance(record.get(field), str) or not record[field]:
            found = repr(record.get(field))[:80]
            raise CatalogueError(file, number, field, found, "a text that is not empty")
    _check_counts(file, number, record)
    config = {key: value for key, value in record.items() if key not in ("id", "source")}
    return Model(record["id"], record["id"].rpartition("/")[2], config, record["source"])


def _check_counts(file: str, number: int, record: Mapping[str, Any]) -> None:
    for field in (*COUNTS, *NEEDED):
        value = record.get(field)
        if value is None and field not in NEEDED:
            continue
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise CatalogueError(
                file, number, field, repr(value)[:80], "a whole number of at least 1"
            )


def _entry(model: Model) -> Entry:
    return entry(model.id, model.id, [model.name])


def _short_names(models: Mapping[str, Model]) -> dict[str, str]:
    short: dict[str, str] = {}
    for model in models.values():
        short.setdefault(squeeze(model.name), model.id)
    return short
