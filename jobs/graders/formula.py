"""A formula over the scores of graders, as OpenAI's multi-graders have it: read as a tree, never run."""

import ast
import math
import operator
from collections.abc import Callable, Collection, Mapping
from typing import Any

MOST_LETTERS = 500
_OPERATORS: dict[type[ast.AST], Callable[..., float]] = {
    ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv,
    ast.Pow: math.pow, ast.USub: operator.neg, ast.UAdd: operator.pos,
}  # fmt: skip
_FUNCTIONS: dict[str, Callable[..., float]] = {
    "min": min, "max": max, "abs": abs, "floor": math.floor, "ceil": math.ceil, "exp": math.exp,
    "sqrt": math.sqrt, "log": math.log,
}  # fmt: skip


def fault(text: Any, names: Collection[str]) -> str:
    """What keeps the text from being a formula of these names; "" when nothing does."""
    if not isinstance(text, str) or not 0 < len(text) <= MOST_LETTERS:
        return "“calculate_output” is a formula of the graders' names."
    try:
        _value(_tree(text), dict.fromkeys(names, 0.5))
    except (SyntaxError, ValueError, RecursionError) as error:
        return f"“calculate_output” cannot be computed: {error}."
    except ArithmeticError:
        pass  # a division by what happens to be 0 here
    return ""


def value(text: str, scores: Mapping[str, float]) -> float:
    """From 0 to 1; 0 where it cannot be computed of these scores."""
    try:
        found = float(_value(_tree(text), scores))
    except (ValueError, ArithmeticError):
        return 0.0
    return min(max(found, 0.0), 1.0) if math.isfinite(found) else 0.0


def _tree(text: str) -> ast.expr:
    return ast.parse(text.replace("^", "**"), mode="eval").body


def _value(node: ast.AST, scores: Mapping[str, float]) -> float:
    match node:
        case ast.Constant(value=int() | float() as number) if not isinstance(number, bool):
            return float(number)
        case ast.Name(id=name) if name in scores:
            return scores[name]
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _OPERATORS:
            return _OPERATORS[type(op)](_value(left, scores), _value(right, scores))
        case ast.UnaryOp(op=op, operand=operand) if type(op) in _OPERATORS:
            return _OPERATORS[type(op)](_value(operand, scores))
        case ast.Call(func=ast.Name(id=name), args=parts, keywords=[]) if name in _FUNCTIONS and parts:
            try:
                return _FUNCTIONS[name](*(_value(part, scores) for part in parts))
            except TypeError as error:
                raise ValueError(f"{name} takes another number of values") from error
    raise ValueError(f"“{ast.unparse(node)[:60]}” is no grader's name, number or sum")
