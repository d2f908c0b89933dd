"""Plasticity by spikes that overlap in the voltage of one memristor."""

from neurojax.circuit import Circuit
from neurojax.synapses.spikes import exponential_spike
from neurojax.synapses.synapse import Synapse
from neurojax.waveform import Waveform
from physics.behavioural import Vteam
from physics.device import AbstractDevice

THRESHOLD = 0.5
"""Of the default cell, V, for both signs."""


def overlap_synapse(
    cell: AbstractDevice | None = None, pre: Waveform | None = None, post: Waveform | None = None, *, flip: bool = False
) -> Synapse:
    """One memristor between two neurons, that writes only where their spikes overlap: v = V_post - V_pre.

    Each spike is a short peak just below the threshold V_t of the cell, and a tail of the other sign. A peak alone
    writes nothing. A peak of the postsynaptic neuron on the tail of a presynaptic spike goes beyond the threshold by
    the height of that tail, dw ~ k (tail(dt)/V_t)^a for a cell with the exponent a: so the tail of the presynaptic
    spike is the window of potentiation and that of the postsynaptic spike the window of depression, and for
    exponential tails tau+ = tau_pre/a_on, tau- = tau_post/a_off.

    S. H. Jo et al., Nano Lett. 10, 1297 (2010), 10.1021/nl904092h; C. Zamarreno-Ramos et al., Front. Neurosci. 5, 26
    (2011), 10.3389/fnins.2011.00026. The default cell is `Vteam` with values that are chosen: thresholds of 0.5 V,
    a = 1. Its spikes peak at 99.5 % of the threshold for 1 ms, with tails of 17 ms and 34 ms that begin at half of it.

    Args:
        cell: two terminals. pre, post: shapes of spikes. flip: whether the cell becomes more conducting for a negative
            voltage between its terminals, as `Vteam` does; set for the default.
    """
    usual = cell is None
    device = overlap_cell() if cell is None else cell
    pre = exponential_spike(0.995 * THRESHOLD, 1e-3, -0.5 * THRESHOLD, 17e-3) if pre is None else pre
    post = exponential_spike(0.995 * THRESHOLD, 1e-3, -0.5 * THRESHOLD, 34e-3) if post is None else post
    nodes = ("pre", "post") if usual or flip else ("post", "pre")
    circuit = Circuit(pre=(pre, "pre", "gnd"), post=(post, "post", "gnd"), cell=(device, *nodes))
    return Synapse(circuit, pre, post)


def overlap_cell() -> Vteam:
    """The cell of `overlap_synapse`: thresholds of +-0.5 V, and a speed in proportion to the voltage beyond them."""
    return Vteam().replace(
        r_on=1e3, r_off=2e4, v_on=-THRESHOLD, v_off=THRESHOLD, a_on=1.0, a_off=1.0, k_on=-1e-8, k_off=1e-8, gate=2e-4
    )
