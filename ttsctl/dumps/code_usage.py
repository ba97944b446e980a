"""How many of its ids each codebook of some codes uses, and whether that is what an encoder gives for speech."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ttsctl.core.codes import CodeArray

# Fewer frames say little: 25 are 2 s.
LEAST_FRAMES = 25
# A codebook in which one id holds so many of the frames carries next to nothing.
DEAD_SHARE = 0.9
# Neighbouring frames of one speaker are alike, so that speech uses fewer ids than as many frames from all of the
# training's speech. Speech in reference cases of random weights has at least 0.63 of those frames' entropy; an
# encoder that collapses has close to 0.
LOW_SHARE = 0.5
DRAWS, SEED = 16, 0


@dataclass(frozen=True)
class CodebookUse:
    """One codebook over T frames.

    ``entropy_bits``: of the ids' shares. ``own_entropy_bits``: the mean entropy of T ids drawn independently as often
    as the codebook used each in training, None where that is not known. ``top_share``: of the id that comes most often.
    """

    codebook: int
    ids: int
    top_id: int
    top_share: float
    entropy_bits: float
    own_entropy_bits: float | None


def code_usage(codes: CodeArray, id_weights: NDArray[np.float64] | None) -> tuple[CodebookUse, ...]:
    """codes (T, Q) int64, T > 0; id_weights (Q, size): the shares of the ids in training -> one entry a codebook."""
    found = []
    for book, ids in enumerate(codes.T):
        values, counts = np.unique(ids, return_counts=True)
        own = None if id_weights is None else own_entropy_bits(id_weights[book], len(ids))
        top = int(np.argmax(counts))
        share = float(counts[top] / len(ids))
        found.append(CodebookUse(book, len(values), int(values[top]), share, entropy_bits(counts), own))
    return tuple(found)


def entropy_bits(counts: NDArray[np.integer]) -> float:
    """Shannon entropy in bits of the shares of these counts (n,)."""
    shares = counts[counts > 0] / counts.sum()
    return float(-np.sum(shares * np.log2(shares))) + 0.0


def own_entropy_bits(weights: NDArray[np.float64], frames: int) -> float:
    """The mean entropy in bits of ``frames`` ids drawn with these shares (size,), over DRAWS draws of a fixed seed.

    Of few frames the entropy is far below that of the shares, at most log2(frames), so the two are not compared.
    """
    generator = np.random.default_rng(SEED)
    return float(np.mean([entropy_bits(counts) for counts in generator.multinomial(frames, weights, size=DRAWS)]))


def usage_warnings(codes: CodeArray, usage: tuple[CodebookUse, ...]) -> list[str]:
    """What of the codes (T, Q) of speech says that the encoder is broken; none for a sound one. See ``too_few``.

    One id on every frame, in all codebooks; codebooks in which one id has DEAD_SHARE of the frames; codebooks with less
    than LOW_SHARE of the entropy that their own ids have in training.
    """
    if too_few(codes):
        return []
    if all(use.ids == 1 for use in usage):
        return [
            f"one id on every frame, in each of the {len(usage)} codebooks: the encoder gives the same for any audio"
        ]
    dead = [use for use in usage if use.top_share >= DEAD_SHARE]
    alive = [use for use in usage if use not in dead]
    low = [u for u in alive if u.own_entropy_bits is not None and u.entropy_bits < LOW_SHARE * u.own_entropy_bits]
    warnings = []
    if dead:
        said = ", ".join(f"{u.codebook} (id {u.top_id} on {100 * u.top_share:.0f} % of frames)" for u in dead[:4])
        warnings.append(f"{len(dead)} of {len(usage)} codebooks are dead: {said}{_more(dead)}")
    if low:
        said = ", ".join(f"{u.codebook} ({u.entropy_bits:.2f} of {u.own_entropy_bits:.2f} bits)" for u in low[:4])
        warnings.append(
            f"{len(low)} of {len(usage)} codebooks have far less entropy than in training: {said}{_more(low)}"
        )
    return warnings


def too_few(codes: CodeArray) -> str | None:
    """Why codes (T, Q) are not judged: there are fewer than LEAST_FRAMES; None if they are."""
    if len(codes) >= LEAST_FRAMES:
        return None
    return f"{len(codes)} frames say too little of the encoder: expected at least {LEAST_FRAMES}"


def _more(uses: list[CodebookUse]) -> str:
    return f" and {len(uses) - 4} more" if len(uses) > 4 else ""
