"""The first divergence of two runs, and who is to blame for it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ttsctl.core.trace import STAGES, Prints, TraceLevel
from ttsctl.explain.alignment import Alignment, Stray

CODEGEN_STAGES = STAGES[: STAGES.index("codec")]
CODEC_POINT = "codec."
# What computes inside of a module that holds leaf modules, by the last part of its path.
_BETWEEN = {"self_attn": "rotation, KV state or attention", "mlp": "activation and product"}
# The modules that take ids, one a codebook: where what the decoder was given shows first.
_TAKES_IDS = "._codebook"


@dataclass(frozen=True)
class Divergence:
    """Where two runs part first.

    ``stage`` is one of core.trace.STAGES, ``label`` the same in words ("predictor step 7"). ``codebook`` is the
    one that the value leads to, null outside of talker, predictor and draws. ``point`` is the module's path or the
    stage's own point, ``call`` how many outputs it gave there before. ``inputs_equal`` is null where ``reason`` says
    why. ``culprit`` says in words what computed something else.
    """

    stage: str
    label: str
    frame: int
    codebook: int | None
    point: str
    is_input: bool
    call: int
    inputs_equal: bool | None
    reason: str | None
    culprit: str

    @property
    def line(self) -> str:
        """Such as ``predictor step 7, frame 12, codebook 7: <module>; its inputs were equal: it is the culprit``."""
        codebook = "" if self.codebook is None else f", codebook {self.codebook}"
        return f"{self.label}, frame {self.frame}{codebook}: {self.culprit}"


def stage_label(stage: str, codebook: int) -> str:
    """A stage in words; ``codebook`` numbers the predictor's steps and the draws."""
    if stage == "predictor":
        return f"predictor step {codebook}"
    if stage == "draw":
        return f"draw {codebook}" if codebook else "group-0 draw"
    return stage


def is_module(point: str) -> bool:
    """A module's path starts with its network's name and goes deeper than a stage's own point."""
    return point.startswith(("talker.model.", "talker.code", "talker.text", "decoder."))


def from_prints(prints: Prints, found: Alignment, level: TraceLevel) -> Divergence | None:
    """The divergence at the first unequal value of A's ``prints``; if all that both have are equal, at the first value
    that only one has, such as more audio at the end; None if nothing differs.
    """
    if found.first is None:
        return None if found.strayed is None else _at_stray(found.strayed)
    row = found.first
    stage, frame, codebook = STAGES[prints.stage[row]], int(prints.frame[row]), int(prints.codebook[row])
    point, is_input = prints.points[prints.point[row]], bool(prints.is_input[row])
    reason = None
    if found.strayed is not None:
        reason = f"before it only one of the runs computed {found.strayed.point}: their paths differ"
    label = stage_label(stage, codebook)
    if stage == "codec":
        label = " ".join(filter(None, [label, _codec_stage(prints, row)]))
    return Divergence(
        stage=stage,
        label=label,
        frame=frame,
        codebook=_codebook_of(stage, codebook),
        point=point,
        is_input=is_input,
        call=found.call or 0,
        inputs_equal=None if reason else True,
        reason=reason,
        culprit=_culprit(prints, row, level, reason),
    )


def _at_stray(found: Stray) -> Divergence:
    stage = STAGES[found.stage]
    reason = f"only {'A' if found.in_a else 'B'} has this value"
    return Divergence(
        stage=stage,
        label=stage_label(stage, found.codebook),
        frame=found.frame,
        codebook=_codebook_of(stage, found.codebook),
        point=found.point,
        is_input=found.is_input,
        call=0,
        inputs_equal=None,
        reason=reason,
        culprit=f"{found.point}; {reason}, and all that both have is equal",
    )


def _codebook_of(stage: str, codebook: int) -> int | None:
    return codebook if stage in ("talker", "predictor", "draw") else None


def _culprit(prints: Prints, row: int, level: TraceLevel, reason: str | None) -> str:
    point = prints.points[prints.point[row]]
    if reason is not None:
        return f"{point}; {reason}"
    if prints.is_input[row] and point.endswith(_TAKES_IDS):
        return f"the ids given to {point}; those drawn were equal: what hands codes to the decoder is the culprit"
    if prints.is_input[row]:
        before = _output_before(prints, row)
        parent = _common_parent(before, point) if before else ""
        inside = f" in {parent}" if parent else ""
        near, far = (name.removeprefix(f"{parent}.") for name in (before or "", point))
        after = f"between {near} and {far}" if before else f"before {point}"
        return f"{after}{inside} ({_operation(parent)}); all before it was equal: it is the culprit"
    if level == "modules" and not is_module(point):
        return f"{point}; all before it was equal: it is the culprit"
    if level == "stages":
        return f"{point}; the stage's inputs were equal: the culprit is inside (record.trace = 'modules' says where)"
    return f"{point}; its inputs were equal: it is the culprit"


def _output_before(prints: Prints, row: int) -> str | None:
    """The module whose output was computed last before ``row``, for the same stage and frame if there is one."""
    outputs = np.flatnonzero(~prints.is_input[:row])
    near = outputs[(prints.stage[outputs] == prints.stage[row]) & (prints.frame[outputs] == prints.frame[row])]
    chosen = near if len(near) else outputs
    return prints.points[prints.point[chosen[-1]]] if len(chosen) else None


def _common_parent(before: str, after: str) -> str:
    """The innermost module that holds both."""
    shared: list[str] = []
    for left, right in zip(before.split(".")[:-1], after.split(".")[:-1], strict=False):
        if left != right:
            break
        shared.append(left)
    return ".".join(shared)


def _operation(parent: str) -> str:
    *outer, name = parent.split(".")
    if name == "layers" or (outer and outer[-1] == "layers"):
        return "the residual sum"
    return _BETWEEN.get(name, "an operation that is no module of its own")


def _codec_stage(prints: Prints, row: int) -> str:
    """Which stage of the codec a value belongs to: the one whose own point comes next in the frame."""
    point = prints.points[prints.point[row]]
    if not point.startswith(CODEC_POINT):
        names = np.array([name.startswith(CODEC_POINT) for name in prints.points], bool)
        after = np.arange(row, len(prints.value))
        after = after[(prints.frame[row:] == prints.frame[row]) & names[prints.point[row:]]]
        if not len(after):
            return ""
        point = prints.points[prints.point[after[0]]]
    return point.removeprefix(CODEC_POINT)
