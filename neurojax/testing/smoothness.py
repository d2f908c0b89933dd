"""Checks of derivatives: against differences, and no jumps along any coordinate."""

import jax
import jax.numpy as jnp
import numpy as np

from neurojax.testing.draws import KELVIN, OVERDRIVE, Draw, answer, draws, labels, words
from physics.device import AbstractDevice, Environment
from physics.quantity import parameters

_STEPS = np.geomspace(1e-2, 1e-9, 15)
_POINTS, _ROUNDS = 33, 9
_RATES = ("rate", "drift")


def derivatives(device: AbstractDevice, size: int, seed: int) -> str:
    """Forward-mode derivatives agree with central differences of the best of many step sizes.

    The direction moves every number by a random part of its range. An entry counts where rounding lets a
    difference tell its derivative at all.
    """
    drawn, names = draws(device, size, seed), labels(device)
    rng = np.random.default_rng(seed + 1)
    known, x = parameters(device), parameters(device.init(Environment()))
    reach = np.asarray(device.sweep.v_max, dtype=float) - np.asarray(device.sweep.v_min, dtype=float)

    def some(shape, scale=1.0):
        return jnp.asarray(rng.standard_normal(shape) * scale)

    values = {
        n: some(size) * (drawn.values[n] if p.quantity.scale == "log" else p.bounds[1] - p.bounds[0])
        for n, p in known.items()
    }
    state = {n: some(size, p.bounds[1] - p.bounds[0]) for n, p in x.items()}
    moved = some(drawn.v.shape) * jnp.broadcast_to(jnp.asarray(reach), drawn.v.shape)
    along = Draw(values, state, moved, some(size, 100.0))
    # A hundredth of everything at once is a long way in a space of many dimensions.
    along = jax.tree.map(lambda a: 0.1 * a, along)

    @jax.jit
    @jax.vmap
    def compare(d, step):
        value, slope = jax.jvp(lambda e: answer(device, e), (d,), (step,))
        shifted = lambda h: answer(device, jax.tree.map(lambda a, b: a + h * b, d, step))  # noqa: E731
        pairs = jax.lax.map(lambda h: jnp.stack([shifted(h), shifted(-h)]), jnp.asarray(_STEPS))
        return value, slope, (pairs[:, 0] - pairs[:, 1]) / (2 * jnp.asarray(_STEPS)[:, None])

    value, slope, quotients = (np.asarray(a) for a in compare(drawn, along))
    # What rounding leaves of a difference at each step size, against the derivative that it should tell.
    noise = 1e-13 * np.abs(value)[:, None] / _STEPS[None, :, None]
    gap = np.abs(quotients - slope[:, None]) - noise
    scale = np.maximum(np.abs(slope), 1e-6 * np.median(np.abs(slope), axis=0))
    told = noise < 1e-5 * scale[:, None]
    worst = np.min(np.where(told, gap / np.maximum(scale, 1e-300)[:, None], np.inf), axis=1)
    bad = np.argwhere((worst > 1e-4) & np.isfinite(worst))
    if not bad.size:
        return ""
    k, j = bad[0]
    best = quotients[k, np.argmin(np.abs(quotients[k, :, j] - slope[k, j])), j]
    return f"the derivative of {names[j]} is {slope[k, j]:.6g}, differences say {best:.6g}, at {words(drawn, k)}"


def continuous(device: AbstractDevice, size: int, seed: int) -> str:
    """No jump of a rate or current along any voltage, state or temperature.

    An interval is closed in on the steepest place until nothing but a jump can be left of it. Rates slower than
    a thousandth of the usual sweep count as zero, as do 1e-8 of the largest rate and 1e-5 of the largest current.
    """
    names = labels(device)
    least = np.asarray([1e-3 / device.sweep.period if n.startswith(_RATES) else 1e-30 for n in names])
    share = np.asarray([1e-8 if n.startswith(_RATES) else 1e-5 for n in names])
    for label, drawn, low, high, put in _lines(device, size, seed):

        @jax.jit
        @jax.vmap
        def along(d, s, low, high, put=put):
            return jax.vmap(lambda u: answer(device, put(d, low + u * (high - low))))(s)

        left, right, rows = np.zeros(size), np.ones(size), np.arange(size)
        before = last = np.zeros(size)
        floor, column = None, np.zeros(size, int)
        for _ in range(_ROUNDS):
            s = left[:, None] + (right - left)[:, None] * np.linspace(0, 1, _POINTS)
            values = np.asarray(along(drawn, jnp.asarray(s), low, high))
            if floor is None:
                floor = np.maximum(share * np.abs(values).max(axis=1), least)[:, None]
            steps = np.abs(np.diff(np.arcsinh(values / floor), axis=1)).reshape(size, -1)
            at, column = np.divmod(steps.argmax(axis=1), len(names))
            before, last = last, steps.max(axis=1)
            left, right = s[rows, at], s[rows, at + 1]
        # A slope, however steep, shrinks with its interval; a jump stays.
        bad = np.flatnonzero((last > 1e-3) & (last > 0.5 * before))
        if bad.size:
            k = bad[0]
            where = float(low[k] + left[k] * (high[k] - low[k]))
            return f"{names[column[k]]} jumps where {label} = {where:.6g}, at {words(drawn, k)}"
    return ""


def _lines(device: AbstractDevice, size: int, seed: int):
    """Straight lines through random draws, one coordinate after the other: label, draws, ends, and how to move."""
    drawn = draws(device, size, seed)
    for port in range(int(np.prod(device.port_shape, dtype=int))):
        ends = (
            np.ravel(np.asarray(e, dtype=float))[port] * OVERDRIVE for e in (device.sweep.v_min, device.sweep.v_max)
        )
        low, high = (jnp.full(size, e) for e in ends)

        def put_v(d, u, port=port):
            return d._replace(v=u if d.v.ndim == 0 else d.v.at[port].set(u))

        yield ("v" if not device.port_shape else f"v[{port}]"), drawn, low, high, put_v
    for name, p in parameters(device.init(Environment())).items():

        def put_x(d, u, name=name):
            return d._replace(state=d.state | {name: u})

        # Not to the very end: a Nernst potential diverges there.
        inset = 1e-7 * (p.bounds[1] - p.bounds[0])
        yield name, drawn, jnp.full(size, p.bounds[0] + inset), jnp.full(size, p.bounds[1] - inset), put_x
    low, high = (jnp.full(size, t) for t in KELVIN)
    yield "T", drawn, low, high, lambda d, u: d._replace(kelvin=u)
