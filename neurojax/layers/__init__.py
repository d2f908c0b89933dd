"""Layers on crossbars, as modules of Flax NNX, and training of what their cells hold.

    hardware = nj.layers.Hardware(wires=nj.Wires.uniform(2.0), tile=(64, 64), fidelity="wires")
    analog = nj.layers.to_crossbar(model, hardware)
    model = nj.layers.to_digital(analog)

Dense, convolutional and recurrent layers at four levels of fidelity, what training adds so that they stand the
hardware, updates by pulses.
"""

from neurojax.layers.cells import SinhCells as SinhCells
from neurojax.layers.cells import StateCells as StateCells
from neurojax.layers.coding import Pair as Pair
from neurojax.layers.conv import CrossbarConv as CrossbarConv
from neurojax.layers.convert import crossbars as crossbars
from neurojax.layers.convert import run_on as run_on
from neurojax.layers.convert import to_crossbar as to_crossbar
from neurojax.layers.convert import to_digital as to_digital
from neurojax.layers.convert import within_window as within_window
from neurojax.layers.convert import written as written
from neurojax.layers.costs import Cost as Cost
from neurojax.layers.costs import Technology as Technology
from neurojax.layers.costs import cost as cost
from neurojax.layers.handwriting import LevelAccuracies as LevelAccuracies
from neurojax.layers.handwriting import digits as digits
from neurojax.layers.handwriting import digits_table as digits_table
from neurojax.layers.handwriting import table_text as table_text
from neurojax.layers.hardware import Hardware as Hardware
from neurojax.layers.letter_perceptron import LetterPerceptron as LetterPerceptron
from neurojax.layers.letter_perceptron import letter_device as letter_device
from neurojax.layers.letter_perceptron import letter_epochs as letter_epochs
from neurojax.layers.letter_perceptron import letters as letters
from neurojax.layers.linear import CrossbarLinear as CrossbarLinear
from neurojax.layers.modifiers import additive_noise as additive_noise
from neurojax.layers.modifiers import chain as chain
from neurojax.layers.modifiers import clipped as clipped
from neurojax.layers.modifiers import discretised as discretised
from neurojax.layers.modifiers import drop_cells as drop_cells
from neurojax.layers.modifiers import multiplicative_noise as multiplicative_noise
from neurojax.layers.modifiers import polynomial_noise as polynomial_noise
from neurojax.layers.modifiers import programming_noise as programming_noise
from neurojax.layers.multi import CapacitorCell as CapacitorCell
from neurojax.layers.multi import DifferentialPair as DifferentialPair
from neurojax.layers.multi import MultiMemristive as MultiMemristive
from neurojax.layers.pulsed import coincidence_update as coincidence_update
from neurojax.layers.pulsed import manhattan as manhattan
from neurojax.layers.pulsed import mixed_precision as mixed_precision
from neurojax.layers.pulsed import pulsed_sgd as pulsed_sgd
from neurojax.layers.pulsed import symmetric_point as symmetric_point
from neurojax.layers.recurrent import CrossbarGRUCell as CrossbarGRUCell
from neurojax.layers.recurrent import CrossbarLSTMCell as CrossbarLSTMCell
from neurojax.layers.recurrent import CrossbarRNNCell as CrossbarRNNCell
from neurojax.layers.tiki_taka import tiki_taka as tiki_taka
