"""The integrator itself: order, knots and jumps, asynchronous lanes, result codes, both gradients, float32."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from established import rarely

from neurojax import _adjoint, _blocks, _lanes, _rodas, stiff
from neurojax._rodas import interpolate, rodas4, slopes

RTOL, ATOL = jnp.asarray(1e-8), jnp.asarray(1e-10)


def wave(*points, samples):
    t, v = (jnp.asarray(a) for a in zip(*points, strict=True))
    return stiff.Drive(t, v, jnp.asarray(samples, dtype=float))


def run(rate, members, axes, drive, y0, *, max_steps=2**14, rtol=RTOL, atol=ATOL, by=stiff.integrate):
    y0 = jnp.asarray(y0)
    how = stiff.control(y0.shape[1], y0.shape[0], max_steps)
    return by(_lanes.Equations(rate), members, axes, drive, y0, rtol, atol, how)


def relaxation(speed, y, v):
    """dy/dt = speed (v - y): closed form under ramps and jumps."""
    return speed * (v[None] - y)


def test_coefficients_meet_the_conditions_of_their_order():
    """All eight conditions of order 4, and those of order 3 of the dense output, to rounding: a wrong digit anywhere in
    the table would let time run faster or slower by as much, however small the steps."""
    inverse = np.linalg.inv(np.eye(6) / _rodas.GAMMA - _rodas.C)
    alpha, b = _rodas.A @ inverse, _rodas.LAST @ inverse
    beta, at = alpha + inverse, _rodas.ALPHA
    slow = beta.sum(axis=1)
    found = [
        b.sum(), b @ slow, b @ at**2, b @ beta @ slow,
        b @ at**3, b @ (at * (alpha @ slow)), b @ beta @ at**2, b @ beta @ beta @ slow,
    ]  # fmt: skip
    np.testing.assert_allclose(found, 1 / np.asarray([1, 2, 3, 6, 4, 8, 12, 24]), atol=1e-14)
    np.testing.assert_allclose(alpha.sum(axis=1), at, atol=1e-14)
    np.testing.assert_allclose(inverse.sum(axis=1), _rodas.GAMMAS, atol=1e-14)
    np.testing.assert_allclose(beta[5], b, atol=1e-14)
    bend, twist = _rodas.DENSE @ inverse
    by = np.stack([np.ones(6), slow, at**2, beta @ slow], axis=1)
    np.testing.assert_allclose(bend @ by, [0.0, -1 / 2, -1 / 3, -1 / 6], atol=1e-14)
    np.testing.assert_allclose(twist @ by, [0.0, 0.0, -1 / 3, -1 / 6], atol=1e-14)


@pytest.mark.parametrize("unroll", [False, True])
def test_order_of_the_step_and_of_its_dense_output(unroll):
    """dy/dt = -2 y^2 + y v and a linear part, against a step of tiny size."""

    def rate(y, v):
        return jnp.stack([-2 * y[0] ** 2 + y[1] * v, y[0] - 3 * y[1]])

    v, slope = jnp.asarray(0.5), jnp.asarray(1.0)

    start = jnp.asarray([1.0, 0.2])

    def once(y, v, h):
        return rodas4(rate, slopes(rate, y, v, unroll), y, v, slope, h, unroll=unroll)[1]

    def to(h, n):
        part = lambda k, y: once(y, v + k * slope * h / n, h / n).y  # noqa: E731
        return jax.lax.fori_loop(0, n, part, start)

    @jax.jit
    def error(h):
        step = once(start, v, h)
        middle = interpolate(start, step.y, step.bend, step.twist, jnp.asarray(0.5))
        return jnp.abs(jnp.stack([step.y - to(h, 40), step.error, middle - to(h / 2, 20)])).max(axis=1)

    # One step of a method of order p errs by h^(p+1): 4 for the solution, 3 for the estimate and in between.
    orders = np.log2(error(jnp.asarray(0.02)) / error(jnp.asarray(0.01)))
    assert orders[0] == pytest.approx(5, abs=0.4)
    assert orders[1] == pytest.approx(4, abs=0.4)
    assert orders[2] == pytest.approx(4, abs=0.4)


@pytest.mark.parametrize(
    "n", [1, 2, 3, 4, 5, 6, 8, 12, *(pytest.param(n, marks=pytest.mark.slow) for n in (20, 32, 33))]
)
def test_linear_systems_of_every_size(n):
    """In closed form, by blocks from five unknowns on, by pivots beyond 32."""
    matrix = np.random.default_rng(n).standard_normal((n, n)) / max(1.0, np.sqrt(n / 6)) - 2 * np.eye(n)
    drive = wave((0.0, 0.0), (1.0, 0.0), samples=[0.5, 1.0])
    start = np.arange(1.0, n + 1)[:, None]
    found = run(lambda m, y, v: m @ y, jnp.asarray(matrix), None, drive, start)
    values, vectors = np.linalg.eig(matrix)
    for k, t in enumerate((0.5, 1.0)):
        exact = (vectors * np.exp(values * t)) @ np.linalg.solve(vectors, start[:, 0])
        np.testing.assert_allclose(found.y[0, k], exact.real, rtol=1e-6, atol=1e-8)


def test_ramps_and_jumps_in_closed_form():
    """0 to 1 V in 1 s, jump to -1 V, hold: the state follows, also at the jump itself; the last sample is repeated."""
    samples = [0.0, 0.5, 1.0, 1.5, 2.0, 2.0, 2.0]
    drive = wave((0.0, 0.0), (1.0, 1.0), (1.0, -1.0), (2.0, -1.0), samples=samples)
    speed = 7.0
    found = run(relaxation, jnp.asarray(speed), None, drive, [[0.0]]).y[0, :, 0]
    t = np.asarray(samples)
    ramp = t - (1 - np.exp(-speed * t)) / speed
    top = 1 - (1 - np.exp(-speed)) / speed
    exact = np.where(t <= 1, ramp, -1 + (top + 1) * np.exp(-speed * (t - 1)))
    np.testing.assert_allclose(found, exact, atol=3e-8)


def test_lanes_are_alone_in_their_time():
    """Speeds over ten decades in one run give what each gives alone, to rounding."""
    drive = wave((0.0, 0.0), (1.0, 1.0), (3.0, -1.0), samples=np.linspace(0, 3, 40))
    speeds = jnp.asarray([1e-4, 1.0, 1e2, 1e6])
    whole = run(relaxation, speeds, 0, drive, np.zeros((1, 4)))
    for k in range(4):
        alone = run(relaxation, speeds[k], None, drive, np.zeros((1, 1)))
        np.testing.assert_allclose(whole.y[k], alone.y[0], rtol=1e-12, atol=1e-14)
        assert int(whole.steps[k]) == int(alone.steps[0])


def test_every_lane_may_have_a_waveform_of_its_own():
    t = jnp.asarray([[0.0, 1.0, 2.0], [0.0, 0.5, 4.0]])
    v = jnp.asarray([[0.0, 1.0, 0.0], [1.0, 1.0, -1.0]])
    ts = jnp.asarray([[0.5, 2.0], [0.25, 4.0]])
    both = run(relaxation, jnp.asarray(3.0), None, stiff.Drive(t, v, ts), np.zeros((1, 2)))
    for k in range(2):
        alone = run(relaxation, jnp.asarray(3.0), None, stiff.Drive(t[k], v[k], ts[k]), np.zeros((1, 1)))
        np.testing.assert_allclose(both.y[k], alone.y[0], rtol=1e-12)


def test_a_nanosecond_in_a_second_is_seen_in_both_precisions():
    for dtype, tol in ((jnp.float64, 1e-6), (jnp.float32, 2e-3)):
        t = jnp.asarray([0.0, 0.5, 0.5, 0.5 + 2e-6, 0.5 + 2e-6, 1.0], dtype)
        v = jnp.asarray([0.0, 0.0, 1.0, 1.0, 0.0, 0.0], dtype)
        width = float(t[3] - t[2])
        drive = stiff.Drive(t, v, jnp.asarray([1.0], dtype))
        kick = lambda speed, y, v: speed * v[None] * (1 - y)  # noqa: E731
        found = run(
            kick,
            jnp.asarray(1e6, dtype),
            None,
            drive,
            jnp.zeros((1, 1), dtype),
            rtol=1e-5 + 0 * t[0],
            atol=1e-6 + 0 * t[0],
        )
        assert float(found.y[0, 0, 0]) == pytest.approx(1 - np.exp(-1e6 * width), rel=tol)


def test_codes_tell_what_happened_and_samples_beyond_are_nan():
    drive = wave((0.0, 1.0), (2.0, 1.0), samples=[0.5, 1.5])
    burst = lambda power, y, v: y**power * v[None]  # noqa: E731
    found = run(burst, jnp.asarray([2.0, 0.0]), 0, drive, np.ones((1, 2)))
    assert int(found.code[0]) == _lanes.TOO_SMALL  # 1/(1 - t) ends at t = 1
    assert int(found.code[1]) == 0
    assert float(found.y[0, 0, 0]) == pytest.approx(2.0, rel=1e-6)
    assert np.isnan(found.y[0, 1, 0])
    short = run(burst, jnp.asarray([0.0]), 0, drive, np.ones((1, 1)), max_steps=2)
    assert int(short.code[0]) == _lanes.TOO_MANY
    bad = run(lambda m, y, v: y * jnp.nan, jnp.asarray(1.0), None, drive, np.ones((1, 1)))
    assert int(bad.code[0]) == _lanes.NOT_FINITE


def oscillator(member, y, v):
    """Van der Pol, driven: stiff for large mu."""
    mu, gain = member
    return jnp.stack([y[1], mu * (1 - y[0] ** 2) * y[1] - y[0] + gain * v])


def test_adjoint_equals_forward_mode_and_differences():
    """In members (one shared, one per lane), voltages, knot times, sample times and initial state."""
    ts = jnp.asarray(np.linspace(0.1, 4.0, 37))
    t, v = jnp.asarray([0.0, 1.0, 1.0, 4.0]), jnp.asarray([0.0, 1.0, -0.5, 0.5])
    mu, gain, y0 = jnp.asarray([5.0, 20.0]), jnp.asarray(0.7), jnp.asarray([[1.0, 2.0], [0.0, 0.1]])
    weights = jnp.asarray(np.random.default_rng(0).standard_normal((2, 37, 2)))

    def loss(by, mu, gain, t, v, ts, y0):
        # Few steps a block, so that several blocks are replayed.
        found = run(oscillator, (mu, gain), (0, None), stiff.Drive(t, v, ts), y0, by=by, max_steps=900)
        return jnp.sum(weights * found.y)

    inputs = (mu, gain, t, v, ts, y0)
    rng = np.random.default_rng(1)
    direction = [jnp.asarray(rng.standard_normal(a.shape)) for a in inputs]
    # The jump keeps its place, both of its knots move together; the first and the last knot hold the samples.
    direction[2] = direction[2].at[jnp.asarray([0, 3])].set(0.0).at[2].set(direction[2][1])
    direction[4] = direction[4].at[-1].set(0.0)
    forward = jax.jvp(lambda *a: loss(stiff.integrate, *a), inputs, tuple(direction))[1]
    gradients = jax.grad(lambda *a: loss(_adjoint.integrate, *a), argnums=tuple(range(6)))(*inputs)
    reverse = sum(jnp.sum(g * d) for g, d in zip(gradients, direction, strict=True))
    h = 1e-6
    ends = [loss(stiff.integrate, *[a + s * h * d for a, d in zip(inputs, direction, strict=True)]) for s in (1, -1)]
    assert float(reverse) == pytest.approx(float(forward), rel=1e-10)
    assert float(reverse) == pytest.approx(float(ends[0] - ends[1]) / (2 * h), rel=2e-5)


@pytest.mark.slow
def test_second_derivatives():
    drive = wave((0.0, 0.0), (1.0, 1.0), samples=[0.3, 1.0])
    closed = lambda k: jnp.sum(jnp.stack([t - (1 - jnp.exp(-k * t)) / k for t in (0.3, 1.0)]))  # noqa: E731
    loss = lambda k: jnp.sum(run(relaxation, k, None, drive, np.zeros((1, 1)), by=_adjoint.integrate).y)  # noqa: E731
    k = jnp.asarray(4.0)
    assert float(jax.jacfwd(jax.grad(loss))(k)) == pytest.approx(float(jax.grad(jax.grad(closed))(k)), rel=1e-5)


def divider(member, y, v):
    """A capacitor c behind a resistor r: c dy0/dt = i, and 0 = v - y0 - r i with i = y1; or i through a diode too."""
    r, _, diode = member
    return jnp.stack([y[1], v - y[0] - r * y[1] - diode * (jnp.exp(y[1]) - 1)])


def weights(member):
    return jnp.diag(jnp.stack([member[1], jnp.zeros_like(member[1])]))


def dae(member, drive, y0, by=stiff.integrate, rtol=1e-9):
    equations = _lanes.Equations(divider, weights)
    how = stiff.control(y0.shape[1], 2, 2**12)
    return by(equations, member, None, drive, y0, jnp.asarray(rtol), jnp.asarray(1e-2 * rtol), how)


def test_algebraic_unknowns_by_a_singular_mass_matrix():
    """Against the closed form of an RC circuit, a ramp and a jump; the current jumps with the voltage."""
    r, c = 2.0, 0.3
    member, ts = (jnp.asarray(r), jnp.asarray(c), jnp.asarray(0.0)), np.asarray([0.2, 0.9, 1.0001, 1.7, 2.0])
    drive = wave((0.0, 0.0), (1.0, 1.0), (1.0, -0.5), (2.0, -0.5), samples=ts)
    found = dae(member, drive, jnp.zeros((2, 1))).y[0]
    tau = r * c
    ramp = lambda t: t - tau * (1 - np.exp(-t / tau))  # noqa: E731
    charge = np.where(ts <= 1, ramp(ts), -0.5 + (ramp(1.0) + 0.5) * np.exp(-(ts - 1) / tau))
    np.testing.assert_allclose(found[:, 0], charge, atol=1e-7)
    np.testing.assert_allclose(found[:, 1], (np.where(ts <= 1, ts, -0.5) - charge) / r, atol=1e-6)


@pytest.mark.slow
def test_gradients_through_algebraic_unknowns():
    """Adjoint, forward mode and differences, to resistor, capacitor, diode, voltages and knots."""
    drive = wave((0.0, 0.0), (0.7, 1.5), (2.0, 0.2), samples=[0.3, 0.9, 1.9])
    member = tuple(jnp.asarray(a) for a in (2.0, 0.3, 0.4))

    def loss(member, v, t1, by):
        t = jnp.stack([drive.t[0], t1, drive.t[2]])
        found = dae(member, stiff.Drive(t, v, drive.ts), jnp.zeros((2, 1)), by)
        return jnp.sum(found.y @ jnp.asarray([1.0, 3.0]))

    inputs = (member, drive.v, drive.t[1])
    along = (tuple(jnp.asarray(a) for a in (0.3, -0.2, 0.5)), jnp.asarray([0.0, 1.0, -0.4]), jnp.asarray(0.2))
    forward = jax.jvp(lambda *a: loss(*a, stiff.integrate), inputs, along)[1]
    gradient = jax.grad(lambda *a: loss(*a, _adjoint.integrate), argnums=(0, 1, 2))(*inputs)
    parts = jax.tree.leaves(jax.tree.map(lambda a, b: jnp.sum(a * b), gradient, along))
    step = lambda s: jax.tree.map(lambda a, b: a + s * 1e-5 * b, inputs, along)  # noqa: E731
    ends = [loss(*step(s), stiff.integrate) for s in (1, -1)]
    assert float(sum(parts)) == pytest.approx(float(forward), rel=1e-10)
    assert float(forward) == pytest.approx(float(ends[0] - ends[1]) / 2e-5, rel=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("lanes", [1, 2 * _blocks.BLOCK + 1])
def test_pages_that_are_turned_change_nothing(lanes):
    """Neither the states nor the gradient, which steps through lost pages again, by notes; one block and three."""
    drive = wave((0.0, 0.0), (1.0, 1.0), (1.0, -0.5), (4.0, 0.5), samples=np.linspace(0, 4, 50))
    y0, member = jnp.stack([jnp.linspace(0.5, 1, lanes), jnp.zeros(lanes)]), (jnp.asarray(5.0), jnp.asarray(0.7))

    def loss(member, rows):
        how = _lanes.Control(2**10, rows)
        return jnp.sum(
            _adjoint.integrate(_lanes.Equations(oscillator), member, None, drive, y0, RTOL, ATOL, how).y ** 2
        )

    small, large = (jax.value_and_grad(loss)(member, rows) for rows in (64, 1024))
    for a, b in zip(jax.tree.leaves(small), jax.tree.leaves(large), strict=True):
        assert float(a) == pytest.approx(float(b), rel=1e-12)


def bent(member, y, v):
    """One state, driven; not linear in anything."""
    speed, gain = member
    return speed * jnp.sinh(gain * v[None] - y**3)


@pytest.mark.slow
@pytest.mark.parametrize("case", ["one state", "two states", "algebraic"])
def test_derivatives_by_rows_are_those_of_jax(case):
    """Of many lanes, where the rate is linearised to rows, along members (shared and not), voltages and starts."""
    equations, axes, member, n = {
        "one state": (_lanes.Equations(bent), (0, None), ([3.0, 20.0], 0.7), 1),
        "two states": (_lanes.Equations(oscillator), (0, None), ([5.0, 20.0], 0.7), 2),
        "algebraic": (_lanes.Equations(divider, weights), (0, None, None), ([2.0, 1.5], 0.3, 0.4), 2),
    }[case]
    member = tuple(jnp.asarray(a) for a in member)
    drive, y0 = wave((0.0, 0.0), (0.7, 1.5), (2.0, 0.2), samples=[0.3, 0.9, 1.9]), jnp.zeros((n, 2))

    def loss(inputs, unroll):
        member, v, y0 = inputs
        how = _lanes.Control(2**12, 64, unroll)
        here = stiff.Drive(drive.t, v, drive.ts)
        found = stiff.integrate(equations, member, axes, here, y0, jnp.asarray(1e-7), ATOL, how)
        return jnp.sum(jnp.sin(found.y), axis=(1, 2))

    inputs = member, drive.v, y0
    plain, rows = (jax.jacfwd(loss)(inputs, unroll) for unroll in (False, True))
    for a, b in zip(*map(jax.tree.leaves, (plain, rows)), strict=True):
        np.testing.assert_allclose(b, a, rtol=1e-9, atol=1e-10)


@rarely  # a minute of compilation
def test_second_derivatives_of_many_lanes():
    """Forward mode over either mode, where the rate is linearised to rows."""
    drive = wave((0.0, 0.0), (0.7, 1.5), samples=[0.3, 0.7])

    def loss(speed, unroll, by):
        member, how = (speed * jnp.asarray([1.0, 5.0]), jnp.asarray(0.7)), _lanes.Control(2**10, 64, unroll)
        found = by(_lanes.Equations(bent), member, (0, None), drive, jnp.zeros((1, 2)), jnp.asarray(1e-7), ATOL, how)
        return jnp.sum(jnp.sin(found.y))

    second = jax.jacfwd(jax.jacfwd(loss))(3.0, False, stiff.integrate)
    for over in (
        jax.jacfwd(jax.jacfwd(loss))(3.0, True, stiff.integrate),
        jax.jacfwd(jax.grad(loss))(3.0, True, _adjoint.integrate),
    ):
        assert float(over) == pytest.approx(float(second), rel=1e-7)


@pytest.mark.parametrize("lanes, loops", [(stiff.MANY_LANES - 1, 1), (stiff.MANY_LANES, 0)])
def test_stages_of_many_lanes_are_written_out(lanes, loops):
    drive, member = wave((0.0, 0.0), (1.0, 1.0), samples=[0.5]), (jnp.asarray(5.0), jnp.asarray(0.7))

    def run(y0):
        how = stiff.control(lanes, 1, 2**10)
        return stiff.integrate(_lanes.Equations(bent), member, None, drive, y0, RTOL, ATOL, how).y

    assert str(jax.make_jaxpr(run)(jnp.zeros((1, lanes)))).count("length=6") == loops


def test_what_will_move_in_the_loop_moves_from_the_beginning():
    """Unchanged, with a derivative of zero to every input, of its own in each direction: else a loop is traced anew."""
    x = jnp.asarray([2.0, 3.0])

    def tied(x):
        return stiff._tied((jnp.ones(3), jnp.asarray([[jnp.nan]])), [x])

    def along(direction):
        return jax.jvp(tied, (x,), (direction,))

    (ones, unknown), moved = jax.vmap(along, out_axes=((None, None), (0, 0)))(jnp.eye(2))
    np.testing.assert_array_equal(ones, np.ones(3))
    assert np.isnan(unknown).all()
    for a, shape in zip(moved, ((2, 3), (2, 1, 1)), strict=True):
        np.testing.assert_array_equal(a, np.zeros(shape))
    # Once of the inputs, once of their derivatives.
    count = str(jax.make_jaxpr(lambda d: jax.jvp(tied, (x,), (d,))[1])(x)).count("select_n")
    assert count == 2


def test_what_will_move_is_mapped_where_an_input_is():
    """Else the rule, which is mapped after the function, has a derivative of another shape."""
    mapped = jax.jit(jax.vmap(lambda x: 2 * stiff._tied((jnp.ones(3),), [x])[0]))
    value, moved = jax.jvp(mapped, (jnp.ones(2),), (jnp.ones(2),))
    np.testing.assert_array_equal(value, np.full((2, 3), 2.0))
    np.testing.assert_array_equal(moved, np.zeros((2, 3)))
