"""What the engine promises of its streams: packets, bits, seeds, caps, early stops."""

from __future__ import annotations

import numpy as np
import pytest

from tests.engine_help import close_early, make_engine, packets_and_end
from ttsctl.core.audio import pcm_sha256
from ttsctl.core.codes import codes_sha256
from ttsctl.core.errors import InputError
from ttsctl.core.request import End, Packet, Request, Voice
from ttsctl.core.timing import stream_timing
from ttsctl.engine.local import LocalEngine

REQUEST = Request("Good morning, this is a test.", Voice("vivian", "vivian"))


def _run(engine: LocalEngine, request: Request = REQUEST) -> tuple[list[Packet], End]:
    return packets_and_end(engine.stream(request))


def _sums(packets: list[Packet]) -> tuple[str, str]:
    return (
        codes_sha256(np.concatenate([p.codes for p in packets])),
        pcm_sha256(np.concatenate([p.pcm for p in packets])),
    )


def test_packets_have_the_configured_size(builtin: LocalEngine) -> None:
    packets, end = _run(builtin)
    assert [len(p.codes) for p in packets[:-1]] == [4] * (len(packets) - 1)
    assert 1 <= len(packets[-1].codes) <= 4
    assert sum(len(p.codes) for p in packets) == end.frames
    assert [p.index for p in packets] == list(range(len(packets)))
    assert all(len(p.pcm) == 1920 * len(p.codes) for p in packets)


@pytest.mark.slow
def test_packet_size_changes_no_bit(builtin: LocalEngine) -> None:
    wanted = _sums(_run(builtin)[0])
    for packet_tokens in (1, 3, 7, 500):
        assert _sums(_run(make_engine("builtin", f"stream.packet_tokens={packet_tokens}"))[0]) == wanted


@pytest.mark.slow
def test_two_runs_and_another_voice(builtin: LocalEngine) -> None:
    assert _sums(_run(builtin)[0]) == _sums(_run(builtin)[0])
    other = Request(REQUEST.text, Voice("ryan", "ryan"))
    assert _sums(_run(builtin, other)[0])[0] != _sums(_run(builtin)[0])[0]


@pytest.mark.slow
def test_interleaved_streams_do_not_touch_each_other(builtin: LocalEngine) -> None:
    other = Request("Something else entirely.", Voice("ryan", "ryan"))
    alone = [_sums(_run(builtin, r)[0]) for r in (REQUEST, other)]
    streams = [builtin.stream(REQUEST), builtin.stream(other)]
    gathered: list[list[Packet]] = [[], []]
    while streams:
        for which, stream in enumerate(list(streams)):
            event = next(stream, None)
            if isinstance(event, Packet):
                gathered[which].append(event)
            elif event is None:
                streams = [s for s in streams if s is not stream]
                break
    assert [_sums(packets) for packets in gathered] == alone


def test_closing_early_leaves_the_engine_usable(builtin: LocalEngine) -> None:
    stream = builtin.stream(REQUEST)
    next(stream)
    close_early(stream)
    assert _sums(_run(builtin)[0]) == _sums(_run(builtin)[0])


def test_consumer_is_not_put_into_inference_mode(builtin: LocalEngine) -> None:
    import torch

    for _ in builtin.stream(REQUEST):
        assert not torch.is_inference_mode_enabled()


def test_the_cap_marks_truncation() -> None:
    for cap in (2, 6):
        packets, end = _run(make_engine("builtin", f"sampling.max_new_tokens={cap}"))
        assert end.truncated
        assert end.frames == cap - 1 == sum(len(p.codes) for p in packets)


def test_oneshot_mode_gives_its_audio_at_the_end(builtin: LocalEngine) -> None:
    packets, _ = _run(make_engine("builtin", "decoder.mode=oneshot"))
    assert all(len(p.pcm) == 0 for p in packets[:-1])
    assert len(packets[-1].codes) == 0
    offline = builtin.offline(REQUEST).require_pcm()
    assert np.array_equal(packets[-1].pcm, offline)


@pytest.mark.slow
def test_seeded_repeats_and_free_reports_its_seed() -> None:
    seeded = make_engine("builtin", "sampling.policy=seeded", "sampling.seed=7")
    assert _sums(_run(seeded)[0]) == _sums(_run(seeded)[0])
    free = make_engine("builtin", "sampling.policy=free")
    packets, end = _run(free)
    assert _sums(packets)[0] != _sums(_run(free)[0])[0]
    replay = make_engine("builtin", "sampling.policy=seeded", f"sampling.seed={end.seed}")
    assert _sums(_run(replay)[0]) == _sums(packets)


@pytest.mark.slow
def test_content_seed_follows_text_and_voice() -> None:
    engine = make_engine("builtin", "sampling.policy=seeded", "sampling.seed_mode=content")
    seed = _run(engine)[1].seed
    assert seed == _run(engine)[1].seed
    assert seed != _run(engine, Request("Other words.", REQUEST.voice))[1].seed
    assert seed != _run(engine, Request(REQUEST.text, Voice("ryan", "ryan")))[1].seed


def test_the_process_generator_is_left_alone() -> None:
    import torch

    torch.manual_seed(1)
    wanted = torch.rand(4)
    torch.manual_seed(1)
    _run(make_engine("builtin", "sampling.policy=seeded"))
    assert torch.equal(torch.rand(4), wanted)


def test_times_add_up(builtin: LocalEngine) -> None:
    packets, _ = _run(builtin)
    timing = stream_timing(packets, 24000)
    last_ms = packets[-1].pcm_at_ms
    assert timing.ttfa_ms is not None and timing.ttfp_ms is not None and last_ms is not None
    assert timing.ttfp_ms <= timing.ttfa_ms <= last_ms
    assert abs(packets[0].code_ms - packets[0].codes_at_ms) < 1e-6


def test_codes_out_of_range_are_named(builtin: LocalEngine) -> None:
    codes = np.zeros((6, 16), np.int64)
    codes[4, 9] = 128
    with pytest.raises(InputError, match="id 128 at frame 4, codebook 9"):
        builtin.decode_offline(codes)
    clamping = make_engine("builtin", "determinism.clamp_codes=true")
    assert len(clamping.decode_offline(codes)) == 6 * 1920


def test_whole_text_mode_differs_and_ends(builtin: LocalEngine) -> None:
    whole = builtin.offline(Request(REQUEST.text, REQUEST.voice, text_mode="whole"))
    assert not whole.truncated
    assert not np.array_equal(whole.require_codes(), builtin.offline(REQUEST).require_codes())


@pytest.mark.parametrize("setting", ["stream.sync=event", "engine.device=cuda:99"])
def test_what_is_not_there_is_refused(setting: str) -> None:
    with pytest.raises(InputError, match=r"on the CPU|CUDA devices"):
        make_engine("builtin", setting)
