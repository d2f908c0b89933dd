"""The neuron of an ovonic threshold switch, and the conditions and the frequency of its relaxation oscillation."""

import jax.numpy as jnp
from jaxtyping import Array, Float

from neurojax.circuit import Circuit
from neurojax.neurons.oscillator import relaxation_oscillator
from neurojax.waveform import Waveform
from physics.device import AbstractDevice
from physics.ovonic import Ovonic

Real = Float[Array, "..."]


def ovonic_neuron(
    v_in: float | Waveform = 3.0, *, r_l: float = 2e4, c: float = 1e-11, device: AbstractDevice | None = None
) -> Circuit:
    """An ovonic switch beside a capacitor behind a load: it fires at V_th, discharges, lets go at V_hold and again.

        C dV/dt = (V_in - V)/R_L - i(T, V)

    V1 from `in` to ground, R1 from `in` to `out`, C1 and M1 from `out` to ground, as in `relaxation_oscillator`. Which
    loads let it oscillate says `load_window`, how often `relaxation_frequency`. R_L C must be long beside the thermal
    time of the switch (1 ns by default), else it comes to rest on the falling branch.

    H. Lim et al., Nanomaterials (2016); M. Lee et al. (2019), as cited by the review (recalled). Values are chosen
    for our `Ovonic`.

    Args:
        v_in: supply or input (V). r_l: R_L (ohm). c: F. device: two terminals, default `Ovonic`.
    """
    return relaxation_oscillator(Ovonic() if device is None else device, v_in, r_l, c)


def load_window(
    v: Real | float, v_th: Real | float, v_hold: Real | float, r_off: Real | float, r_on: Real | float
) -> tuple[Real, Real]:
    """Least and largest load (ohm) with which a threshold switch oscillates.

    The load line must cross neither branch: (V - V_th)/R_L > V_th/R_off, else the open switch takes all of the current,
    and (V - V_h)/R_L < V_h/R_on, else the closed one never lets go.

    Args:
        v: supply (V). v_th, v_hold: V. r_off: of the open switch at v_th, r_on: of the closed one at v_hold (ohm).

    Returns:
        (low, high); there is no such load where low is not below high.
    """
    low = jnp.asarray(v - v_hold) * r_on / v_hold
    return low, jnp.asarray(v - v_th) * r_off / v_th


def relaxation_frequency(
    v: Real | float,
    r: Real | float,
    c: Real | float,
    v_th: Real | float,
    v_hold: Real | float,
    *,
    t_on: Real | float = 0.0,
    g_off: Real | float = 0.0,
) -> Real:
    """Frequency (Hz) of a relaxation oscillator with a threshold switch, 0 where its supply cannot reach V_th.

        f = 1/[R' C ln((V' - V_h)/(V' - V_th)) + t_on],  R' = R/(1 + R g_off),  V' = V/(1 + R g_off)

    R' and V' are what the capacitor sees of the supply with the leak of the open switch beside it; with g_off = 0 this
    is the formula of textbooks.

    Args:
        v: supply (V). r: load (ohm). c: F. v_th, v_hold: V. t_on: time of the discharge (s). g_off: leak (S).
    """
    share = 1 / (1 + jnp.asarray(r * g_off))
    left = v * share - v_th
    safe = jnp.where(left > 0, left, jnp.ones_like(left))
    period = r * share * c * jnp.log1p((v_th - v_hold) / safe) + t_on
    return jnp.where(left > 0, 1 / period, jnp.zeros_like(period))
