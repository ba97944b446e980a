"""The pool: every block once in the result, whichever thread computes it, with errors, forks and late helpers."""

from __future__ import annotations

import os
import select
import signal
import threading
from collections.abc import Iterator

import pytest
import torch

from ttsctl.engine.cpu.row_pool import RowPool


@pytest.fixture(params=[1, 2, 4])
def pool(request: pytest.FixtureRequest) -> Iterator[RowPool]:
    pool = RowPool(request.param)
    yield pool
    pool.close()


def test_results_stand_in_the_order_of_the_items(pool: RowPool) -> None:
    assert pool.map(lambda item: item * item, range(100)) == [item * item for item in range(100)]
    assert pool.map(str, [7]) == ["7"] and pool.map(str, []) == []


def test_what_a_block_raises_is_raised_by_the_caller_and_the_pool_goes_on(pool: RowPool) -> None:
    def fail(item: int) -> int:
        raise ValueError(f"block {item}")

    with pytest.raises(ValueError, match="block"):
        pool.map(fail, range(8))
    assert pool.map(abs, [-1, -2]) == [1, 2]


def test_a_block_that_a_helper_does_not_finish_is_computed_by_the_caller() -> None:
    """As on a machine whose other core is taken: the first helper to come stands still until the test is over."""
    pool, release, caller = RowPool(2), threading.Event(), threading.current_thread()
    stuck = threading.Event()

    def block(item: int) -> tuple[int, bool]:
        if threading.current_thread() is not caller:
            stuck.set()
            release.wait()
        elif item == 0:
            stuck.wait()
        return item, threading.current_thread() is caller

    results = pool.map(block, range(4))
    assert results == [(item, True) for item in range(4)]
    release.set()
    pool.close()


def test_two_callers_share_the_helpers(pool: RowPool) -> None:
    found: dict[int, list[int]] = {}

    def call(caller: int) -> None:
        for _ in range(50):
            found[caller] = pool.map(lambda item: item + caller, range(16))

    callers = [threading.Thread(target=call, args=(caller,)) for caller in range(3)]
    for thread in callers:
        thread.start()
    for thread in callers:
        thread.join()
    assert found == {caller: [item + caller for item in range(16)] for caller in range(3)}


def test_close_leaves_no_thread_and_a_later_computation_starts_them_again() -> None:
    before, pool = threading.active_count(), RowPool(3)
    assert threading.active_count() == before
    for _ in range(2):
        assert pool.map(abs, [-1, -2, -3]) == [1, 2, 3]
        assert threading.active_count() == before + 2
        pool.close()
        pool.close()
        assert threading.active_count() == before


def test_helpers_take_one_thread_within_an_operation_if_the_caller_does() -> None:
    before, pool, caller = torch.get_num_threads(), RowPool(2), threading.current_thread()
    torch.set_num_threads(1)
    try:
        helped = threading.Event()

        def threads(item: int) -> int:
            if threading.current_thread() is not caller:
                helped.set()
            else:
                helped.wait()
            return torch.get_num_threads()

        assert pool.map(threads, range(4)) == [1] * 4
    finally:
        torch.set_num_threads(before)
        pool.close()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_process_has_helpers_of_its_own() -> None:
    pool = RowPool(2)
    pool.map(abs, [-1, -2])
    here, there = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(there, repr(pool.map(abs, [-1, -2, -3])).encode())
        os.kill(os.getpid(), signal.SIGKILL)
    assert select.select([here], [], [], 10)[0] and os.read(here, 100) == b"[1, 2, 3]"
    os.waitpid(child, 0)
    pool.close()


def test_no_threads_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 1"):
        RowPool(0)
