"""CODATA-2018 constants (SI) as plain floats, so that they never change a dtype.

Source: E. Tiesinga et al., Rev. Mod. Phys. 93, 025010 (2021), 10.1103/RevModPhys.93.025010.
`units_of` tells the unit of each one; the unit test of `neurojax.testing` rescales them together
with the parameters, so a device must read them from here as `constants.Q`, not copy them.
"""

Q = 1.602176634e-19
K_B = 1.380649e-23
H = 6.62607015e-34
HBAR = 1.054571817e-34
EPS_0 = 8.8541878128e-12
MU_0 = 1.25663706212e-6
M_E = 9.1093837015e-31
G_ELECTRON = 2.00231930436256
FARADAY = 96485.33212
GAS = 8.314462618

units_of: dict[str, str] = {
    "Q": "C",
    "K_B": "J/K",
    "H": "J s",
    "HBAR": "J s",
    "EPS_0": "F/m",
    "MU_0": "H/m",
    "M_E": "kg",
    "G_ELECTRON": "1",
    "FARADAY": "C/mol",
    "GAS": "J/(mol K)",
}
