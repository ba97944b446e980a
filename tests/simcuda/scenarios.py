"""A few operations that break one rule of CUDA each, or keep it: what the simulated device says of them."""

from __future__ import annotations

from collections.abc import Callable

import torch

from tests.simcuda.findings import FOUND

DEVICE = "cuda"


def two_streams(ordered: bool, recorded: bool) -> None:
    """Memory of one stream is read by another and given back."""
    maker, user = torch.cuda.Stream(), torch.cuda.Stream()
    with torch.cuda.stream(maker):
        made = torch.zeros(4, device=DEVICE)
        event = torch.cuda.Event()
        event.record()
    if ordered:
        user.wait_event(event)
    with torch.cuda.stream(user):
        made + 1
    if recorded:
        made.record_stream(user)
    del made


def overwritten(ordered: bool) -> None:
    """Memory is written again while another stream may still read it."""
    reader = torch.cuda.Stream()
    values = torch.zeros(4, device=DEVICE)
    reader.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(reader):
        values + 1
    if ordered:
        torch.cuda.current_stream().wait_stream(reader)
    values.add_(1)
    values.record_stream(reader)


def copied_to_host(waited: bool) -> None:
    """The host reads pinned memory that a copy writes."""
    target = torch.empty(4, pin_memory=True)
    target.copy_(torch.ones(4, device=DEVICE), non_blocking=True)
    event = torch.cuda.Event()
    event.record()
    if waited:
        event.synchronize()
    target.numpy()


def drawn(device: str) -> None:
    """A draw on the device from a generator of some device."""
    torch.empty(4, device=DEVICE).exponential_(generator=torch.Generator(device=device))


def mixed() -> None:
    torch.ones(4, device=DEVICE) + torch.ones(4)


def pageable_copy() -> None:
    torch.empty(4).copy_(torch.ones(4, device=DEVICE), non_blocking=True)


def pinned_copy() -> None:
    torch.empty(4, pin_memory=True).copy_(torch.ones(4, device=DEVICE), non_blocking=True)


def masked() -> None:
    values = torch.ones(4, device=DEVICE)
    values[values > 0]


def refused_wait() -> None:
    """Under the sync-debug mode "error" a wait raises."""
    torch.cuda.set_sync_debug_mode("error")
    try:
        torch.ones(1, device=DEVICE).item()
    except RuntimeError as error:
        FOUND.problem(str(error))
    finally:
        torch.cuda.set_sync_debug_mode("default")


def graph_replayed() -> None:
    """A graph repeats what it captured, on the memory of its capture, with the host values of its capture."""
    total, host_value = torch.zeros(1, device=DEVICE), 1
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        doubled = total.add_(host_value) * 2
    host_value = 5
    graph.replay()
    if doubled.tolist() != [4.0] or host_value != 5:
        FOUND.problem(f"the replay gave {doubled.tolist()}")


SCENARIOS: dict[str, tuple[Callable[[], None], str | None]] = {
    # The name, what is done, and what must be found in its problems or waits; None = nothing.
    "ordered and recorded": (lambda: two_streams(True, True), None),
    "no event": (lambda: two_streams(False, True), "race: aten::add reads"),
    "not recorded": (lambda: two_streams(True, False), "allocator race"),
    "overwritten after a wait": (lambda: overwritten(True), None),
    "overwritten at once": (lambda: overwritten(False), "overwrites what"),
    "pinned memory after a wait": (lambda: copied_to_host(True), "Event.synchronize"),
    "pinned memory at once": (lambda: copied_to_host(False), "the host reads what"),
    "a generator of the device": (lambda: drawn("cuda"), None),
    "a generator of the host": (lambda: drawn("cpu"), "a generator on cpu"),
    "mixed devices": (mixed, "mixed devices in aten::add"),
    "a copy to pageable memory": (pageable_copy, "a copy to the host"),
    "a copy to pinned memory": (pinned_copy, None),
    "a boolean index": (masked, "aten::index"),
    "a wait under sync-debug": (refused_wait, "called a synchronizing CUDA operation"),
    "a graph": (graph_replayed, "a copy to the host"),
}


def run_scenarios() -> dict[str, list[str]]:
    """Every scenario's name and what was found, what and where."""
    found = {}
    for name, (act, _) in SCENARIOS.items():
        FOUND.clear()
        act()
        found[name] = [*FOUND.problems, *FOUND.waits]
    FOUND.clear()
    return found
