"""What a driven stream keeps beside codes and PCM: packet times, and a print of every delivered frame."""

from __future__ import annotations

import numpy as np

from ttsctl.core.delivery import with_delivered
from ttsctl.core.fingerprint import fingerprint
from ttsctl.core.request import Packet
from ttsctl.core.timing import packet_timing
from ttsctl.core.trace import STAGES, Prints, Trace, no_draws, no_prints


def one_print() -> Prints:
    return Prints(
        points=("codec.pcm",),
        point=np.zeros(1, np.int32),
        stage=np.full(1, STAGES.index("codec"), np.uint8),
        frame=np.zeros(1, np.int32),
        codebook=np.zeros(1, np.int16),
        is_input=np.zeros(1, np.bool_),
        value=np.array([2**63], np.uint64),
    )


def test_every_delivered_frame_has_a_print_behind_the_decoders() -> None:
    pcm = np.random.default_rng(0).standard_normal(25).astype(np.float32)
    trace = Trace("stages", no_draws(), no_prints(), one_print())
    found = with_delivered(trace, pcm, 10).decode
    assert found.points == ("codec.pcm", "packetiser")
    assert found.point.tolist() == [0, 1, 1, 1]
    assert found.frame.tolist() == [0, 0, 1, 2]
    assert [STAGES[number] for number in found.stage] == ["codec", "packetiser", "packetiser", "packetiser"]
    assert found.value.tolist() == [2**63, *(fingerprint(pcm[at : at + 10]) for at in (0, 10, 20))]
    for name in ("point", "stage", "frame", "codebook", "is_input", "value"):
        assert getattr(found, name).dtype == getattr(one_print(), name).dtype
    changed = pcm.copy()
    changed[13] = -changed[13]
    differs = with_delivered(trace, changed, 10).decode.value != found.value
    assert differs.tolist() == [False, False, True, False]


def test_a_trace_of_draws_alone_has_no_prints() -> None:
    trace = Trace("codes", no_draws(), no_prints(), no_prints())
    assert with_delivered(trace, np.zeros(20, np.float32), 10) is trace


def test_a_packet_that_was_not_decoded_has_no_decode_time() -> None:
    packet = Packet(3, np.zeros((2, 16), np.int64), np.empty(0, np.float32), 1.0, 2.0, None, 4.0, None)
    timing = packet_timing(packet)
    assert (timing.index, timing.frames, timing.samples) == (3, 2, 0)
    assert timing.decode_ms is None and timing.pcm_at_ms is None
