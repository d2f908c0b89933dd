"""Neurons that are circuits of devices: what spikes is their physics.

    neuron = nj.neurons.mott_neuristor()
    record = neuron.replace({"Vin": nj.pulse(0.5, 20e-6, rest=40e-6)}).transient()
    nj.spike_times(neuron, "out", 0.5, 10, 60e-6)

Every value is a parameter of the circuit, so that it is fitted, spread and differentiated like any other.
"""

from neurojax.neurons.mott import mott_neuristor as mott_neuristor
from neurojax.neurons.oscillator import relaxation_oscillator as relaxation_oscillator
