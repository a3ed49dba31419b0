"""SQL that is written by hand is written in the code: what users say goes into parameters alone. All else is made by
SQLAlchemy."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import app

ROOT = Path(app.__file__).parent

# Statements that are put together from parts of the code's own, each of which was looked at: the function, and what
# of it is not a literal.
KNOWN = {
    ("migrations/hand_made.py", "take_over", "statement"),  # its STEPS
}


def parts(text: str, file: str = "x.py") -> set[tuple[str, str, str]]:
    """What in the statements of a module is not a literal: its file, the function, and the expression."""
    found = set()
    for function, call, scopes in calls(ast.parse(text), "", []):
        statement = call.args[0] if call.args else call
        found |= {(file, function, ast.unparse(part)) for part in unknown(statement, scopes)}
    return found


def calls(node: ast.AST, function: str, scopes: list[ast.AST]) -> Iterator[tuple[str, ast.Call, list[ast.AST]]]:
    """The calls of `text` and `exec_driver_sql`, each with its function and the scopes around it."""
    if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
        scopes = [*scopes, node]
        # A function within another has the name of the outer one: it is a step of it.
        if not isinstance(node, ast.Module) and not isinstance(scopes[-2], (ast.FunctionDef, ast.AsyncFunctionDef)):
            function = f"{function}.{node.name}".lstrip(".")
    if isinstance(node, ast.Call) and ast.unparse(node.func).rpartition(".")[2] in ("text", "exec_driver_sql"):
        yield function, node, scopes
    for child in ast.iter_child_nodes(node):
        yield from calls(child, function, scopes)


def unknown(node: ast.expr, scopes: list[ast.AST]) -> Iterator[ast.expr]:
    """The parts of an expression that are neither a literal nor a name for one."""
    if isinstance(node, ast.Constant):
        return
    if isinstance(node, ast.JoinedStr):
        for value in node.values:
            yield from unknown(value.value if isinstance(value, ast.FormattedValue) else value, scopes)
    elif isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        yield from unknown(node.left, scopes)
        yield from unknown(node.right, scopes)
    elif isinstance(node, ast.IfExp):
        yield from unknown(node.body, scopes)
        yield from unknown(node.orelse, scopes)
    elif isinstance(node, ast.Name) and (given := values(node.id, scopes)):
        for value in given:
            yield from unknown(value, scopes)
    else:
        yield node


def values(name: str, scopes: list[ast.AST]) -> list[ast.expr]:
    """All that a name is ever set to, in the innermost scope that sets it; nothing where that is not by assignments."""
    for scope in reversed(scopes):
        nodes = list(ast.walk(scope))
        names = [each for each in nodes if isinstance(each, ast.Name) and each.id == name]
        bound = [each for each in names if not isinstance(each.ctx, ast.Load)]
        arguments = [each for each in nodes if isinstance(each, ast.arg) and each.arg == name]
        if bound or arguments:
            assignments = [each for each in nodes if isinstance(each, ast.Assign) and set(each.targets) & set(bound)]
            simple = len(assignments) == len(bound) and not arguments
            return [each.value for each in assignments] if simple else []
    return []


def test_every_statement_is_a_literal() -> None:
    modules = [path for path in sorted(ROOT.rglob("*.py")) if "sqlalchemy" in path.read_text()]
    found = set().union(*(parts(path.read_text(), path.relative_to(ROOT).as_posix()) for path in modules))
    assert found == {each for each in KNOWN if (ROOT / each[0]).exists()}, "what is no literal belongs into a parameter"


@pytest.mark.parametrize(
    "text",
    [
        "text(f'SELECT {name}')",
        "text('SELECT ' + name)",
        "text('SELECT %s' % name)",
        "text('SELECT {}'.format(name))",
        "sa.text(statement)",
        "def f(statement):\n  text(statement)",
        "def f():\n  a = 'x'\n  a = g()\n  text(a)",
        "def f():\n  a = 'x'\n  a += g()\n  text(a)",
        "for a in b:\n  connection.exec_driver_sql(a)",
    ],
)
def test_a_statement_that_is_none_is_found(text: str) -> None:
    assert parts(text)


@pytest.mark.parametrize(
    "text",
    [
        "text('SELECT :name')",
        "A = 'a'\ndef f():\n  s = f'SELECT {A}'\n  text(s + ' LIMIT ?')",
        "def f(x):\n  s = 'a' if x else 'b'\n  return lambda: text(s)",
    ],
)
def test_a_literal_is_one_by_whatever_name(text: str) -> None:
    assert not parts(text)
