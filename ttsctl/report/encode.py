"""``encode``: audio to codes and, if asked, to a saved voice; what broken encoders give is warned of."""

from __future__ import annotations

import contextlib
import itertools
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import numpy as np
from pydantic import Field

from ttsctl.audio.metrics import WaveformAlignment, snr_db
from ttsctl.audio.spectral_distance import log_spectral_distance_db
from ttsctl.audio.wav import write_wav
from ttsctl.core.capabilities import decoder_of, encoder_of
from ttsctl.core.codes import codes_sha256
from ttsctl.core.config import Config
from ttsctl.core.encoded_audio import EncodedAudio
from ttsctl.core.engine import Engine, EngineInfo
from ttsctl.core.errors import InputError
from ttsctl.core.metric import definitions_of
from ttsctl.core.outcome import ExitStatus
from ttsctl.core.plurals import counted
from ttsctl.core.printable import encodable
from ttsctl.core.request import Request, Voice
from ttsctl.core.run import Run
from ttsctl.core.timing import RunTiming
from ttsctl.core.voice_prompt import PromptHashes, VoicePrompt
from ttsctl.dumps.code_usage import CodebookUse, code_usage, too_few, usage_warnings
from ttsctl.dumps.manifest import write_manifest
from ttsctl.dumps.meta import build_meta
from ttsctl.dumps.write import write_dump
from ttsctl.report.console import number, print_notes, table
from ttsctl.report.run_folder import run_folder
from ttsctl.report.summary import Model, Summary, write_summary
from ttsctl.runs import engines
from ttsctl.runs.requests import check_text
from ttsctl.runs.speak import Advance

if TYPE_CHECKING:
    from rich.console import Console

_DEFINED = ("entropy_bits", "frames", "own_entropy_bits", "roundtrip_snr_db", "sha256", "spectral_distance_db")


class RoundTrip(Model):
    """The codes decoded again, against the audio that was encoded. Null figures: there is nothing to measure."""

    wav: str
    roundtrip_snr_db: float | None
    spectral_distance_db: float | None


class EncodedFile(Model):
    """One file: its codes, their use of the codebooks, and what is wrong with them."""

    audio: str
    tag: str
    duration_s: float
    frames: int
    hashes: Annotated[PromptHashes | None, Field(description="of the prompt; null without an x-vector")]
    reference_sha256: Annotated[str, Field(description="of the bytes of the file")]
    sha256: str
    x_vector_reason: Annotated[str | None, Field(description="why there is no x-vector")]
    encode_ms: float
    x_vector_ms: float | None
    x_realtime: Annotated[float, Field(description="seconds of audio for each second in the codec encoder")]
    codebooks: list[CodebookUse]
    warnings: Annotated[list[str], Field(description="what broken encoders give")]
    not_judged: Annotated[str | None, Field(description="why nothing is warned of")]
    roundtrip: Annotated[RoundTrip | None, Field(description="null unless it was asked for")]


class EncodeSummary(Summary):
    """summary.json of ``encode``. ``voice``: the path of the voice that was saved."""

    command: str = "encode"
    encoded: list[EncodedFile]
    ref_text: str | None
    voice: str | None
    files: list[str]


@dataclass(frozen=True)
class EncodeOptions:
    """What to encode. ``voice``: the file to save a voice in, of the one file of audio.

    ``ref_text``: what that says; ``x_vector_only``: the voice gets no codes. InputError for what does not go together.
    """

    audio: Sequence[Path]
    ref_text: str | None = None
    x_vector_only: bool = False
    voice: Path | None = None
    roundtrip: bool = False

    def __post_init__(self) -> None:
        if self.ref_text is not None and self.ref_text.strip():
            check_text("--ref-text", self.ref_text)
        if self.voice is None:
            if self.x_vector_only:
                raise InputError("--x-vector-only: expected a voice to save, got none", "add --save-voice FILE")
            if self.ref_text is not None and len(self.audio) > 1:
                raise InputError(f"--ref-text: expected one file, got {len(self.audio)}", "encode them one by one")
            return
        # Imported here because ``schema`` loads this module and no engine.
        from ttsctl.engine.voice.prompt_file import check_voice_path

        check_voice_path(self.voice)
        if len(self.audio) > 1:
            raise InputError(
                f"{self.voice}: expected one file of audio, got {len(self.audio)}", "save one voice a time"
            )
        if not self.x_vector_only and not (self.ref_text or "").strip():
            raise InputError(
                f"{self.voice}: no text of the reference, which speaking in context needs",
                "give --ref-text, what it says, or --x-vector-only",
            )


@dataclass(frozen=True, eq=False)
class _Encoded:
    path: Path
    tag: str
    audio: EncodedAudio
    roundtrip: RoundTrip | None


def run_encode(config: Config, options: EncodeOptions, out: Path, advance: Advance) -> tuple[EncodeSummary, Path]:
    """Encode every file and write codes, metas and summary to a run folder under ``out`` -> the summary, the folder.

    ``advance`` is called for every file. InputError for audio as of ``engine.voice.reference.read_reference``, for a
    checkpoint without the encoders that are needed, and for an unwritable folder or voice file.
    """
    # As in EncodeOptions.
    from ttsctl.engine.voice.prompt_file import write_voice

    with run_folder(out, EncodeSummary) as run:
        with contextlib.closing(engines.load_engine(config)) as engine:
            encoder = encoder_of(engine)
            found, files = [], ["manifest.json"]
            for path, tag in zip(options.audio, _tags(options.audio), strict=True):
                audio = encoder.encode(path)
                roundtrip = _decoded_again(engine, audio, run.path, tag) if options.roundtrip else None
                found.append(_Encoded(path, tag, audio, roundtrip))
                files += _dump(run.path, engine, found[-1], options.ref_text)
                files += [] if roundtrip is None else [roundtrip.wav]
                advance()
            write_manifest(run.path)
            summary = summarise(engine.config, engine.info, options, found, files)
        if options.voice is not None:
            made = {**summary.provenance, "audio": encodable(found[0].path.name), "created_utc": summary.created_utc}
            write_voice(options.voice, _prompt(found[0], options), made)
        write_summary(summary, run.path)
    return summary, run.home


def _dump(folder: Path, engine: Engine, found: _Encoded, ref_text: str | None) -> list[str]:
    """Codes and meta, named after the file; its request is the text of the reference."""
    # Of all kinds the one that has codes and no audio; a meta does not name it.
    run = Run("codegen", found.audio.codes, None, False, None, RunTiming())
    meta = build_meta(run, Request(ref_text or "", Voice(found.tag), found.tag), engine.config, engine.info, found.tag)
    return [path.name for path in write_dump(folder, meta, found.audio.codes)]


def _decoded_again(engine: Engine, audio: EncodedAudio, folder: Path, tag: str) -> RoundTrip:
    """Decode the codes in one piece, cut to the length of the audio, and compare sample by sample from the start."""
    pcm = decoder_of(engine).decode_offline(audio.codes)[: len(audio.pcm)]
    name = f"roundtrip_{tag}.wav"
    write_wav(folder / name, pcm, audio.sample_rate)
    at = WaveformAlignment(0, 0.0, 0, 0, len(pcm))
    distance = log_spectral_distance_db(audio.pcm[: len(pcm)], pcm)
    return RoundTrip(wav=name, roundtrip_snr_db=snr_db(audio.pcm, pcm, at), spectral_distance_db=distance)


def _prompt(found: _Encoded, options: EncodeOptions) -> VoicePrompt:
    """InputError if the checkpoint or the audio gives no x-vector."""
    audio = found.audio
    if audio.x_vector is None:
        what = f"{options.voice}: a voice needs an x-vector: {audio.x_vector_reason}"
        raise InputError(what, "use a Base checkpoint, and a reference of 3 to 30 s")
    codes, text = (None, None) if options.x_vector_only else (audio.codes, options.ref_text)
    return VoicePrompt(codes, audio.x_vector, text, audio.sha256)


def _tags(paths: Sequence[Path]) -> list[str]:
    """A tag for each file, after its name; files of one name are numbered."""
    tags: list[str] = []
    for path in paths:
        stem = re.sub(r"[^A-Za-z0-9.-]+", "_", path.stem).strip("._-")[:100] or "audio"
        names = itertools.chain([stem], (f"{stem}_again{number}" for number in itertools.count(1)))
        tags.append(next(name for name in names if name not in tags))
    return tags


def summarise(
    config: Config, info: EngineInfo, options: EncodeOptions, found: Sequence[_Encoded], files: Sequence[str]
) -> EncodeSummary:
    """The summary of encoded files. A warning is no verdict: the status is 0."""
    encoded = [_file(one, options) for one in found]
    warned = sum(bool(one.warnings) for one in encoded)
    frames = sum(one.frames for one in encoded)
    told = f"WARNING: {warned} of {counted(len(encoded), 'file')} look like a broken encoder; " if warned else ""
    saved = "" if options.voice is None else f", saved as {options.voice}"
    return EncodeSummary(
        exit_status=int(ExitStatus.HOLDS),
        headline=f"{told}{counted(len(encoded), 'file')} encoded to {counted(frames, 'frame')}{saved}",
        config=config.to_dict(),
        config_sha256=config.sha256,
        in_force=dict(info.in_force),
        provenance=info.provenance.to_dict(),
        definitions=definitions_of(*_DEFINED),
        notes=[f"{one.tag}: {line}" for one in encoded for line in (*one.warnings, one.not_judged) if line],
        encoded=encoded,
        ref_text=options.ref_text,
        voice=None if options.voice is None else str(options.voice),
        files=list(files),
    )


def _file(found: _Encoded, options: EncodeOptions) -> EncodedFile:
    audio = found.audio
    usage = code_usage(audio.codes, audio.id_weights)
    duration_s = len(audio.pcm) / audio.sample_rate
    return EncodedFile(
        audio=str(found.path),
        tag=found.tag,
        duration_s=duration_s,
        frames=len(audio.codes),
        hashes=None if audio.x_vector is None else _hashes(audio, options),
        reference_sha256=audio.sha256,
        sha256=codes_sha256(audio.codes),
        x_vector_reason=audio.x_vector_reason,
        encode_ms=audio.encode_ms,
        x_vector_ms=audio.x_vector_ms,
        x_realtime=1000 * duration_s / max(audio.encode_ms, 1e-3),
        codebooks=list(usage),
        warnings=usage_warnings(audio.codes, usage),
        not_judged=too_few(audio.codes),
        roundtrip=found.roundtrip,
    )


def _hashes(audio: EncodedAudio, options: EncodeOptions) -> PromptHashes:
    vector = np.empty(0, np.float32) if audio.x_vector is None else audio.x_vector
    codes, text = (None, None) if options.x_vector_only else (audio.codes, options.ref_text)
    return VoicePrompt(codes, vector, text, audio.sha256).hashes


def render(summary: EncodeSummary, console: Console) -> None:
    """One row a file, then the warnings."""
    columns = ("file", "s", "frames", "sha256", "entropy", "least", "× real time", "SNR", "distance")
    rows = table("encode: entropy in bits, mean and least of the codebooks; SNR and distance in dB", *columns, left=1)
    for one in summary.encoded:
        bits = [use.entropy_bits for use in one.codebooks]
        trip = (one.roundtrip.roundtrip_snr_db, one.roundtrip.spectral_distance_db) if one.roundtrip else (None, None)
        cells = (number(float(np.mean(bits)), ".3g"), number(min(bits), ".3g"), number(one.x_realtime, ".3g"))
        shown = (f"{one.duration_s:.2f}", str(one.frames), f"{one.sha256[:16]}…", *cells)
        rows.add_row(one.tag, *shown, *(number(value, ".3g") for value in trip))
    console.print(rows)
    print_notes(console, summary.notes)
