"""The simplest circuit that spikes: a threshold switch beside a capacitor behind a resistor."""

from neurojax._made import made
from neurojax.circuit import Circuit
from neurojax.waveform import Waveform
from physics.device import AbstractDevice
from physics.elements import Capacitor, Resistor


def relaxation_oscillator(device: AbstractDevice, v: float | Waveform, r: float, c: float) -> Circuit:
    """A threshold switch beside a capacitor behind a resistor: it fires where the load line crosses neither branch.

    For a switch that closes at V_th and opens at V_h, where (V - V_th)/R > V_th/R_off and (V - V_h)/R < V_h/R_on, the
    frequency is 1/[R C ln((V - V_h)/(V - V_th)) + t_on], but for currents through the open switch.

    Args:
        device: two terminals. v: supply (V). r: ohm. c: F.
    """
    return Circuit(
        V1=(v, "in", "gnd"),
        R1=(made(Resistor, r), "in", "out"),
        C1=(made(Capacitor, c), "out", "gnd"),
        M1=(device, "out", "gnd"),
    )
