"""The runs of some texts under one configuration, and whether they show what is looked for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal

from ttsctl.core.codes import CodeArray, codes_sha256
from ttsctl.core.config import Config
from ttsctl.core.request import Request
from ttsctl.dumps.diff import diff_codes

# Codes (T, Q) int64 of one run of a request under a configuration, in fresh state.
Run = Callable[[Config, Request], CodeArray]
# drift: the runs of a text do not all give the same codes. codes: some run gives other codes than A.
Symptom = Literal["drift", "codes"]


@dataclass
class TextRuns:
    """The hashes of one text's runs, in order, and the codes (T, Q) int64 behind each hash."""

    hashes: list[str] = field(default_factory=list)
    codes: dict[str, CodeArray] = field(default_factory=dict)

    def add(self, codes: CodeArray) -> None:
        sha256 = codes_sha256(codes)
        self.hashes.append(sha256)
        self.codes.setdefault(sha256, codes)


@dataclass(frozen=True)
class Difference:
    """The earliest difference that shows a symptom: in which text (its number), and at which frame.

    ``frame`` is None where the codes have other numbers of codebooks, and so cannot be compared frame by frame.
    """

    text: int
    frame: int | None


def run_texts(
    config: Config, requests: Sequence[Request], runs: int, run: Run, enough: Callable[[list[TextRuns]], bool]
) -> list[TextRuns]:
    """Every request in turn, ``runs`` times over, until ``enough`` says so after a run."""
    made = [TextRuns() for _ in requests]
    for _ in range(runs):
        for text, request in zip(made, requests, strict=True):
            text.add(run(config, request))
            if enough(made):
                return made
    return made


def hash_unique(made: Sequence[TextRuns]) -> int:
    """The largest of any text."""
    return max(len(text.codes) for text in made)


def like(made: Sequence[TextRuns], control: Sequence[TextRuns]) -> bool:
    """Whether every run gave codes that the control gave for the same text."""
    return all(set(mine.hashes) <= set(its.hashes) for mine, its in zip(made, control, strict=True))


def shows(made: Sequence[TextRuns], symptom: Symptom, reference: Sequence[TextRuns]) -> bool:
    """Whether these runs prove the symptom; ``reference`` are A's."""
    return hash_unique(made) > 1 if symptom == "drift" else not like(made, reference)


def first_difference(
    made: Sequence[TextRuns], symptom: Symptom, reference: Sequence[TextRuns], packet_tokens: int
) -> Difference | None:
    """The earliest one: between the runs of a text for drift, against A's for codes. None if there is none."""
    found: list[Difference] = []
    for number, text in enumerate(made):
        arrays = list(text.codes.values())
        base = arrays[0] if symptom == "drift" and arrays else next(iter(reference[number].codes.values()))
        for codes in arrays:
            if codes.shape[1] != base.shape[1]:
                found.append(Difference(number, None))
                continue
            result = diff_codes(base, codes, packet_tokens)
            if not result.equal:
                found.append(Difference(number, result.first_diff_frame))
    return min(found, key=lambda d: (d.frame is None, d.frame or 0, d.text), default=None)
