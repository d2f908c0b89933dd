"""The test session is stricter than users: x64, no rank or dtype promotion, warnings are errors."""

import os
import tempfile
from pathlib import Path

import matplotlib

matplotlib.use("Agg")

import jax
import pytest

jax.config.update("jax_enable_x64", True)
jax.config.update("jax_numpy_rank_promotion", "raise")
jax.config.update("jax_numpy_dtype_promotion", "strict")
LEVEL = "--xla_backend_optimization_level"
_cache = os.environ.get("NEUROJAX_TEST_CACHE", str(Path(tempfile.gettempdir()) / "neurojax-test-cache"))
jax.config.update("jax_compilation_cache_dir", _cache)
jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)


def pytest_configure(config):
    """The quick tests compile without LLVM's optimisations, which are a third of their time; the slow ones with the
    first of them, at a tenth less than with all, and what is compiled is as fast. Notebooks and benchmarks have all."""
    known = {"not slow": 0, "slow": 1}
    if config.option.markexpr in known and LEVEL not in os.environ.get("XLA_FLAGS", ""):
        os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} {LEVEL}={known[config.option.markexpr]}".strip()


def pytest_sessionstart():
    """XLA reads its flags when it first computes, which modules of tests do while they are collected: neurojax comes
    before them, and not before this hook, or its annotations would go unchecked."""
    import neurojax  # noqa: F401


@pytest.fixture
def shared_data():
    """The folder of measured traces beside the checkout; tests that need it skip where it is absent."""
    folder = Path(os.environ.get("NEUROJAX_DATA", Path(__file__).resolve().parents[2] / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"no measured traces at {folder}; set NEUROJAX_DATA to use them")
    return folder


MAPPED = 25_000
"""Mapped pieces of memory, of the 65 530 that Linux allows a process. Every compiled program takes some; at the limit
the compiler crashes."""


@pytest.fixture(autouse=True, scope="module")
def compiled_programs_are_let_go():
    """Before a module, where the process has compiled much already."""
    maps = Path("/proc/self/maps")
    if maps.exists() and maps.read_bytes().count(b"\n") > MAPPED:
        jax.clear_caches()
