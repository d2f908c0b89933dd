"""Crossbars with real wires: exact node voltages, exact derivatives, cells that may be any device."""

from neurojax.crossbar.array import Crossbar as Crossbar
from neurojax.crossbar.cells import AbstractCells as AbstractCells
from neurojax.crossbar.cells import Devices as Devices
from neurojax.crossbar.cells import Resistors as Resistors
from neurojax.crossbar.cells import devices as devices
from neurojax.crossbar.reading import Reading as Reading
from neurojax.crossbar.wires import Wires as Wires
