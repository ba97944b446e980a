"""The engines that there are: ``engine.kind`` picks one, and it is imported only then."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from importlib import import_module
from types import MappingProxyType
from typing import TYPE_CHECKING

from ttsctl.core.errors import EngineError, InputError, nearest

if TYPE_CHECKING:
    from ttsctl.core.config import Config
    from ttsctl.core.engine import Engine

# engine.kind -> "module:function", a function that makes an Engine of a Config.
ENGINES = MappingProxyType({"local": "ttsctl.engine.local:load_engine"})


def load_engine(config: Config) -> Engine:
    """The engine that ``engine.kind`` names, loaded. InputError for an unknown kind, or as that engine raises."""
    kind = config.engine.kind
    if kind not in ENGINES:
        raise InputError(f"engine.kind = {kind!r}: no such engine", nearest(kind, list(ENGINES)))
    module, _, function = ENGINES[kind].partition(":")
    engine: Engine = getattr(import_module(module), function)(config)
    return engine


@contextlib.contextmanager
def engine_errors() -> Iterator[None]:
    """A RuntimeError inside becomes an EngineError: torch raises it for a missing kernel and for too little memory."""
    try:
        yield
    except RuntimeError as error:
        raise EngineError(f"the engine failed: {str(error).splitlines()[0]}") from error
