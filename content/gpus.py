"""The accelerators of the catalogue: specifications with their source, found by any usual name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from content.errors import CatalogueError
from content.names import Entry, entry, nearest, squeeze, suggest
from content.tables import CATALOGUE, Row, read_rows

COLUMNS = (
    "gpu",
    "vendor",
    "arch",
    "class",
    "mem_gb",
    "mem_bw_gbs",
    "fp16_dense_tflops",
    "int8_dense_tops",
    "fp8_dense_tflops",
    "fp4_dense_tflops",
    "link",
    "link_bw_gbs_unidir",
    "tdp_w",
    "source",
    "notes",
)
NAME_COLUMNS = ("gpu", "name", "aliases")
KINDS = ("datacenter", "workstation", "consumer", "unified")
VENDOR_WORDS = ("nvidia", "geforce", "quadro", "tesla", "amd", "radeon", "instinct", "intel")
MOST_LISTED = 6


@dataclass(frozen=True)
class Gpu:
    """One accelerator. ``mem_gb`` is GiB in practice; rates are dense, fp32 accumulation."""

    key: str
    name: str
    vendor: str
    arch: str
    kind: str
    mem_gb: float
    mem_bw_gbs: float
    fp16_dense_tflops: float
    int8_dense_tops: float | None
    fp8_dense_tflops: float | None
    fp4_dense_tflops: float | None
    link: str
    link_bw_gbs: float
    tdp_w: float | None
    source: str
    notes: str


class GpuCatalogue:
    """The GPUs in the file's order, with look-up, nearest names and completion in memory."""

    def __init__(self, gpus: Mapping[str, Gpu], entries: tuple[Entry, ...]) -> None:
        self._gpus = dict(gpus)
        self._entries = entries
        self._keys = {spelling: item.value for item in entries for spelling in item.spellings}

    def __iter__(self) -> Iterator[Gpu]:
        return iter(self._gpus.values())

    def __len__(self) -> int:
        return len(self._gpus)

    def find(self, text: str) -> Gpu | None:
        """The GPU that ``text`` names (key, display name or alias), or nothing."""
        typed = squeeze(text)
        for spelling in (typed, *_without_vendor(typed)):
            if spelling in self._keys:
                return self._gpus[self._keys[spelling]]
        return None

    def nearest(self, text: str, limit: int = 3) -> list[Gpu]:
        """The GPUs whose names are closest to ``text``, best first."""
        return [self._gpus[item.value] for item in nearest(text, self._entries, limit)]

    def suggest(self, text: str, limit: int = 25) -> list[tuple[str, str]]:
        """(label, value) for completion; of a comma list the last name is completed."""
        *done, last = text[:200].split(",")
        found = suggest(last.strip(), self._entries, limit)
        if not any(part.strip() for part in done) or len(done) >= MOST_LISTED:
            return found
        head = ", ".join(part.strip() for part in done if part.strip())
        joined = [(f"{head}, {label}", f"{head}, {value}") for label, value in found]
        return [pair for pair in joined if len(pair[0]) <= 100 and len(pair[1]) <= 100]


def load_gpus(
    path: Path = CATALOGUE / "gpus.csv", names_path: Path = CATALOGUE / "gpu_names.csv"
) -> GpuCatalogue:
    """Every GPU. Raises ``CatalogueError`` for the first cell that is wrong."""
    names = {row.text("gpu"): row for row in read_rows(names_path, NAME_COLUMNS)}
    gpus: dict[str, Gpu] = {}
    for row in read_rows(path, COLUMNS):
        gpu = _gpu(row, names)
        if gpu.key in gpus:
            raise row.wrong("gpu", "each GPU once")
        gpus[gpu.key] = gpu
    entries = tuple(_entry(gpu, names.get(gpu.key)) for gpu in gpus.values())
    _check_aliases(names, gpus, entries, names_path.name)
    return GpuCatalogue(gpus, entries)


def _gpu(row: Row, names: Mapping[str, Row]) -> Gpu:
    kind = row.text("class")
    if kind not in KINDS:
        raise row.wrong("class", ", ".join(KINDS))
    key = row.text("gpu")
    return Gpu(
        key=key,
        name=names[key].text("name") if key in names else key,
        vendor=row.text("vendor"),
        arch=row.text("arch"),
        kind=kind,
        mem_gb=row.number_above("mem_gb"),
        mem_bw_gbs=row.number_above("mem_bw_gbs"),
        fp16_dense_tflops=row.number_above("fp16_dense_tflops"),
        int8_dense_tops=row.maybe_number("int8_dense_tops"),
        fp8_dense_tflops=row.maybe_number("fp8_dense_tflops"),
        fp4_dense_tflops=row.maybe_number("fp4_dense_tflops"),
        link=row.maybe("link"),
        link_bw_gbs=row.maybe_number("link_bw_gbs_unidir") or 0.0,
        tdp_w=row.maybe_number("tdp_w"),
        source=row.text("source"),
        notes=row.maybe("notes"),
    )


def _entry(gpu: Gpu, names: Row | None) -> Entry:
    aliases = names.maybe("aliases").split(";") if names else []
    return entry(gpu.name, gpu.key, [alias for alias in aliases if alias])


def _check_aliases(
    names: Mapping[str, Row], gpus: Mapping[str, Gpu], entries: tuple[Entry, ...], file: str
) -> None:
    for key, row in names.items():
        if key not in gpus:
            raise row.wrong("gpu", "a key of gpus.csv")
    owners: dict[str, str] = {}
    for item in entries:
        for spelling in item.spellings:
            if owners.setdefault(spelling, item.value) != item.value:
                row_number = names[item.value].number if item.value in names else 0
                found = f"{spelling!r}, also a name of {owners[spelling]}"
                raise CatalogueError(file, row_number, "aliases", found, "a name used once")


def _without_vendor(typed: str) -> Iterator[str]:
    shorter = typed.removesuffix("gpu")
    for word in VENDOR_WORDS:
        shorter = shorter.removeprefix(word)
        yield shorter
