"""The first divergence of two runs, at a value or at a draw, and which part computed something else."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ttsctl.core.trace import STAGES, Prints, TraceLevel
from ttsctl.explain.alignment import PrintAlignment, UnmatchedValue
from ttsctl.explain.draws import DrawDifference

_CODEC_POINT = "codec."
# What a module computes between the leaf modules in it, by the last part of its path.
_BETWEEN = {"self_attn": "rotation, KV state or attention", "mlp": "activation and product"}
# The modules that take ids, one for each codebook: there it shows first that the decoder was given other ids.
_TAKES_IDS = "._codebook"
_STAGE_WORDS = {
    "reference": "reference audio",
    "speaker_encoder": "speaker encoder",
    "codec_encoder": "codec encoder",
}
# Where one stage serves several branches, or takes what another made: which of its values it is. The speaker encoder's
# branch (resampling, mel, x-vector) and the codec encoder's (resampling, latents, codes) run side by side.
_POINT_WORDS = {
    "reference.speaker_pcm": "for the speaker encoder",
    "reference.codec_pcm": "for the codec encoder",
    "codec_latents": "latents",
    "reference.codes": "codes",
    "prompt.x_vector": "x-vector",
    "prompt.ref_codes": "reference codes",
}
# What each value of a voice's encoding is, beside its point.
_VALUE_WORDS = {
    "reference.audio": "the reference's samples, as read from its file",
    "reference.speaker_pcm": "the reference at the speaker encoder's rate",
    "reference.codec_pcm": "the reference at the codec encoder's rate",
    "mel": "the log-mel spectrogram",
    "x_vector": "the x-vector",
    "codec_latents": "the latents that the quantiser takes",
    "reference.codes": "the reference's codes",
    "prompt.x_vector": "the voice's x-vector as the prompt takes it, from the encoder or a voice file",
    "prompt.ref_codes": "the reference's codes as the prompt takes them, from the encoder or a voice file",
}
# How the paths of modules start.
_MODULES = ("talker.model.", "talker.code", "talker.text", "decoder.", "speaker_encoder.", "codec_encoder.")
# They are computed without a network, so no trace says more of them.
_WITHOUT_MODULES = {
    "reference.audio",
    "reference.speaker_pcm",
    "reference.codec_pcm",
    "mel",
    "prompt.x_vector",
    "prompt.ref_codes",
}
_NOT_RECORDED = "what computed them was not recorded (record.trace = 'modules' does)"
_DRAW_CULPRIT = {
    "logits": "the processing of the logits (penalty, temperature, top_k, top_p, reserved ids): it was fed the same",
    "scores": "what the draw weighs, processing or noise: it was fed the same logits",
    "noise": "the draw's noise (seed, state of the generator or temperature): its logits were equal",
    "policy": "only one of the runs drew with noise (sampling.policy or predictor_policy)",
    "id": "it was fed the same logits: it is the culprit",
    "cap_a": "A was cut there (sampling.max_new_tokens), B goes on",
    "cap_b": "B was cut there (sampling.max_new_tokens), A goes on",
}


@dataclass(frozen=True)
class Divergence:
    """Where two runs first differ.

    ``stage`` is one of core.trace.STAGES, and ``label`` is the stage in words ("predictor step 7"). ``codebook`` is
    the codebook that the value leads to, null outside of talker, predictor and draws. ``point`` is the module's path or
    the stage's own point, and ``call`` counts the outputs that it gave there before. ``inputs_equal`` is null where
    ``reason`` says why. ``culprit`` says in words what computed something else.
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


def divergence_of_values(prints: Prints, found: PrintAlignment, level: TraceLevel) -> Divergence | None:
    """The divergence at the first unequal value; ``prints`` are A's, ``found`` is their alignment with B's.

    Where all matched values are equal: the first value that only one run has, such as audio beyond the other one's
    end. None if nothing differs.
    """
    if found.first is None:
        return None if found.unmatched is None else _at_unmatched(found.unmatched)
    row = found.first
    stage, codebook = STAGES[prints.stage[row]], int(prints.codebook[row])
    reason = None
    if found.unmatched is not None:
        reason = f"before it only one of the runs computed {found.unmatched.point}: their paths differ"
    label = _stage_label(stage, codebook, prints.points[prints.point[row]])
    if stage == "codec":
        label = " ".join(filter(None, [label, _codec_stage(prints, row)]))
    return Divergence(
        stage=stage,
        label=label,
        frame=int(prints.frame[row]),
        codebook=_codebook_of(stage, codebook),
        point=prints.points[prints.point[row]],
        is_input=bool(prints.is_input[row]),
        call=found.call or 0,
        inputs_equal=None if reason else True,
        reason=reason,
        culprit=_value_culprit(prints, row, level, reason),
    )


def divergence_at_draw(found: DrawDifference, level: TraceLevel) -> Divergence:
    """The divergence at a draw. At level codes, other logits are put down to the network that gave them."""
    upstream = level == "codes" and found.what == "logits"
    stage = ("predictor" if found.codebook else "talker") if upstream else "draw"
    culprit, reason = _draw_culprit(found, level)
    return Divergence(
        stage=stage,
        label=_stage_label(stage, found.codebook),
        frame=found.frame,
        codebook=found.codebook,
        point=f"{stage}.logits" if upstream else "draw",
        is_input=False,
        call=0,
        inputs_equal=None if reason else True,
        reason=reason,
        culprit=culprit,
    )


def _at_unmatched(found: UnmatchedValue) -> Divergence:
    stage = STAGES[found.stage]
    reason = f"only {'A' if found.in_a else 'B'} has this value"
    return Divergence(
        stage=stage,
        label=_stage_label(stage, found.codebook, found.point),
        frame=found.frame,
        codebook=_codebook_of(stage, found.codebook),
        point=found.point,
        is_input=found.is_input,
        call=0,
        inputs_equal=None,
        reason=reason,
        culprit=f"{_named(found.point)}; {reason}, and all that both have is equal",
    )


def _stage_label(stage: str, codebook: int, point: str = "") -> str:
    """A stage in words; ``codebook`` numbers the predictor's steps and the draws, ``point`` tells its values apart."""
    if stage == "predictor":
        return f"predictor step {codebook}"
    if stage == "draw":
        return f"draw {codebook}" if codebook else "group-0 draw"
    return " ".join(filter(None, [_STAGE_WORDS.get(stage, stage), _POINT_WORDS.get(point)]))


def _named(point: str) -> str:
    """A point, and what it is in words where its name alone does not say."""
    return f"{point}, {_VALUE_WORDS[point]}" if point in _VALUE_WORDS else point


def _codebook_of(stage: str, codebook: int) -> int | None:
    return codebook if stage in ("talker", "predictor", "draw") else None


def _draw_culprit(found: DrawDifference, level: TraceLevel) -> tuple[str, str | None]:
    """(what of the draw differs, in words; why it is not known whether the draw was fed the same, None if it is)."""
    if level == "none":
        culprit = "only one of the runs goes on" if found.what == "end" else "the ids differ"
        return culprit, "not both runs kept their draws: only the codes are known"
    culprit = _DRAW_CULPRIT[found.what]
    if level != "codes" or found.what in ("cap_a", "cap_b"):
        return culprit, None
    if found.what == "logits":
        reason = f"at level 'codes' the first that is known to differ are the logits of a draw; {_NOT_RECORDED}"
        return f"its logits differ, as computed or as processed; {_NOT_RECORDED}", reason
    if found.what == "scores":
        reason = f"at level 'codes' it may be the logits or the noise of the draw; {_NOT_RECORDED}"
        return f"its scores differ, by logits or by noise; {_NOT_RECORDED}", reason
    return f"{culprit} (as far as its best two tell)", "at level 'codes' only the best two logits of a draw are known"


def _value_culprit(prints: Prints, row: int, level: TraceLevel, reason: str | None) -> str:
    """What computed the value of ``row``, in words; ``reason``: why its inputs may differ."""
    point = prints.points[prints.point[row]]
    if reason is not None:
        return f"{_named(point)}; {reason}"
    if prints.is_input[row] and point.endswith(_TAKES_IDS):
        return f"the ids given to {point}; those drawn were equal: what hands codes to the decoder is the culprit"
    if prints.is_input[row]:
        return f"{_between_modules(prints, row)}; all before it was equal: it is the culprit"
    if level == "modules" and not _is_module(point):
        return f"{_named(point)}; all before it was equal: it is the culprit"
    if level == "stages" and point not in _WITHOUT_MODULES:
        inside = "the stage's inputs were equal: the culprit is inside (record.trace = 'modules' says where)"
        return f"{_named(point)}; {inside}"
    if level == "stages":
        return f"{_named(point)}; all before it was equal: it is the culprit"
    return f"{point}; its inputs were equal: it is the culprit"


def _is_module(point: str) -> bool:
    """Whether a point is a module's path: it starts with a network's name and goes deeper than a stage's own point."""
    return point.startswith(_MODULES)


def _between_modules(prints: Prints, row: int) -> str:
    """An operation that belongs to no module, named by the modules before and after it: ``row`` is its result."""
    point = prints.points[prints.point[row]]
    before = _output_before(prints, row)
    parent = _common_parent(before, point) if before else ""
    inside = f" in {parent}" if parent else ""
    near, far = (name.removeprefix(f"{parent}.") for name in (before or "", point))
    place = f"between {near} and {far}" if before else f"before {point}"
    return f"{place}{inside} ({_operation(parent)})"


def _output_before(prints: Prints, row: int) -> str | None:
    """The point of the last output before ``row``: within its stage and frame, or else of any. None if none is."""
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
    """What ``parent`` computes outside of its own modules."""
    *outer, name = parent.split(".")
    if name == "layers" or (outer and outer[-1] == "layers"):
        return "the residual sum"
    return _BETWEEN.get(name, "an operation that is no module of its own")


def _codec_stage(prints: Prints, row: int) -> str:
    """The stage of the codec to which a value belongs: that of the next stage point in the same frame."""
    point = prints.points[prints.point[row]]
    if not point.startswith(_CODEC_POINT):
        names = np.array([name.startswith(_CODEC_POINT) for name in prints.points], bool)
        after = np.arange(row, len(prints.value))
        after = after[(prints.frame[row:] == prints.frame[row]) & names[prints.point[row:]]]
        if not len(after):
            return ""
        point = prints.points[prints.point[after[0]]]
    return str(point.removeprefix(_CODEC_POINT))
