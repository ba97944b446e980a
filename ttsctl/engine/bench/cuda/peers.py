"""``bench cuda``: other engines on the same device and checkpoint in the same run, where they are installed."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from importlib import import_module
from typing import Any

import torch

from ttsctl.core.cuda_results import CudaFigure
from ttsctl.core.errors import error_line
from ttsctl.engine.bench.cuda.subject import Subject
from ttsctl.engine.model.checkpoint import open_checkpoint

NAME, UNIT = "whole_frame_ms", "ms"
Speak = Callable[[], int]


def measure_peers(subject: Subject) -> Iterator[CudaFigure]:
    """ms a frame of a whole text, codes and audio: ours, then the public package's and that of faster-qwen3-tts."""
    yield _timed(subject, "ttsctl", lambda: _ours(subject))
    for name, module, make in (
        ("qwen-tts", "qwen_tts", _package),
        ("faster-qwen3-tts", "faster_qwen3_tts", _faster_package),
    ):
        if subject.is_random:
            reason = "it loads checkpoints, and random weights are on no disk: give --size CHECKPOINT"
            yield CudaFigure(NAME, subject.size, name, UNIT, None, runs=0, reason=reason)
            continue
        try:
            found: Any = import_module(module)
        except ImportError as error:
            yield CudaFigure(NAME, subject.size, name, UNIT, None, runs=0, reason=f"not installed: {error}")
            continue
        yield _timed(subject, name, lambda make=make, found=found: make(subject, found))  # type: ignore[misc]


def _timed(subject: Subject, name: str, prepare: Callable[[], Speak]) -> CudaFigure:
    """The fastest of the runs after one that warms up; what the engine raises is the reason why there is no value."""
    try:
        speak = prepare()
        speak()
        times = []
        for _ in range(max(1, subject.plan.runs // 4)):
            torch.cuda.synchronize(subject.device)
            started = time.perf_counter()
            frames = speak()
            torch.cuda.synchronize(subject.device)
            times.append((time.perf_counter() - started) * 1e3 / max(frames, 1))
    except Exception as error:  # noqa: BLE001  another engine's failure is not this bench's
        return CudaFigure(NAME, subject.size, name, UNIT, None, runs=0, reason=error_line(error))
    return CudaFigure(NAME, subject.size, name, UNIT, min(times), max(times), len(times))


def _ours(subject: Subject) -> Speak:
    graphs = dict.fromkeys(("talker", "predictor"), True)
    engine = subject.load(subject.config(graphs=graphs))
    return lambda: len(engine.offline(subject.request).require_codes())


def _package(subject: Subject, qwen_tts: Any) -> Speak:
    folder = str(open_checkpoint(subject.size).folder)
    model = qwen_tts.Qwen3TTSModel.from_pretrained(folder, device_map=str(subject.device), dtype=torch.bfloat16)
    return _speaks(model, subject)


def _faster_package(subject: Subject, faster: Any) -> Speak:
    folder = str(open_checkpoint(subject.size).folder)
    model = faster.FasterQwen3TTS.from_pretrained(folder, device=str(subject.device), dtype=torch.bfloat16)
    return _speaks(model, subject)


def _speaks(model: Any, subject: Subject) -> Speak:
    """Both packages have the same call; frames are counted from the audio that comes back."""
    request, samples = subject.request, open_checkpoint(subject.size).codec_sizes.samples_per_frame

    def speak() -> int:
        audio, _ = model.generate_custom_voice(
            text=request.text,
            speaker=request.voice.speaker,
            language=request.voice.language,
            max_new_tokens=subject.plan.frames + 1,
        )
        return len(audio[0]) // samples

    return speak
