"""The stalls of the streamed runs of one request."""

from __future__ import annotations

from collections.abc import Mapping

from ttsctl.core.run import Run
from ttsctl.core.stalls import StalledRun, stalled_runs


def stalls_of_runs(streams: Mapping[str, Run]) -> tuple[StalledRun, ...] | None:
    """What stalled among the streamed runs, by name, in their order; None as of ``stalled_runs``."""
    runs = list(streams.values())
    seconds = [run.timing.total_s for run in runs]
    return stalled_runs(
        [None if s is None else 1000 * s for s in seconds],
        [len(run.require_codes()) for run in runs],
        [run.packet_stalls for run in runs],
        list(streams),
    )
