"""GPUs are found by whatever people type; a broken file names the cell."""

from __future__ import annotations

from pathlib import Path

import pytest

from content.errors import CatalogueError
from content.gpus import GpuCatalogue, load_gpus
from content.tables import CATALOGUE


@pytest.fixture(scope="module")
def gpus() -> GpuCatalogue:
    return load_gpus()


@pytest.mark.parametrize(
    ("typed", "key"),
    [
        ("h100", "H100-SXM"),
        ("NVIDIA H100", "H100-SXM"),
        ("H100 PCIe", "H100-PCIe"),
        ("a100", "A100-SXM-80GB"),
        ("NVIDIA A100-SXM4-80GB", "A100-SXM-80GB"),
        ("4090", "RTX-4090"),
        ("rtx 4090", "RTX-4090"),
        ("GeForce RTX 3090", "RTX-3090"),
        ("mi300x", "MI300X"),
        ("m2 ultra", "Apple-M2-Ultra-76c"),
        ("b200", "B200-SXM"),
        ("4070 ti super", "RTX-4070Ti-Super"),
        ("strix halo", "Ryzen-AI-Max-395"),
    ],
)
def test_usual_names_find_their_gpu(gpus: GpuCatalogue, typed: str, key: str) -> None:
    found = gpus.find(typed)
    assert found is not None
    assert found.key == key


def test_every_gpu_is_found_by_its_own_key_and_display_name(gpus: GpuCatalogue) -> None:
    for gpu in gpus:
        assert gpus.find(gpu.key) == gpu
        assert gpus.find(gpu.name) == gpu
    assert len(gpus) == 81


def test_a_misspelt_name_finds_nothing_but_its_family_is_near(gpus: GpuCatalogue) -> None:
    assert gpus.find("h1000") is None
    assert [gpu.name for gpu in gpus.nearest("h1000")] == ["H100 SXM", "H100 PCIe", "H100 NVL"]


@pytest.mark.parametrize(
    "hostile", ["", " ", "@everyone", "🦆" * 3000, "‮abc", "../../etc", "x" * 6000]
)
def test_hostile_text_finds_no_gpu_and_breaks_nothing(gpus: GpuCatalogue, hostile: str) -> None:
    assert gpus.find(hostile) is None
    assert len(gpus.nearest(hostile)) <= 3
    assert all(len(label) <= 100 for label, _ in gpus.suggest(hostile))


def test_completion_puts_prefixes_first_and_completes_the_last_of_a_list(
    gpus: GpuCatalogue,
) -> None:
    assert [label for label, _ in gpus.suggest("h1")][:3] == ["H100 SXM", "H100 PCIe", "H100 NVL"]
    label, value = gpus.suggest("h100, mi3")[0]
    assert (label, value) == ("h100, MI300X", "h100, MI300X")
    assert len(gpus.suggest("")) == 25


def _broken(tmp_path: Path, old: str, new: str) -> Path:
    text = (CATALOGUE / "gpus.csv").read_text(encoding="utf-8")
    assert old in text
    path = tmp_path / "gpus.csv"
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("old", "new", "row", "column"),
    [
        ("datacenter,80,3350,", "datacenter,80,fast,", 2, "mem_bw_gbs"),
        ("datacenter,80,3350,", "datacenter,-1,3350,", 2, "mem_gb"),
        ("Hopper,datacenter,80,2000", "Hopper,basement,80,2000", 3, "class"),
        ("H100-PCIe,NVIDIA", "H100-SXM,NVIDIA", 3, "gpu"),
        ("datacenter,80,3350,", "datacenter,80,nan,", 2, "mem_bw_gbs"),
    ],
)
def test_a_wrong_cell_is_named_by_file_row_and_column(
    tmp_path: Path, old: str, new: str, row: int, column: str
) -> None:
    with pytest.raises(CatalogueError) as raised:
        load_gpus(_broken(tmp_path, old, new))
    assert (raised.value.file, raised.value.row, raised.value.column) == ("gpus.csv", row, column)
    assert f"row {row}, column {column}" in str(raised.value)


def test_a_missing_column_and_a_missing_file_are_named(tmp_path: Path) -> None:
    with pytest.raises(CatalogueError, match="tdp_w"):
        load_gpus(_broken(tmp_path, ",tdp_w,", ",watts,"))
    with pytest.raises(CatalogueError, match="nowhere"):
        load_gpus(tmp_path / "nowhere.csv")


def test_one_alias_for_two_gpus_is_an_error(tmp_path: Path) -> None:
    names = tmp_path / "gpu_names.csv"
    names.write_text("gpu,name,aliases\nH100-SXM,H100 SXM,big\nL4,L4,big\n", encoding="utf-8")
    with pytest.raises(CatalogueError, match="also a name of H100-SXM"):
        load_gpus(names_path=names)
