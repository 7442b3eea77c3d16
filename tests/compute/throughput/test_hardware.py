"""GPUs by name, list and numbers; refusals that name what is near."""

from __future__ import annotations

import pytest

from compute.throughput.hardware import resolve_gpus
from compute.tool import Refused
from tests.compute.throughput.known import LIBRARY, device


def test_numbers_make_a_gpu() -> None:
    (found,) = resolve_gpus("80GiB 3350GB/s 989TFLOPS", LIBRARY.gpus)
    assert found.bandwidth_gbs == 3350.0
    assert found.rates == {"fp16": 989.0}
    assert found.usable_gib == pytest.approx(79.6)
    (other,) = resolve_gpus("24 GB, 1.0 TB/s, 165 tflops".replace(",", ""), LIBRARY.gpus)
    assert (other.bandwidth_gbs, other.rates["fp16"]) == (1000.0, 165.0)


def test_numbers_may_stand_in_any_order_with_commas() -> None:
    (found,) = resolve_gpus("3350GB/s, 80 GiB,989 TFLOPS", LIBRARY.gpus)
    assert found.usable_gib == pytest.approx(79.6)
    assert found.bandwidth_gbs == 3350.0


@pytest.mark.parametrize(
    "typed",
    ["-80GiB 3350GB/s 989TFLOPS", "1e3GiB 3350GB/s 989TFLOPS", "80GiB .5e3GB/s 989TFLOPS"],
)
def test_a_number_is_never_read_in_part(typed: str) -> None:
    with pytest.raises(Refused):
        resolve_gpus(typed, LIBRARY.gpus)


@pytest.mark.parametrize("typed", ["8x h100", "8xH100", "8 x NVIDIA H100", "8×h100"])
def test_how_many_gpus_is_sent_to_its_own_option(typed: str) -> None:
    with pytest.raises(Refused, match="option gpus: gpu H100 SXM, gpus 8") as raised:
        resolve_gpus(typed, LIBRARY.gpus)
    assert raised.value.refusal.fixes[0].changes == {"gpu": "H100-SXM", "n_gpus": 8}


def test_a_list_keeps_its_order_and_drops_repeats() -> None:
    found = resolve_gpus("h200, h100, H100 SXM", LIBRARY.gpus)
    assert [item.name for item in found] == ["H200 SXM", "H100 SXM"]


@pytest.mark.parametrize(
    ("typed", "nearest"), [("h1000", "H100 SXM"), ("h100, rtx 409", "RTX 4090")]
)
def test_an_unknown_gpu_is_refused_with_near_names(typed: str, nearest: str) -> None:
    with pytest.raises(Refused) as raised:
        resolve_gpus(typed, LIBRARY.gpus)
    assert raised.value.refusal.field == "gpu"
    assert nearest in raised.value.refusal.nearest
    assert raised.value.refusal.example == "80GiB 3350GB/s 989TFLOPS"


@pytest.mark.parametrize("typed", [",", "80GiB 3350GB/s", "0GiB 1GB/s 1TFLOPS", "a,b,c,d,e,f,g"])
def test_numbers_that_are_no_gpu_and_lists_too_long_are_refused(typed: str) -> None:
    with pytest.raises(Refused):
        resolve_gpus(typed, LIBRARY.gpus)


def test_usable_memory_is_what_the_allocator_sees() -> None:
    assert device("h100").usable_gib == pytest.approx(79.6)
    assert device("l40s").usable_gib == pytest.approx(45.0)
    assert device("a10").usable_gib == pytest.approx(22.5)
    assert device("m2 ultra").usable_gib == pytest.approx(144.0)


def test_memory_kinds() -> None:
    kinds = {gpu: device(gpu).memory_kind for gpu in ("h100", "a30", "l40s", "4090", "m1 max")}
    assert kinds == {
        "h100": "hbm",
        "a30": "hbm",
        "l40s": "gddr",
        "4090": "gddr",
        "m1 max": "unified",
    }
