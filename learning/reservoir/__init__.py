"""Reservoirs made of volatile devices: what fades computes, only a linear readout learns.

    frames = fast_frames(physics.Wox(), 1e-3, rest=1e-3, volts=(0.0, 1.4))        one sample, as the device takes it
    reservoir = node_reservoir(frames, 40, gain=0.4, offset=0.8, key=key)         one device, 40 virtual nodes
    taught = reservoir.fit(u, y, washout=100)
    print(learning.metrics.nmse(taught.predict(u_test), y_test))

Frames (`frames.py`) are devices, reservoirs (`node.py`, `network.py`) what is built of them, `baselines.py` what they
have to beat, `patterns.py` images as trains of pulses.
"""

from learning.reservoir.baselines import EchoState as EchoState
from learning.reservoir.baselines import LinearLags as LinearLags
from learning.reservoir.baselines import echo_state as echo_state
from learning.reservoir.exponential import ExponentialFrames as ExponentialFrames
from learning.reservoir.exponential import fast_frames as fast_frames
from learning.reservoir.exponential import frame_error as frame_error
from learning.reservoir.frames import AbstractFrames as AbstractFrames
from learning.reservoir.frames import Devices as Devices
from learning.reservoir.frames import ExactFrames as ExactFrames
from learning.reservoir.frames import exact_frames as exact_frames
from learning.reservoir.masked import LeakyCell as LeakyCell
from learning.reservoir.masked import MaskedMemristor as MaskedMemristor
from learning.reservoir.network import NetworkReservoir as NetworkReservoir
from learning.reservoir.network import network_reservoir as network_reservoir
from learning.reservoir.node import JoinedReservoir as JoinedReservoir
from learning.reservoir.node import NodeReservoir as NodeReservoir
from learning.reservoir.node import ParallelReservoir as ParallelReservoir
from learning.reservoir.node import drive_for as drive_for
from learning.reservoir.node import node_reservoir as node_reservoir
from learning.reservoir.node import parallel_reservoir as parallel_reservoir
from learning.reservoir.oscillator import OscillatorFrames as OscillatorFrames
from learning.reservoir.oscillator import oscillator_frames as oscillator_frames
from learning.reservoir.patterns import accuracy as accuracy
from learning.reservoir.patterns import pulse_states as pulse_states
from learning.reservoir.patterns import sections as sections
from learning.reservoir.reservoir import AbstractReservoir as AbstractReservoir
from learning.reservoir.reservoir import Noise as Noise
from learning.reservoir.tabulated import TabulatedFrames as TabulatedFrames
from learning.reservoir.tabulated import tabulated_frames as tabulated_frames
