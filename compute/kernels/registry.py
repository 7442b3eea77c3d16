"""All operators, found by walking this folder: a new one is one new file with ``OPERATOR``."""

from __future__ import annotations

import importlib
import pkgutil
from functools import cache

import compute.kernels
from compute.kernels.operator import Operator


@cache
def operators() -> dict[str, Operator]:
    """Operators by name, in the order of the alphabet. Loads torch and triton."""
    found: dict[str, Operator] = {}
    for info in pkgutil.iter_modules(compute.kernels.__path__):
        module = importlib.import_module(f"{compute.kernels.__name__}.{info.name}")
        operator = getattr(module, "OPERATOR", None)
        if isinstance(operator, Operator):
            found[operator.name] = operator
    return found
