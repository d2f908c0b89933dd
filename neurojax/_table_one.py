"""Table 1 of the review: what the devices of each family need and reach. `_beside.py` measures ours against it.

    Tang et al., Adv. Mater. 2019, 10.1002/adma.201902761, Table 1: energy of a switch, on/off ratio, number of states

Our copy of the table has these three columns: no times of switching, no retention, no endurance.
"""

import dataclasses
import math
from typing import NamedTuple


@dataclasses.dataclass(frozen=True)
class Range:
    """From `least` to `most`, both included; open where Table 1 is."""

    least: float = 0.0
    most: float = math.inf

    def __contains__(self, value: float) -> bool:
        return self.least <= value <= self.most

    def __repr__(self) -> str:
        if self.least == self.most:
            return f"~{self.least:g}"
        if math.isinf(self.most):
            return f"> {self.least:g}" if self.least else ""
        return f"{self.least:g} to {self.most:g}" if self.least else f"< {self.most:g}"


class Published(NamedTuple):
    """A row of Table 1: energy (J), on/off and number of states; None where our copy of the table lacks the cell."""

    energy: Range | None
    on_off: Range | None
    states: Range | None


_RRAM = Published(Range(20e-15), Range(10.0, 100.0), Range(64.0, 500.0))
_CBRAM = Published(Range(100e-15), Range(10.0, 240.0), Range(100.0, 100.0))
TABLE_ONE = {
    # Of PCM our copy has two cells, "< 10^3" and "~20": read as on/off and states, by the order of the columns.
    "P1": Published(None, Range(most=1e3), Range(20.0, 20.0)),
    "P2": Published(Range(1e-12), Range(500.0), Range(2.0, 2.0)),
    "P3": _RRAM,
    "P4": _RRAM,
    "P5": _RRAM,
    "P6": _CBRAM,
    "P7": _CBRAM,
    "P8": Published(Range(100e-15), Range(45.0, 300.0), Range(32.0, 100.0)),
    "P9": Published(Range(10e-15), Range(2.0, 3.0), Range(2.0, 2.0)),
    "P10": Published(Range(10e-15), Range(2.0, 40.0), Range(50.0, 1000.0)),
    "P11": Published(Range(1e-15), Range(10.0, 100.0), Range(20.0, 100.0)),
}
"""By the number of the family; second-order memristors and interfaces are counted as RRAM, diffusive ones as CBRAM."""

WHY = {
    ("NbO2Mott", "energy"): "the enthalpy of a small channel of chosen size; no capacitor is discharged through it.",
    ("NbO2Mott", "on_off"): "the window is at most the ratio of the recalled resistivities, rho_i/rho_m.",
    ("VO2", "on_off"): "the metal ends at r_m, contacts included, in a fit of a measured switch.",
    ("SchottkyPcmo", "on_off"): "the whole window is exp(dphi/kT), and dphi is that of a fitted measurement.",
    ("SpinOscillator", "on_off"): "an oscillator: its mean resistance goes with the angle of an orbit.",
}
"""(device, figure) -> why it is outside, where no measurement tells."""
