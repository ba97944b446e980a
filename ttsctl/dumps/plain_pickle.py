"""Reads the part of the pickle language that plain containers of tensors need, without the unpickler of Python.

That one hashes what it is given as a key: a tuple nested 100,000 deep overflows the stack of C, and one whose parts
are shared takes time exponential in its depth. Here keys are texts and whole numbers, nothing is imported, and only the
callables that the caller hands out are called.
"""

from __future__ import annotations

import pickletools
from collections.abc import Callable
from typing import Any

# A named object, such as torch.LongStorage -> what stands for it; raises Refused for a name that is not known.
FindName = Callable[[str, str], Any]
# The arguments of a persistent id -> what stands for it.
LoadPersistent = Callable[[Any], Any]

_MARK = object()
_CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
_VALUES = frozenset(
    {"BININT", "BININT1", "BININT2", "LONG1", "BINFLOAT", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8"}
)
_NOTHING = frozenset({"PROTO", "FRAME"})
_TUPLES = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}


class Refused(Exception):
    """Why a pickle cannot be read."""


class _Machine:
    """Stack and memo of one pickle. IndexError for an empty stack, KeyError for an unknown place of the memo."""

    def __init__(self, find_name: FindName, load_persistent: LoadPersistent) -> None:
        self.stack: list[Any] = []
        self.memo: dict[int, Any] = {}
        self.find_name = find_name
        self.load_persistent = load_persistent
        self.steps: dict[str, Callable[[Any], None]] = {
            "MARK": lambda _: self.stack.append(_MARK),
            "POP": lambda _: self._drop(),
            "MEMOIZE": lambda _: self._keep(len(self.memo)),
            "BINPUT": self._keep,
            "LONG_BINPUT": self._keep,
            "BINGET": self._recall,
            "LONG_BINGET": self._recall,
            "EMPTY_TUPLE": lambda _: self.stack.append(()),
            "EMPTY_LIST": lambda _: self.stack.append([]),
            "EMPTY_DICT": lambda _: self.stack.append({}),
            "TUPLE": lambda _: self.stack.append(tuple(self._since_mark())),
            "APPEND": lambda _: self._extend([self._pop()]),
            "APPENDS": lambda _: self._extend(self._since_mark()),
            "SETITEM": lambda _: self._set(self._pop_many(2)),
            "SETITEMS": lambda _: self._set(self._since_mark()),
            "GLOBAL": lambda names: self._name(*names.split(" ", 1)),
            "STACK_GLOBAL": lambda _: self._name(*self._pop_many(2)),
            "REDUCE": lambda _: self._call(*self._pop_many(2)),
            "BINPERSID": lambda _: self.stack.append(self.load_persistent(self._pop())),
        }

    def step(self, name: str, argument: Any) -> None:
        """One opcode but for STOP."""
        if name in _VALUES:
            self.stack.append(argument)
        elif name in _CONSTANTS:
            self.stack.append(_CONSTANTS[name])
        elif name in _TUPLES:
            self.stack.append(tuple(self._pop_many(_TUPLES[name])))
        elif name in self.steps:
            self.steps[name](argument)
        elif name not in _NOTHING:
            raise Refused(f"its pickle uses {name}, which no plain tensor needs")

    def _pop(self) -> Any:
        if self.stack[-1] is _MARK:
            raise Refused("its pickle takes a mark for a value")
        return self.stack.pop()

    def _drop(self) -> None:
        self.stack.pop()

    def _pop_many(self, count: int) -> list[Any]:
        return [self._pop() for _ in range(count)][::-1]

    def _since_mark(self) -> list[Any]:
        items: list[Any] = []
        while (item := self.stack.pop()) is not _MARK:
            items.append(item)
        return items[::-1]

    def _keep(self, place: int) -> None:
        if self.stack[-1] is _MARK:
            raise Refused("its pickle takes a mark for a value")
        self.memo[place] = self.stack[-1]

    def _recall(self, place: int) -> None:
        self.stack.append(self.memo[place])

    def _extend(self, items: list[Any]) -> None:
        if type(self.stack[-1]) is not list:
            raise Refused("its pickle appends to what is no list")
        self.stack[-1].extend(items)

    def _set(self, items: list[Any]) -> None:
        if type(self.stack[-1]) is not dict:
            raise Refused("its pickle sets a key of what is no dict")
        for key, value in zip(items[::2], items[1::2], strict=True):
            if type(key) not in (str, int):
                raise Refused(f"expected texts and whole numbers as keys of a dict, got a {type(key).__name__}")
            self.stack[-1][key] = value

    def _name(self, module: Any, name: Any) -> None:
        if type(module) is not str or type(name) is not str:
            raise Refused("its pickle names an object by what is no text")
        self.stack.append(self.find_name(module, name))

    def _call(self, function: Any, arguments: Any) -> None:
        if not callable(function) or type(arguments) is not tuple:
            raise Refused("its pickle calls what is no function")
        self.stack.append(function(*arguments))


def read_pickle(pickled: bytes, find_name: FindName, load_persistent: LoadPersistent) -> Any:
    """The value of a pickle of protocol 2 to 5 that has None, booleans, numbers, texts, tuples, lists and dicts, and
    what ``find_name`` and ``load_persistent`` give.

    Refused for any other opcode; IndexError, KeyError, TypeError or ValueError for a damaged pickle.
    """
    machine = _Machine(find_name, load_persistent)
    for opcode, argument, _ in pickletools.genops(pickled):
        if opcode.name == "STOP":
            return machine._pop()
        machine.step(opcode.name, argument)
    raise Refused("its pickle has no end")
