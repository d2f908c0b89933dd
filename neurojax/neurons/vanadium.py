"""The thermal neuristor: a film of vanadium dioxide under a current, with its read-out."""

from neurojax._made import made
from neurojax._sources import CurrentSource
from neurojax.circuit import Circuit
from neurojax.waveform import Waveform
from physics.device import AbstractDevice
from physics.elements import Capacitor, Resistor
from physics.vanadium import VO2


def vanadium_oscillator(
    i_in: float | Waveform = 3e-4,
    *,
    c: float = 4.5e-12,
    r_read: float = 1e6,
    c_read: float = 1.4e-14,
    device: AbstractDevice | None = None,
) -> Circuit:
    """A vanadium dioxide film under a current beside the capacitance of its leads: metal, insulator, metal.

        C dV/dt = I - i(T, V),  R_r C_r dV_r/dt = V - V_r

    Iin into `out`, C1 and M1 from there to ground; Rr from `out` to `read`, Cr from there to ground, a read-out that is
    slow and takes no current. The film oscillates while I is between that at which it gets hot enough and that at which
    it stays metallic.

    Data: github.com/gabebere/single-neuristor (films of Y. Kalcheim's group, Technion; 314.4 K, give
    env=Environment(temperature=...)). C is that of `VO2.film`. The 14 ns of the read-out are chosen for the settled
    swing of the trace at 233 uA, 97 mV, as the data do not tell the bandwidth of their amplifier; the first overshoot
    behind it is then 8 % low, and 21 ns late. That is in the clock of the data: their voltage is I R from the first
    nanosecond on, which leaves less than 0.5 pF, while 4.5 pF take 12 ns; with the current 20 ns earlier the overshoot
    comes within 2 ns. The swing of the film itself, 330 mV, is not: metallic as one piece it has 18 ohm, where no less
    than 0.79 kohm are measured, and from 0.34 to 0.91 mA a mean of 0.18 V, so the metal is a channel that widens with
    the current.

    Args:
        i_in: current (A). c: F. r_read, c_read: of the read-out (ohm, F). device: default `VO2.film()`.
    """
    return Circuit(
        Iin=(CurrentSource(i_in), "gnd", "out"),
        C1=(made(Capacitor, c), "out", "gnd"),
        M1=(VO2.film() if device is None else device, "out", "gnd"),
        Rr=(made(Resistor, r_read), "out", "read"),
        Cr=(made(Capacitor, c_read), "read", "gnd"),
    )
