"""Devices as source code: C and ngspice compute what JAX computes."""

import ctypes
import shutil

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.flatten_util import ravel_pytree

import neurojax as nj
from neurojax import _bench_c, _ngspice
from neurojax._dialects import C_DOUBLE, C_FLOAT, NGSPICE, NGSPICE_PARAM, VERILOG_A, lowered, write
from neurojax._expression import BOOLEAN, FOLD, Graph, evaluate, ordered
from neurojax._source import UnsupportedError, device_program, trace
from neurojax.bench import population
from physics.device import Environment
from physics.quantity import parameters, with_values

needs_gcc = pytest.mark.skipif(not (shutil.which("gcc") or shutil.which("cc")), reason="no C compiler")
needs_ngspice = pytest.mark.skipif(not shutil.which("ngspice"), reason="no ngspice")
IMPLICIT = {"Ecm", "Ecram", "EcramChannel", "JartVcm"}
DEVICES = sorted(set(nj.devices(elements=True)) - IMPLICIT)


def scalar_c(program, dtype=np.float64):
    """A function of an array of inputs by compiled C, all outputs flat in the order of their names."""
    roots = [n for name in sorted(program.outputs) for n in program.outputs[name].ravel()]
    listing = write(roots, C_FLOAT if dtype == np.float32 else C_DOUBLE)
    lines = [f"const real {n} = in[{k}];" for k, n in enumerate(program.inputs)]
    lines += [f"const real {a} = {b};" for a, b in listing.lines]
    lines += [f"out[{k}] = {text};" for k, text in enumerate(listing.roots)]
    body = "\n".join(lines)
    source = f'#include "vectors.h"\nvoid f(const real *in, real *out) {{\n{body}\n}}\n'
    library = _bench_c.compile_c({"main.c": source}, dtype)

    def call(values):
        given, out = np.ascontiguousarray(values, dtype), np.zeros(len(roots), dtype)
        library.f(ctypes.c_void_p(given.ctypes.data), ctypes.c_void_p(out.ctypes.data))
        return out

    return call


def inside(device, rng):
    """A random state within its bounds and a random voltage of the usual sweep, flat."""
    bounds = np.asarray([p.quantity.bounds for p in parameters(device.init(Environment())).values()]).reshape(-1, 2)
    states = bounds[:, 0] + rng.random(len(bounds)) * np.ptp(bounds, axis=1)
    v_max, v_min = (np.broadcast_to(np.asarray(v), device.port_shape) for v in device.sweep[:2])
    return states, v_min + rng.random(device.port_shape) * (v_max - v_min)


def rounding(roots, values):
    """How far each root moves if every operation errs by a few units in the last place: spread over 16 attempts."""
    rng, known = np.random.default_rng(1), {}
    exact = {"neg", "abs", "sign", "max", "min", "select", *BOOLEAN}
    with np.errstate(all="ignore"):
        for node in ordered(roots):
            if node.is_leaf:
                known[node] = np.full(16, values[node.value] if node.op == "input" else node.value)
                continue
            args = [known[a] for a in node.args]
            found = np.where(*args) if node.op == "select" else FOLD[node.op](*args)
            known[node] = found if node.op in exact else found * (1 + 3e-16 * rng.standard_normal(16))
    return np.asarray([np.ptp(known[r]) for r in roots])


@needs_gcc
@pytest.mark.parametrize("name", DEVICES)
def test_c_computes_what_jax_computes(name):
    """Rate, current and slopes of random devices (every free parameter an input) in random states.

    To 1e-12, or to the rounding of the operations where large terms cancel.
    """
    device, env, rng = nj.device_named(name), Environment(), np.random.default_rng(0)
    names = tuple(n for n, p in parameters(device).items() if p.quantity.free)
    members = population(device, 10)
    _, unravel = ravel_pytree(device.init(env))

    def rate(own, y, v):
        return ravel_pytree(own.rate(unravel(y), v, env))[0] if y.size else jnp.zeros(0)

    @jax.jit
    def everything(own, y, v):
        by_voltage, jacobian = (jax.jacfwd(rate, k)(own, y, v).ravel() for k in (2, 1))
        return jnp.concatenate([by_voltage, own.current(unravel(y), v, env).ravel(), jacobian, rate(own, y, v)])

    program = device_program(device, names)
    roots = [n for o in sorted(program.outputs) for n in program.outputs[o].ravel()]
    f = scalar_c(program)
    for k in range(10):
        values = {n: parameters(members)[n].value[k] for n in names}
        y, v = inside(device, rng)
        given = np.concatenate([np.asarray(list(values.values())), y, v.ravel()])
        expected = np.asarray(everything(with_values(device, values), jnp.asarray(y), jnp.asarray(v)))
        noise = rounding(roots, dict(zip(program.inputs, given, strict=True)))
        assert np.isfinite(expected).all()
        # XLA takes numbers below the smallest normal one for zero, also where a large factor comes after.
        least = 1e18 * np.finfo(float).tiny
        assert np.all(np.abs(f(given) - expected) <= 1e-12 * np.abs(expected) + 10 * noise + least)


ARRAYS = {
    "shapes": lambda x, y: jnp.concatenate([jnp.stack([x, y])[::-1], jnp.full(2, 3.0)]).reshape(2, 2).T.ravel()[1:3],
    "sums": lambda x, y: jnp.sum(jnp.stack([x, y]) * jnp.asarray([2.0, 3.0])) + jnp.prod(jnp.stack([x, y])),
    "extremes": lambda x, y: jnp.max(jnp.stack([x, y, x * y])) - jnp.min(jnp.stack([x, y, x * y])),
    "powers": lambda x, y: x**3 + y**-2 + jnp.square(x) + x**2.5 + jnp.power(x, y) + jax.lax.rsqrt(x),
    "choice": lambda x, y: jnp.where((x > y) & ~(x >= 3 * y) | (x == 7.0), x, jnp.where((y < x) | (y <= 2), y, -x)),
    "clip": lambda x, y: jnp.clip(x, 0.4, 0.6) + jax.lax.clamp(y, x, 2 * y) + jnp.floor(3 * x) + jnp.ceil(y),
    "signs": lambda x, y: jnp.sign(x - y) + jnp.abs(x - y) + (x != y).astype(float),
    "elementary": lambda x, y: jnp.exp(x) + jnp.exp2(y) + jnp.log(x) + jnp.sqrt(y) + jnp.cbrt(x),
    "circular": lambda x, y: jnp.sin(x) + jnp.cos(y) + jnp.tan(x) + jnp.arcsin(0.5 * x) + jnp.arctan(y),
    "angles": lambda x, y: jnp.arccos(0.5 * x) + jnp.arcsinh(y) + jnp.arccosh(1 + x) + jnp.arctanh(0.5 * x),
    "hyperbolic": lambda x, y: jnp.sinh(x) + jnp.cosh(y) + jnp.tanh(x) + jax.nn.sigmoid(y) + jax.nn.softplus(-x),
    "small": lambda x, y: jnp.stack([jnp.expm1(1e-9 * x), jnp.log1p(1e-9 * y), jnp.expm1(-900 * x), jnp.log1p(50 * y)]),
    "loop": lambda x, y: jax.lax.scan(lambda c, n: (c * x + n, c), y, jnp.arange(3.0))[1],
    "gradient": lambda x, y: jax.grad(lambda z: jnp.maximum(z, y) ** 2 + jax.lax.stop_gradient(z) * z)(x),
}
POINTS = [(0.55, 0.3), (0.9, 1.7), (1.3, 0.6)]


def everything_there_is():
    functions = {name: f for name, f in sorted(ARRAYS.items())}
    program = trace(lambda given: {n: f(given["x"], given["y"]) for n, f in functions.items()}, {"x": (), "y": ()})

    def exact(x, y):
        x, y = jnp.asarray(x), jnp.asarray(y)
        return np.concatenate([np.ravel(f(x, y)) for f in functions.values()])

    return program, exact


def test_every_operation_is_covered():
    """In the list above and its rewrites; and every dialect can spell each operation that is left after these."""
    program, _ = everything_there_is()
    roots = [n for a in program.outputs.values() for n in a.ravel()]
    used = {n.op for n in ordered(roots)} - {"input", "const"}
    assert used == set(C_DOUBLE.forms)
    for dialect in (NGSPICE, NGSPICE_PARAM, VERILOG_A):
        assert {n.op for n in ordered(lowered(roots, dialect))} - {"input", "const"} <= set(dialect.forms)


@needs_gcc
@pytest.mark.parametrize(("dtype", "rtol"), [(np.float64, 1e-13), (np.float32, 3e-6)])
def test_c_of_every_operation(dtype, rtol):
    program, exact = everything_there_is()
    f = scalar_c(program, dtype)
    for point in POINTS:
        np.testing.assert_allclose(f(point), exact(*point), rtol=rtol)


@pytest.mark.parametrize("dialect", [NGSPICE, VERILOG_A], ids=lambda d: d.name)
def test_rewrites_by_numbers(dialect):
    """What a program lacks is written by what it has, without loss of small arguments or overflow of large ones."""
    program, exact = everything_there_is()
    roots = lowered([n for k in sorted(program.outputs) for n in program.outputs[k].ravel()], dialect)
    for x, y in POINTS:
        np.testing.assert_allclose(evaluate(roots, {"x": x, "y": y}), exact(x, y), rtol=1e-12)


@needs_ngspice
def test_ngspice_of_every_operation():
    program, exact = everything_there_is()
    roots = lowered([n for k in sorted(program.outputs) for n in program.outputs[k].ravel()], NGSPICE)
    listing = write(roots, NGSPICE, name="inner{}".format, symbol="V({})".format)
    assert not listing.lines  # all small
    x, y = POINTS[0]
    lines = ["* every operation", f"Vx x 0 {x}", f"Vy y 0 {y}"]
    lines += [f"Bout{k} out{k} 0 V={text}" for k, text in enumerate(listing.roots)]
    # And once more as parameters, which another parser reads.
    numbers = write(roots, NGSPICE_PARAM, name="p{}".format)
    lines += [f".param x={x} y={y}", *(f".param {own}={{{text}}}" for own, text in numbers.lines)]
    lines += [f"Vpar{k} par{k} 0 {{{text}}}" for k, text in enumerate(numbers.roots)]
    table, said, _ = _ngspice.spice("\n".join([*lines, ".op", ".end"]), 30.0)
    for kind in ("out", "par"):
        found = [table[f"v({kind}{k})"][0] for k in range(len(listing.roots))]
        np.testing.assert_allclose(found, exact(x, y), rtol=1e-10, err_msg=f"{kind} {said}")


def test_graph_folds_shares_and_drops():
    """Zeros and ones vanish, equal things are one node, and what nobody needs is not written."""
    graph = Graph()
    x = graph.input("x")
    assert graph.make("mul", x, 1.0) is x and graph.make("add", 0.0, x) is x and graph.make("div", x, 1.0) is x
    assert graph.make("mul", x, 0.0) is graph.const(0.0)
    assert graph.make("sub", x, x) is graph.const(0.0)
    assert graph.make("neg", graph.make("neg", x)) is x
    assert graph.make("add", x, 2.0) is graph.make("add", 2.0, x)
    assert graph.make("select", graph.make("eq", x, x), x, 7.0) is x
    assert graph.make("eq", x, graph.make("max", 3.0, x)) is graph.make("ge", x, 3.0)
    assert graph.make("exp", 1.0).value == pytest.approx(np.e)
    with pytest.raises(KeyError):
        graph.make("gamma", x)

    def unused(given):
        return {"out": 2 * given["x"], "more": jnp.exp(given["x"]) * 0 + jnp.stack([given["x"]] * 2)[1]}

    program = trace(unused, {"x": ()})
    assert len(ordered([program.outputs["out"][()]])) == 3
    assert program.outputs["more"][()].op == "input"


def test_what_depends_on_parameters_alone_is_found():
    program = device_program(nj.device_named("ThermalFilament"), ("rho", "k_th"))
    once = program.split(("par_rho", "par_k_th"), "rate", "jacobian", "by_voltage")
    assert once
    assert all(n.value in ("par_rho", "par_k_th") for n in ordered(once) if n.op == "input")
    listing = write(program.outputs["rate"].ravel(), C_DOUBLE, known={n: f"once{k}" for k, n in enumerate(once)})
    written = "\n".join(text for line in listing.lines for text in line)
    assert "once0" in written
    assert "par_rho" not in written


@pytest.mark.parametrize("name", sorted(IMPLICIT))
def test_inner_equations_are_refused_by_name(name):
    with pytest.raises(UnsupportedError, match=f"{name}.*'while'"):
        device_program(nj.device_named(name))


def test_branches_are_selected():
    """Of a condition, and of an index that may lie beyond the last branch."""

    def branches(given):
        x, y = given["x"], given["y"]
        one = jax.lax.cond(x > y, jnp.sin, lambda z: z * y, x)
        return {"one": one, "three": jax.lax.switch(jnp.floor(x).astype(int), [jnp.sin, jnp.cos, jnp.exp], y)}

    program = trace(branches, {"x": (), "y": ()})
    roots = [program.outputs[name][()] for name in ("one", "three")]
    assert ordered([roots[0]])[-1].args[0].op in ("gt", "lt")  # no number in between
    for x, y in ((0.5, 1.2), (1.5, 1.2), (2.5, 1.2), (7.5, 1.2), (-1.0, 1.2)):
        exact = branches({"x": jnp.asarray(x), "y": jnp.asarray(y)})
        np.testing.assert_allclose(evaluate(roots, {"x": x, "y": y}), [exact["one"], exact["three"]], rtol=1e-14)


MOVES = {
    "take": lambda x: jnp.take(x.ravel(), jnp.asarray([4, 0, 0, 5])),
    "slice": lambda x: jax.lax.dynamic_slice(x, (1, 1), (1, 2)),
    "pad": lambda x: jnp.pad(x, ((1, 0), (0, 2)), constant_values=3.0),
    "update": lambda x: jax.lax.dynamic_update_slice(x, 2 * x[:1, :1], (1, 1)),
    "product": lambda x: x @ x.T,
    "batch": lambda x: jnp.einsum("ij,ijk->ik", x, jnp.stack([x.T, 2 * x.T])),
}


@pytest.mark.parametrize("name", sorted(MOVES))
def test_elements_at_known_places(name):
    program = trace(lambda given: {"out": MOVES[name](given["x"])}, {"x": (2, 3)})
    x = np.arange(6.0).reshape(2, 3) + 0.5
    values = dict(zip(program.inputs, x.ravel(), strict=True))
    exact = np.asarray(MOVES[name](jnp.asarray(x)))
    assert program.outputs["out"].shape == exact.shape
    np.testing.assert_allclose(evaluate(program.outputs["out"].ravel(), values), exact.ravel(), rtol=1e-14)


def test_loops_and_unknown_parameters_are_refused():
    loop = lambda given: {"out": jax.lax.while_loop(lambda z: z < 1, lambda z: 2 * z, given["x"])}  # noqa: E731
    for inner in (False, True):
        with pytest.raises(UnsupportedError, match="'while' has no straight-line form"):
            trace(loop, {"x": ()}, inner=inner)
    with pytest.raises(UnsupportedError, match="'dynamic_slice' at a place that is computed"):
        trace(lambda given: {"out": jax.lax.dynamic_slice(given["x"], (given["x"][0].astype(int),), (1,))}, {"x": (3,)})
    with pytest.raises(KeyError, match="Did you mean 'rho'"):
        device_program(nj.device_named("ThermalFilament"), ("rhoo",))
