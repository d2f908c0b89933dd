"""Bringing cells to conductances by real pulses, and keeping them there.

    table = nj.programming.pulse_map(physics.Yakopcic(), (-0.45, 0.45), 1e-4)     one pulse, tabulated with its error
    record = nj.programming.write_verify(table, x, target, up=..., down=..., scheme=nj.programming.half_voltage)

Open loop by the same table (`pulses_to`, `amplitude_to`), pulses and targets found by gradients (`programme_train`,
`programme_for_horizon`), whole arrays in parallel (`pulse_counts`), drift and what undoes it, stuck cells.
"""

from neurojax.programming.build import pulse_map as pulse_map
from neurojax.programming.cells import Cells as Cells
from neurojax.programming.cells import DeviceCells as DeviceCells
from neurojax.programming.cells import device_cells as device_cells
from neurojax.programming.curve import Curve as Curve
from neurojax.programming.curve import Surface as Surface
from neurojax.programming.drift import DriftCompensation as DriftCompensation
from neurojax.programming.drift import over_time as over_time
from neurojax.programming.drift import power_law as power_law
from neurojax.programming.faults import StuckCells as StuckCells
from neurojax.programming.faults import stuck_cells as stuck_cells
from neurojax.programming.lookup import amplitude_to as amplitude_to
from neurojax.programming.lookup import pulses_to as pulses_to
from neurojax.programming.lookup import symmetric_point as symmetric_point
from neurojax.programming.pulse_map import PulseMap as PulseMap
from neurojax.programming.schemes import WithDrop as WithDrop
from neurojax.programming.schemes import half_voltage as half_voltage
from neurojax.programming.schemes import isolated as isolated
from neurojax.programming.schemes import third_voltage as third_voltage
from neurojax.programming.stochastic import coincidences as coincidences
from neurojax.programming.stochastic import even_bits as even_bits
from neurojax.programming.stochastic import map_update as map_update
from neurojax.programming.stochastic import outer_update as outer_update
from neurojax.programming.stochastic import overlap_update as overlap_update
from neurojax.programming.stochastic import pulse_counts as pulse_counts
from neurojax.programming.stochastic import pulsed_update as pulsed_update
from neurojax.programming.stochastic import stochastic_bits as stochastic_bits
from neurojax.programming.targets import Horizon as Horizon
from neurojax.programming.targets import HorizonObjective as HorizonObjective
from neurojax.programming.targets import PairMapping as PairMapping
from neurojax.programming.targets import horizon_objective as horizon_objective
from neurojax.programming.targets import programme_for_horizon as programme_for_horizon
from neurojax.programming.trains import Train as Train
from neurojax.programming.trains import programme_train as programme_train
from neurojax.programming.trains import train_waveform as train_waveform
from neurojax.programming.write_verify import Programmed as Programmed
from neurojax.programming.write_verify import Ramp as Ramp
from neurojax.programming.write_verify import write_verify as write_verify
