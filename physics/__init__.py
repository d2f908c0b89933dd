"""What a device is: state equations, conduction laws, parameters with units. No solver, no file, no plot.

Start with `device.py` (the one interface) and `quantity.py` (what a number means).
"""

from physics.behavioural import Vteam as Vteam
from physics.behavioural import Yakopcic as Yakopcic
from physics.device import AbstractDevice as AbstractDevice
from physics.device import AbstractLangevin as AbstractLangevin
from physics.device import AbstractNoisyCurrent as AbstractNoisyCurrent
from physics.device import AbstractReactive as AbstractReactive
from physics.device import Environment as Environment
from physics.device import Sweep as Sweep
from physics.diffusive import AgDiffusive as AgDiffusive
from physics.elements import Capacitor as Capacitor
from physics.elements import Diode as Diode
from physics.elements import Inductor as Inductor
from physics.elements import Mosfet as Mosfet
from physics.elements import Resistor as Resistor
from physics.families import families as families
from physics.gap import GapRram as GapRram
from physics.imperfect import Fluctuating as Fluctuating
from physics.imperfect import Stuck as Stuck
from physics.imperfect import Worn as Worn
from physics.interfacial import Wox as Wox
from physics.ionic import Ecram as Ecram
from physics.jart import JartVcm as JartVcm
from physics.mott import NbO2Mott as NbO2Mott
from physics.noise import ReadNoise as ReadNoise
from physics.phase_change import PhaseChangeCell as PhaseChangeCell
from physics.quantity import Parameter as Parameter
from physics.quantity import Quantity as Quantity
from physics.quantity import parameters as parameters
from physics.quantity import quantity as quantity
from physics.quantity import state_variable as state_variable
from physics.quantity import with_values as with_values
from physics.retention import Relaxation as Relaxation
from physics.retention import Retention as Retention
from physics.silver_filament import AgFilament as AgFilament
from physics.thermal_filament import ThermalFilament as ThermalFilament
