"""The one interface: what a device IS.

    dx/dt = rate(x, v, env),        i = current(x, v, env)

A device is an immutable module whose fields are its parameters (SI units, declared by `quantity`).
`v` holds the voltages of the ports, each taken from one terminal to the LAST one, which is the
reference; `i` holds the currents INTO those terminals. Both are scalars for two terminals and have
shape (2,) for three. Time is not an argument: it belongs to the waveform. Light, field and ambient
temperature live in `env`. What else a device can do (store charge, fluctuate, jump) is a capability,
an abstract class to inherit from. Concrete classes are final: to tweak one, wrap it.

To add a device: subclass `AbstractDevice`, in your own notebook if you like, and run
`neurojax.testing.check_device` on it. The numbers are explained in `quantity.py`.
"""

import abc
from collections.abc import Container
from typing import Any, ClassVar, NamedTuple, TypeGuard, TypeVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jaxtyping import Array, Float

from physics.quantity import Parameter, parameters, quantity, suggest, with_values

Volts = Float[Array, "*ports"]
Amps = Float[Array, "*ports"]
Real = Float[Array, ""]
X = Any
"""The state: a module of order-one numbers declared by `state_variable`, or `()`."""


D = TypeVar("D", bound="AbstractDevice")


class Environment(eqx.Module):
    """What surrounds a device: the ambient temperature."""

    temperature: Float[Array, "..."] = quantity(
        300.0, "K", (100.0, 600.0), doc="ambient temperature", source="room temperature", free=False
    )


class Sweep(NamedTuple):
    """The measurement on which a device is usually seen: a triangle 0, v_max, v_min, 0 per period.

    For three terminals `v_max` and `v_min` are tuples, one voltage a port.
    """

    v_max: float | tuple[float, ...]
    v_min: float | tuple[float, ...]
    period: float


class AbstractDevice(eqx.Module):
    """dx/dt = rate(x, v, env), i = current(x, v, env). The fields are the parameters (SI)."""

    terminals: eqx.AbstractClassVar[tuple[str, ...]]
    """Names of the terminals; the last one is the reference."""
    sweep: eqx.AbstractClassVar[Sweep]
    """The usual measurement, used by checks, demos and defaults."""
    family: ClassVar[str] = "user"
    doi: ClassVar[str] = ""
    ordered: ClassVar[tuple[tuple[str, str], ...]] = ()
    """Pairs of parameters of which the first is below the second."""
    stores_energy: ClassVar[bool] = False
    """True for batteries and the like: exempt from passivity and from i(v = 0) = 0."""

    def __check_init__(self) -> None:
        # Bounds are those of `replace` and of fits: limits beyond them, a wall of no width, may be constructed.
        check_values(self)

    @abc.abstractmethod
    def init(self, env: Environment) -> X:
        """The default state (pristine, or equilibrium in `env`); pure and differentiable."""

    @abc.abstractmethod
    def rate(self, x: X, v: Volts, env: Environment) -> X:
        """dx/dt in 1/s, of the structure of `x`."""

    @abc.abstractmethod
    def current(self, x: X, v: Volts, env: Environment) -> Amps:
        """Current into each port terminal (A)."""

    @property
    def port_shape(self) -> tuple[int, ...]:
        """Shape of a voltage or current: () for two terminals, (n,) for n + 1."""
        ports = len(self.terminals) - 1
        return () if ports == 1 else (ports,)

    def power(self, x: X, v: Volts, env: Environment) -> Real:
        """Electrical power taken up (W)."""
        return jnp.sum(v * self.current(x, v, env))

    def conductance(self, x: X, v: Volts, env: Environment) -> Array:
        """Small-signal conductance di/dv (S); a matrix for more than one port."""
        return jax.jacfwd(self.current, 1)(x, v, env)

    def parameters(self) -> dict[str, Parameter]:
        """Name, value, unit, bounds, scale, sentence and source of every parameter."""
        return parameters(self)

    def replace(self: D, **values: Any) -> D:
        """A copy with some parameters changed to `values` (SI; arrays make a population), names and bounds checked.

        Raises:
            KeyError: unknown name (the message suggests the closest).
            ValueError: a value that is not finite or outside its bounds, or a pair of `ordered` that is not.
        """
        known = parameters(self)
        for name in values:
            if name not in known:
                raise KeyError(f"{type(self).__name__} has no parameter {name!r}.{suggest(name, tuple(known))}")
        changed = with_values(self, values)
        _check_order(changed, values)
        for name, value in values.items():
            _check_bounds(self, known[name], value)
        return changed

    def __repr__(self) -> str:
        return _table(self)


def _check_bounds(device: AbstractDevice, known: Parameter, value: Any) -> None:
    if isinstance(value, Tracer) or known.contains(value):
        return
    lo, hi = known.bounds
    raise ValueError(
        f"{type(device).__name__}.{known.name} = {value} {known.unit} is outside [{lo:g}, {hi:g}] {known.unit}. Values "
        "are in SI units; check the prefix."
    )


def check_values(model: Any) -> None:
    """Refuse what nobody can mean, whatever the bounds: no number, the other sign of what is counted in decades, and
    pairs of `ordered` that are not.

    Raises:
        ValueError: with the name and the value.
    """
    for name, p in parameters(model).items():
        if isinstance(p.value, Tracer):
            continue
        value, (lo, hi) = np.asarray(p.value), p.bounds
        told = f"{type(model).__name__}.{name} = {p.value} {p.unit}"
        if np.isnan(value).any():
            raise ValueError(f"{told} is not a number.")
        if p.quantity.scale == "log" and lo * hi > 0 and np.any(np.sign(lo) * value < 0):
            raise ValueError(f"{told} must be {'positive' if lo > 0 else 'negative'}: it is within [{lo:g}, {hi:g}].")
    _check_order(model)


def _check_order(device: Any, names: Container[str] | None = None) -> None:
    """Of all pairs, or of those in which one of `names` is: a fit may have left another one in disorder."""
    for below, above in device.ordered:
        if names is not None and below not in names and above not in names:
            continue
        low, high = getattr(device, below), getattr(device, above)
        if isinstance(low, Tracer) or isinstance(high, Tracer):
            continue
        # Populations of two sizes, and what is not a number, are told of elsewhere.
        one_size = low.ndim == 0 or high.ndim == 0 or low.shape == high.shape
        if not one_size or not bool(np.any(np.asarray(low) >= np.asarray(high))):
            continue
        unit = parameters(device)[below].unit
        raise ValueError(
            f"{type(device).__name__}: {below} = {low} must be below {above} = {high} ({unit}). Are the two exchanged? "
            "Give both where both change."
        )


class AbstractReactive(AbstractDevice):
    """Stores charge: the total current is `current` + d/dt `charge`."""

    @property
    def charged(self) -> bool:
        """Whether there is any: what wraps another device has it only where that one does, see `stores_charge`."""
        return True

    @abc.abstractmethod
    def charge(self, x: X, v: Volts, env: Environment) -> Float[Array, "*ports"]:
        """Charge on each port terminal (C)."""


def stores_charge(device: AbstractDevice) -> TypeGuard[AbstractReactive]:
    """Whether a device has a charge that is to be added to its current."""
    return isinstance(device, AbstractReactive) and device.charged


class AbstractStateless(AbstractDevice):
    """Remembers nothing: current and charge follow from the voltages of the moment."""

    def init(self, env: Environment) -> tuple[()]:
        """No state, whatever `env`."""
        del env
        return ()

    def rate(self, x: X, v: Volts, env: Environment) -> tuple[()]:
        """Of no state; no use of `x`, `v` and `env`."""
        del x, v, env
        return ()


class AbstractLangevin(AbstractDevice):
    """Fluctuates. One path is dx = drift dt + diffusion dW (Ito); `rate` is the mean of many.

    The noise of each state variable is its own unless a device overrides `kick`: there it may mix them, as a field
    that turns a vector does. Then `diffusion` is the size of what each variable gets, and `drift` still that of Ito.

    Where the noise only spreads the paths about their mean, both are the same and `rate` is all that there is to
    write. Where it carries them over barriers, a path without noise stays in its well for ever and is no mean of
    anything: then `rate` is the mean motion, smooth enough to fit, and `drift` the force of the well.
    """

    def drift(self, x: X, v: Volts, env: Environment) -> X:
        """Drift of one path, 1/s, of the structure of `x`; that of the mean unless a device says otherwise."""
        return self.rate(x, v, env)

    @abc.abstractmethod
    def diffusion(self, x: X, v: Volts, env: Environment) -> X:
        """Noise amplitude of each state variable, 1/sqrt(s)."""

    def kick(self, x: X, v: Volts, noise: X, env: Environment) -> X:
        """What independent standard normal numbers, of the structure of `x`, add to the state, 1/sqrt(s).

        A path moves by sqrt(dt) times it. Linear in `noise`, with the covariance of the noise at `x`; its structure is
        that of `x`. By default `diffusion` times `noise`, each variable for itself.
        """
        return jax.tree.map(jnp.multiply, self.diffusion(x, v, env), noise)

    @abc.abstractmethod
    def time_step(self, env: Environment) -> Real:
        """Largest step (s) at which a fixed-step scheme resolves the drift."""


class AbstractAgitated(AbstractDevice):
    """Dissipates, so that heat agitates it: white noise, which circuits add where they are asked for it.

    At rest the theorem of Nyquist fixes it, 2 k_B T Re(Y) on either side of zero frequency (H. Nyquist, Phys. Rev. 32,
    110 (1928), 10.1103/PhysRev.32.110), so that a capacitor beside it has <v^2> = k_B T/C.
    """

    @abc.abstractmethod
    def agitation(self, x: X, v: Volts, env: Environment) -> tuple[X, Amps]:
        """Amplitudes of independent white noise in the states, 1/sqrt(s), and in the currents, A sqrt(s).

        Those of currents are sqrt(S/2) of a one-sided density S (A2/Hz): the charge that passes in dt is that times dW.
        """


class AbstractNoisyCurrent(AbstractDevice):
    """Has read noise that is not part of the state."""

    @abc.abstractmethod
    def current_psd(self, x: X, v: Volts, f: Real, env: Environment) -> Real:
        """Spectral density of the current (A2/Hz) at frequency `f` (Hz)."""


def _number(value: Any) -> str:
    if isinstance(value, Tracer) or not hasattr(value, "shape"):
        return str(getattr(value, "aval", value))
    array = np.asarray(value)
    if array.ndim == 0:
        return f"{float(array):.6g}"
    return f"{array.min():.4g} .. {array.max():.4g} {list(array.shape)}"


def _table(device: AbstractDevice) -> str:
    """`repr`: one line a parameter, with value, unit, bounds and meaning."""
    rows = [
        (
            p.name,
            _number(p.value),
            p.unit if p.unit != "1" else "",
            f"[{p.bounds[0]:.4g}, {p.bounds[1]:.4g}]",
            p.quantity.doc,
        )
        for p in parameters(device).values()
    ]
    head = f"{type(device).__name__}({', '.join(device.terminals)}), {device.family}"
    if not rows:
        return head
    widths = [max(len(row[k]) for row in rows) for k in range(4)]
    lines = [
        f"  {r[0]:<{widths[0]}}  {r[1]:>{widths[1]}} {r[2]:<{widths[2]}}  {r[3]:<{widths[3]}}  {r[4]}".rstrip()
        for r in rows
    ]
    return "\n".join([head, *lines])
