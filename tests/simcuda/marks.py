"""Marks where a frame begins and ends, so that waits inside one stand apart."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterator
from typing import Any

from tests.simcuda.findings import FOUND


@contextlib.contextmanager
def marked_frames() -> Iterator[None]:
    """While inside, what the frame function does is noted as inside a frame."""
    try:
        from ttsctl.engine.codegen.frame import FrameFunction
    except ImportError:
        yield
        return
    kept = {name: getattr(FrameFunction, name) for name in ("advance", "draw_group0", "predict")}
    for name, method in kept.items():
        setattr(FrameFunction, name, _marked(method, begins=name == "advance", ends=name == "predict"))
    try:
        yield
    finally:
        for name, method in kept.items():
            setattr(FrameFunction, name, method)


def _marked(method: Callable[..., Any], begins: bool, ends: bool) -> Callable[..., Any]:
    @functools.wraps(method)
    def marked(*args: Any, **kwargs: Any) -> Any:
        inside = FOUND.inside
        if begins or getattr(inside, "parts", None) is None:
            inside.parts = []
        inside.frame = inside.parts
        try:
            return method(*args, **kwargs)
        finally:
            inside.frame = None
            if ends:
                FOUND.frames.append(inside.parts)
                inside.parts = None

    return marked
