"""Numbers as short as an axis needs them."""

from __future__ import annotations


def short_number(value: float) -> str:
    """0.5, 20, 1.5k, 40k, 2M."""
    for size, unit in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= size:
            return f"{value / size:.4g}{unit}"
    return f"{value:.4g}"
