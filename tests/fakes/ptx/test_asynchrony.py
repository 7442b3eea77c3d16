"""What is not waited for is not there: faults of the asynchronous half, planted one at a time."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.fakes.ptx import Deadlock, Fault, Machine, parse
from tests.fakes.ptx.probes import SHARED_BYTES, aligned, map_bytes, number, product, store

STEPS = 5  # tiles of K
MODES = [
    (eager, order) for eager in (False, True) for order in ("together", "forwards", "backwards")
]


def multiplied(
    text: str,
    *,
    eager: bool = False,
    order: str = "together",
    steps: int = STEPS,
    k: int = 300,
    injected: bool = False,
) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    """What the kernel says, and what is right."""
    random = np.random.default_rng(0)
    a, b = aligned(64, 304)[:, :k], aligned(16, 304)[:, :k]
    a[:], b[:] = random.standard_normal(a.shape), random.standard_normal(b.shape)
    y = np.full((64, 16), 7, np.float32)
    machine = Machine(parse(text), order, eager, injected)
    machine.add_memory(a)
    machine.add_memory(b)
    given = [map_bytes(a, (64, 64)), map_bytes(b, (64, 16)), y, number(steps)]
    machine.launch("product", (1,), 128, given, SHARED_BYTES)
    return y, a.astype(np.float64) @ b.T.astype(np.float64)


@pytest.mark.parametrize(("eager", "order"), MODES)
def test_a_pipeline_of_copies_and_products_is_right(eager: bool, order: str) -> None:
    got, expected = multiplied(product(), eager=eager, order=order)
    assert np.allclose(got, expected, atol=1e-3)


@pytest.mark.parametrize(("steps", "k"), [(1, 64), (1, 40), (2, 65), (5, 300)])
def test_what_is_beyond_the_matrix_is_zero(steps: int, k: int) -> None:
    got, expected = multiplied(product(), steps=steps, k=k)
    assert np.allclose(got, expected, atol=1e-3)


def test_products_nobody_waits_for_are_no_numbers() -> None:
    got, _ = multiplied(product(left="7", wait_products=""), steps=2)
    assert np.isnan(got).all()


def test_ptxas_waits_where_a_product_is_used() -> None:
    got, expected = multiplied(product(left="7", wait_products=""), steps=2, k=128, injected=True)
    assert np.allclose(got, expected, atol=1e-3)


def test_a_barrier_nobody_waits_for_leaves_no_numbers() -> None:
    """The last tile is waited for, so that the kernel ends in order."""
    last = "setp.lt.u32 %p3, %r6, 3;\n  @%p3 bra GO;\nTEST:\n"
    last += "  mbarrier.try_wait.parity.shared::cta.b64 %p3, [%r11], %r12;\n"
    last += "  @!%p3 bra TEST;\nGO:"
    got, _ = multiplied(product(wait_barrier=last), steps=2)
    assert np.isnan(got).all()
    with pytest.raises(Fault, match="exited and did not wait"):
        multiplied(product(wait_barrier=""), steps=2)


def test_a_stage_that_is_freed_too_early_shows() -> None:
    """The next copy is begun while a product still reads: late products read the copy."""
    got, expected = multiplied(product(left="1"))
    assert not np.allclose(got, expected, atol=1e-3)
    got, expected = multiplied(product(left="1"), eager=True)
    assert np.allclose(got, expected, atol=1e-3)  # which is why both are run


@pytest.mark.parametrize("mode", [0, 2, 3])
def test_another_swizzle_than_the_copy_had_is_wrong(mode: int) -> None:
    got, expected = multiplied(product(descriptor=str((1024 >> 4) << 32 | mode << 62)))
    assert not np.allclose(got, expected, atol=1e-3)


@pytest.mark.parametrize("more", [-16, 16])
def test_a_wrong_count_of_bytes_is_a_deadlock_that_says_so(more: int) -> None:
    with pytest.raises(Deadlock, match=f"mbarrier at byte 20480 .* 0 of 1 arrivals and {more}"):
        multiplied(product(bytes=str(10_240 + more)))


def test_a_product_needs_a_fence_before_it() -> None:
    with pytest.raises(RuntimeError, match=r"wgmma\.fence"):
        multiplied(product(wgmma_fence=""))


def test_a_product_beyond_shared_memory_is_an_error() -> None:
    with pytest.raises(RuntimeError, match="reads shared memory"):
        multiplied(product(descriptor=str((16_384 >> 4) << 32 | 1 << 62)))


def test_a_barrier_that_was_never_made_is_an_error() -> None:
    with pytest.raises(Fault, match="where none is"):
        multiplied(product().replace("@%p1 mbarrier.init.shared::cta.b64 [%r4+8], 1;", ""))


def test_a_barrier_that_was_overwritten_is_an_error() -> None:
    spoiled = product(wgmma_fence="st.shared.u32 [%r4], %r2;\n wgmma.fence.sync.aligned;")
    with pytest.raises(Fault, match="stored over"):
        multiplied(spoiled)


def test_a_copy_from_beyond_a_tensor_is_an_error() -> None:
    text = product()
    machine = Machine(parse(text))
    a, b, y = aligned(64, 304), aligned(16, 304), np.zeros((64, 16), np.float32)
    machine.add_memory(a)
    given = [map_bytes(a, (64, 64)), map_bytes(b, (64, 16)), y, number(1)]
    with pytest.raises(Fault, match="outside every buffer"):
        machine.launch("product", (1,), 128, given, SHARED_BYTES)


# --- the way back -----------------------------------------------------------------------------


def stored(text: str, *, rows: int = 64, columns: int = 64, **how: Any) -> NDArray[np.uint16]:
    """out[rows, columns] in lines of 72, and what is right in the same place."""
    out = aligned(64, 72)
    out[:] = 7
    machine = Machine(parse(text), **how)
    machine.add_memory(out)
    machine.launch("store", (1,), 128, [map_bytes(out[:rows, :columns], (64, 64))], 9216)
    return out.view(np.uint16)


def expected_store() -> NDArray[np.uint16]:
    """Thread t stored its number to 64 bytes from byte 64 t on, 128-byte lines swizzled."""
    lines = np.repeat(np.arange(128, dtype=np.uint32), 16).reshape(64, 32).view(np.uint16)
    chunks = lines.reshape(64, 8, 8)
    order = np.arange(8)[None, :] ^ (np.arange(64) % 8)[:, None]
    return np.take_along_axis(chunks, order[:, :, None], axis=1).reshape(64, 64)


@pytest.mark.parametrize(("eager", "order"), MODES)
def test_a_tile_is_stored(eager: bool, order: str) -> None:
    got = stored(store(), eager_async=eager, order=order)
    assert (got[:, :64] == expected_store()).all()
    assert (got[:, 64:] == np.float16(7).view(np.uint16)).all()


def test_what_is_beyond_the_matrix_is_not_stored() -> None:
    got = stored(store(), rows=50, columns=33)
    assert (got[:50, :33] == expected_store()[:50, :33]).all()
    assert (got[50:] == np.float16(7).view(np.uint16)).all()
    assert (got[:, 33:] == np.float16(7).view(np.uint16)).all()


def test_stores_that_no_fence_has_shown_to_the_copy_engine_are_an_error() -> None:
    with pytest.raises(Fault, match=r"without a\s+fence\.proxy\.async"):
        stored(store(fence=""))
    only_one = "setp.ne.u32 %p2, %r1, 0;\n @!%p2 fence.proxy.async.shared::cta;"
    with pytest.raises(Fault, match=r"thread 127 stored without"):
        stored(store(fence=only_one))


def test_a_kernel_that_ends_before_its_store_has_read_is_an_error() -> None:
    with pytest.raises(Fault, match="exited and did not wait"):
        stored(store(wait=""))


def test_a_tile_that_is_not_aligned_is_an_error() -> None:
    with pytest.raises(Fault, match="no multiple of 1024"):
        stored(store(offset="+128"))
