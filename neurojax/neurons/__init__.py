"""Neurons, from circuits of devices whose physics spikes to the abstract ones of networks.

    neuron = nj.neurons.mott_neuristor()                       a circuit; `nj.spike_times` tells when it spikes
    record = neuron.replace({"Vin": nj.pulse(0.5, 20e-6, rest=40e-6)}).transient()
    nj.neurons.PhaseChangeNeuron()                             a device that sums up pulses and is reset
    nj.neurons.spike_times(nj.neurons.LIF(), 2e-9, 3)          an abstract one, by steps or by exact events

Every value is a parameter, so that it is fitted, spread and differentiated like any other.
"""

from neurojax.neurons.accumulating import Response as Response
from neurojax.neurons.adex import ADEX as ADEX
from neurojax.neurons.adex import AdEx as AdEx
from neurojax.neurons.adex import adex_current as adex_current
from neurojax.neurons.adex import adex_neuron as adex_neuron
from neurojax.neurons.diffusive import diffusive_neuron as diffusive_neuron
from neurojax.neurons.diffusive import stochastic_delays as stochastic_delays
from neurojax.neurons.escape import EscapeNeuron as EscapeNeuron
from neurojax.neurons.escape import drawn as drawn
from neurojax.neurons.escape import poisson_spikes as poisson_spikes
from neurojax.neurons.events import spike_times as spike_times
from neurojax.neurons.ferroelectric import FerroelectricNeuron as FerroelectricNeuron
from neurojax.neurons.filament import filament_neuron as filament_neuron
from neurojax.neurons.firing import adaptation_index as adaptation_index
from neurojax.neurons.firing import burst_sizes as burst_sizes
from neurojax.neurons.firing import fano_factor as fano_factor
from neurojax.neurons.firing import interval_variation as interval_variation
from neurojax.neurons.firing import intervals as intervals
from neurojax.neurons.izhikevich import IZHIKEVICH as IZHIKEVICH
from neurojax.neurons.izhikevich import Izhikevich as Izhikevich
from neurojax.neurons.izhikevich import izhikevich_neuron as izhikevich_neuron
from neurojax.neurons.lif import ALIF as ALIF
from neurojax.neurons.lif import LIF as LIF
from neurojax.neurons.magnetic import DomainWallNeuron as DomainWallNeuron
from neurojax.neurons.magnetic import StochasticMagneticNeuron as StochasticMagneticNeuron
from neurojax.neurons.mott import mott_neuristor as mott_neuristor
from neurojax.neurons.neuron import AbstractExcitable as AbstractExcitable
from neurojax.neurons.neuron import AbstractFlow as AbstractFlow
from neurojax.neurons.neuron import AbstractIntegrateAndFire as AbstractIntegrateAndFire
from neurojax.neurons.neuron import AbstractNeuron as AbstractNeuron
from neurojax.neurons.neuron import SpikeRecord as SpikeRecord
from neurojax.neurons.neuron import run as run
from neurojax.neurons.oscillator import relaxation_oscillator as relaxation_oscillator
from neurojax.neurons.ovonic import load_window as load_window
from neurojax.neurons.ovonic import ovonic_neuron as ovonic_neuron
from neurojax.neurons.ovonic import relaxation_frequency as relaxation_frequency
from neurojax.neurons.phase_change import PhaseChangeNeuron as PhaseChangeNeuron
from neurojax.neurons.reduced import FitzHughNagumo as FitzHughNagumo
from neurojax.neurons.reduced import MorrisLecar as MorrisLecar
from neurojax.neurons.reduced import Theta as Theta
from neurojax.neurons.solved import Tabulated as Tabulated
from neurojax.neurons.surrogate import AbstractSurrogate as AbstractSurrogate
from neurojax.neurons.surrogate import Arctan as Arctan
from neurojax.neurons.surrogate import Sigmoid as Sigmoid
from neurojax.neurons.surrogate import SuperSpike as SuperSpike
from neurojax.neurons.surrogate import Triangle as Triangle
from neurojax.neurons.surrogate import step_with_slope as step_with_slope
from neurojax.neurons.vanadium import vanadium_oscillator as vanadium_oscillator
from neurojax.neurons.wang_buzsaki import WangBuzsaki as WangBuzsaki
