"""Verilog-A files as devices: the equations are those of the compiler's interpreter, the derivatives those of them."""

import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.optimize import brentq

import neurojax as nj
from neurojax._compact import numbers
from neurojax._verilog_text import number
from neurojax.export import to_verilog_a
from neurojax.verilog_import import VerilogError, import_verilog_a
from physics.device import AbstractReactive, Environment
from physics.quantity import parameters, with_values

openvaf = pytest.importorskip("openvaf_py", reason="openvaf-py is not installed")

DIODE = """
`include "disciplines.vams"
`include "constants.vams"
// A junction behind a resistance, with the charge of the junction and of the carriers.
module junction(anode, cathode);
    inout anode, cathode;
    electrical anode, cathode, inner;
    (* desc = "saturation current", units = "A" *) parameter real is = 1e-14 from (0:inf);
    (* desc = "ideality" *) parameter real n = 1.1 from [1:3];
    (* desc = "series resistance", units = "ohm" *) parameter real rs = 20 from (0:1k];
    (* desc = "capacitance without bias", units = "F" *) parameter real cj0 = 2p from [0:1n];
    (* desc = "built-in voltage", units = "V" *) parameter real vj = 0.7 from [0.3:1.2];
    (* desc = "transit time", units = "s" *) parameter real tt = 1e-9*2 from [0:1u];
    real vd, id, qd;
    analog begin
        vd = V(inner, cathode);
        if (vd < 40*n*$vt)
            id = is * (exp(vd / (n*$vt)) - 1);
        else
            id = is * (exp(40) * (1 + vd/(n*$vt) - 40) - 1);
        if (vd < 0.5*vj)
            qd = 2*cj0*vj*(1 - sqrt(1 - vd/vj));
        else
            qd = cj0*(2*vj*(1 - sqrt(0.5)) + sqrt(2)*(vd - 0.5*vj));
        I(anode, inner) <+ V(anode, inner)/rs;
        I(inner, cathode) <+ id + ddt(qd + tt*id) + white_noise(2*`P_Q*abs(id), "shot");
    end
endmodule
"""
# The threshold-adaptive memristor of `physics.behavioural.Vteam` without its rounded corners.
MEMRISTOR = """
`include "disciplines.vams"
module memristor(top, bottom);
    inout top, bottom;
    electrical top, bottom, w;
    (* desc = "resistance at w = 0", units = "ohm" *) parameter real r_off = 1000 from [100:1e5];
    (* desc = "resistance at w = 1", units = "ohm" *) parameter real r_on = 50 from [1:1e4];
    (* desc = "fastest motion up", units = "Hz" *) parameter real k_up = 3e3 from (0:1e9];
    (* desc = "fastest motion down", units = "Hz" *) parameter real k_down = 4e3 from (0:1e9];
    parameter real v_up = 0.3 from (0:2];
    parameter real v_down = 0.4 from (0:2];
    parameter integer order = 3 from [1:9];
    parameter real w_init = 0.2 from [0:1];
    real rate, window;
    analog begin
        window = 1 - pow(2*V(w) - 1, 2);
        rate = 0;
        if (V(top, bottom) > v_up)
            rate = k_up * pow(V(top, bottom)/v_up - 1, order) * window;
        else if (V(top, bottom) < -v_down)
            rate = -k_down * pow(-V(top, bottom)/v_down - 1, order) * window;
        I(w) <+ ddt(1e-3*V(w)) + (analysis("static") ? V(w) - w_init : -1e-3*rate);
        I(top, bottom) <+ V(top, bottom) / (r_off + (r_on - r_off)*V(w));
    end
endmodule
"""
# Three terminals; an inductor, an integral, a capacitor between inner nodes, functions of two arguments.
MIXED = """
`include "disciplines.vams"
module mixed(gate, drain, source);
    inout gate, drain, source;
    electrical gate, drain, source, a, b, s;
    parameter real c = 1e-9 from (0:1);
    parameter real l = 1e-6, r = c*1e11;
    parameter real x0 = 0.25;
    branch (drain, a) coil;
    analog begin
        V(coil) <+ r*I(coil) + ddt(l*I(coil));
        I(a, b) <+ ddt(c*V(a, b)) + V(a, b)/(10*r) + c*tanh(V(gate, source))*1e6;
        I(b, source) <+ V(b, source)/r*(1 + V(s)*V(s)) + 1e-3*atan2(V(b, source), 2 + V(gate, source));
        V(s) <+ idt(1e4*(hypot(V(gate, source), 0.1) - V(s)), x0);
        I(gate, source) <+ 1e-6*limexp(V(gate, source)) + ddt(1e-12*V(gate, b));
    end
endmodule
"""
TEXTS = {"junction": DIODE, "memristor": MEMRISTOR, "mixed": MIXED}
ENV = Environment()


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("verilog")
    for name, text in TEXTS.items():
        (folder / f"{name}.va").write_text(text)
    return {name: folder / f"{name}.va" for name in TEXTS}


@pytest.fixture(scope="module")
def devices(files):
    return {name: import_verilog_a(path) for name, path in files.items()}


def given_to(module, model, z, v, values, temperature):
    """The arguments of the interpreter of openvaf-py."""
    at = dict(zip(model.terminals, [*v, 0.0], strict=True)) | dict(zip(model.unknowns, z, strict=True))
    found = dict(values) | {"$temperature": temperature, "mfactor": 1.0}
    for name, kind in zip(module.param_names, module.param_kinds, strict=True):
        if kind == "voltage":
            one, _, other = name[2:-1].partition(",")
            found[name] = at[one] - (at[other] if other else 0.0)
        elif kind == "current" and f"flow({name[2:-1]})" in at:
            found[name] = at[f"flow({name[2:-1]})"]
        elif kind == "implicit_unknown":
            found[name] = at["implicit_equation_0"]
        elif kind == "enable_integration":
            found[name] = 0.0
    return found


@pytest.mark.parametrize("name", sorted(TEXTS))
def test_equations_are_those_of_the_interpreter(name, files, devices):
    """f and q of all nodes at a hundred random points; and a Jacobian by JAX is that of the compiler."""
    # The interpreter takes every integer for zero, and does not integrate.
    device = import_verilog_a(files[name], values={"order": 0.0}) if name == "memristor" else devices[name]
    model, (module,) = device.model, openvaf.compile_va(str(files[name]))
    order = [n["name"] for n in module.get_dae_system()["nodes"]]
    rng = np.random.default_rng(0)
    size = len(model.unknowns)

    @jax.jit
    def ours(y, own, temperature):
        values = {f"par_{n}": x for n, x in own.items()} | {"temperature": temperature}
        values |= {f"z_{k}": y[k] for k in range(size)} | {f"v_{k}": y[size + k] for k in range(model.ports)}
        return jnp.stack(numbers([*flows, *model.q], values, y.dtype))

    still = [k for k, n in enumerate([*model.terminals[:-1], *model.unknowns]) if n.startswith("implicit")]
    flows = [model.f_static[k] if k in still else f for k, f in enumerate(model.f)]
    slope = jax.jit(jax.jacfwd(ours))
    rows, columns = [*model.terminals[:-1], *model.unknowns], [*model.unknowns, *model.terminals[:-1]]
    for k in range(100):
        y, temperature = rng.uniform(-1.5, 1.5, size + model.ports), rng.uniform(250.0, 400.0)
        own = {n: float(parameters(device)[device.names[n]].value) * rng.uniform(0.8, 1.2) for n in device.names}

        def theirs(y, own=own, temperature=temperature):
            residuals, jacobian = module.run_init_eval(given_to(module, model, y[:size], y[size:], own, temperature))
            found = dict(zip(order, residuals, strict=True))
            return np.asarray([found[n] for n in rows]).T, {(order[i], order[j]): ab for i, j, *ab in jacobian}

        (exact, jacobian), found = theirs(y), np.array(ours(jnp.asarray(y), own, temperature)).reshape(2, -1)
        slopes = np.array(slope(jnp.asarray(y), own, temperature)).reshape(2, len(rows), -1)
        found[1, still], slopes[1, still] = 0, 0
        for part in (0, 1):
            np.testing.assert_allclose(found[part], exact[part], rtol=1e-10, atol=1e-14 * np.abs(exact[part]).max())
        # This compiler is wrong about the slopes of hypot and atan2.
        if name != "mixed":
            wanted = [[jacobian.get((row, column), (0.0, 0.0)) for column in columns] for row in rows]
            np.testing.assert_allclose(slopes, np.moveaxis(wanted, -1, 0), rtol=1e-8, atol=1e-13)
        if k < 5:
            steps = 1e-5 * np.eye(len(columns))
            wanted = np.stack([(theirs(y + h)[0] - theirs(y - h)[0]) / 2e-5 for h in steps], axis=-1)
            np.testing.assert_allclose(slopes, wanted, rtol=1e-5, atol=1e-8 * np.abs(exact).max())


def test_parameters_units_and_sentences(devices):
    known = parameters(devices["junction"])
    assert list(known) == ["is_", "n", "rs", "cj0", "vj", "tt"]
    assert known["is_"].unit == "A" and known["is_"].quantity.doc == "saturation current"
    assert known["rs"].bounds == (pytest.approx(0.02), 1e3) and float(known["tt"].value) == 2e-9
    assert known["cj0"].bounds == (0.0, 1e-9) and float(known["cj0"].value) == 2e-12
    assert known["is_"].quantity.scale == "log" and known["n"].quantity.scale == "linear"
    assert "order" not in parameters(devices["memristor"])
    assert isinstance(devices["junction"], AbstractReactive) is False
    assert isinstance(devices["mixed"], AbstractReactive)
    assert devices["mixed"].terminals == ("gate", "drain", "source")
    assert float(parameters(devices["mixed"])["r"].value) == pytest.approx(100.0)


def test_diode_at_rest_is_a_junction_behind_a_resistance(devices):
    """Where the charge has settled, i = (v - u)/R = I_s (exp(u/n U_T) - 1)."""
    device, thermal = devices["junction"], 1.380649e-23 * 300 / 1.602176634e-19
    settled = nj.simulate(device, nj.staircase([0.3, 0.6, 0.8, -1.0], 1e-6), ts=[0.9e-6, 1.91e-6, 2.92e-6, 3.9e-6])
    junction = lambda u: 1e-14 * np.expm1(u / (1.1 * thermal))  # noqa: E731
    for v, i in zip(settled.v, settled.i, strict=True):
        u = brentq(lambda u, v=v: (v - u) / 20 - junction(u), min(v, 0) - 1, max(v, 0), xtol=1e-15)
        np.testing.assert_allclose(i, junction(u), rtol=1e-4, atol=1e-13)


def charge_of_diode(v):
    """That of the file above at its defaults."""
    thermal = 1.380649e-23 * 300 / 1.602176634e-19
    low = 2 * 2e-12 * 0.7 * (1 - np.sqrt(1 - min(v, 0.35) / 0.7))
    high = 2e-12 * (2 * 0.7 * (1 - np.sqrt(0.5)) + np.sqrt(2) * (v - 0.35))
    return (low if v < 0.35 else high) + 2e-9 * 1e-14 * np.expm1(v / (1.1 * thermal))


def test_diode_takes_the_charge_that_the_file_says(devices):
    """From 0 to 0.6 V, with the current of the junction taken off."""
    device = devices["junction"].replace(rs=0.1)
    wave = nj.pulse(0.6, 1e-9, rise=1e-10)
    record = nj.simulate(device, wave, ts=np.linspace(0, 1.1e-9, 4001))
    u = np.asarray(record.v) - 0.1 * np.asarray(record.i)
    leak = 1e-14 * np.expm1(u / (1.1 * 1.380649e-23 * 300 / 1.602176634e-19))
    taken = np.trapezoid(np.asarray(record.i) - leak, np.asarray(record.t))
    assert taken == pytest.approx(charge_of_diode(u[-1]), rel=2e-3)


def loss(device, wave, ts):
    record = nj.simulate(device, wave, ts=ts, rtol=1e-10, atol=1e-12, progress=False)
    return jnp.mean(jnp.arcsinh(record.i / 1e-6) * jnp.linspace(1.0, 2.0, ts.size))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "wave"),
    [("junction", nj.triangle(0.8, -0.5, 2e-7)), ("memristor", nj.triangle(0.7, -0.9, 4e-3))],
    ids=["junction", "memristor"],
)
def test_gradients_against_differences(name, wave, devices):
    """Of a loss over a whole simulation, in reverse, to each parameter."""
    device, ts = devices[name], np.linspace(0.02, 0.98, 60) * float(wave.duration)
    names = list(parameters(device))
    at = {n: float(parameters(device)[n].value) for n in names}

    @jax.jit
    def of(scales):
        return loss(with_values(device, {n: at[n] * s for n, s in scales.items()}), wave, ts)

    one = {n: jnp.asarray(1.0) for n in names}
    found = jax.jit(jax.grad(of))(one)
    for n in names:
        h = 1e-3
        near, far = (of(one | {n: jnp.asarray(1 + k * h)}) - of(one | {n: jnp.asarray(1 - k * h)}) for k in (1, 2))
        difference = (8 * near - far) / (12 * h)
        assert float(found[n]) == pytest.approx(float(difference), rel=2e-4, abs=1e-7), n
        assert float(found[n]) != 0


def test_memristor_is_integrated(devices):
    """ln(w/(1 - w)) rises by 4 k_up times the integral of (v/v_up - 1)^3 over the time above v_up."""
    device, up = devices["memristor"], 0.7 / 3.2 * 4e-3
    record = nj.simulate(device, nj.triangle(0.7, -0.9, 4e-3), ts=[1e-6, up, 2 * up], rtol=1e-9, atol=1e-11)
    leg = (0.7 / 0.3 - 1) ** 4 * 0.3 / 4 / (3.2 / 4e-3)
    odds = 0.25 * np.exp(4 * 3e3 * leg * np.asarray([0, 1, 2]))
    np.testing.assert_allclose(record.x.w, odds / (1 + odds), rtol=1e-6)
    np.testing.assert_allclose(record.i, record.v / (1000 - 950 * record.x.w), rtol=1e-12)


def test_there_and_back(tmp_path):
    """A device of ours through Verilog-A is the same device."""
    ours = nj.device_named("GapRram").replace(t_ox=1e-8)
    to_verilog_a(ours, tmp_path / "gap.va")
    back = import_verilog_a(tmp_path / "gap.va", sweep=ours.sweep, bounds={"state_x": (0.0, 1.0)})
    assert set(parameters(back)) | {"edge"} >= {n for n in parameters(ours)} - {"edge"}
    assert float(back.init(ENV).state_x) == pytest.approx(1.0)
    rng = np.random.default_rng(1)
    for x, v in rng.uniform((0, -1.5), (1, 1.5), (20, 2)):
        there = type(ours).State(jnp.asarray(x)), jnp.asarray(v)
        here = type(back).State(jnp.asarray(x)), jnp.asarray(v)
        np.testing.assert_allclose(back.current(*here, ENV), ours.current(*there, ENV), rtol=1e-12)
        np.testing.assert_allclose(back.rate(*here, ENV).state_x, ours.rate(*there, ENV).x, rtol=1e-9)


def test_populations_and_presets(devices):
    """An imported device is a device: it has a spread, and is repeated by vmap."""
    many = nj.population(devices["memristor"], 3, {"k_up": nj.LogNormal(0.1)}, key=jax.random.key(0))
    record = nj.simulate(many, nj.triangle(0.7, -0.9, 4e-3))
    assert record.i.shape[0] == 3 and bool(jnp.all(record.ok))
    assert len(set(np.asarray(record.x.w[:, 100]).tolist())) == 3


COLLAPSE = """
`include "disciplines.vams"
module c(a, b);
    inout a, b; electrical a, b, i;
    parameter real rs = 0 from [0:inf);
    parameter real g = 1e-3;
    analog begin
        if (rs > 0) I(a, i) <+ V(a, i)/rs; else V(a, i) <+ 0;
        I(i, b) <+ g*V(i, b)*V(i, b)*V(i, b);
    end
endmodule
"""


def test_nodes_that_coincide(tmp_path):
    path = tmp_path / "c.va"
    path.write_text(COLLAPSE)
    bare = import_verilog_a(path, values={"rs": 0.0})
    assert bare.model.unknowns == () and float(bare.current((), jnp.asarray(0.5), ENV)) == pytest.approx(1.25e-4)
    behind = import_verilog_a(path, values={"rs": 1e3})
    i = float(behind.current((), jnp.asarray(0.5), ENV))
    assert i == pytest.approx(1e-3 * (0.5 - 1e3 * i) ** 3, rel=1e-12) and i < 1.2e-4
    with pytest.raises(VerilogError, match="whether two nodes of c coincide depends on parameters"):
        import_verilog_a(path)


def module_of(body, declared=""):
    return f"""`include "disciplines.vams"
module m(a, b);
    inout a, b; electrical a, b, s;
    parameter real k = 2.0; real x; integer j;
    {declared}
    analog begin
        {body}
    end
endmodule
"""


REFUSED = {
    "x = 0; for (j = 0; j < 3; j = j + 1) x = x + V(a, b); I(a, b) <+ x;": "has a loop",
    "I(a, b) <+ k*$abstime;": "is the time",
    "I(a, b) <+ k*V(a, b": "does not compile",
}


@pytest.mark.parametrize("body", sorted(REFUSED))
def test_what_is_no_device_is_refused(body, tmp_path, capfd):
    path = tmp_path / "m.va"
    path.write_text(module_of(body))
    with pytest.raises(VerilogError, match=REFUSED[body]):
        import_verilog_a(path)


def test_wrong_calls(tmp_path, files, monkeypatch):
    with pytest.raises(VerilogError, match="there is no file"):
        import_verilog_a(tmp_path / "nothing.va")
    with pytest.raises(VerilogError, match="no parameter 'kk'; it has r_off"):
        import_verilog_a(files["memristor"], values={"kk": 1.0})
    with pytest.raises(VerilogError, match="no inner node 'x'; it has w"):
        import_verilog_a(files["memristor"], initial={"x": 1.0})
    with pytest.raises(VerilogError, match="no module 'diode'; it has junction"):
        import_verilog_a(files["junction"], module="diode")
    two = tmp_path / "two.va"
    two.write_text(module_of("I(a, b) <+ V(a, b);") + module_of("I(a, b) <+ V(a, b);").replace("module m", "module n"))
    with pytest.raises(VerilogError, match="has the modules m, n"):
        import_verilog_a(two)
    assert type(import_verilog_a(two, module="n")).__name__ == "n"
    monkeypatch.setitem(sys.modules, "openvaf_py", None)
    with pytest.raises(VerilogError, match="pip install openvaf-py"):
        import_verilog_a(files["junction"])


@pytest.mark.parametrize(
    ("text", "value"),
    [("1.5k", 1500.0), ("-2.5e-3", -2.5e-3), ("3u*2", 6e-6), ("k/4 + sqrt(9)", 3.5), ("`P_K/`P_Q*300", 0.025852)],
)
def test_numbers_of_verilog(text, value):
    assert number(text, {"k": 2.0}) == pytest.approx(value, rel=1e-4)
    with pytest.raises(VerilogError, match="cannot read the number"):
        number(text + " + unknown", {"k": 2.0})
