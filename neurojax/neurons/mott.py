"""The neuristor of Pickett: two Mott memristors in the place of the sodium and the potassium channel."""

from neurojax._made import made
from neurojax.circuit import Circuit
from neurojax.waveform import Waveform, pulse
from physics.elements import Capacitor, Resistor
from physics.mott import NbO2Mott


def mott_neuristor(
    v_in: Waveform | None = None,
    *,
    v_dc: float = 1.45,
    r: tuple[float, float] = (1.2e4, 1.2e4),
    c: tuple[float, float] = (1e-9, 5e-11),
    device: NbO2Mott | None = None,
) -> Circuit:
    """Two Mott memristors as the sodium and the potassium channel of an axon.

    in - R1 - na - R2 - out: at `na` C1 and M1 to -v_dc, at `out` C2 and M2 to +v_dc. Both rest just below their
    threshold. An input that lifts `na` switches M1, which pulls `na` to the negative supply, and with it `out`; so M2
    switches and lifts `out` beyond the input, until both capacitors are discharged to the voltage of hold and the
    metal is gone. Spikes are all-or-none, larger than their input, with a refractory time; from some v_dc on there
    are spikes without input.

    M. D. Pickett, G. Medeiros-Ribeiro and R. S. Williams, Nat. Mater. 12, 114 (2013), 10.1038/nmat3510. Values are
    chosen for our `NbO2Mott` (threshold 1.67 V, hold 0.75 V), not those of the paper.

    Args:
        v_in: input (V), default a pulse of 0.6 V for 20 us. v_dc: V. r, c: first and second (ohm, F). device: both.
    """
    m = NbO2Mott() if device is None else device
    return Circuit(
        Vin=(pulse(0.6, 20e-6, rise=1e-8, rest=40e-6) if v_in is None else v_in, "in", "gnd"),
        R1=(made(Resistor, r[0]), "in", "na"),
        C1=(made(Capacitor, c[0]), "na", "gnd"),
        M1=(m, "na", "minus"),
        E1=(-v_dc, "minus", "gnd"),
        R2=(made(Resistor, r[1]), "na", "out"),
        C2=(made(Capacitor, c[1]), "out", "gnd"),
        M2=(m, "out", "plus"),
        E2=(v_dc, "plus", "gnd"),
    )
