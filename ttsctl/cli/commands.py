"""Every command, declared once: for the app, the schemas and the run folders."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING

from ttsctl.core.errors import InputError, nearest

if TYPE_CHECKING:
    from ttsctl.report.summary import Summary


@dataclass(frozen=True)
class Command:
    """One command.

    ``name`` as it is typed; "bench decode" is a command of the group "bench". ``module`` has the function ``command``,
    or for a group its Typer ``app``. ``summary`` is "module:model" of its summary.json; None if it writes none.
    """

    name: str
    module: str
    summary: str | None = None

    @property
    def group(self) -> str:
        """The first word."""
        return self.name.partition(" ")[0]

    @property
    def folder(self) -> str:
        """The name of its run folders, and of itself in its summary."""
        return self.name.replace(" ", "-")

    def summary_model(self) -> type[Summary]:
        """The model of summary.json. InputError if the command writes none."""
        if self.summary is None:
            raise InputError(f"{self.name}: writes no summary", "name a command that makes a run folder")
        module, _, name = self.summary.partition(":")
        model: type[Summary] = getattr(import_module(module), name)
        return model


# In the order of --help. Names, not objects: importing them all would load every command's libraries.
COMMANDS = (
    Command("synth", "ttsctl.cli.synth", "ttsctl.report.synth:SynthSummary"),
    Command("dump-codes", "ttsctl.cli.dump_codes", "ttsctl.report.dump_codes:DumpSummary"),
    Command("encode", "ttsctl.cli.encode", "ttsctl.report.encode:EncodeSummary"),
    Command("compare-hash", "ttsctl.cli.compare_hash", "ttsctl.report.compare_hash:CompareSummary"),
    Command("decode-ablate", "ttsctl.cli.decode_ablate", "ttsctl.ablate.summary:AblateSummary"),
    Command("pop-align", "ttsctl.cli.pop_align", "ttsctl.report.pop_align:PopAlignSummary"),
    Command("regress", "ttsctl.cli.regress", "ttsctl.regress.summary:RegressSummary"),
    Command("sweep", "ttsctl.cli.sweep", "ttsctl.sweep.summary:SweepSummary"),
    Command("explain", "ttsctl.cli.explain", "ttsctl.explain.summary:ExplainSummary"),
    Command("bisect", "ttsctl.cli.bisect", "ttsctl.bisect.summary:BisectSummary"),
    Command("doctor", "ttsctl.cli.doctor", "ttsctl.doctor.summary:DoctorSummary"),
    Command("bench decode", "ttsctl.cli.bench", "ttsctl.report.bench:BenchDecodeSummary"),
    Command("bench pops", "ttsctl.cli.bench", "ttsctl.report.bench:BenchPopsSummary"),
    Command("bench trace", "ttsctl.cli.bench", "ttsctl.report.bench:BenchTraceSummary"),
    Command("bench codegen", "ttsctl.cli.bench", "ttsctl.report.bench_codegen:BenchCodegenSummary"),
    Command("bench voice", "ttsctl.cli.bench", "ttsctl.report.bench_voice:BenchVoiceSummary"),
    Command("bench cuda", "ttsctl.cli.bench", "ttsctl.report.bench_cuda:BenchCudaSummary"),
    Command("schema", "ttsctl.cli.schema"),
)


def summary_commands() -> dict[str, Command]:
    """The commands that write a summary, by the name that stands in it."""
    return {command.folder: command for command in sorted(COMMANDS, key=lambda c: c.folder) if command.summary}


def summary_model(name: str) -> type[Summary]:
    """The summary model of a command; InputError names the nearest one for an unknown name."""
    known = summary_commands()
    if name not in known:
        raise InputError(f"no summary is known for the command {name!r}", nearest(name, list(known)))
    return known[name].summary_model()
