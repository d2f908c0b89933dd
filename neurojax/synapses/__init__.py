"""Synapses that are devices: what changes their weight is the voltage of spikes and the physics of the devices.

    synapse = nj.synapses.diffusive_synapse()
    window = nj.synapses.stdp_window(synapse, dts)         all pairs side by side
    record = synapse.respond(pre_times, post_times)         record.weight, record.final, record.energy

Every value is a parameter of a device or circuit, so that windows are fitted, spread and differentiated like traces.
"""

from neurojax.synapses.bank import AbstractBank as AbstractBank
from neurojax.synapses.bank import causal as causal
from neurojax.synapses.differential import DifferentialPair as DifferentialPair
from neurojax.synapses.differential import differential_pair as differential_pair
from neurojax.synapses.diffusive import BIOLOGICAL_MS as BIOLOGICAL_MS
from neurojax.synapses.diffusive import diffusive_cell as diffusive_cell
from neurojax.synapses.diffusive import diffusive_switch as diffusive_switch
from neurojax.synapses.diffusive import diffusive_synapse as diffusive_synapse
from neurojax.synapses.heated import second_order_synapse as second_order_synapse
from neurojax.synapses.kernels import alpha_kernel as alpha_kernel
from neurojax.synapses.kernels import psc_kernel as psc_kernel
from neurojax.synapses.kernels import psc_norm as psc_norm
from neurojax.synapses.kernels import psc_peak_time as psc_peak_time
from neurojax.synapses.multi import MultiMemristive as MultiMemristive
from neurojax.synapses.multi import multi_memristive as multi_memristive
from neurojax.synapses.overlap import overlap_cell as overlap_cell
from neurojax.synapses.overlap import overlap_synapse as overlap_synapse
from neurojax.synapses.protocols import paired_pulse_ratio as paired_pulse_ratio
from neurojax.synapses.protocols import rate_response as rate_response
from neurojax.synapses.protocols import spike_charges as spike_charges
from neurojax.synapses.protocols import stdp_window as stdp_window
from neurojax.synapses.release import Quanta as Quanta
from neurojax.synapses.release import Release as Release
from neurojax.synapses.release import quantal_analysis as quantal_analysis
from neurojax.synapses.selected import one_selector_synapse as one_selector_synapse
from neurojax.synapses.selected import one_transistor_synapse as one_transistor_synapse
from neurojax.synapses.spikes import exponential_spike as exponential_spike
from neurojax.synapses.spikes import square_spike as square_spike
from neurojax.synapses.spikes import triangular_spike as triangular_spike
from neurojax.synapses.synapse import Synapse as Synapse
from neurojax.synapses.synapse import SynapseRecord as SynapseRecord
