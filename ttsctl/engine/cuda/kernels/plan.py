"""How the kernels are launched: fixed numbers. Lanes decide bits (``order.py``), these do not."""

from __future__ import annotations

from typing import Any

# Output rows of a program.
ROWS = 4
# Options of every launch. No fused multiply-add: a product and a sum are rounded one after another, as in the twins.
PER_LAUNCH: dict[str, Any] = {"num_warps": 4, "enable_fp_fusion": False}
# A program that owns a whole head holds head_dim rows.
HEAD_WARPS = 8
