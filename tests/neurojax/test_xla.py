"""Loops over few devices are compiled in one piece, unless somebody asked for something else."""

import os

import jax
import jax.numpy as jnp
import pytest
from jax import lax

import neurojax  # noqa: F401  it sets the option
from neurojax import _xla

in_one = f"{_xla.FLAG}={_xla.OPTION}={_xla.BYTES}"
direct = f"{_xla.EMITTERS}=false"


@pytest.mark.parametrize(
    "before, after",
    [
        (None, f"{in_one} {direct}"),
        ("--xla_dump_to=x", f"--xla_dump_to=x {in_one} {direct}"),
        (f"{_xla.FLAG}={_xla.OPTION}=1024", f"{_xla.FLAG}={_xla.OPTION}=1024 {direct}"),
        (f"{_xla.EMITTERS}=true", f"{_xla.EMITTERS}=true {in_one}"),
    ],
)
def test_flags_of_the_user_stay(monkeypatch, before, after):
    monkeypatch.delenv("XLA_FLAGS", raising=False)
    monkeypatch.setattr(_xla, "VERSION", "0.10.2")
    if before is not None:
        monkeypatch.setenv("XLA_FLAGS", before)
    _xla.loops_in_one_piece()
    assert os.environ["XLA_FLAGS"] == after


@pytest.mark.parametrize("version, told", [("0.10.0", True), ("0.11.1", False), ("0.6.2", False)])
def test_unknown_versions_are_not_told(monkeypatch, version, told):
    """A flag that XLA does not know would end the process."""
    monkeypatch.setenv("XLA_FLAGS", "")
    monkeypatch.setattr(_xla, "VERSION", version)
    _xla.loops_in_one_piece()
    assert (direct in os.environ["XLA_FLAGS"]) == told


@pytest.mark.skipif(jax.default_backend() != "cpu", reason="of the CPU")
@pytest.mark.skipif(in_one not in os.environ.get("XLA_FLAGS", ""), reason="other flags are set")
@pytest.mark.parametrize("size, pieces", [(1024, 1), (2**22, 0)])
def test_a_small_loop_is_one_function(size, pieces):
    """A turn that touches 8 kB, and one that touches 32 MB."""

    def decay(x):
        return lax.while_loop(lambda c: c[1] < 100, lambda c: (jnp.sin(c[0]), c[1] + 1), (x, jnp.zeros((), int)))[0]

    text = jax.jit(decay).lower(jnp.ones(size)).compile().as_text()
    assert text is not None and text.count("xla_cpu_small_call") == pieces
