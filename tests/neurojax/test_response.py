"""Models of pulsed devices fitted to readings: what was put in comes out, and the pulses of Gong et al. 2018."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import neurojax as nj
from neurojax.response import rolled
from physics.pulsed import Piecewise, SoftBounds
from physics.pulsed_presets import PRESETS
from physics.quantity import with_values

SIGNS = np.repeat([1.0, -1.0, 1.0], [60, 80, 40])


def changed(device, **values):
    return with_values(device, {k: jnp.asarray(v, float) for k, v in values.items()})


TRUE = changed(SoftBounds(), dw_min=0.03, up_down=0.2, w_max=0.8, w_min=-0.6)


def test_what_was_put_in_comes_out():
    w = rolled(TRUE, jnp.asarray(-0.3), jnp.asarray(SIGNS))
    found = nj.fit_response(SoftBounds(), SIGNS, w)
    for name in ("dw_min", "up_down", "w_max", "w_min"):
        assert float(getattr(found.device, name)) == pytest.approx(float(getattr(TRUE, name)), rel=1e-4)
    assert float(found.w_0) == pytest.approx(-0.3, abs=1e-5)
    assert float(found.rmse) < 1e-6 and found.model.shape == SIGNS.shape


def test_noise_is_left_over_and_nothing_else():
    """180 readings with 1 % noise, five numbers fitted."""
    w = rolled(TRUE, jnp.asarray(-0.3), jnp.asarray(SIGNS)) + 0.01 * np.random.default_rng(0).standard_normal(180)
    found = nj.fit_response(SoftBounds(), SIGNS, w, n_starts=3, key=jax.random.key(0))
    assert float(found.rmse) == pytest.approx(0.01 * np.sqrt(1 - 5 / 180), rel=3 / np.sqrt(2 * 175))
    assert found.costs.shape == (3,) and float(found.costs.min()) == pytest.approx(180 * float(found.rmse) ** 2)


@pytest.mark.parametrize(
    "name, most", [("ReRamES", 0.1773), ("ReRamSB", 0.1912), ("Piecewise", 0.1773)], ids=lambda v: str(v)
)
def test_pulses_of_gong(shared_data, name, most):
    """Not worse than Powell's search of the same models, 0.1773 and 0.1912; steps at five weights do as well."""
    five = (1.0, 0.5, 0.5, 0.5, 0.5), (0.5, 0.5, 0.5, 0.5, 1.0)
    usual = Piecewise(up_nodes=five[0], down_nodes=five[1])
    start = changed(usual, dw_min=0.005, w_max=1.6, w_min=-1.6) if name == "Piecewise" else PRESETS[name]()
    found = nj.fit_response(start, *nj.read_response(shared_data / "reram_gong2018" / "gong_et_al.csv"))
    assert float(found.rmse) <= most


def test_a_file_without_and_with_a_head(tmp_path):
    rows = np.asarray([[0.1, 0.9], [0.2, 0.7], [0.35, 0.4]])
    for head in ("", "up,down\n"):
        path = tmp_path / "pulses.csv"
        path.write_text(head + "\n".join(",".join(map(str, r)) for r in rows))
        signs, w = nj.read_response(path)
        assert signs.tolist() == [1, 1, 1, -1, -1, -1] and w.tolist() == [0.1, 0.2, 0.35, 0.9, 0.7, 0.4]
    path.write_text("1,2,3\n4,5,6\n")
    with pytest.raises(nj.DataError, match="3 columns of 2 rows"):
        nj.read_response(path)


@pytest.mark.parametrize(
    "signs, w, how, error, words",
    [
        ([1, 1, 1], [0.1, np.nan, 0.2], {}, nj.DataError, "pulse 1"),
        ([1, 1], [0.1, 0.2], {}, nj.DataError, "three pulses"),
        ([1, 2, 1], [0.1, 0.2, 0.3], {}, nj.DataError, "parts of one pulse"),
        ([1, 1, 1], [0.1, 0.2, 0.3], dict(free=("dw_mim",)), nj.FitError, "dw_min"),
        ([1, 1, 1], [0.1, 0.2, 0.3], dict(n_starts=2), nj.FitError, "key"),
    ],
    ids=["nan", "few", "sign", "name", "key"],
)
def test_what_cannot_be_fitted(signs, w, how, error, words):
    with pytest.raises(error, match=words):
        nj.fit_response(SoftBounds(), signs, w, **how)
