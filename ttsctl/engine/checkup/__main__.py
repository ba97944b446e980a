"""``python -m ttsctl.engine.checkup CONFIG RESULTS``: looks at torch and writes one line of JSON a section.

CONFIG is a resolved configuration as JSON, RESULTS the file to write. The process ends with 0 even if a section could
not be had: its line gives the reason. A section without a line is one that killed the process.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any, TextIO

import torch
from pydantic import TypeAdapter

from ttsctl.core.checkup import CheckpointFound, Section, TorchFound
from ttsctl.core.config import Config
from ttsctl.core.errors import error_line
from ttsctl.engine.checkup.convolutions import find_convolutions
from ttsctl.engine.checkup.threads import find_threads
from ttsctl.engine.codegen.stage import CodegenStage
from ttsctl.engine.loading import both_in_force, load_codegen, load_decoder
from ttsctl.engine.model.checkpoint import checkpoint_sha256, open_checkpoint
from ttsctl.engine.placement import cuda_devices, place, read_back, refuse_unavailable
from ttsctl.engine.provenance import driver_version
from ttsctl.engine.switches import codegen_switches, decoder_switches, restore, row_threads, set_workspace, snapshot


class Checkup:
    """The sections in their order; the later ones use what the earlier ones loaded."""

    def __init__(self, config: Config, results: TextIO) -> None:
        self._config = config
        self._results = results
        self._stage: CodegenStage | None = None
        self._speaker: str | None = None

    def run(self) -> None:
        """Every section, each with what was found or the reason why nothing was."""
        self._section("torch", self._torch)
        self._section("in_force", self._in_force)
        self._section("convolutions", self._convolutions)
        self._section("checkpoint", self._checkpoint)
        self._section("threads", self._threads)

    def _section(self, section: Section, find: Callable[[], Any]) -> None:
        line: dict[str, Any] = {"section": section}
        try:
            line["found"] = find()
        except Exception as error:  # noqa: BLE001  whatever a broken installation raises is this section's finding
            line["reason"] = error_line(error)
        # Flushed at once: the next section may crash the process.
        self._results.write(json.dumps(line) + "\n")
        self._results.flush()

    def _torch(self) -> dict[str, Any]:
        cudnn = torch.backends.cudnn.version() if torch.version.cuda else None
        found = TorchFound(
            torch=str(torch.__version__),
            cuda=torch.version.cuda,
            gpus=tuple(torch.cuda.get_device_name(index) for index in range(cuda_devices())),
            driver=driver_version(),
            cudnn=None if cudnn is None else str(cudnn),
            mkldnn=bool(torch.backends.mkldnn.is_available()),
        )
        return asdict(found)

    def _in_force(self) -> dict[str, Any]:
        """Code generation's switches stay in force for the rest of this process."""
        refuse_unavailable(self._config)
        set_workspace(self._config)
        placement = place(self._config)
        restore(codegen_switches(self._config, snapshot()))
        return read_back(placement, row_threads(self._config))

    def _convolutions(self) -> list[dict[str, Any]]:
        placement = place(self._config)
        return [asdict(found) for found in find_convolutions(placement.decoder_device, placement.decoder_dtype)]

    def _checkpoint(self) -> dict[str, Any]:
        config, found, started = self._config, snapshot(), time.perf_counter()
        checkpoint = open_checkpoint(config.engine.checkpoint)
        forces = both_in_force(codegen_switches(config, found), decoder_switches(config, found))
        self._stage = load_codegen(config, forces[0], checkpoint)
        decode_stage = load_decoder(config, forces[1], checkpoint)
        read_s = time.perf_counter() - started
        self._speaker = next(iter(checkpoint.sizes.speakers), None)
        networks = (self._stage.generator.talker, decode_stage.decoder)
        parameters = sum(p.numel() for network in networks for p in network.parameters())
        sha256, model_type = checkpoint_sha256(checkpoint.folder), checkpoint.sizes.model_type
        return asdict(CheckpointFound(checkpoint.name, sha256, model_type, parameters, read_s))

    def _threads(self) -> dict[str, Any]:
        if self._stage is None:
            raise RuntimeError("no checkpoint was read")
        if self._stage.placement.codegen_device.type != "cpu":
            raise RuntimeError("code generation is not on the CPU")
        return asdict(find_threads(self._stage, self._speaker))


def main(config: str, results: Path) -> None:
    """Look at torch under ``config`` (JSON) and write the sections to ``results``."""
    with results.open("w", encoding="utf-8") as file:
        Checkup(TypeAdapter(Config).validate_json(config), file).run()


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
    # Past the interpreter's end: a native library that crashes there would hide that every section ended well.
    sys.stdout.flush()
    os._exit(0)
