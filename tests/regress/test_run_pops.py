"""Where the pops of a run lie: in the summary of ``regress``, on its page and in its table."""

from __future__ import annotations

import io

import numpy as np
from rich.console import Console

from tests.fakes import PROVENANCE, FakeEngine
from tests.regress.regress_fakes import Run
from ttsctl.audio.bench import speech_like
from ttsctl.core.audio import PcmArray
from ttsctl.regress.pages import regress_html
from ttsctl.regress.run_pops import MOST, run_pops
from ttsctl.regress.summary import RegressSummary, summarise
from ttsctl.regress.tables import render

RATE = 24_000
# Irregular, so that no grid of seams explains them.
CLICKS_S = (0.25, 0.71, 1.34, 2.02)


def speech_with_clicks(times_s: tuple[float, ...] = CLICKS_S, seconds: float = 2.5) -> PcmArray:
    pcm = speech_like(seconds, seed=11).astype(np.float32)
    for time_s in times_s:
        pcm[round(time_s * RATE)] += 0.8
    return pcm.clip(-1, 1)


def shown(summary: RegressSummary) -> str:
    console = Console(file=io.StringIO(), width=200)
    render(summary, console)
    file = console.file
    assert isinstance(file, io.StringIO)
    return file.getvalue()


def summary_of(run: Run, engine: FakeEngine) -> RegressSummary:
    return summarise(run(engine, body="runs = 2"), PROVENANCE)


class Clicking(FakeEngine):
    """Speech with clicks in the audio of every run of short_01; the other texts are clean."""

    def _pcm(self, request, codes, streamed):  # type: ignore[no-untyped-def]
        seconds = len(codes) * 0.08
        return speech_with_clicks((0.3, 0.82) if request.text_id == "short_01" else (), seconds)


def test_each_click_is_found_where_it_is() -> None:
    found = run_pops(speech_with_clicks(), RATE)
    assert (found.count, found.more, found.reason) == (len(CLICKS_S), 0, None)
    assert np.allclose([pop.time_s for pop in found.strongest], CLICKS_S, atol=0.002)
    assert all(pop.strength_db > 0 for pop in found.strongest)
    assert run_pops(speech_with_clicks(()), RATE).count == 0


def test_only_the_strongest_are_listed_and_the_others_counted() -> None:
    times_s = tuple(0.2 + 0.1 * n + 0.013 * (n % 5) for n in range(MOST + 10))
    found = run_pops(speech_with_clicks(times_s, 4.0), RATE)
    assert found.count is not None and found.count > MOST
    assert (len(found.strongest), found.more) == (MOST, found.count - MOST)
    assert [pop.time_s for pop in found.strongest] == sorted(pop.time_s for pop in found.strongest)


def test_audio_that_cannot_be_searched_has_a_reason_and_not_zero_pops() -> None:
    short = run_pops(speech_with_clicks((), 2.5)[:100], RATE)
    assert short.count is None and short.more is None and "shorter than" in str(short.reason)
    broken = run_pops(np.full(RATE, np.nan, np.float32), RATE)
    assert broken.count is None and "NaN" in str(broken.reason)


def test_summary_page_and_table_name_the_times(run: Run) -> None:
    summary = summary_of(run, Clicking())
    runs = {case.id: case.runs for case in summary.cases}
    assert [facts.pops.count for facts in runs["long_01__ryan"]] == [0, 0, 0, 0]
    assert [[round(pop.time_s, 2) for pop in facts.pops.strongest] for facts in runs["short_01__ryan"]] == [
        [0.3, 0.82]
    ] * 4
    table = shown(summary)
    assert "stream, offline, repeat_1 and 1 more" in table and "0.300 s" in table and "0.820 s" in table
    assert "long_01__ryan" not in table.partition("Pops")[2].partition("Over all cases")[0]
    assert "Pops of repeat_2: 0.300 s" in regress_html(summary)


def test_no_pop_is_said_too(run: Run) -> None:
    assert "no pop in the audio of 8 runs" in shown(summary_of(run, FakeEngine()))
