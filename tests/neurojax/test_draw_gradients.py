"""Derivatives of devices drawn at random: forward mode against differences, reverse against forward mode.

`gradient_campaign.py` says what is compared, and what counts as wrong. By default the slow part asks 25 draws of the
devices in USUALLY, about a minute each; NEUROJAX_GRADIENTS=100 asks so many (a multiple of 25) of every device of the
catalogue, which takes hours, and NEUROJAX_GRADIENTS=all 25 of every device.
"""

import os

import gradient_campaign
import numpy as np
import pytest

from neurojax.catalogue import devices

ASKED = os.environ.get("NEUROJAX_GRADIENTS")
MANY = int(ASKED) if ASKED and ASKED.isdigit() else 25
USUALLY = ("Wox",)


def words(found: gradient_campaign.Verdict) -> str:
    """The draws that are wrong."""
    told = []
    for group in gradient_campaign.GROUPS:
        for k in found.wrong(group):
            told.append(f"{group} of draw {k}: off by {found.gap[group][k]:.2g}, doubt {found.doubt[group][k]:.2g}")
        for k in found.askew(group):
            told.append(f"{group} of draw {k}: one run {found.mirror[group][k]:.2g}, {found.shaken[group][k]:.2g}")
    return "; ".join(told)


@pytest.mark.slow
@pytest.mark.parametrize("name", devices() if ASKED else USUALLY)
def test_derivatives_of_many_draws(name):
    """Both modes; some draws run away, so that no difference can tell, and some take too many steps at 1e-11."""
    found = gradient_campaign.campaign(devices()[name](), MANY, seed=2000, chunk=25)
    assert not words(found)
    assert np.sum(found.code != 0) <= MANY // 4
    for group in gradient_campaign.GROUPS:
        assert len(found.unclear(group)) <= 1 + MANY // 10
        assert len(found.soft(group)) <= 1 + MANY // 25
        assert len(found.torn(group)) <= 1 + MANY // 50
        assert len(found.excused(group)) <= 1 + MANY // 5
    assert np.sum(found.apart) <= 1 + MANY // 10
