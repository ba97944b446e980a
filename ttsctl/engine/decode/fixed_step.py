"""The step of incremental decoding: one shape of codes in, one shape of PCM out, the past in the caller's state.

It is one sequence of operations with the same shapes and the same host values for every step, so it can be captured:
one sequence for a step that is committed and one for a step that is not. Everything that moves on is written in place
in the state.
"""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

from ttsctl.engine.decode.staged import StagedDecoder
from ttsctl.engine.model.streaming import StreamState

# Frames of a step. Every step has this shape, as kernels give other last bits for other shapes.
# Measured at released size on one core, as CPU time a frame over that of one-shot: with packets of 4 frames a step of
# 1, 2 and 4 costs 1.57, 1.23 and 1.01, as every step reads the same 450 MB of weights; with packets of 1 it costs 1.57,
# 2.5 and 4.1, as a step is run again for every frame in it. 4 is the default packet.
STEP_FRAMES = 4


def fixed_step(
    staged: StagedDecoder,
    codes: Tensor,
    state: StreamState,
    commit: bool,
    transform: Callable[[Tensor, StreamState], Tensor] | None = None,
) -> Tensor:
    """codes (n, Q) int64 -> pcm (n · samples_per_frame,): the next n frames of the stream in ``state``.

    With ``commit`` the state then holds these frames and its ``device_position`` is n further; without, it stays as it
    is. The host's ``position`` is the caller's to move. ``transform`` stands in for the decoder's transformer.
    """
    state.commit = commit
    embedded = staged.decoder.embed(codes, state)
    pcm = staged.audio((transform or staged.transform)(embedded, state), state)
    state.advance_on_device(codes.shape[0])
    return pcm
