"""A volatile switch in series with a memory: plasticity by timing from the relaxation of the switch."""

from neurojax.circuit import Circuit
from neurojax.synapses.spikes import square_spike
from neurojax.synapses.synapse import Synapse
from neurojax.waveform import Waveform
from physics.behavioural import Vteam
from physics.device import AbstractDevice
from physics.volatile import AndThreshold

BIOLOGICAL_MS = 1e-5
"""What stands for a millisecond of biology in the default `diffusive_synapse` (s)."""


def diffusive_synapse(
    volatile: AbstractDevice | None = None, cell: AbstractDevice | None = None, spike: Waveform | None = None
) -> Synapse:
    """A diffusive memristor in series with one that drifts, V = V_post - V_pre: V_cell = V G_diff/(G_diff + G_cell).

    post - volatile - mid - cell - pre. A spike is a high, short pulse and a low, longer one. The high one is too short
    to open the silver bridge of the switch, and the low one too low to write the cell, so that one spike changes
    nothing; but it leaves the bridge open. A second spike, while the bridge has not relaxed, drops its high pulse on
    the cell: it sets it after pre-post and resets it after post-pre. The spikes do not overlap; the window is
    W(dt) = f(V x(dt)), with the relaxation x(dt) of the bridge and the kinetics f of the cell.

    Z. Wang et al., Nat. Mater. 16, 101 (2017), 10.1038/nmat4756. The default is a design, 10 us standing for a
    millisecond. Its thirteen numbers below are a fit, by Levenberg-Marquardt and exact derivatives through the circuit
    (5 % of each change, 0.05 of each ratio, 0.05 % of the last), of sixteen published ones, met within 4.1 %, 0.014 and
    0.002 %:

        window       +0.777 % exp(-dt/16.8 ms), -0.273 % exp(dt/33.7 ms) at +-5, 10, 20, 40 ms: times of
                     G. Bi and M. Poo (2001), 10.1146/annurev.neuro.24.1.139, as in 10.1523/JNEUROSCI.1425-06.2006;
                     heights recalled, for the data of 10.1523/JNEUROSCI.18-24-10464.1998
        two spikes   1.898, 1.884, 1.844, 1.778, 1.654, 1.377, 1.147 times the charge after 10 to 1000 ms: U = 0.03,
                     530 ms, 130 ms of M. Tsodyks et al., Neural Comput. 10, 821 (1998), 10.1162/089976698300017502
        rate         no change at 10 Hz, five spikes each in turn

    The bridge relaxes slowly, and the cell is so steep (exponents of nearly 10, the bound of `Vteam`) that a part of
    its relaxation makes a window of 0.17 and 0.34 ms. For depression below the first response there is no number: what
    a burst has facilitated falls back to what two spikes have at the longer interval, and never below one.

    Args:
        volatile: switch, default `AndThreshold` with even thresholds. cell: memory, default `Vteam`, that is set by a
            negative voltage. spike: of both neurons.
    """
    spike = square_spike(4.0, 0.2 * BIOLOGICAL_MS, 0.5, 2 * BIOLOGICAL_MS) if spike is None else spike
    circuit = Circuit(
        pre=(spike, "pre", "gnd"),
        post=(spike, "post", "gnd"),
        volatile=(diffusive_switch() if volatile is None else volatile, "post", "mid"),
        cell=(diffusive_cell() if cell is None else cell, "pre", "mid"),
    )
    return Synapse(circuit, spike, spike)


def diffusive_switch() -> AndThreshold:
    """The switch of `diffusive_synapse`: thresholds of +-0.3 V, opens in some us, relaxes in some ms."""
    return AndThreshold().replace(
        v_th=0.3, v_th_neg=-0.3, v_hold=0.1, v_hold_neg=-0.1, tau_set=5.191e-6, tau_reset=4.6825e-3, a=0.20276,
        d_set=1.3272, d_reset=1.9663, r_on=4.9826e4, r_on_neg=4.4914e4,
    )  # fmt: skip


def diffusive_cell() -> Vteam:
    """The memory of `diffusive_synapse`, in the middle of 1 to 19 kohm to begin with."""
    return Vteam().replace(
        r_on=1e3, r_off=1.9e4, v_on=-0.5113, v_off=0.40302, a_on=9.9675, a_off=9.9121, k_on=-1.43287, k_off=2.3735e-5
    )
