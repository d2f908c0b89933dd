"""Memories behind an access device: a transistor (1T1R) or a selector (1S1R)."""

from neurojax._made import made
from neurojax.circuit import Circuit
from neurojax.synapses.spikes import square_spike
from neurojax.synapses.synapse import Synapse
from neurojax.waveform import Waveform
from physics.device import AbstractDevice
from physics.elements import Mosfet
from physics.gap import GapRram
from physics.switches import Selector


def one_transistor_synapse(
    cell: AbstractDevice | None = None,
    transistor: Mosfet | None = None,
    pre: Waveform | None = None,
    post: Waveform | None = None,
) -> Synapse:
    """1T1R: the presynaptic neuron opens the gate, the postsynaptic one pulses the cell up and then down.

    post - cell - mid - transistor (gate at pre) - ground. While the gate is open, for T after a presynaptic spike,
    the first part of a postsynaptic spike sets the cell; its second part, of the other sign, comes T later and resets
    it if the gate has opened in between. So 0 < dt < T is potentiation and -T < dt < 0 depression; the channel is the
    compliance, and the voltage of the gate decides how far a SET goes.

    S. Ambrogio et al., IEEE Trans. Electron Devices 63, 1508 (2016), 10.1109/TED.2016.2526647. Values are chosen:
    T = 100 us, parts of 5 us of +2.2 V and -1.9 V, a gate of 3.5 V, a wide channel (10 mA/V2) with a threshold of
    1.8 V, so that it stays closed where its drain is negative, and a gap that is half open to begin with.

    Args:
        cell: two terminals. transistor: access. pre: at the gate. post: at the cell.
    """
    pre = square_spike(3.5, 1e-4) if pre is None else pre
    post = _up_and_down(2.2, -1.9, 5e-6, 1e-4) if post is None else post
    access = Mosfet().replace(v_t=1.8, beta=1e-2) if transistor is None else transistor
    circuit = Circuit(
        pre=(pre, "gate", "gnd"),
        post=(post, "bit", "gnd"),
        cell=(_half_open() if cell is None else cell, "bit", "mid"),
        access=(access, "gate", "mid", "gnd"),
    )
    return Synapse(circuit, pre, post)


def one_selector_synapse(
    cell: AbstractDevice | None = None, selector: Selector | None = None, spike: Waveform | None = None
) -> Synapse:
    """1S1R: both neurons send half of the voltage, and only where both halves meet do selector and cell get it all.

    post - selector - mid - cell - pre. A spike is V/2 for a short time and then -V/2 for T. The beginning of the later
    one meets the rest of the earlier one, V_post - V_pre = V for 0 < dt < T and -V for -T < dt < 0. One spike alone,
    V/2, drops on the selector, which carries exp(-V/2 v_0) of the current.

    Y. Deng et al., IEEE Trans. Electron Devices 60, 719 (2013), 10.1109/TED.2012.2231683 (selectors in arrays). Values
    are chosen: V = 3.4 V, 5 us, T = 100 us, and a gap that is half open to begin with.

    Args:
        cell: two terminals. selector: in series. spike: of both neurons.
    """
    spike = square_spike(1.7, 5e-6, -1.7, 1e-4) if spike is None else spike
    circuit = Circuit(
        pre=(spike, "pre", "gnd"),
        post=(spike, "post", "gnd"),
        selector=(made(Selector, 1e-11) if selector is None else selector, "post", "mid"),
        cell=(_half_open() if cell is None else cell, "mid", "pre"),
    )
    return Synapse(circuit, spike, spike)


def _half_open() -> GapRram:
    return GapRram().replace(x_init=0.5)


def _up_and_down(up: float, down: float, width: float, delay: float) -> Waveform:
    """Pulses of `up` at 0 and `down` at `delay`."""
    edge = 0.01 * width
    first = [0.0, edge, edge + width, 2 * edge + width]
    return Waveform([*first, *(delay + t for t in first)], [0.0, up, up, 0.0, 0.0, down, down, 0.0])
