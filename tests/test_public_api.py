"""Every exported name is documented: what it is, each argument, what it raises; and so is every public method."""

import inspect
import re

import pytest

import learning
import neurojax
import neurojax.testing
import physics

OF_EVERY_LONG_CALL = {"max_iterations", "progress"}


HOMES = (
    (physics, "physics"), (neurojax, ""), (neurojax.testing, "neurojax.testing"), (learning, ""),
    (neurojax.neurons, "neurojax.neurons"), (neurojax.synapses, "neurojax.synapses"),
    (neurojax.crossbar, "neurojax.crossbar"), (neurojax.converters, "neurojax.converters"),
    (neurojax.programming, "neurojax.programming"), (neurojax.layers, "neurojax.layers"),
    (learning.baselines, "learning.baselines"), (learning.codesign, "learning.codesign"),
    (learning.continual, "learning"),
    (learning.device_readout, "learning.device_readout"), (learning.metrics, "learning"),
    (learning.oneshot, "learning.oneshot"), (learning.readout, "learning.readout"),
    (learning.reservoir, "learning.reservoir"), (learning.tasks, "learning.tasks"),
)  # fmt: skip


def exported():
    for package, home in HOMES:
        for name, value in vars(package).items():
            module = getattr(value, "__module__", "")
            ours = module.split(".")[0] in ("physics", "neurojax", "learning") and module.startswith(home)
            if ours and not name.startswith("_"):
                yield f"{package.__name__}.{name}", value


def public():
    """Exported functions and classes, and the methods of the latter."""
    for name, value in exported():
        yield name, value
        if inspect.isclass(value):
            for own, method in vars(value).items():
                if not own.startswith("_") and inspect.isfunction(method):
                    yield f"{name}.{own}", method


PUBLIC = dict(public())
FUNCTIONS = {name: value for name, value in PUBLIC.items() if inspect.isfunction(value)}


@pytest.mark.parametrize("name", PUBLIC)
def test_documented(name):
    doc = inspect.getdoc(PUBLIC[name])
    assert doc and len(doc.split()) >= 3, f"{name} has no docstring"


@pytest.mark.parametrize("name", [name for name, value in exported() if inspect.isfunction(value)])
def test_arguments_are_annotated_and_named_in_words(name):
    doc = inspect.getdoc(FUNCTIONS[name]) or ""
    for argument, p in inspect.signature(FUNCTIONS[name]).parameters.items():
        assert p.annotation is not inspect.Parameter.empty, f"{name}({argument}) has no annotation"
        told = re.search(rf"\b{argument}\b", doc) or argument in OF_EVERY_LONG_CALL
        keywords = p.kind is inspect.Parameter.VAR_KEYWORD and "keywords" in doc
        assert told or keywords, f"the docstring of {name} does not say what {argument} is"


@pytest.mark.parametrize("name", FUNCTIONS)
def test_what_it_raises_is_said(name):
    source = inspect.getsource(FUNCTIONS[name])
    raised = set(re.findall(r"^ +raise (\w+)\(", source, flags=re.MULTILINE)) - {"NotImplementedError"}
    doc = inspect.getdoc(FUNCTIONS[name]) or ""
    assert not raised or "Raises:" in doc, f"{name} raises {raised}, its docstring does not say so"
    unsaid = [error for error in raised if not re.search(rf"\b{error}:", doc)]
    assert not unsaid, f"the docstring of {name} does not say when {unsaid} is raised"


def test_what_the_readme_and_the_command_line_need_is_there():
    needed = (
        "simulate fit compare profile read_csv read_ramps mean_ramp load_device save_device load_fit devices "
        "device_named describe Trace PulseTrace Record Fit Ranking Instrument Waveform triangle"
    )
    assert not set(needed.split()) - {name.partition(".")[2] for name, _ in exported()}
    assert {"neurojax.testing.check_device", "physics.AbstractDevice", "physics.quantity"} <= set(PUBLIC)


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
