"""Attention on Hopper: right on lengths that end anywhere, by g++'s emulation and as the PTX that
NVRTC makes of it. Each wait, phase and address in it is needed: taken out or changed, one of the
two shows it.
"""

from __future__ import annotations

import ctypes
import re
import shutil
import tempfile
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from tests.compute.kernels.finding import faults, need_worker_packages
from tests.needs import require_or_skip

pytestmark = pytest.mark.slow

# (B, H, HK, SQ, SK, D, causal)
SHAPES = (
    (1, 2, 1, 1, 1, 64, 1), (2, 2, 1, 65, 130, 64, 1), (1, 4, 1, 5, 400, 64, 0),
    (1, 1, 1, 300, 170, 64, 1), (1, 1, 1, 128, 256, 64, 1), (1, 1, 1, 300, 3, 64, 1),
    (1, 2, 1, 2, 140, 40, 1), (1, 1, 1, 140, 270, 128, 1), (2, 2, 2, 3, 129, 104, 0),
)  # fmt: skip
LOGITS = "wgmma_wait<1>();\n    keep(rows.logits);\n    release(&tiles.k_empty[key.stage]);"
NEXT = "barrier_wait(&tiles.k_full[next.stage], next.parity);"
FREE = "barrier_wait(&tiles.k_empty[to.stage], to.parity ^ 1);"
VALUES = "barrier_wait(&tiles.v_full[value.stage], value.parity);\n"
# Once a phase is missed barriers may count on, stand still, or have been left alone.
BROKEN = "values|never reach|more threads|nobody waits"
# Statements or expressions, what stands there instead, and what must come of it: wrong values, or
# a launch that stops with such a message.
FAULTS = {
    "no wait for queries": ("barrier_wait(&tiles.q_full, 0);", "", BROKEN),
    "no wait for the first keys": ("barrier_wait(&tiles.k_full[0], 0);", "", BROKEN),
    "no wait for keys": (NEXT, "", BROKEN),
    "keys of the wrong phase": (NEXT, NEXT.replace("parity)", "parity ^ 1)"), BROKEN),
    "no wait for values": (VALUES + "    keep(rows.out);", "keep(rows.out);", BROKEN),
    "no wait for the last values": (VALUES + "  keep(rows.out);", "", BROKEN),
    "keys that are in use": (FREE, "", BROKEN),
    "the wrong phase of what is in use": (FREE, FREE.replace(" ^ 1", ""), "never reach"),
    "values that are in use": (FREE.replace("k_", "v_"), "", BROKEN),
    "released by one warpgroup": (
        "barrier_init(&tiles.k_empty[i], WARPS);", "barrier_init(&tiles.k_empty[i], 4);",
        BROKEN,
    ),
    "no wait for logits": (LOGITS, "release(&tiles.k_empty[key.stage]);", "values"),
    "no wait for sums": ("wgmma_wait<0>();\n    keep(rows.out);", "", "values"),
    "nobody begins": (
        "if (group == LAST && blocks > 1) named_arrive(following, TOGETHER);", "", "never reach",
    ),
    "nobody hands over": (
        "if (group < LAST || at > 0) named_arrive(following, TOGETHER);", "", "never reach",
    ),
    "bytes that never come": (
        "barrier_expect(full, PANELS * ROWS * 128);", "barrier_expect(full, PANELS * ROWS * 144);",
        "never reach",
    ),
    "sums at an old maximum": ("rows.rescale();\n    rows.convert();", "rows.convert();", "values"),
    "not masked": ("if (at >= whole) rows.mask(at * BN, end, later, sk);", "", "values"),
    "the step along keys": ("b + to_b / 16", "b + to_b / 8", "values"),
    "the step along values": ("s * (2048 / 16)", "s * (1024 / 16)", "values"),
    "a panel of queries": ("s / 4 * Tiles::QUERIES * 128", "s / 4 * Tiles::QUERIES * 64", "values"),
    "a panel of values": (
        "tile_address(values, Tiles::PANEL * 2, 1024)", "tile_address(values, Tiles::PANEL, 1024)",
        "values",
    ),
    "no swizzle": ("(s % 4 * 2 + lane / 16) ^ (row % 8)", "s % 4 * 2 + lane / 16", "values"),
}  # fmt: skip

# What g++ does not see: which path a store takes to the copy engine, what registers a product has.
PTX_FAULTS = {
    "no fence before results are copied out": ("fence_async_shared();", "", "fence.proxy.async"),
    "no fence before products": (
        "    wgmma_begin();\n    rows.multiply_keys", "    rows.multiply_keys", "wgmma.fence",
    ),
    "logits before they are there": (LOGITS, "release(&tiles.k_empty[key.stage]);", "NaN"),
}  # fmt: skip


@pytest.fixture(autouse=True)
def emulation(monkeypatch: pytest.MonkeyPatch) -> None:
    need_worker_packages()
    if shutil.which("g++") is None:
        require_or_skip("g++ is not installed; it compiles CUDA kernels for the CPU")
    monkeypatch.setenv("K2C_CUDA_ON_CPU", "1")


def wrong(
    shape: tuple[int, ...],
    change: Callable[[dict[str, Any]], None] | None = None,
    dtype: str = "bfloat16",
    launches: int = 2,
) -> str:
    """What is wrong, "" if nothing. Of two emulated launches each has another order of what is
    asynchronous.
    """
    import torch

    from compute.kernels.attention import LOG2_E, OPERATOR
    from compute.kernels.cases.attention import dims_of, make_inputs
    from compute.kernels.hopper.cuda_attention import attended
    from compute.kernels.judging import judge
    from compute.kernels.shared.matrices import head_lines, positive

    inputs = make_inputs(dims_of(shape), dtype, 3, "cpu")
    if change:
        change(inputs)
    want = OPERATOR.reference(**inputs)
    q, scale = positive(inputs["q"], inputs["scale"])
    heads = [head_lines(t) for t in (q, inputs["k"], inputs["v"])]
    said = []
    for _ in range(launches):
        held = torch.full(
            (*inputs["q"].shape[:2], shape[3] + 1, shape[5]), 7.0, dtype=inputs["q"].dtype
        )
        flat = held.view(-1)[: inputs["q"].numel()]
        out = flat.view(inputs["q"].shape)
        assert attended(heads, out, shape[4], scale * LOG2_E, inputs["causal"])
        said.append(judge(OPERATOR, inputs, out, want, dtype).why)
        beyond = held.view(-1)[inputs["q"].numel() :]
        said.append("" if bool((beyond == 7.0).all()) else "it writes beyond its result")
    return "; ".join(filter(None, said))


@pytest.mark.parametrize("shape", SHAPES)
def test_lengths_that_end_anywhere_are_right(shape: tuple[int, ...]) -> None:
    assert wrong(shape) == ""


def nan_row(inputs: dict[str, Any]) -> None:
    inputs["q"][0, 1, 7, 3] = float("nan")


def infinite_key(inputs: dict[str, Any]) -> None:
    inputs["q"].abs_()
    inputs["k"][:, :, 3:9] = float("-inf")


def large(inputs: dict[str, Any]) -> None:
    inputs["q"] *= 20
    inputs["k"] *= 20


def peaked(inputs: dict[str, Any]) -> None:
    """A few keys decide: one wrong tile does not drown."""
    inputs["q"] *= 4


def apart(inputs: dict[str, Any]) -> None:
    import torch

    buffer = torch.randn(1, inputs["q"].shape[2], 4 * 64 + 8).bfloat16()
    parts = zip("qkv", (buffer[..., :128], buffer[..., 128:192], buffer[..., 192:256]), strict=True)
    inputs |= {name: t.view(1, -1, t.shape[-1] // 64, 64).transpose(1, 2) for name, t in parts}


@pytest.mark.parametrize("change", [nan_row, infinite_key, large, apart])
def test_values_and_layouts_that_break_kernels_are_right(
    change: Callable[[dict[str, Any]], None],
) -> None:
    assert wrong((1, 2, 1, 140, 140, 64, 1), change) == ""


@pytest.mark.parametrize("fault", faults(FAULTS))
def test_a_fault_that_a_gpu_would_punish_shows(fault: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from compute.kernels.build import emulation
    from compute.kernels.build.cuda import C_NAME, CudaKernel
    from compute.kernels.hopper import cuda_attention

    kernel = CudaKernel("attention_hopper", faulty())
    monkeypatch.setattr(cuda_attention, "KERNEL", kernel)
    d = 128 if "panel" in fault else 64
    library = emulation._library(kernel.source, f"attention_hopper<{C_NAME['bfloat16']}, {d}>")
    chosen = ctypes.c_int.in_dll(library, "k2c_fault")
    chosen.value = 1 + list(FAULTS).index(fault)
    try:
        said = wrong((1, 1, 1, 70, 660, d, 1), peaked)
    except RuntimeError as error:
        said = str(error)
        assert any(word in said for word in FAULTS[fault][2].split("|")), said
    else:
        assert said
        assert "values" in FAULTS[fault][2]
    finally:
        chosen.value = 0


@pytest.mark.parametrize("d", [64, 128])
def test_without_a_fault_it_is_right(d: int, monkeypatch: pytest.MonkeyPatch) -> None:
    from compute.kernels.build.cuda import CudaKernel
    from compute.kernels.hopper import cuda_attention

    monkeypatch.setattr(cuda_attention, "KERNEL", CudaKernel("attention_hopper", faulty()))
    assert wrong((1, 1, 1, 70, 660, d, 1), peaked) == ""


@pytest.mark.parametrize("eager", [False, True])
@pytest.mark.parametrize(
    ("shape", "dtype"),
    [
        ((1, 2, 1, 140, 270, 128, 1), "bfloat16"), ((1, 1, 1, 130, 650, 64, 1), "float16"),
        ((1, 2, 1, 150, 140, 80, 1), "bfloat16"),
        *(
            pytest.param(*numbers, marks=pytest.mark.soak)
            for numbers in (
                ((1, 1, 1, 70, 300, 128, 0), "float16"), ((1, 4, 2, 3, 400, 64, 0), "bfloat16"),
                ((1, 1, 1, 70, 200, 256, 1), "float16"), ((1, 1, 1, 130, 300, 160, 0), "bfloat16"),
            )
        ),
    ],
)  # fmt: skip
def test_its_ptx_is_right_with_copies_and_products_as_late_and_as_early_as_may_be(
    shape: tuple[int, ...], dtype: str, eager: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    on_ptx(monkeypatch, eager)
    assert wrong(shape, peaked, dtype, launches=1) == ""


@pytest.mark.parametrize("fault", PTX_FAULTS)
def test_a_fault_that_only_its_ptx_shows_is_shown(
    fault: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from compute.kernels.build.cuda import HEADERS, CudaKernel
    from compute.kernels.hopper import cuda_attention

    old, new, said = PTX_FAULTS[fault]
    text = (HEADERS / "attention_hopper.cuh").read_text(encoding="utf-8")
    assert text.count(old) == 1
    source = text.replace(old, new).replace("#pragma once", "")
    monkeypatch.setattr(cuda_attention, "KERNEL", CudaKernel("attention_hopper", source))
    on_ptx(monkeypatch, eager=False)
    with pytest.raises(Exception, match=said):
        raise AssertionError(wrong((1, 1, 1, 70, 300, 64, 1), peaked, launches=1))


@pytest.mark.parametrize(("d", "most_registers"), [(64, 160), (128, 240)])
def test_the_compiler_lets_the_softmax_run_while_values_are_added(
    d: int, most_registers: int
) -> None:
    """Without a GPU the overlap can only be read: exponentials stand between the two waits."""
    code = machine_code(d)
    waits = [i for i, line in enumerate(code) if "WARPGROUP.DEPBAR" in line]
    logits = next(i for i in waits if code[i].endswith("0x1"))
    values = next(i for i in waits if i > logits)
    assert sum("MUFU.EX2" in line for line in code[logits:values]) >= 64
    # The compiler puts one of these before each product where it cannot keep them in flight.
    assert sum("WARPGROUP.ARRIVE" in line for line in code) == 4
    used = max(int(n) for line in code for n in re.findall(r"\bR(\d+)\b", line))
    assert used < most_registers


def machine_code(d: int) -> list[str]:
    """Instructions for heads of ``d`` on sm_90a."""
    from compute.kernels.build.static import _run
    from compute.kernels.hopper.cuda_attention import KERNEL

    binary = KERNEL.binary(90, "__nv_bfloat16", d)
    with tempfile.NamedTemporaryFile(suffix=".cubin") as file:
        file.write(binary.cubin)
        file.flush()
        said = _run("nvdisasm", "-c", file.name)
    found = re.findall(r"/\*[0-9a-f]{4,}\*/ +(.+?) ;", said)
    return [line.strip() for line in found]


def on_ptx(monkeypatch: pytest.MonkeyPatch, eager: bool) -> None:
    """Launches go to the PTX machine."""
    from compute.kernels.build import cuda as cuda_build
    from tests.compute.kernels import on_ptx
    from tests.fakes.ptx import Machine

    monkeypatch.setattr(on_ptx, "Machine", partial(Machine, eager_async=eager))
    monkeypatch.setattr(cuda_build, "emulation_launch", on_ptx.Launcher(90))


def faulty() -> str:
    """The kernel with every fault in it, one of which is taken at a time: compiled once."""
    from compute.kernels.build.cuda import HEADERS

    text = (HEADERS / "attention_hopper.cuh").read_text(encoding="utf-8")
    places: dict[str, list[tuple[int, str]]] = {}
    for number, (old, new, _) in enumerate(FAULTS.values(), start=1):
        assert text.count(old) == 1, old
        places.setdefault(old, []).append((number, new))
    for old, changes in places.items():
        text = text.replace(old, one_of(old, changes))
    return text.replace("#pragma once", 'extern "C" { int k2c_fault; }')


def one_of(old: str, changes: list[tuple[int, str]]) -> str:
    """The text itself, unless the fault with one of these numbers is chosen."""
    made = old
    for number, new in changes:
        if old.endswith(";"):
            made = f"if (k2c_fault == {number}) {{ {new} }} else {{ {made} }}"
        else:
            made = f"(k2c_fault == {number} ? ({new}) : ({made}))"
    return made
