"""Crossbars with real wires: exact node voltages, exact derivatives, cells that may be any device."""

from neurojax.crossbar.array import Crossbar as Crossbar
from neurojax.crossbar.cells import AbstractCells as AbstractCells
from neurojax.crossbar.cells import Defective as Defective
from neurojax.crossbar.cells import Devices as Devices
from neurojax.crossbar.cells import Resistors as Resistors
from neurojax.crossbar.cells import devices as devices
from neurojax.crossbar.pairs import DifferentialCrossbar as DifferentialCrossbar
from neurojax.crossbar.plots import heat_map as heat_map
from neurojax.crossbar.plots import output_errors as output_errors
from neurojax.crossbar.reading import Reading as Reading
from neurojax.crossbar.schemes import read_cell as read_cell
from neurojax.crossbar.schemes import read_margin as read_margin
from neurojax.crossbar.schemes import select as select
from neurojax.crossbar.schemes import sneak_current as sneak_current
from neurojax.crossbar.schemes import worst_pattern as worst_pattern
from neurojax.crossbar.wires import Wires as Wires
