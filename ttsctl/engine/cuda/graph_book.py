"""The captured steps of one stage, by key; a key that was not captured is an error, or runs eagerly and is counted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable
from typing import Generic, Literal, TypeVar

from ttsctl.engine.cuda.graphs import Captured, GraphFault, GraphMaker, Outputs, Step

Fallback = Literal["error", "eager"]
Key = TypeVar("Key", bound=Hashable)


class GraphBook(Generic[Key]):
    """Steps captured at load, looked up by a key such as the number of positions that a step's attention reaches.

    ``fallbacks`` counts the steps that ran eagerly, by their name.
    """

    def __init__(self, maker: GraphMaker, fallback: Fallback) -> None:
        self.maker = maker
        self.fallback = fallback
        self.fallbacks: Counter[str] = Counter()
        self._captured: dict[Key, Captured] = {}

    @property
    def keys(self) -> tuple[Key, ...]:
        """The captured keys, in the order of their capture."""
        return tuple(self._captured)

    def capture(self, key: Key, step: Step) -> None:
        """Capture ``step`` under ``key``. GraphFault if that is not possible."""
        self._captured[key] = self.maker.capture(step)

    def run(self, key: Key, step: Step) -> Outputs:
        """Replay what is captured under ``key``; else run ``step`` eagerly and count it, or raise GraphFault."""
        captured = self._captured.get(key)
        if captured is not None:
            return captured.replay()
        if self.fallback == "error":
            known = ", ".join(map(str, self._captured)) or "nothing"
            raise GraphFault(f"{step.name}: no graph for {key}; captured: {known}", "capture it at load")
        self.fallbacks[step.name] += 1
        return step.run()

    def notes(self) -> tuple[str, ...]:
        """What ran eagerly, one line for each step."""
        return tuple(f"graphs: {name} ran eagerly {count} times" for name, count in sorted(self.fallbacks.items()))
