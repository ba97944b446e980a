"""Decode one set of codes in several modes, measure each decode and compare every pair of them."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ttsctl.ablate.code_jumps import CodeJumps, code_jumps
from ttsctl.ablate.measure import MeasuredDecode, PushedDecode, measure_decode
from ttsctl.ablate.pairs import ComparedPair, compare_pairs
from ttsctl.ablate.variants import plan_variants
from ttsctl.core.codes import CodeArray, codes_sha256
from ttsctl.core.config import Config
from ttsctl.core.engine import EngineInfo
from ttsctl.core.errors import InputError
from ttsctl.core.run import Run
from ttsctl.dumps.sources import Dump, load_sources
from ttsctl.runs.engines import load_engine
from ttsctl.runs.resolve_config import config_source, resolve_config
from ttsctl.runs.run_decode import run_decode
from ttsctl.runs.voice_codes import codes_of_voice, is_voice_file

# The permutations have a generator of their own, so the p-values of the same audio are the same in every run.
PERMUTATION_SEED = 20_260_101


@dataclass(frozen=True, eq=False)
class AblatedVariant:
    """One variant: its configuration, the decode as the engine gave it, and what was measured of it."""

    config: Config
    decode: Run
    measured: MeasuredDecode


@dataclass(frozen=True, eq=False)
class ReferenceCodes:
    """The codes (R, Q) int64 of a cloned voice's reference, their sha256, and what names them."""

    label: str
    codes: CodeArray
    sha256: str


@dataclass(frozen=True, eq=False)
class Ablation:
    """All that ``decode-ablate`` found: the codes, each variant and each pair of them.

    ``codes`` names the dump. ``config`` holds the settings that all variants share, ``info`` describes the engine.
    ``left_out``: the variants that were added and that ``--only`` does not name. ``reference``: the codes of a cloned
    voice's reference.
    """

    codes: str
    codes_sha256: str
    frames: int
    jumps: CodeJumps
    variants: tuple[AblatedVariant, ...]
    pairs: tuple[ComparedPair, ...]
    config: Config
    info: EngineInfo
    notes: tuple[str, ...]
    left_out: tuple[str, ...] = ()
    reference: ReferenceCodes | None = None

    @property
    def decodes(self) -> list[MeasuredDecode]:
        """The measured decodes, in the order of the variants."""
        return [variant.measured for variant in self.variants]


def ablate_codes(
    path: Path,
    base: list[str],
    added: list[str],
    only: list[str],
    config_file: Path | None = None,
    ref_codes: Path | None = None,
) -> Ablation:
    """Decode the codes at ``path`` in every variant, then measure and compare.

    config_file: configuration tables of all variants, of a file or of an earlier run. base: ``KEY=VALUE`` settings of
    all variants, which override it; added: further variants, ``NAME:KEY=VALUE,…``; only: the names of the
    variants to keep, or none to keep all. ref_codes: the codes of a cloned voice's reference, which then come before
    them as ``decoder.reference`` says. InputError for a variant that cannot be, for codes that cannot be read or
    are not one set, and for codes that do not fit the checkpoint.
    """
    over = config_source(config_file)
    config = resolve_config(None, None, base, over)
    plan = plan_variants(base, added, only, over, cloned=ref_codes is not None)
    dump, codes, notes = _one_dump(path)
    reference = None if ref_codes is None else _reference_codes(ref_codes)
    info, decodes = _decode_all(config, codes, dump.label, plan.variants, reference)
    notes += plan.notes
    notes += dict.fromkeys(note for decode in decodes.values() for note in decode.notes)
    jumps = code_jumps(codes)
    variants = tuple(
        AblatedVariant(plan.variants[name], decode, _measure(name, decode, dump.sha256, jumps, info.sample_rate))
        for name, decode in decodes.items()
    )
    pairs = compare_pairs([variant.measured for variant in variants], cloned=reference is not None)
    return Ablation(
        codes=dump.label,
        codes_sha256=dump.sha256,
        frames=dump.frames,
        jumps=jumps,
        variants=variants,
        pairs=pairs,
        config=config,
        info=info,
        notes=tuple(notes),
        left_out=plan.left_out,
        reference=reference,
    )


def _one_dump(path: Path) -> tuple[Dump, CodeArray, list[str]]:
    """The codes to decode, with notes; several dumps are one set if their codes are equal."""
    dumps, notes = load_sources([path])
    different: dict[str, Dump] = {}
    for dump in dumps:
        different.setdefault(dump.sha256, dump)
    if len(different) > 1:
        named = ", ".join(dump.tag for dump in list(different.values())[:8])
        more = f", and {len(different) - 8} more" if len(different) > 8 else ""
        what = f"{path}: expected one set of codes, got {len(different)} different ones in {len(dumps)} dumps"
        raise InputError(f"{what}: {named}{more}", "name one code file of them")
    dump = next((dump for dump in dumps if dump.codes is not None), dumps[0])
    if dump.codes is None:
        raise InputError(f"{path}: a meta without its codes", "put the code file beside it")
    if len(dumps) > 1:
        notes.append(f"{len(dumps)} dumps have the same codes: {dump.label} is decoded")
    return dump, dump.codes, notes


def _reference_codes(path: Path) -> ReferenceCodes:
    """The codes of a reference, out of a voice file, or of whatever holds one set of codes."""
    if is_voice_file(path):
        codes = codes_of_voice(path)
        return ReferenceCodes(str(path), codes, codes_sha256(codes))
    dump, codes, _ = _one_dump(path)
    return ReferenceCodes(dump.label, codes, dump.sha256)


def _decode_all(
    config: Config,
    codes: CodeArray,
    label: str,
    plan: Mapping[str, Config],
    reference: ReferenceCodes | None,
) -> tuple[EngineInfo, dict[str, Run]]:
    """Load one engine and decode the codes (T, Q) as each config of the plan says, after those of ``reference``.

    All that this command asks of an engine is here. InputError if the codes do not fit its checkpoint, and if the
    engine cannot decode given codes.
    """
    before = None if reference is None else (reference.codes, reference.label)
    with contextlib.closing(load_engine(config)) as engine:
        return engine.info, {name: run_decode(engine, codes, label, variant, before) for name, variant in plan.items()}


def _measure(name: str, decode: Run, sha256: str, jumps: CodeJumps, sample_rate: int) -> MeasuredDecode:
    samples, frames = tuple(p.samples for p in decode.packets), tuple(p.frames for p in decode.packets)
    pushed = PushedDecode(name, decode.require_pcm(), samples, frames, sha256)
    return measure_decode(pushed, jumps.per_codebook, sample_rate, PERMUTATION_SEED)
