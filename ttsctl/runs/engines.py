"""Loading the engine, lazily, for the commands that need one."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ttsctl.core.config import Config
    from ttsctl.engine.local import LocalEngine


def load_engine(config: Config) -> LocalEngine:
    """The in-process engine of a config. Torch is imported here and not before."""
    from ttsctl.engine.local import load_engine as load

    return load(config)
