"""The public benchmark RCbench (rcbench on the package index) on reservoirs of devices, its code unchanged.

    figures = rcbench_figures(reservoir, key=key)            python -m learning.reservoir.rcbench -o out

RCbench takes an input and the outputs of the nodes as arrays; this module drives a reservoir with its inputs, hands the
readings over, and collects what its evaluators say. It is not installed with this package: pip install rcbench.
"""

import argparse
import importlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

import neurojax as nj
import physics
from learning.reservoir.baselines import LinearLags, echo_state
from learning.reservoir.exponential import fast_frames
from learning.reservoir.masked import MaskedMemristor
from learning.reservoir.node import drive_for, node_reservoir
from learning.reservoir.reservoir import AbstractReservoir, Noise

WASHOUT = 100
ALPHA = 1e-8
"""Of RCbench's ridge on readings that were standardised; its default of 1 is made for volts."""


def rcbench_figures(
    reservoir: AbstractReservoir, *, length: int = 1500, max_delay: int = 20, key: Array
) -> dict[str, float]:
    """What the evaluators of RCbench say of a reservoir of one input.

    Readings are standardised, as RCbench leaves their scale to its user. Errors are its "NMSE", by the variance of the
    target.

    Args:
        reservoir: of one input, driven with numbers between 0 and 1. length: samples. max_delay: of its memory
            capacity. key: of the input and of the noise of the readings.

    Returns:
        Memory capacity, information processing capacity, NMSE of NARMA2, NARMA10 and sin(x) and of the four waveforms
        of its nonlinear transformation, kernel rank and generalisation rank.

    Raises:
        DataError: rcbench is not installed.
    """
    try:
        bench: Any = importlib.import_module("rcbench")
    except ImportError as error:
        raise nj.DataError("rcbench_figures: rcbench is not installed; pip install rcbench.") from error
    one, two, three = jax.random.split(key, 3)
    u = jax.random.uniform(one, (length + WASHOUT,), jnp.result_type(float))
    nodes, signal = _nodes(reservoir, u, two), np.asarray(u)[WASHOUT:]
    fit: dict[str, Any] = dict(modeltype="Ridge", regression_alpha=ALPHA, train_ratio=0.7, num_features="all")
    memory = bench.MemoryCapacityEvaluator(signal, nodes, max_delay=max_delay)
    found = {"memory capacity": memory.calculate_total_memory_capacity(**fit)["total_memory_capacity"]}
    capacity = bench.IPCEvaluator(2 * signal - 1, nodes, max_delay=10, max_degree=2)
    total: Any = capacity.calculate_total_capacity(**fit)
    found["information processing capacity"] = total["total_capacity"]
    for name, evaluator in _errors(bench, signal, nodes).items():
        found[f"NMSE, {name}"] = evaluator.run_evaluation(metric="NMSE", **fit)["accuracy"]
    found |= _waveforms(bench, reservoir, length, three, fit)
    found["kernel rank"] = bench.KernelRankEvaluator(nodes, kernel="linear", threshold=1e-3).compute_kernel_rank()[0]
    ranks = bench.GeneralizationRankEvaluator(_alike(reservoir, u, two), threshold=1e-3)
    found["generalisation rank"] = ranks.compute_generalization_rank()[0]
    return {name: float(value) for name, value in found.items()}


def _nodes(reservoir: AbstractReservoir, u: Array, key: Array) -> np.ndarray:
    """Standardised readings behind the washout."""
    read = np.asarray(reservoir.run(u, key=key))[WASHOUT:]
    width = read.std(axis=0)
    return (read - read.mean(axis=0)) / np.where(width > 0, width, 1.0)


def _errors(bench: Any, signal: np.ndarray, nodes: np.ndarray) -> dict[str, Any]:
    return {
        "NARMA2": bench.NarmaEvaluator(signal, nodes, order=2),
        "NARMA10": bench.NarmaEvaluator(signal, nodes, order=10, alpha=0.3, beta=0.05, gamma=1.5, delta=0.1),
        "sin(x)": bench.SinxEvaluator(signal, nodes),
    }


def _waveforms(bench: Any, reservoir: AbstractReservoir, length: int, key: Array, fit: Any) -> dict[str, float]:
    """A sine of 50 samples a period, to be made another waveform."""
    time = np.arange(length + WASHOUT) / 50
    u = jnp.asarray(0.5 + 0.5 * np.sin(2 * np.pi * time))
    evaluator = bench.NltEvaluator(np.asarray(u)[WASHOUT:] - 0.5, _nodes(reservoir, u, key), time[WASHOUT:])
    run = lambda name: evaluator.run_evaluation(target_name=name, metric="NMSE", **fit)["accuracy"]  # noqa: E731
    return {f"NMSE, {name}": run(name) for name in evaluator.targets}


def _alike(reservoir: AbstractReservoir, u: Array, key: Array) -> np.ndarray:
    """Last readings after 60 inputs that agree in their last 10 samples."""
    drawn = jax.random.uniform(key, (60, 40), u.dtype)
    inputs = jnp.concatenate([drawn, jnp.broadcast_to(u[:10], (60, 10))], axis=1)
    return np.asarray(jax.vmap(lambda u: reservoir.run(u)[-1])(inputs))


def examples(*, key: Array) -> dict[str, AbstractReservoir]:
    """Reservoirs that the report is of: WOx and the masked memristor by hand, an echo-state network, past inputs; `key`
    is of masks and weights."""
    u = jnp.asarray([0.0, 1.0])
    quiet = Noise(0.01)
    gain, offset = drive_for(u, (0.6, 1.2), signed=True)
    frames = fast_frames(physics.Wox(), 1e-3, rest=None, volts=(0.6, 1.2))
    wox = node_reservoir(frames, 10, devices=10, gain=gain, offset=offset, noise=quiet, key=key)
    made: Any = MaskedMemristor
    gain, offset = drive_for(u, (-0.8, 2.5), signed=True)
    masked = node_reservoir(made(), 4, devices=25, gain=gain, offset=offset, noise=quiet, key=key)
    return {
        "WOx, 10 x 10, 1 % noise": wox,
        "masked memristor, 25 x 4, 1 % noise": masked,
        "echo-state network, 100": echo_state(100, key=key),
        "20 past inputs": LinearLags(lags=20),
    }


def main(arguments: Sequence[str] | None = None) -> None:
    """The report from a shell, by `arguments`: printed, and kept as rcbench.json and rcbench.md in a folder."""
    jax.config.update("jax_enable_x64", True)
    parser = argparse.ArgumentParser(prog="python -m learning.reservoir.rcbench")
    parser.add_argument("-o", "--out", type=Path, default=None, help="folder")
    out = parser.parse_args(arguments).out
    key = jax.random.key(0)
    found = {name: rcbench_figures(one, key=key) for name, one in examples(key=key).items()}
    text = _text(found)
    print(text)
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
        (out / "rcbench.json").write_text(json.dumps(found, indent=1))
        (out / "rcbench.md").write_text(text + "\n")


def _text(found: dict[str, dict[str, float]]) -> str:
    version = importlib.import_module("rcbench").__version__
    rows = [f"RCbench {version} on reservoirs of one input", "", f"| | {' | '.join(found)} |"]
    rows.append("|---|" + "---|" * len(found))
    for name in next(iter(found.values())):
        rows.append(f"| {name} | {' | '.join(f'{each[name]:.4g}' for each in found.values())} |")
    return "\n".join(rows)


if __name__ == "__main__":
    main()
