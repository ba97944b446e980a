"""Decode one set of codes in several modes, measure each decode and compare every pair of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ttsctl.ablate.code_jumps import CodeJumps, code_jumps
from ttsctl.ablate.measure import MeasuredDecode, PushedDecode, measure_decode
from ttsctl.ablate.pairs import ComparedPair, compare_pairs
from ttsctl.ablate.variants import plan_variants
from ttsctl.core.codes import CodeArray
from ttsctl.core.config import Config
from ttsctl.core.engine import EngineInfo
from ttsctl.core.errors import InputError
from ttsctl.dumps.sources import Dump, load_sources
from ttsctl.runs.resolve_config import resolve_config

if TYPE_CHECKING:
    from ttsctl.engine.decode.variants import VariantResult

# The permutations have a generator of their own, so the p-values of the same audio are the same in every run.
PERMUTATION_SEED = 20_260_101


@dataclass(frozen=True, eq=False)
class AblatedVariant:
    """One variant: its configuration, the decode as the engine gave it, and what was measured of it."""

    config: Config
    decode: VariantResult
    measured: MeasuredDecode


@dataclass(frozen=True, eq=False)
class Ablation:
    """All that ``decode-ablate`` found: the codes, each variant and each pair of them.

    ``codes`` names the dump. ``config`` holds the settings that all variants share, ``info`` describes the engine.
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

    @property
    def decodes(self) -> list[MeasuredDecode]:
        """The measured decodes, in the order of the variants."""
        return [variant.measured for variant in self.variants]


def ablate_codes(path: Path, base: list[str], added: list[str], only: list[str]) -> Ablation:
    """Decode the codes at ``path`` in every variant, then measure and compare.

    base: ``KEY=VALUE`` settings of all variants; added: further variants, ``NAME:KEY=VALUE,…``; only: the names of the
    variants to keep, or none to keep all. InputError for a variant that cannot be, for codes that cannot be read or
    are not one set, and for codes that do not fit the checkpoint.
    """
    config = resolve_config(None, None, base)
    plan = plan_variants(base, added, only)
    dump, codes, notes = _one_dump(path)
    info, decodes = _decode_all(config, codes, dump.label, plan)
    jumps = code_jumps(codes)
    variants = tuple(
        AblatedVariant(plan[name], decode, _measure(name, plan[name], decode, dump, jumps, info.sample_rate))
        for name, decode in decodes.items()
    )
    pairs = compare_pairs([variant.measured for variant in variants])
    return Ablation(dump.label, dump.sha256, dump.frames, jumps, variants, pairs, config, info, tuple(notes))


def _one_dump(path: Path) -> tuple[Dump, CodeArray, list[str]]:
    """The codes to decode, with notes; several dumps are one set if their codes are equal."""
    dumps, notes = load_sources([path])
    if len({dump.sha256 for dump in dumps}) > 1:
        raise InputError(
            f"{path}: expected one set of codes, got {len(dumps)} dumps: " + ", ".join(d.tag for d in dumps[:8]),
            "name one code file of them",
        )
    dump = next((dump for dump in dumps if dump.codes is not None), None)
    if dump is None or dump.codes is None:
        raise InputError(f"{path}: a meta without its codes", "put the code file beside it")
    if len(dumps) > 1:
        notes.append(f"{len(dumps)} dumps have the same codes: {dump.label} is decoded")
    return dump, dump.codes, notes


def _decode_all(
    config: Config, codes: CodeArray, label: str, plan: Mapping[str, Config]
) -> tuple[EngineInfo, dict[str, VariantResult]]:
    """Load one engine and decode the codes (T, Q) as each config of the plan says.

    All that this command asks of an engine is here. InputError if the codes do not fit its checkpoint.
    """
    # torch is imported here and not before.
    from ttsctl.engine.decode.variants import check_fit, decode_variant
    from ttsctl.runs.engines import load_engine

    engine = load_engine(config)
    check_fit(engine, codes, label)
    return engine.info, {name: decode_variant(engine, codes, variant) for name, variant in plan.items()}


def _measure(
    name: str, config: Config, decode: VariantResult, dump: Dump, jumps: CodeJumps, sample_rate: int
) -> MeasuredDecode:
    frames = _frames_pushed(dump.frames, config.stream.packet_tokens, decode.packet_samples)
    pushed = PushedDecode(name, decode.pcm, decode.packet_samples, frames, dump.sha256)
    return measure_decode(pushed, jumps.per_codebook, sample_rate, PERMUTATION_SEED)


def _frames_pushed(frames: int, packet_tokens: int, packet_samples: Sequence[int]) -> tuple[int, ...]:
    """How many frames went in with each push; the flush, if it gave samples, is a push of none."""
    pushed = [min(packet_tokens, frames - first) for first in range(0, frames, packet_tokens)]
    return (*pushed, *[0] * (len(packet_samples) - len(pushed)))
