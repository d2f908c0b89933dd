"""Time courses of postsynaptic conductances: `psc_kernel`, `alpha_kernel`."""

from typing import Any

import jax.numpy as jnp
from jaxtyping import Array, Float

Real = Float[Array, "..."]


def psc_kernel(t: Any, tau_r: Any, tau_d: Any) -> Real:
    """Conductance after one release over its peak: N (exp(-t/tau_d) - exp(-t/tau_r)) for t > 0, with the peak one.

    What two volatile states in a row answer to a pulse, or a receptor that binds fast and lets go slowly.

    Args:
        t: time since the release (s). tau_r: of the rise, s. tau_d: of the decay, s; where both are equal the limit
            is `alpha_kernel`.
    """
    t, tau_r, tau_d = (jnp.asarray(a, jnp.result_type(float)) for a in (t, tau_r, tau_d))
    later = jnp.where(t > 0, t, jnp.zeros_like(t))
    return psc_norm(tau_r, tau_d) * (jnp.exp(-later / tau_d) - jnp.exp(-later / tau_r))


def psc_peak_time(tau_r: Any, tau_d: Any) -> Real:
    """When `psc_kernel` peaks: tau_r tau_d/(tau_d - tau_r) ln(tau_d/tau_r).

    Args:
        tau_r: of the rise, s. tau_d: of the decay, s, another one.
    """
    tau_r, tau_d = (jnp.asarray(a, jnp.result_type(float)) for a in (tau_r, tau_d))
    return tau_r * tau_d / (tau_d - tau_r) * jnp.log(tau_d / tau_r)


def psc_norm(tau_r: Any, tau_d: Any) -> Real:
    """The factor N of `psc_kernel`, that makes its peak one.

    Args:
        tau_r: of the rise, s. tau_d: of the decay, s, another one.
    """
    tau_r, tau_d = (jnp.asarray(a, jnp.result_type(float)) for a in (tau_r, tau_d))
    peak = psc_peak_time(tau_r, tau_d)
    return 1 / (jnp.exp(-peak / tau_d) - jnp.exp(-peak / tau_r))


def alpha_kernel(t: Any, tau: Any) -> Real:
    """Conductance after one release over its peak, with one time constant: (t/tau) exp(1 - t/tau) for t > 0.

    Args:
        t: time since the release (s). tau: s, also the time of the peak.
    """
    t, tau = (jnp.asarray(a, jnp.result_type(float)) for a in (t, tau))
    later = jnp.where(t > 0, t, jnp.zeros_like(t)) / tau
    return later * jnp.exp(1 - later)
