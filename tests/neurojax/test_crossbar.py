"""Crossbars against exact nodal analysis, published numbers, closed forms, and central differences."""

import crossbar_reference as reference
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import neurojax as nj
import physics
from neurojax.crossbar import Crossbar, Resistors, Wires
from neurojax.errors import CircuitError, SimulationError

G = np.asarray([[100.0, 20, 50], [10, 80, 30], [60, 40, 90]]) * 1e-6
V = np.asarray([0.2, 0.1, 0.3])
KNOWN = {
    0.0: [39.0, 24.0, 40.0],
    1.0: [38.982129, 23.988726, 39.976922],
    10.0: [38.822098, 23.887775, 39.770335],
    100.0: [37.297809, 22.926940, 37.808937],
}
"""Currents (uA) of the example by ohm a segment, ends included."""
ADJOINT = [[0.197945, -0.397355, 0.098914], [0.099140, -0.198074, 0.049745], [0.298463, -0.596747, 0.148832]]
FEW = ((3, 5),)
MANY = ((1, 1), (1, 6), (5, 1), (3, 5), (16, 16), (64, 64), (40, 64), (64, 24))


@pytest.mark.parametrize("ohm", KNOWN)
def test_known_currents(ohm):
    i = np.asarray(Crossbar(jnp.asarray(G), Wires.uniform(ohm)).read(V).i)
    np.testing.assert_allclose(1e6 * i, KNOWN[ohm], rtol=0, atol=6e-7)


def test_known_adjoint():
    weights = jnp.asarray([1.0, -2.0, 0.5])
    slope = jax.grad(lambda g: Crossbar(g, Wires.uniform(10.0)).read(V).i @ weights)(jnp.asarray(G))
    np.testing.assert_allclose(np.asarray(slope), ADJOINT, rtol=0, atol=6e-7)


def resistances(rng, shape, zeros, infinities):
    """Ohm over six decades, some zero, some infinite."""
    r, u = 10 ** rng.uniform(-2, 4, shape), rng.random(shape)
    return np.where(u < zeros, 0.0, np.where(u > 1 - infinities, np.inf, r))


def drawn(rng, n, m, defects):
    """Conductances and wires; `defects`: open and short cells, broken wires and such without resistance."""
    g = 10 ** rng.uniform(-7, -1, (n, m))
    if defects:
        u = rng.random((n, m))
        g = np.where(u < min(0.05, 2 / (n * m)), np.inf, np.where(u > 0.95, 0.0, g))
    zero, broken = (0.1, 0.03) if defects else (0.0, 0.0)
    ends = {k: (s, w) for k, s, w in (("left", n, 0.05), ("right", n, 0.5), ("top", m, 0.5), ("bottom", m, 0.05))}
    lines = {
        "row": resistances(rng, (n, m - 1), zero, broken),
        "column": resistances(rng, (n - 1, m), zero, broken),
    }
    return g, lines | {k: resistances(rng, s, 0.0, w if defects else 0.0) for k, (s, w) in ends.items()}


def worst_error(rng, n, m, defects):
    """Of voltages that something holds, and of currents that are decided, over the largest; and the shorts."""
    g, wires = drawn(rng, n, m, defects)
    v = rng.uniform(-1, 1, n)
    known = reference.solve(g, wires, v)
    found = Crossbar(jnp.asarray(g), Wires(**jax.tree.map(jnp.asarray, wires))).read(v, rtol=1e-13, throw=False)
    assert bool(found.residual < 1e-12), (n, m, defects, found.residual)
    held = known.held
    volts = np.stack([found.v_rows, found.v_columns])[held] - np.stack([known.v_rows, known.v_columns])[held]
    decided = np.isfinite(known.i_cells)
    amps = np.max(np.abs(known.i_cells[decided]), initial=1e-30)
    errors = [
        np.max(np.abs(volts), initial=0.0) / np.max(np.abs(v)),
        np.max(np.abs(np.asarray(found.i_cells) - known.i_cells)[decided], initial=0.0) / amps,
        np.nanmax(np.abs(np.asarray(found.i) - known.i), initial=0.0) / amps,
    ]
    assert np.all(np.isfinite(found.i))
    return max(errors), int(np.isinf(g).sum())


@pytest.mark.parametrize("shape", FEW)
def test_random_arrays(shape):
    rng = np.random.default_rng(shape[0])
    shorts = 0
    for k in range(12):
        error, more = worst_error(rng, *shape, defects=k % 3 > 0)
        shorts += more
        assert error < 1e-10
    assert shorts


@pytest.mark.slow
@pytest.mark.parametrize("shape", MANY)
def test_two_hundred_random_arrays(shape):
    rng = np.random.default_rng(shape[0] + 1000 * shape[1])
    worst = max(worst_error(rng, *shape, defects=k % 3 > 0)[0] for k in range(25))
    assert worst < 1e-10


def loss_of(x):
    weights = jnp.asarray([1.0, -2.0, 0.5, 1.5])
    reading = Crossbar(x["g"], Wires(**x["wires"])).read(x["v"])
    return 1e6 * jnp.sum(weights * reading.i) + jnp.sum(reading.v_rows**2) + 1e3 * reading.power


def linear_case(ohm):
    rng = np.random.default_rng(3)
    g, v = jnp.asarray(10 ** rng.uniform(-5, -3, (5, 4))), jnp.asarray(rng.uniform(0.1, 0.3, 5))
    around = lambda *s: jnp.asarray(ohm * rng.uniform(0.5, 1.5, s))  # noqa: E731
    wires = dict(row=around(5, 3), column=around(4, 4), left=around(5), right=around(5), top=around(4))
    return dict(g=g, v=v, wires=wires | dict(bottom=around(4)))


def difference(f, x, along, h=1e-4):
    """Central, of fourth order."""
    at = lambda k: float(f(jax.tree.map(lambda a, d: a + k * h * d, x, along)))  # noqa: E731
    return (8 * (at(1) - at(-1)) - (at(2) - at(-2))) / (12 * h)


def check_gradient(f, x, tolerance=1e-6):
    """Of every leaf alone in a random direction; returns the gradient."""
    f = jax.jit(f)
    slope, rng = jax.jit(jax.grad(f))(x), np.random.default_rng(5)
    still = jax.tree.map(jnp.zeros_like, x)
    leaves, structure = jax.tree.flatten(x)
    for k, leaf in enumerate(leaves):
        moved = jax.tree.leaves(still)
        moved[k] = leaf * jnp.asarray(rng.uniform(0.5, 1.5, leaf.shape))
        along = jax.tree.unflatten(structure, moved)
        exact = sum(float(jnp.sum(s * d)) for s, d in zip(jax.tree.leaves(slope), moved, strict=True))
        np.testing.assert_allclose(exact, difference(f, x, along), rtol=tolerance)
    return slope


@pytest.mark.parametrize("ohm", [1.0, 5.0, 20.0, 100.0])
def test_gradients_of_a_linear_array(ohm):
    check_gradient(loss_of, linear_case(ohm))


@pytest.mark.slow
def test_second_derivatives():
    """Symmetric, forward = reverse over reverse, and the difference of gradients."""
    x = linear_case(20.0)
    f = lambda g, v: loss_of(x | dict(g=g, v=v))  # noqa: E731
    hessian = jax.jit(jax.hessian(f, (0, 1)))(x["g"], x["v"])
    twice = jax.jit(jax.jacrev(jax.grad(f, (0, 1)), (0, 1)))(x["g"], x["v"])
    for a, b in zip(jax.tree.leaves(hessian), jax.tree.leaves(twice), strict=True):
        np.testing.assert_allclose(np.asarray(a), np.asarray(b), rtol=1e-8, atol=1e-10 * float(jnp.max(jnp.abs(a))))
    gg = np.asarray(hessian[0][0]).reshape(20, 20)
    np.testing.assert_allclose(gg, gg.T, rtol=1e-8, atol=1e-10 * np.abs(gg).max())
    slope, h = jax.jit(jax.grad(f)), 1e-5 * x["g"][1, 2]
    step = jnp.zeros((5, 4)).at[1, 2].set(h)
    seen = (slope(x["g"] + step, x["v"]) - slope(x["g"] - step, x["v"])) / (2 * h)
    np.testing.assert_allclose(gg[6], np.asarray(seen).ravel(), rtol=1e-6, atol=1e-8 * np.abs(gg).max())


def selectors(x):
    device = physics.Selector(i_0=x["i_0"], v_0=x["v_0"])
    reading = Crossbar(device, Wires.uniform(x["ohm"]), shape=(4, 3)).read(x["v"])
    return 1e6 * jnp.sum(reading.i * jnp.asarray([1.0, 0.5, 2.0])) + 1e3 * reading.power


@pytest.mark.slow
@pytest.mark.parametrize("ohm", [1.0, 5.0, 20.0, 100.0])
def test_gradients_of_nonlinear_cells(ohm):
    rng = np.random.default_rng(0)
    x = dict(
        i_0=jnp.asarray(10 ** rng.uniform(-8, -7, (4, 3))), v_0=jnp.asarray(0.15),
        ohm=jnp.asarray(ohm), v=jnp.asarray([0.5, 1.0, 0.2, 0.9]),
    )  # fmt: skip
    check_gradient(selectors, x)


@pytest.mark.slow
def test_gradient_to_states_of_devices():
    device, wires = physics.GapRram(), Wires.uniform(20.0)

    def f(x):
        reading = Crossbar(device, wires, shape=(2, 3), x=physics.GapRram.State(**x)).read(jnp.asarray([0.2, 0.4]))
        return 1e6 * jnp.sum(reading.i)

    start = vars(device.init(physics.Environment()))
    x = {k: jnp.broadcast_to(a, (2, 3)) * jnp.asarray([[1.0, 0.9, 0.8], [0.95, 1.05, 1.1]]) for k, a in start.items()}
    check_gradient(f, x)


@pytest.mark.slow
def test_nonlinear_network_obeys_kirchhoff():
    """Selectors over four decades of current, a strong drive: currents of lines and cells, and power, balance."""
    rng = np.random.default_rng(0)
    i_0 = jnp.asarray(10 ** rng.uniform(-10, -6, (9, 7)))
    array = Crossbar(physics.Selector(i_0=i_0), Wires.uniform(30.0, both_ends=True), shape=(9, 7))
    reading = array.read(rng.uniform(-1.5, 1.5, (4, 9)))
    assert bool(reading.ok.all()) and int(reading.iterations) < 100
    cells = np.asarray(i_0)[None] * np.sinh(np.asarray(reading.v_cells) / 0.1)
    np.testing.assert_allclose(np.asarray(reading.i_cells), cells, rtol=1e-12)
    np.testing.assert_allclose(np.asarray(reading.i), cells.sum(axis=1), rtol=1e-9, atol=1e-10 * np.abs(cells).max())
    along = np.asarray(reading.i_along_rows)
    drops = np.diff(np.asarray(reading.v_rows), axis=-1)
    np.testing.assert_allclose(drops, -30.0 * along, rtol=1e-8, atol=1e-11)
    lost = 30.0 * (np.sum(along**2, axis=(1, 2)) + np.sum(np.asarray(reading.i_along_columns) ** 2, axis=(1, 2)))
    ends = [reading.i_left, reading.i_right, reading.i_bottom]
    lost = lost + 30.0 * sum(np.sum(np.asarray(a) ** 2, axis=1) for a in ends)
    heat = np.sum(cells * np.asarray(reading.v_cells), axis=(1, 2)) + lost
    np.testing.assert_allclose(np.asarray(reading.power), heat, rtol=1e-9)


def test_shorts_are_exact():
    ohm = {k: np.full(s, 10.0) for k, s in (("row", (3, 2)), ("column", (2, 3)), ("left", 3), ("bottom", 3))}
    open_ends = dict(right=np.full(3, np.inf), top=np.full(3, np.inf))
    short = jnp.asarray(G).at[1, 1].set(jnp.inf)
    found, known = Crossbar(short, Wires.uniform(10.0)).read(V), reference.solve(np.asarray(short), ohm | open_ends, V)
    np.testing.assert_allclose(np.asarray(found.i), known.i, rtol=1e-12)
    np.testing.assert_allclose(np.asarray(found.i_cells), known.i_cells, rtol=1e-11)


@pytest.mark.slow
def test_derivatives_with_shorts():
    """Of both orders."""

    def f(x):
        g = x["g"].at[1, 1].set(jnp.inf)
        return 1e6 * jnp.sum(Crossbar(g, Wires.uniform(x["ohm"])).read(x["v"], shorts=2).i ** 2) / 1e-4

    x = dict(g=jnp.asarray(G), ohm=jnp.asarray(10.0), v=jnp.asarray(V))
    assert float(check_gradient(f, x)["g"][1, 1]) == 0.0
    g = lambda ohm: f(x | dict(ohm=ohm))  # noqa: E731
    seen = difference(jax.grad(g), jnp.asarray(10.0), jnp.asarray(10.0)) / 10.0
    np.testing.assert_allclose(float(jax.grad(jax.grad(g))(jnp.asarray(10.0))), seen, rtol=1e-6)


def test_shorts_that_share_a_line_without_resistance():
    """All cells of a row, behind one resistance: the row and all columns are one node."""
    g = jnp.asarray(G).at[1].set(jnp.inf)
    wires = Wires(left=jnp.asarray(100.0), bottom=jnp.asarray(50.0))
    found = Crossbar(g, wires).read(V)
    u = float(found.v_rows[1, 0])
    np.testing.assert_allclose(np.asarray(found.i), u / 50.0, rtol=1e-11)
    to_columns = np.asarray(V)[[0, 2]] - u
    through = np.sum(to_columns / (100.0 + 1 / G[[0, 2]].sum(axis=1))) + (V[1] - u) / 100.0
    np.testing.assert_allclose(float(jnp.sum(found.i)), through, rtol=1e-11)


def test_a_short_between_two_sources_is_told():
    with pytest.raises(SimulationError, match="infinite conductance"):
        Crossbar(jnp.asarray(G).at[1, 1].set(jnp.inf)).read(V)


def test_a_short_too_many_is_told():
    """Under a trace, conductances cannot be counted: more shorts than said are nan, not a wrong number."""
    g = jnp.asarray(G).at[1, 1].set(jnp.inf)
    i = jax.jit(lambda g: Crossbar(g, Wires.uniform(1.0)).read(V).i)(g)
    assert bool(jnp.all(jnp.isnan(i)))


def test_nothing_holds_it():
    """Broken wires, open lines and cells: finite everywhere, no current, also in the gradient."""
    g = jnp.asarray(G).at[:, 1].set(0.0)
    wires = Wires.uniform(10.0)

    def amps(g):
        reading = Crossbar(g, wires).read(V, open_rows=[True, False, False], open_columns=[False, True, False])
        return jnp.sum(reading.i * jnp.asarray([1.0, 2.0, 3.0])), reading

    (_, reading), slope = jax.value_and_grad(amps, has_aux=True)(g)
    assert all(bool(jnp.all(jnp.isfinite(a))) for a in (reading.v_rows, reading.v_columns, slope))
    assert abs(float(reading.i[1])) < 1e-18 and abs(float(reading.i_rows[0])) < 1e-18


@pytest.mark.slow
def test_inputs_in_tiles_and_in_a_population():
    """Many inputs, more than are worked on at a time, as one by one; populations by vmap; jit."""
    rng = np.random.default_rng(0)
    g, v = jnp.asarray(10 ** rng.uniform(-6, -4, (96, 80))), rng.uniform(-1, 1, (3, 11, 96))
    array = Crossbar(g, Wires.uniform(2.0))
    together = array.read(v)
    one = array.read(v[2, 7])
    assert together.v_rows.shape == (3, 11, 96, 80)
    np.testing.assert_allclose(np.asarray(together.i[2, 7]), np.asarray(one.i), rtol=1e-9)
    np.testing.assert_allclose(np.asarray(together.v_columns[2, 7]), np.asarray(one.v_columns), rtol=0, atol=1e-11)
    np.testing.assert_allclose(np.asarray(together.i_along_rows[2, 7]), np.asarray(one.i_along_rows), rtol=1e-7, atol=0)
    traced = jax.jit(lambda v: array.read(v).i)(jnp.asarray(v))
    np.testing.assert_allclose(np.asarray(traced), np.asarray(together.i), rtol=1e-12)
    slope = jax.grad(lambda v: jnp.sum(array.read(v).i ** 2))(jnp.asarray(v))
    exact = jax.grad(lambda v: jnp.sum(array.read(v).i ** 2))(jnp.asarray(v[2, 7]))
    np.testing.assert_allclose(np.asarray(slope[2, 7]), np.asarray(exact), rtol=1e-7, atol=1e-9 * float(jnp.max(exact)))
    many = jnp.stack([jnp.asarray(G), 2.0 * jnp.asarray(G)])
    i = jax.vmap(lambda g: Crossbar(g, Wires.uniform(10.0)).read(V).i)(many)
    for k in range(2):
        np.testing.assert_allclose(np.asarray(i[k]), np.asarray(Crossbar(many[k], 10.0).read(V).i), rtol=1e-10)


def test_effective_matrix():
    array = Crossbar(jnp.asarray(G), 30.0)
    np.testing.assert_allclose(np.asarray(array.effective().T @ V), np.asarray(array.read(V).i), rtol=1e-10)


@pytest.mark.slow
def test_forward_is_reverse():
    x = linear_case(20.0)
    f = lambda g: Crossbar(g, Wires(**x["wires"])).read(x["v"]).i  # noqa: E731
    forward, reverse = jax.jit(jax.jacfwd(f))(x["g"]), jax.jit(jax.jacrev(f))(x["g"])
    np.testing.assert_allclose(np.asarray(forward), np.asarray(reverse), rtol=1e-9, atol=1e-12)


def test_single_precision():
    g, v = jnp.asarray(G, jnp.float32), jnp.asarray(V, jnp.float32)
    wires = jax.tree.map(lambda a: a.astype(jnp.float32), Wires.uniform(10.0))
    i = Crossbar(g, wires).read(v).i
    assert i.dtype == jnp.float32
    np.testing.assert_allclose(1e6 * np.asarray(i), KNOWN[10.0], rtol=2e-6)


def test_wrong_calls():
    with pytest.raises(CircuitError, match="3 rows"):
        Crossbar(jnp.asarray(G)).read(np.ones(4))
    with pytest.raises(CircuitError, match="negative"):
        Resistors(-jnp.asarray(G))
    with pytest.raises(CircuitError, match="shape"):
        Crossbar(physics.Selector())
    with pytest.raises(CircuitError, match="two"):
        Crossbar(physics.Mosfet(), shape=(2, 2))
    with pytest.raises(CircuitError, match=r"Wires\.row"):
        Crossbar(jnp.asarray(G), Wires(row=jnp.ones((2, 2)))).read(V)
    with pytest.raises(SimulationError, match="did not converge"):
        Crossbar(jnp.asarray(G), 1e4).read(V, max_iterations=1)
    assert nj.Crossbar is Crossbar
