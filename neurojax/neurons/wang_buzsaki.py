"""The fast-spiking interneuron of Wang and Buzsaki: three variables, the sodium activation at its end."""

import equinox as eqx
from jaxtyping import Array, Float

from neurojax.neurons.neuron import AbstractExcitable, filled, known_scheme
from neurojax.neurons.surrogate import AbstractSurrogate, SuperSpike
from physics.membrane import linoid
from physics.quantity import Param, quantity
from physics.smooth import limexp

Real = Float[Array, "..."]
_WB = "10.1523/JNEUROSCI.16-20-06402.1996"


class WangBuzsaki(AbstractExcitable):
    """C V' = I - g_Na m_inf^3 h (V - E_Na) - g_K n^4 (V - E_K) - g_L (V - E_L), fast spiking.

    Gates x' = phi [alpha (1 - x) - beta x], m_inf = alpha_m/(alpha_m + beta_m); with V in mV, rates per ms and
    L(x) = x/(1 - exp(-x)):

        alpha_m = L((V + 35)/10)          beta_m = 4 exp(-(V + 60)/18)
        alpha_h = 0.07 exp(-(V + 58)/20)  beta_h = 1/(1 + exp(-(V + 28)/10))
        alpha_n = 0.1 L((V + 34)/10)      beta_n = 0.125 exp(-(V + 44)/80)

    X.-J. Wang and G. Buzsaki, J. Neurosci. 16, 6402 (1996), 10.1523/JNEUROSCI.16-20-06402.1996. The current is a
    density: 1e-2 A/m2 is the 1 uA/cm2 of the paper. Steps of "rk4" up to 0.05 ms, of "euler" up to 0.01 ms.
    """

    class State(eqx.Module):
        v: Real
        h: Real
        n: Real

    c: Param = quantity(1e-2, "F/m2", (1e-3, 0.1), scale="log", doc="C, capacitance", source=_WB)
    g_na: Param = quantity(350.0, "S/m2", (1.0, 1e4), scale="log", doc="of sodium", source=_WB)
    g_k: Param = quantity(90.0, "S/m2", (1.0, 1e4), scale="log", doc="of potassium", source=_WB)
    g_leak: Param = quantity(1.0, "S/m2", (1e-2, 100.0), scale="log", doc="leak", source=_WB)
    e_na: Param = quantity(55e-3, "V", (0.0, 0.1), doc="battery of sodium", source=_WB)
    e_k: Param = quantity(-90e-3, "V", (-0.12, 0.0), doc="battery of potassium", source=_WB)
    e_leak: Param = quantity(-65e-3, "V", (-0.1, 0.0), doc="battery of the leak", source=_WB)
    phi: Param = quantity(5.0, "1", (0.1, 50.0), scale="log", doc="speed of the gates", source=_WB)
    v_init: Param = quantity(-65e-3, "V", (-0.1, 0.0), doc="of the first gates", source="chosen", free=False)
    v_spike: Param = quantity(0.0, "V", (-0.05, 0.05), doc="level of a spike", source="chosen", free=False)
    v_span: Param = quantity(0.1, "V", (1e-3, 1.0), scale="log", doc="of the surrogate", source="chosen", free=False)
    surrogate: AbstractSurrogate = eqx.field(default_factory=SuperSpike)
    scheme: str = eqx.field(default="rk4", static=True, converter=known_scheme)

    def init(self, shape: tuple[int, ...] = ()) -> State:
        """v_init, the gates in balance with it."""
        v = filled(self.v_init, shape)
        a_h, b_h, a_n, b_n = _gate_rates(v)
        return self.State(v, a_h / (a_h + b_h), a_n / (a_n + b_n))

    def voltage(self, state: State) -> Real:
        """V (V) of a `state`."""
        return state.v

    def rate(self, state: State, current: Real) -> State:
        """V' (V/s), h' and n' (1/s) under a current (A/m2)."""
        v, h, n = state.v, state.h, state.n
        m = _activation(v)
        out = self.g_na * m * m * m * h * (v - self.e_na) + self.g_leak * (v - self.e_leak)
        out = out + self.g_k * n * n * n * n * (v - self.e_k)
        a_h, b_h, a_n, b_n = _gate_rates(v)
        gates = self.phi * (a_h - (a_h + b_h) * h), self.phi * (a_n - (a_n + b_n) * n)
        return self.State((current - out) / self.c, *gates)

    def excess(self, state: State) -> Real:
        """V - v_spike (V)."""
        return state.v - self.v_spike

    def span(self) -> Real:
        """v_span (V), chosen for the surrogate."""
        return self.v_span


def _activation(v: Real) -> Real:
    """m_inf."""
    a, b = linoid((v + 35e-3) / 10e-3), 4 * limexp(-(v + 60e-3) / 18e-3)
    return a / (a + b)


def _gate_rates(v: Real) -> tuple[Real, Real, Real, Real]:
    """alpha_h, beta_h, alpha_n, beta_n (1/s), without phi."""
    a_h = 70 * limexp(-(v + 58e-3) / 20e-3)
    b_h = 1e3 / (1 + limexp(-(v + 28e-3) / 10e-3))
    return a_h, b_h, 100 * linoid((v + 34e-3) / 10e-3), 125 * limexp(-(v + 44e-3) / 80e-3)
