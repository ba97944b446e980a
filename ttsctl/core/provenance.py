"""Which machine and which software made a result."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields


@dataclass(frozen=True)
class Provenance:
    """Facts of a run that decide what it may be compared with. None where a fact could not be had.

    ``machine_id`` is a sha256 over host name, CPU, GPU and core count: equal ids mean timings may be compared.
    """

    machine_id: str
    cpu: str
    cpu_count: int
    system: str
    python: str
    packages: dict[str, str]
    ttsctl: str
    git_commit: str | None
    git_dirty: bool | None
    gpu: str | None = None
    gpu_driver: str | None = None
    cuda: str | None = None
    threads: int | None = None
    interop_threads: int | None = None
    checkpoint: str | None = None
    checkpoint_sha256: str | None = None

    def to_dict(self) -> dict[str, object]:
        return asdict(self)


def differences(a: Provenance, b: Provenance) -> list[str]:
    """What differs between two provenances, one readable line a field, package by package."""
    lines: list[str] = []
    for field in fields(Provenance):
        left, right = getattr(a, field.name), getattr(b, field.name)
        if field.name == "packages":
            names = sorted(set(left) | set(right))
            lines += [
                f"package {n}: {left.get(n, 'absent')} against {right.get(n, 'absent')}"
                for n in names
                if left.get(n) != right.get(n)
            ]
        elif left != right:
            lines.append(f"{field.name}: {left} against {right}")
    return lines
