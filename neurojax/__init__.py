"""Differentiable physics of neuromorphic devices: waveforms, simulation, fitting, reports.

`import neurojax as nj` beside `import physics`; see the README for the first loop.
"""

import physics as _physics

if not hasattr(_physics, "AbstractDevice"):
    raise ImportError(
        f"`import physics` found {getattr(_physics, '__file__', _physics)} instead of the package of neurojax-devices. "
        "A file or folder of yours named `physics` shadows it: rename it, or run from another folder."
    )

from neurojax import converters as converters
from neurojax import crossbar as crossbar
from neurojax import layers as layers
from neurojax import metrics as metrics
from neurojax import neurons as neurons
from neurojax import programming as programming
from neurojax import synapses as synapses
from neurojax._cable_record import CableRecord as CableRecord
from neurojax._circuit_spice import through_ngspice as through_ngspice
from neurojax._malloc import keep_memory as keep_memory
from neurojax._sources import DC as DC
from neurojax._sources import CurrentSource as CurrentSource
from neurojax._xla import loops_in_one_piece as _loops_in_one_piece
from neurojax.bijection import Box as Box
from neurojax.cable import Cable as Cable
from neurojax.cable import CableTree as CableTree
from neurojax.catalogue import describe as describe
from neurojax.catalogue import device_named as device_named
from neurojax.catalogue import devices as devices
from neurojax.circuit import Circuit as Circuit
from neurojax.circuit_record import CircuitRecord as CircuitRecord
from neurojax.compare import Ranking as Ranking
from neurojax.compare import compare as compare
from neurojax.crossbar import Crossbar as Crossbar
from neurojax.crossbar import Wires as Wires
from neurojax.csvfile import read_csv as read_csv
from neurojax.csvfile import read_ramps as read_ramps
from neurojax.cycles import cycles as cycles
from neurojax.datasheet import DataSheet as DataSheet
from neurojax.datasheet import characterise as characterise
from neurojax.devicefile import load_device as load_device
from neurojax.devicefile import save_device as save_device
from neurojax.errors import CircuitError as CircuitError
from neurojax.errors import DataError as DataError
from neurojax.errors import FitError as FitError
from neurojax.errors import NeurojaxError as NeurojaxError
from neurojax.errors import ProgrammingError as ProgrammingError
from neurojax.errors import SimulationError as SimulationError
from neurojax.export import export as export
from neurojax.export import to_spice as to_spice
from neurojax.export import to_verilog_a as to_verilog_a
from neurojax.families import families as families
from neurojax.fit import fit as fit
from neurojax.fitfile import load_fit as load_fit
from neurojax.fitresult import Estimate as Estimate
from neurojax.fitresult import Fit as Fit
from neurojax.instrument import Instrument as Instrument
from neurojax.profile import Profile as Profile
from neurojax.profile import profile as profile
from neurojax.pulses import PulseTrace as PulseTrace
from neurojax.ramps import Ramps as Ramps
from neurojax.ramps import fit_ramps as fit_ramps
from neurojax.reading import read_noise as read_noise
from neurojax.record import Record as Record
from neurojax.repeats import mean_ramp as mean_ramp
from neurojax.repeats import mean_repeats as mean_repeats
from neurojax.response import Response as Response
from neurojax.response import fit_response as fit_response
from neurojax.response import read_response as read_response
from neurojax.simulate import simulate as simulate
from neurojax.spikes import spike_times as spike_times
from neurojax.spread import Empirical as Empirical
from neurojax.spread import LogNormal as LogNormal
from neurojax.spread import Normal as Normal
from neurojax.spread import Uniform as Uniform
from neurojax.spread import population as population
from neurojax.spread import with_yield as with_yield
from neurojax.switching import switching_time as switching_time
from neurojax.trace import Trace as Trace
from neurojax.transient import transient as transient
from neurojax.verilog_import import import_verilog_a as import_verilog_a
from neurojax.waveform import Waveform as Waveform
from neurojax.waveform import constant as constant
from neurojax.waveform import ispp as ispp
from neurojax.waveform import pulse as pulse
from neurojax.waveform import pulse_train as pulse_train
from neurojax.waveform import pund as pund
from neurojax.waveform import rest as rest
from neurojax.waveform import sampled as sampled
from neurojax.waveform import staircase as staircase
from neurojax.waveform import triangle as triangle

_loops_in_one_piece()
