"""What the baseline can be held against: for which cases and gates, and if not, why not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ttsctl.audio.wav import read_audio
from ttsctl.core.config import Config
from ttsctl.core.engine import EngineInfo
from ttsctl.regress.baseline import (
    Baseline,
    BaselineCase,
    codes_conditions,
    differing,
    request_conditions,
    stream_wav,
    timing_conditions,
)
from ttsctl.regress.gates import GATES, Gate
from ttsctl.regress.measure import Against
from ttsctl.runs.cases import Case


@dataclass(frozen=True)
class Reference:
    """A baseline as seen from this run. ``codes_differ`` and ``timing_differ`` list the conditions that changed.

    Without a baseline, ``absent`` says why; ``writing`` that this very run makes one, so nothing is missing.
    """

    baseline: Baseline | None
    folder: Path | None = None
    absent: str | None = None
    writing: bool = False
    codes_differ: list[str] = field(default_factory=list)
    timing_differ: list[str] = field(default_factory=list)

    def why_not(self, gate: Gate, cases: Sequence[Case]) -> str | None:
        """Why ``gate`` cannot be compared with the baseline on these cases; None if it can."""
        if self.baseline is None:
            return self.absent or "no baseline"
        differ = self.timing_differ if gate.timing else self.codes_differ
        if differ:
            return "; ".join(differ)
        for case in cases:
            why = self._why_not_case(gate, case)
            if why:
                return f"{case.id}: {why}" if len(cases) > 1 else why
        return None

    def _why_not_case(self, gate: Gate, case: Case) -> str | None:
        then = self.case(case)
        if then is None:
            return "the baseline does not have this case"
        request = differing(then.request, request_conditions(case.request))
        if request:
            return "; ".join(request)
        if gate.against in ("plus", "times") and not _is_number(then.metrics.get(gate.metric)):
            return f"the baseline has no {gate.metric}"
        if gate.against == "audio" and self.wav(case) is None:
            return "the baseline has no audio of this case"
        return None

    def case(self, case: Case) -> BaselineCase | None:
        return self.baseline.case(case.id) if self.baseline else None

    def wav(self, case: Case) -> Path | None:
        """The baseline's streamed audio of a case, if it is there."""
        if self.folder is None:
            return None
        path = stream_wav(self.folder, case.id)
        return path if path.is_file() else None

    def against(self, case: Case, sample_rate: int) -> Against:
        """What a case is measured against; nothing where the comparison would not be fair. InputError: broken audio."""
        then = self.case(case)
        why_no_packets = self.why_not(GATES["codes_baseline"], [case])
        why_no_pcm = self.why_not(GATES["snr_baseline_db"], [case])
        pcm = None
        path = self.wav(case)
        if why_no_pcm is None and path is not None:
            audio = read_audio(path)
            pcm = audio.pcm if audio.sample_rate == sample_rate else None
            why_no_pcm = f"the baseline's audio has {audio.sample_rate} Hz, this run's {sample_rate} Hz"
        if then is None or why_no_packets:
            return Against(pcm, None, 1, why_no_pcm or "no audio", why_no_packets or "no baseline")
        return Against(pcm, then.packet_sha256, then.packet_tokens, why_no_pcm or "no audio")


def check_audio(folder: Path, cases: Sequence[Case]) -> None:
    """InputError for audio of the baseline that cannot be read: before the run, not in the middle of it."""
    for path in (stream_wav(folder, case.id) for case in cases):
        if path.is_file():
            read_audio(path)


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def no_reference(why: str, writing: bool = False) -> Reference:
    """A run without a baseline."""
    return Reference(None, absent=why, writing=writing)


def reference_to(baseline: Baseline, folder: Path, config: Config, info: EngineInfo) -> Reference:
    """The baseline read from ``folder``, with the conditions in which it differs from this run."""
    return Reference(
        baseline,
        folder,
        codes_differ=differing(baseline.codes_conditions, codes_conditions(config, info)),
        timing_differ=differing(baseline.timing_conditions, timing_conditions(config, info)),
    )
