"""With a decoder on CUDA: what is queued before what is read, and ids that the host sees only afterwards.

A fake stands for the device, so only the order of calls and the checks are shown here.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

import numpy as np
import pytest
import torch

from tests.engine_help import make_engine
from ttsctl.core.codes import CodeArray
from ttsctl.core.errors import InputError
from ttsctl.core.request import Packet
from ttsctl.engine.codegen.stage import Clock, CodeEnd, CodePacket
from ttsctl.engine.cuda.handover import DeviceCodes
from ttsctl.engine.decode.deliver import deliver
from ttsctl.engine.decode.stage import Decoding
from ttsctl.engine.recording.probes import DecodeProbes

END = cast("CodeEnd", "the end")


class Log(list[str]):
    """What was done, in order."""


class Source:
    """``items`` one by one; ``ready``: for each of them, whether it is there before it is waited for."""

    def __init__(self, log: Log, items: list[Any], ready: list[bool]) -> None:
        self.log, self.items, self.ready = log, items, ready

    def has_next(self) -> bool:
        return self.ready[-len(self.items)]

    def next(self) -> CodePacket | CodeEnd:
        item = self.items.pop(0)
        self.log.append("next")
        if isinstance(item, Exception):
            raise item
        return cast("CodePacket", item)

    def decoded(self) -> None:
        pass

    def close(self) -> None:
        pass


class Queueing:
    """A decoder that is only queued: its packets are numbered."""

    queues = True

    def __init__(self, log: Log) -> None:
        self.log, self.calls, self.held = log, 0, 0

    def take(self, codes: CodeArray) -> CodeArray:
        self.held += 1
        return codes

    def decode(self) -> Any:
        self.calls, self.held = self.calls + 1, 0
        self.log.append(f"queue {self.calls - 1}")
        number = self.calls - 1
        return type("Queued", (), {"number": number, "time": type("Time", (), {"read_ms": lambda _: 7.0})()})()

    def read_codes(self, taken: CodeArray) -> CodeArray:
        return taken

    def read_pcm(self, queued: Any) -> np.ndarray:
        self.log.append(f"read {queued.number}")
        return np.full(10, queued.number, np.float32)

    def flush(self) -> np.ndarray:
        self.log.append("flush")
        return np.empty(0, np.float32)


def packet() -> CodePacket:
    return CodePacket(np.zeros((4, 16), np.int64), 5.0, 5.0)


def delivered(items: list[Any], ready: list[bool], every: int = 1) -> tuple[Log, Iterator[Any]]:
    log = Log()
    source, decoding = Source(log, items, ready), cast("Decoding", Queueing(log))
    return log, deliver(source, decoding, Clock.start(), every, 16, 1000)


def test_the_next_packet_is_queued_before_this_one_is_read_if_its_codes_are_there() -> None:
    log, events = delivered([packet(), packet(), packet(), END], [True] * 4)
    packets = [event for event in events if isinstance(event, Packet)]
    assert log == [
        "next",
        "queue 0",
        "next",
        "queue 1",
        "read 0",
        "next",
        "queue 2",
        "read 1",
        "next",
        "read 2",
        "flush",
    ]
    assert [each.pcm[0] for each in packets] == [0, 1, 2]
    assert [each.index for each in packets] == [0, 1, 2]
    assert all(each.decode_ms == 7.0 and each.decode_calls == 1 for each in packets)


def test_no_audio_waits_for_codes_that_are_not_there_yet() -> None:
    log, events = delivered([packet(), packet(), packet(), END], [False] * 4)
    list(events)
    assert log == [
        "next",
        "queue 0",
        "read 0",
        "next",
        "queue 1",
        "read 1",
        "next",
        "queue 2",
        "read 2",
        "next",
        "flush",
    ]


def test_a_decoder_that_does_not_queue_reads_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Control: on the CPU the order stays what it was, whatever is there."""
    monkeypatch.setattr(Queueing, "queues", False)
    log, events = delivered([packet(), packet(), END], [True] * 3)
    list(events)
    assert log == ["next", "queue 0", "read 0", "next", "queue 1", "read 1", "next", "flush"]


def test_what_code_generation_raises_comes_after_the_packets_before_it() -> None:
    log, events = delivered([packet(), ValueError("no more")], [True] * 2)
    found: list[Any] = []
    with pytest.raises(ValueError, match="no more"):
        found.extend(events)
    assert isinstance(found[-1], Packet) and log == ["next", "queue 0", "next", "read 0"]


def test_packets_put_aside_are_queued_together() -> None:
    log, events = delivered([packet(), packet(), packet(), END], [True] * 4, every=2)
    packets = [event for event in events if isinstance(event, Packet)]
    assert [step for step in log if step != "next"] == ["queue 0", "read 0", "flush"]
    assert [len(each.pcm) for each in packets] == [0, 10, 0]
    assert [each.decode_ms for each in packets] == [None, 7.0, None]


class Receiver:
    """Gives the codes over without a device."""

    def receive(self, handed: DeviceCodes) -> torch.Tensor:
        return handed.codes


def decoding_of(*sets: str) -> Decoding:
    decoding = Decoding(make_engine("builtin", *sets).decode_stage, DecodeProbes())
    cast("Any", decoding)._receiver = Receiver()
    return decoding


def handed(codes: CodeArray) -> DeviceCodes:
    return DeviceCodes(torch.from_numpy(codes.copy()), cast("Any", None), cast("Any", None))


def bad_codes() -> CodeArray:
    codes = np.random.default_rng(0).integers(0, 128, (4, 16))
    codes[1, 3], codes[2, 0] = 5000, -1
    return codes


@torch.inference_mode()
def test_an_id_out_of_range_is_decoded_in_range_and_named_when_it_is_read() -> None:
    decoding = decoding_of()
    decoding.take(handed(np.zeros((4, 16), np.int64)))
    taken = decoding.take(handed(bad_codes()))
    decoding.read_pcm(decoding.decode())
    with pytest.raises(InputError, match=r"id 5000 at frame 5, codebook 3 is outside 0\.\.127"):
        decoding.read_codes(taken)


@torch.inference_mode()
def test_clamped_ids_are_counted_and_heard_as_on_the_host() -> None:
    on_device, on_host = (decoding_of("determinism.clamp_codes=true") for _ in range(2))
    codes = bad_codes()
    taken, other = on_device.take(handed(codes)), on_host.take(codes)
    pcm = on_device.read_pcm(on_device.decode())
    assert np.array_equal(pcm, on_host.read_pcm(on_host.decode()))
    assert np.array_equal(on_device.read_codes(taken), codes) and np.array_equal(on_host.read_codes(other), codes)
    assert on_device.clamped == on_host.clamped == 2
