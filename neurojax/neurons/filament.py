"""The neuron of a volatile oxide filament: constant current, transients of voltage."""

from neurojax._made import made
from neurojax._sources import CurrentSource
from neurojax.circuit import Circuit
from neurojax.waveform import Waveform
from physics.device import AbstractDevice
from physics.elements import Capacitor
from physics.oxide_threshold import OxideThreshold


def filament_neuron(
    i_in: float | Waveform = 1e-7, *, c: float = 1e-11, device: AbstractDevice | None = None
) -> Circuit:
    """An oxide filament under a current: the voltage rises until the filament forms, drops, and returns as it breaks.

        C dV/dt = I - i(phi, V)

    Iin into `mem`, C1 and M1 from there to ground; C1 is that of pads and leads. The capacitor is charged to the
    voltage at which filaments grow, V_th, within

        t = -(C/G) ln(1 - G V_th/I), G of the oxide and of the residue of a filament; C V_th/I where that is small,

    so the latency falls with the current. The compliance of the device limits the filament, which therefore lives for
    a short time (`OxideThreshold.lifetime`) and breaks under the same current: at a microampere and below the cell
    is a neuron. With a high compliance the charge of C1 makes a thick filament, which lives longer by phi^4. A current
    above the compliance has nowhere to go but into C1.

    A. Mehonic and A. J. Kenyon, Front. Neurosci. 10, 57 (2016), 10.3389/fnins.2016.00057; J. Woo et al. (2017), as
    cited by the review (recalled). Values are chosen for our `OxideThreshold`.

    Args:
        i_in: current (A), below the compliance of the device. c: F. device: two terminals, default `OxideThreshold`.
    """
    return Circuit(
        Iin=(CurrentSource(i_in), "gnd", "mem"),
        C1=(made(Capacitor, c), "mem", "gnd"),
        M1=(OxideThreshold() if device is None else device, "mem", "gnd"),
    )
