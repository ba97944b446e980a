"""What a cloned voice was made of and what it cost, as the summaries and consoles show it."""

from __future__ import annotations

from ttsctl.core.voice_prompt import PromptUse

PROMPT = "what a cloned voice was made of and cost, inside ttfa_ms; null for other voices"

PROMPT_TIMES = ("prompt_ms", "prime_ms")


def prompt_cells(use: PromptUse | None) -> list[tuple[str, str]]:
    """(name, value) of each line; none for a voice that is not cloned."""
    if use is None:
        return []
    hashes = [("reference", use.hashes.reference), ("x-vector", use.hashes.x_vector)]
    if use.hashes.codes is not None:
        hashes.append((f"reference codes ({use.frames} frames)", use.hashes.codes))
    times = [("prompt_ms", use.prompt_ms, use.prompt_kept), ("prime_ms", use.prime_ms, use.state_kept)]
    return [
        *((name, f"{sha256[:16]}…") for name, sha256 in hashes),
        *((name, f"{ms:.4g}{' (kept)' if kept else ''}") for name, ms, kept in times),
    ]
