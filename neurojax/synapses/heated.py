"""Plasticity by timing without overlap: the heat of one pulse is there when the next one writes."""

from neurojax.circuit import Circuit
from neurojax.synapses.synapse import Synapse
from neurojax.waveform import Waveform, pulse
from physics.second_order import SecondOrder


def second_order_synapse(cell: SecondOrder | None = None, spike: Waveform | None = None) -> Synapse:
    """A second-order memristor between two neurons that send identical square pulses: v = V_post - V_pre.

    Every pulse heats the cell and moves its ions, those of the postsynaptic neuron up and those of the presynaptic one
    down; the second of two finds the heat that the first has left, and moves more. So the sign of the change is that
    of the second pulse, and its size falls with the interval as the heat does: for little heat in proportion to
    exp(-dt/tau), for much heat faster, as exp[-(E_a/k_B)/T(dt)].

    S. Kim et al., Nano Lett. 15, 2203 (2015), 10.1021/acs.nanolett.5b00697. Pulses of 1.1 V for 20 ns are chosen, and
    the middle of the range to begin with, where pulses up and down are even.

    Args:
        cell: the memristor. spike: of both neurons.
    """
    device = SecondOrder().replace(w_init=0.5) if cell is None else cell
    spike = pulse(1.1, 2e-8, rise=2e-10, rest=2e-8) if spike is None else spike
    circuit = Circuit(pre=(spike, "pre", "gnd"), post=(spike, "post", "gnd"), cell=(device, "post", "pre"))
    return Synapse(circuit, spike, spike)
