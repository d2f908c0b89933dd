"""Every exported name exists, is documented, and every exported class documents its public methods."""

import inspect

import pytest

import learning
import neurojax
import physics

EXPORTED = [
    (package.__name__, name)
    for package in (physics, neurojax, learning)
    for name, value in vars(package).items()
    if not name.startswith("_") and not inspect.ismodule(value)
]


@pytest.mark.parametrize(("package", "name"), EXPORTED)
def test_documented(package, name):
    value = getattr({"physics": physics, "neurojax": neurojax, "learning": learning}[package], name)
    doc = inspect.getdoc(value)
    assert doc and len(doc.split()) >= 3, f"{package}.{name} has no docstring"
    if inspect.isfunction(value):
        assert all(p.annotation is not inspect.Parameter.empty for p in inspect.signature(value).parameters.values())


def test_import_leaves_precision_alone():
    import subprocess
    import sys

    code = "import jax, neurojax; assert not jax.config.jax_enable_x64"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_shadowed_physics_is_named(tmp_path):
    import subprocess
    import sys

    (tmp_path / "physics.py").write_text("x = 1\n")
    code = f"import sys; sys.path.insert(0, {str(tmp_path)!r}); import neurojax"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert "shadows" in done.stderr
