"""Running one configuration after another in this process, each in fresh state."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ttsctl.contract.codes import CodeArray
    from ttsctl.contract.config import Config
    from ttsctl.contract.engine import Request
    from ttsctl.contract.provenance import Provenance
    from ttsctl.engine.local import LocalEngine


class FreshEngines:
    """``run`` for lab.bisect: the engine of the last configuration is kept, that of another is loaded anew."""

    def __init__(self) -> None:
        self._engine: LocalEngine | None = None

    def run(self, config: Config, request: Request) -> CodeArray:
        """Codes (T, Q) int64 of one streamed run. EngineError for whatever torch raises."""
        from ttsctl.contract.errors import EngineError
        from ttsctl.gate.drive import run_stream

        try:
            return run_stream(self._loaded(config), request, threading.Event()).codes
        except RuntimeError as error:  # torch has no other word for a kernel that is missing
            raise EngineError(f"the engine failed: {str(error).splitlines()[0]}") from error

    def _loaded(self, config: Config) -> LocalEngine:
        from ttsctl.cli.engine import load_engine

        if self._engine is None or self._engine.config != config:
            self.close()
            self._engine = load_engine(config)
        return self._engine

    def close(self) -> None:
        self._engine = None

    def provenance(self) -> Provenance:
        """This machine's; with threads and checkpoint if an engine is loaded."""
        from ttsctl.contract.machine import collect_provenance

        return self._engine.info.provenance if self._engine else collect_provenance()
