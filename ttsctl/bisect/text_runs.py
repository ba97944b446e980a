"""The runs of some texts under one configuration, and whether they show a symptom."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal

from ttsctl.core.codes import CodeArray, codes_sha256
from ttsctl.core.config import Config
from ttsctl.core.request import Request
from ttsctl.dumps.diff import diff_codes

# One run of a request under a configuration, in fresh state: its codes (T, Q) int64.
RunText = Callable[[Config, Request], CodeArray]
# drift: the runs of a text do not all give the same codes. codes: some run gives other codes than control A.
Symptom = Literal["drift", "codes"]


@dataclass
class TextRuns:
    """The hashes of one text's runs, in order, and the codes (T, Q) int64 for each hash."""

    hashes: list[str] = field(default_factory=list)
    codes: dict[str, CodeArray] = field(default_factory=dict)

    def add(self, codes: CodeArray) -> None:
        sha256 = codes_sha256(codes)
        self.hashes.append(sha256)
        self.codes.setdefault(sha256, codes)


@dataclass(frozen=True)
class Difference:
    """A difference that shows a symptom: the number of the text, and the first frame that differs.

    ``frame`` is None where the codes have different numbers of codebooks, so that frames cannot be compared.
    """

    text: int
    frame: int | None


def run_texts(
    config: Config, requests: Sequence[Request], runs: int, run: RunText, enough: Callable[[list[TextRuns]], bool]
) -> list[TextRuns]:
    """All requests in turn, ``runs`` times over; stops after the first run for which ``enough`` is True."""
    made = [TextRuns() for _ in requests]
    for _ in range(runs):
        for text, request in zip(made, requests, strict=True):
            text.add(run(config, request))
            if enough(made):
                return made
    return made


def hash_unique(made: Sequence[TextRuns]) -> int:
    """The largest number of different hashes that any text gave."""
    return max(len(text.codes) for text in made)


def gave_codes_of(made: Sequence[TextRuns], control: Sequence[TextRuns]) -> bool:
    """Whether every run gave codes that the control gave for the same text."""
    return all(set(mine.hashes) <= set(its.hashes) for mine, its in zip(made, control, strict=True))


def shows(made: Sequence[TextRuns], symptom: Symptom, control_a: Sequence[TextRuns]) -> bool:
    """Whether these runs prove the symptom."""
    return hash_unique(made) > 1 if symptom == "drift" else not gave_codes_of(made, control_a)


def first_difference(
    made: Sequence[TextRuns], symptom: Symptom, control_a: Sequence[TextRuns], packet_tokens: int
) -> Difference | None:
    """The difference at the lowest frame: for drift between the runs of a text, for codes from control A's."""
    found: list[Difference] = []
    for number, text in enumerate(made):
        arrays = list(text.codes.values())
        base = arrays[0] if symptom == "drift" and arrays else next(iter(control_a[number].codes.values()))
        for codes in arrays:
            if codes.shape[1] != base.shape[1]:
                found.append(Difference(number, None))
                continue
            result = diff_codes(base, codes, packet_tokens)
            if not result.equal:
                found.append(Difference(number, result.first_diff_frame))
    return min(found, key=lambda d: (d.frame is None, d.frame or 0, d.text), default=None)
