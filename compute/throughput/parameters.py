"""Every calibrated parameter by name, with its unit, bounds and where its value is from."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FILE = Path(__file__).parent / "parameters.toml"


@dataclass(frozen=True)
class Parameter:
    """One parameter: ``prior`` is where it starts and what it is pulled to without evidence.

    ``spread`` is the standard deviation of that pull, in natural-log units.
    """

    name: str
    value: float
    prior: float
    low: float
    high: float
    spread: float
    unit: str
    meaning: str


@dataclass(frozen=True)
class Parameters:
    """Values by name, as the estimator reads them."""

    values: Mapping[str, float]
    provenance: Mapping[str, Any]

    def __getitem__(self, name: str) -> float:
        return self.values[name]

    def get(self, name: str, default: float) -> float:
        """The value, or ``default`` where there is no such parameter."""
        return self.values.get(name, default)

    def replaced(self, values: Mapping[str, float]) -> Parameters:
        """The same with some values changed."""
        return Parameters({**self.values, **values}, self.provenance)


def load_definitions(path: Path = FILE) -> tuple[list[Parameter], Mapping[str, Any]]:
    """Every parameter with its bounds, and the file's provenance. Raises ``ValueError``."""
    with path.open("rb") as lines:
        content = tomllib.load(lines)
    provenance = content.pop("provenance", {})
    found = []
    for group, members in content.items():
        for name, fields in members.items():
            parameter = Parameter(name=f"{group}.{name}", **fields)
            if not parameter.low <= parameter.value <= parameter.high:
                raise ValueError(f"{path.name}: {parameter.name} is outside its bounds")
            found.append(parameter)
    return found, provenance


def load_parameters(path: Path = FILE) -> Parameters:
    """The calibrated values. Raises ``ValueError`` naming the parameter that is out of bounds."""
    definitions, provenance = load_definitions(path)
    return Parameters({item.name: item.value for item in definitions}, provenance)


def save_definitions(
    definitions: Sequence[Parameter],
    values: Parameters,
    provenance: Mapping[str, str | int | float],
    path: Path = FILE,
) -> None:
    """Write the file anew with ``values``, everything else as it was."""
    lines = ["# Written by `make calibrate`; priors, bounds and spreads are edited by hand."]
    lines += ["", "[provenance]"]
    lines += [f"{name} = {_toml(value)}" for name, value in provenance.items()]
    for item in definitions:
        group, _, name = item.name.partition(".")
        value = min(item.high, max(item.low, round(values[item.name], 5)))
        lines += ["", f"[{group}.{_key(name)}]", f"value = {float(value)!r}"]
        for field in ("prior", "low", "high", "spread", "unit", "meaning"):
            lines.append(f"{field} = {_toml(getattr(item, field))}")
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _key(name: str) -> str:
    return name if name.replace("_", "").replace("-", "").isalnum() else f'"{name}"'


def _toml(value: str | int | float) -> str:
    return f'"{value}"' if isinstance(value, str) else repr(value)
