"""The catalogues and parameters a calculator works with, read on first use and kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

from compute.throughput.interval import Evidence, count_evidence
from compute.throughput.model import ModelSpec, build_model
from compute.throughput.nearby import Sizes, Subject, group_rows
from compute.throughput.parameters import Parameters, load_parameters
from content.gpus import GpuCatalogue, load_gpus
from content.measurements import Measurement, load_measurements
from content.models import ModelCatalogue, load_models

MOST_KEPT = 512


class Library:
    """What is known; each part is read once. Raises ``CatalogueError`` for a broken file."""

    def __init__(self) -> None:
        self._specs: dict[str, ModelSpec] = {}

    @cached_property
    def gpus(self) -> GpuCatalogue:
        """Every GPU."""
        return load_gpus()

    @cached_property
    def models(self) -> ModelCatalogue:
        """Every model."""
        return load_models()

    @cached_property
    def measurements(self) -> tuple[Measurement, ...]:
        """Every published measurement."""
        return load_measurements()

    @cached_property
    def measured(self) -> Mapping[Subject, Sequence[Measurement]]:
        """The measurements by GPU and model."""
        return group_rows(self.measurements)

    @cached_property
    def parameters(self) -> Parameters:
        """The calibrated parameters."""
        return load_parameters()

    @cached_property
    def evidence(self) -> Evidence:
        """How much was measured on what."""
        return count_evidence(self.measurements, self.gpus)

    @cached_property
    def sizes(self) -> Mapping[str, Sizes]:
        """Total and active weights of every measured model."""
        sizes = {}
        for model_id in {row.model for row in self.measurements}:
            found = self.models.find(model_id)
            if found is not None:
                spec = self.spec(found.id, found.config)
                sizes[model_id] = Sizes(float(spec.total_params), float(spec.active_params))
        return sizes

    def spec(self, model_id: str, config: Mapping[str, Any]) -> ModelSpec:
        """A catalogue model's spec, built once. Raises ``Refused``."""
        if model_id not in self._specs:
            if len(self._specs) >= MOST_KEPT:
                self._specs.clear()
            self._specs[model_id] = build_model(model_id, config)
        return self._specs[model_id]

    def read_all(self) -> None:
        """Read every part now, so that no first answer waits for files."""
        parts = (self.gpus, self.models, self.parameters, self.evidence, self.sizes, self.measured)
        for part in parts:
            assert part is not None
