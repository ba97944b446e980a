"""What a run may be compared with: for which gates and cases its baseline can be used, and if not, why not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from ttsctl.audio.wav import read_audio
from ttsctl.core.audio import PcmArray
from ttsctl.core.config import Config
from ttsctl.core.engine import EngineInfo
from ttsctl.core.plurals import listed
from ttsctl.regress.baseline import Baseline, BaselineCase, read_baseline
from ttsctl.regress.baseline_values import check_audio
from ttsctl.regress.case_runs import stream_wav
from ttsctl.regress.conditions import (
    FED,
    TIMING_DECIDES,
    Conditions,
    codes_conditions,
    differing,
    differing_settings,
    request_conditions,
    settings,
    timing_conditions,
)
from ttsctl.regress.gates import GATES, Gate
from ttsctl.runs.texts import Case


@dataclass(frozen=True)
class BaselineTarget:
    """What one case is measured against: the baseline's streamed audio (N,) and chained packet hashes of the case.

    ``pcm`` has the engine's sample rate. Either may be None; ``why_no_pcm`` and ``why_no_packets`` say why.
    """

    pcm: PcmArray | None = None
    packet_sha256: list[str] | None = None
    packet_tokens: int = 1
    why_no_pcm: str = "no baseline"
    why_no_packets: str = "no baseline"


@dataclass(frozen=True)
class Reference:
    """The baseline of a run. ``codes_differ`` and ``timing_differ`` list the conditions that are not the same now, and
    forbid a comparison; ``settings_differ`` what else was set otherwise, which a verdict names.

    Without a baseline ``absent`` says why. ``writing``: this run makes a baseline, so that none is missing. ``named``:
    the baseline was asked for by this run, and not only by its suite.
    """

    baseline: Baseline | None
    folder: Path | None = None
    absent: str | None = None
    writing: bool = False
    named: bool = False
    codes_differ: list[str] = field(default_factory=list)
    timing_differ: list[str] = field(default_factory=list)
    settings_differ: list[str] = field(default_factory=list)

    def under(self, config: Config, info: EngineInfo) -> Reference:
        """This reference for a run under ``config`` on the engine of ``info``, with the conditions that differ."""
        if self.baseline is None:
            return self
        then, now = self.baseline.timing_conditions, timing_conditions(config, info)
        return replace(
            self,
            codes_differ=differing(self.baseline.codes_conditions, codes_conditions(config, info)),
            timing_differ=differing(_only(TIMING_DECIDES, then), _only(TIMING_DECIDES, now)),
            settings_differ=differing_settings(settings(self.baseline.config, then), settings(config.to_dict(), now)),
        )

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
        if gate.timing:
            request = [line for line in request if not line.startswith(f"{FED}: ")]
        if request:
            return "; ".join(request)
        if gate.against in ("plus", "times") and not _is_number(then.metrics.get(gate.metric)):
            return f"the baseline has no {gate.metric}"
        if gate.against == "audio" and self.wav(case) is None:
            return "the baseline has no audio of this case"
        return None

    def settings_words(self, cases: Sequence[Case]) -> str:
        """What was set otherwise in the baseline's runs of these cases, as one phrase; "" if nothing was."""
        lines = dict.fromkeys(self.settings_differ)
        for case in cases:
            then = self.case(case)
            fed = differing(_only([FED], then.request), _only([FED], request_conditions(case.request))) if then else []
            lines.update(dict.fromkeys(fed))
        return f"set otherwise: {listed(list(lines), 4)}" if lines else ""

    def case(self, case: Case) -> BaselineCase | None:
        """The case as it was in the baseline; None if there is no baseline, or the case is not in it."""
        return self.baseline.case(case.id) if self.baseline else None

    def wav(self, case: Case) -> Path | None:
        """The file of the baseline's streamed audio of a case; None if there is none."""
        if self.folder is None:
            return None
        path = stream_wav(self.folder, case.id)
        return path if path.is_file() else None

    def target(self, case: Case, sample_rate: int) -> BaselineTarget:
        """What a case is measured against; nothing where the conditions differ. InputError for broken audio."""
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
            return BaselineTarget(pcm, None, 1, why_no_pcm or "no audio", why_no_packets or "no baseline")
        return BaselineTarget(pcm, then.packet_sha256, then.packet_tokens, why_no_pcm or "no audio")


def open_reference(folder: Path | None, writing: bool, cases: Sequence[Case], named: bool = False) -> Reference:
    """The reference of a run of ``cases``: the baseline in ``folder``, or none if this run is ``writing`` one.

    InputError if the baseline, or its audio of one of the cases, cannot be read, or if the two contradict each other:
    before the run, which takes minutes.
    """
    if writing:
        return Reference(None, absent="this run makes the baseline", writing=True)
    none = Reference(None, absent="no baseline given")
    if folder is None:
        return none
    baseline = read_baseline(folder)
    for case in cases:
        path, then = stream_wav(folder, case.id), baseline.case(case.id)
        if path.is_file():
            audio = read_audio(path)
            if then is not None:
                check_audio(audio, then.metrics, baseline.codes_conditions["sample_rate"], path)
    if not cases:
        return Reference(None, absent="without a case nothing is compared with it")
    return Reference(baseline, folder, named=named)


def _only(names: Sequence[str], conditions: Conditions) -> Conditions:
    return {name: conditions.get(name) for name in names}


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
