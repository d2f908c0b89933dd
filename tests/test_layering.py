"""Imports run physics -> neurojax -> learning and never in a circle; no file grows without end."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
ALLOWED = {"physics": {"physics"}, "neurojax": {"physics", "neurojax"}, "learning": {"physics", "neurojax", "learning"}}
OUTSIDE = {"physics": {"jax", "equinox", "jaxtyping", "numpy"}}
FILES = sorted(p for package in ALLOWED for p in (ROOT / package).rglob("*.py"))


def imported(path: Path, *, top_level: bool = False) -> set[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    nodes = tree.body if top_level else ast.walk(tree)
    found = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            assert all(alias.name != "*" for alias in node.names), f"{path}: star import"
            found.add(node.module or "")
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_direction(path):
    package = path.relative_to(ROOT).parts[0]
    roots = {name.split(".")[0] for name in imported(path)}
    assert roots & set(ALLOWED) <= ALLOWED[package]
    if package in OUTSIDE:
        import sys

        assert roots - set(ALLOWED) - set(sys.stdlib_module_names) <= OUTSIDE[package]


@pytest.mark.parametrize("path", sorted((ROOT / "learning").rglob("*.py")), ids=lambda p: str(p.relative_to(ROOT)))
def test_learning_needs_what_is_public(path):
    """No module or name of the other packages that begins with an underscore."""
    others = [name.split(".") for name in imported(path) if not name.startswith("learning")]
    assert not [name for name in others if any(part.startswith("_") and part != "__future__" for part in name)]


def test_no_cycles():
    modules = {".".join(p.relative_to(ROOT).with_suffix("").parts): p for p in FILES}
    graph = {m: {n for n in imported(p, top_level=True) if n in modules and n != m} for m, p in modules.items()}
    done: set[str] = set()

    def visit(module: str, trail: tuple[str, ...]) -> None:
        assert module not in trail, " -> ".join([*trail, module])
        if module not in done:
            for following in graph[module]:
                visit(following, (*trail, module))
            done.add(module)

    for module in graph:
        visit(module, ())


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_length(path):
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 400
