"""Converters between numbers and arrays of cells, differentiable.

    dac = nj.converters.DAC(bits=6, low=-0.2, high=0.2)
    adc = nj.converters.SarADC.sampled(bits=8, low=-1e-5, high=1e-5, mismatch=0.02, shape=(64,), key=key)
    coding = nj.converters.Differential(1e-6, 1e-4)

Quantisers and converters with errors of their circuits, how straight they are, digits of inputs and weights, codings
of weights as conductances, management of noise and bounds, ranges from data.
"""

from neurojax.converters.adc import AbstractADC as AbstractADC
from neurojax.converters.adc import IdealADC as IdealADC
from neurojax.converters.adc import schreier_energy as schreier_energy
from neurojax.converters.adc import walden_energy as walden_energy
from neurojax.converters.coding import AbstractCoding as AbstractCoding
from neurojax.converters.coding import Differential as Differential
from neurojax.converters.coding import NPair as NPair
from neurojax.converters.coding import Offset as Offset
from neurojax.converters.coding import Single as Single
from neurojax.converters.coding import Sliced as Sliced
from neurojax.converters.coding import weight_limit as weight_limit
from neurojax.converters.dac import DAC as DAC
from neurojax.converters.linearity import SineTest as SineTest
from neurojax.converters.linearity import dnl as dnl
from neurojax.converters.linearity import inl as inl
from neurojax.converters.linearity import missing_codes as missing_codes
from neurojax.converters.linearity import sine_test as sine_test
from neurojax.converters.linearity import transfer as transfer
from neurojax.converters.management import Managed as Managed
from neurojax.converters.management import abs_max_scale as abs_max_scale
from neurojax.converters.management import average_abs_max_scale as average_abs_max_scale
from neurojax.converters.management import bound_managed as bound_managed
from neurojax.converters.management import constant_scale as constant_scale
from neurojax.converters.management import managed as managed
from neurojax.converters.management import moving_scale as moving_scale
from neurojax.converters.pipeline import CyclicADC as CyclicADC
from neurojax.converters.pipeline import PipelineADC as PipelineADC
from neurojax.converters.quantiser import Conversion as Conversion
from neurojax.converters.quantiser import Quantiser as Quantiser
from neurojax.converters.ramp import RampADC as RampADC
from neurojax.converters.ranges import granular_range as granular_range
from neurojax.converters.ranges import least_error_range as least_error_range
from neurojax.converters.ranges import max_range as max_range
from neurojax.converters.ranges import percentile_range as percentile_range
from neurojax.converters.ranges import sigma_range as sigma_range
from neurojax.converters.sar import SarADC as SarADC
from neurojax.converters.slicing import Slices as Slices
from neurojax.converters.slicing import input_slices as input_slices
from neurojax.converters.slicing import weight_slices as weight_slices
