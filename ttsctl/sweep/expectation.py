"""What an experiment expects of its figures: a small language, checked when the file is read.

expectation = relation { "and" relation }
relation    = term operator term                operator = < <= == != >= >
term        = number | [ number "*" ] figure [ "*" number ] [ ("+" | "-") number ]
figure      = metric [ "[" condition "]" ]

``hash_unique == 1 and errors == 0`` is about whatever row of the table it is evaluated on.
``ttfa_p50_ms[overlap] <= 1.05 * ttfa_p50_ms[none] + 5`` is about the conditions that it names.

Every expectation is also a Python expression, but for the names of conditions, which may hold ``-`` and ``.``. It is
parsed by ``ast``, and only the few kinds of node that the language has are accepted. Nothing is executed.
"""

from __future__ import annotations

import ast
import math
import re
from collections.abc import Collection
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from ttsctl.core.errors import InputError, nearest

Answer = Literal["holds", "fails", "not judged"]
_SIGNS: MappingProxyType[type[ast.cmpop], str] = MappingProxyType(
    {ast.LtE: "<=", ast.GtE: ">=", ast.Eq: "==", ast.NotEq: "!=", ast.Lt: "<", ast.Gt: ">"}
)
_NUMBER = re.compile(r"(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?", re.ASCII)
_CONDITION = re.compile(r"(?<=\[)[^\]]*(?=\])")
# ast drops parentheses and comments, so what is not of the language is found before it is parsed.
_FOREIGN = re.compile(r"[^\w\s.<>=!*+\-\[\]]|[^\x00-\x7f]")
_FORM = "write it as: metric operator number, or metric[condition] operator metric[condition]"


@dataclass(frozen=True)
class Term:
    """factor * value of the metric + plus; without a metric it is ``plus`` alone."""

    metric: str | None = None
    condition: str | None = None
    factor: float = 1.0
    plus: float = 0.0

    @property
    def label(self) -> str:
        """``ttfa_p50_ms[none]``: the figure as the expectation has it."""
        return f"{self.metric}[{self.condition}]" if self.condition is not None else str(self.metric)


@dataclass(frozen=True)
class Relation:
    """left operator right."""

    left: Term
    operator: str
    right: Term


@dataclass(frozen=True)
class Expectation:
    """A parsed expectation, all of whose relations must be true."""

    text: str
    relations: tuple[Relation, ...]

    @property
    def terms(self) -> list[Term]:
        """The terms that have a metric."""
        return [term for r in self.relations for term in (r.left, r.right) if term.metric is not None]

    @property
    def metrics(self) -> set[str]:
        """The metrics that it names."""
        return {term.metric for term in self.terms if term.metric is not None}

    @property
    def conditions(self) -> set[str]:
        """The conditions that it names."""
        return {term.condition for term in self.terms if term.condition is not None}

    @property
    def names_all(self) -> bool:
        """Whether every metric stands with a condition, so that no row is needed to evaluate it."""
        return all(term.condition is not None for term in self.terms)


def parse_expectation(text: str, where: str, metrics: Collection[str], conditions: Collection[str]) -> Expectation:
    """InputError, which begins with ``where``, for a wrong form and for an unknown metric or condition."""
    expectation = Expectation(text, _Parser(text, where).relations())
    for term in expectation.terms:
        if term.metric not in metrics:
            raise InputError(f"{where}: unknown metric {term.metric!r}", nearest(term.metric or "", list(metrics)))
        if term.condition is not None and term.condition not in conditions:
            raise InputError(
                f"{where}: unknown condition {term.condition!r}", nearest(term.condition, list(conditions))
            )
    for relation in expectation.relations:
        if relation.left.metric is None and relation.right.metric is None:
            raise InputError(f"{where}: {text!r} compares two numbers", _FORM)
    return expectation


class _Parser:
    """One text, from Python's syntax tree to relations; whatever is not of the language is an InputError."""

    def __init__(self, text: str, where: str) -> None:
        self._text = re.sub(r"\s", " ", text).strip()
        self._where = where

    def relations(self) -> tuple[Relation, ...]:
        tree = self._tree()
        parts = tree.values if isinstance(tree, ast.BoolOp) and isinstance(tree.op, ast.And) else [tree]
        return tuple(self._relation(part) for part in parts)

    def _tree(self) -> ast.expr:
        # A condition becomes one name of the same length, so that every place in the tree is a place in the text.
        python = _CONDITION.sub(lambda found: "_" * len(found[0]), self._text)
        foreign = _FOREIGN.search(python)
        if foreign is not None:
            raise self._unreadable(foreign.start())
        try:
            return ast.parse(python, mode="eval").body
        except SyntaxError as error:
            # ast has no place for what is missing at the end.
            at = error.offset - 1 if error.offset else len(python)
            raise self._unreadable(at) from error
        except (RecursionError, MemoryError) as error:
            raise self._unreadable(0) from error

    def _relation(self, node: ast.expr) -> Relation:
        if isinstance(node, ast.Compare) and len(node.ops) == 1 and type(node.ops[0]) in _SIGNS:
            return Relation(self._term(node.left), _SIGNS[type(node.ops[0])], self._term(node.comparators[0]))
        if isinstance(node, ast.Compare):
            raise self._unreadable(node.left.end_col_offset or 0)
        if isinstance(node, ast.BoolOp):
            raise self._unreadable(node.values[0].end_col_offset or 0)
        raise self._unreadable(node.col_offset)

    def _term(self, node: ast.expr) -> Term:
        """A term is taken apart from the outside: ``+`` or ``-``, the factor on the right, the factor on the left."""
        alone = self._number(node, signed=True)
        if alone is not None:
            return Term(plus=alone)
        factor, plus = 1.0, 0.0
        if isinstance(node, ast.BinOp) and isinstance(node.op, (ast.Add, ast.Sub)):
            added = self._needed(node.right)
            plus = added if isinstance(node.op, ast.Add) else -added
            node = node.left
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult) and self._number(node.right) is not None:
            factor = self._needed(node.right)
            node = node.left
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult):
            factor *= self._needed(node.left, signed=True)
            node = node.right
        metric, condition = self._figure(node)
        return Term(metric, condition, factor, plus)

    def _figure(self, node: ast.expr) -> tuple[str, str | None]:
        if isinstance(node, ast.Name):
            return node.id, None
        if isinstance(node, ast.Subscript) and isinstance(node.value, ast.Name) and isinstance(node.slice, ast.Name):
            return node.value.id, self._source(node.slice).strip()
        raise self._unreadable(node.col_offset)

    def _needed(self, node: ast.expr, signed: bool = False) -> float:
        number = self._number(node, signed)
        if number is None:
            raise self._unreadable(node.col_offset)
        return number

    def _number(self, node: ast.expr, signed: bool = False) -> float | None:
        """The value of a finite number, which may have a ``-`` if ``signed``; None if the node is anything else."""
        if signed and isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
            found = self._number(node.operand)
            return None if found is None else -found
        # Python has more ways to write a constant than this language.
        if isinstance(node, ast.Constant) and _NUMBER.fullmatch(self._source(node)):
            value = float(self._source(node))
            return value if math.isfinite(value) else None
        return None

    def _source(self, node: ast.expr) -> str:
        return self._text[node.col_offset : node.end_col_offset]

    def _unreadable(self, at: int) -> InputError:
        part = repr(rest) if (rest := self._text[at:].strip()) else "its end"
        return InputError(f"{self._where}: cannot read {self._text!r} at {part}", _FORM)
