"""Tasks against numbers that were computed by other scripts, to the digits given, and against what is published."""

from itertools import pairwise

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from established import rarely

from learning import tasks
from neurojax.errors import DataError

KEY = jax.random.key(0)
U = 0.25 + 0.25 * jnp.sin(0.7 * jnp.arange(80.0))


def digits(text):
    return pytest.approx([float(a) for a in text.split()], abs=5.01e-7)


def test_second_order():
    y = tasks.second_order(U)
    assert y[2:7].tolist() == digits(".173375 .229990 .230251 .215848 .206239")
    assert [float(y[20]), float(y[59])] == digits(".292400 .244951")
    long = tasks.second_order(tasks.uniform_inputs(20_000, key=KEY))[100:]
    assert float(long.mean()) == pytest.approx(0.2351, rel=5e-3)
    assert float(long.var()) == pytest.approx(6.376e-4, rel=0.03)


def test_narma():
    y = tasks.narma(U)
    assert y.shape == U.shape and not y[:10].any()
    assert y[10:15].tolist() == digits(".195326 .415922 .607558 .643246 .517954")
    assert [float(y[40]), float(y[79])] == digits(".885652 .482460")
    assert tasks.narma(U, order=5).shape == U.shape
    with pytest.raises(DataError, match="diverges at step"):
        tasks.narma(jnp.full(80, 0.6))
    with pytest.raises(DataError, match="at least 11"):
        tasks.narma(U[:10])
    with pytest.raises(DataError, match="order = 0"):
        tasks.narma(U, order=0)
    with pytest.raises(DataError, match="at least 3"):
        tasks.second_order(U[:2])


@pytest.mark.parametrize(
    ("h", "at", "values"),
    [
        (0.1, (10, 17, 34, 50, 100, 200), ".652404 .491972 1.032327 1.060971 1.013728 1.186647"),
        (0.05, (50,), "1.060958"),
    ],
)
def test_mackey_glass(h, at, values):
    x = tasks.mackey_glass(round(200 / h) + 1, h=h)
    assert x.shape == (round(200 / h) + 1, 1)
    assert [float(x[round(t / h), 0]) for t in at] == digits(values)
    with pytest.raises(DataError, match="whole number of steps"):
        tasks.mackey_glass(10, tau=17.0, h=0.3)


def test_lorenz_and_henon():
    s = tasks.lorenz(501)
    assert s[100].tolist() == digits("-9.378616 -8.357060 29.362404")
    assert s[500].tolist() == digits("-6.512011 -6.973830 23.924181")
    x = tasks.henon_map(21)
    assert x[1:6, 0].tolist() == digits("1 -.4 1.076 -.740886 .554322") and [float(x[20, 0])] == digits(".349515")
    assert x[1:, 1].tolist() == pytest.approx((0.3 * x[:-1, 0]).tolist())


def test_gradients_of_series_are_those_of_differences():
    cases = [
        lambda p: tasks.second_order(U * p)[-1],
        lambda p: tasks.narma(U, a1=0.3 * p, b=1.5 / p)[-1],
        lambda p: tasks.mackey_glass(300, a=0.2 * p, n=10 * p)[-1, 0],
        lambda p: tasks.lorenz(100, rho=28 * p)[-1, 0],
        lambda p: tasks.henon_map(8, a=1.4 * p)[-1, 0],
        lambda p: tasks.vowel_sound(p * jnp.asarray([730.0, 1090.0]))[77],
    ]
    one, h = jnp.ones(()), 1e-6
    for f in cases:
        there = (f(one + h) - f(one - h)) / (2 * h)
        value, slope = jax.jit(jax.value_and_grad(f))(one)
        assert float(slope) == pytest.approx(float(there), rel=1e-5)
        assert float(value) == pytest.approx(float(f(one)), rel=1e-12)
    both = jax.vmap(tasks.second_order)(jnp.stack([U, U / 2]))
    assert jnp.allclose(both[1], tasks.second_order(U / 2), rtol=1e-14)


def test_forecasting():
    x, y = tasks.to_forecasting(tasks.henon_map(30), 3)
    assert x.shape == y.shape == (27, 2) and jnp.array_equal(x[3:], y[:-3])
    with pytest.raises(DataError, match="use 1 to 29"):
        tasks.to_forecasting(tasks.henon_map(30), 30)


def test_exclusive_or_and_parity():
    u = jnp.asarray([0.0, 1.0, 1.0, 0.0, 1.0, 0.0, 0.0])
    assert tasks.temporal_xor(u).tolist() == [0, 0, 1, 0, 1, 1, 1]
    assert tasks.temporal_xor(u, 0, 2).tolist() == [0, 1, 1, 1, 0, 0, 1]
    long = tasks.random_bits(500, key=KEY)
    whole = np.asarray(long).astype(int)
    expected = [(whole[k] + whole[k - 1] + whole[k - 2]) % 2 for k in range(2, 500)]
    assert tasks.parity(long)[2:].tolist() == expected
    assert jnp.array_equal(tasks.parity(long, 2, 1), tasks.temporal_xor(long))
    with pytest.raises(DataError, match="separation = 0"):
        tasks.temporal_xor(u, 0, 0)
    with pytest.raises(DataError, match="give more than 7"):
        tasks.temporal_xor(u, 6)
    with pytest.raises(DataError, match="order = 0"):
        tasks.parity(u, 0)
    spikes = tasks.xor_spikes()
    unlike = spikes.inputs[:, 0] != spikes.inputs[:, 1]
    assert jnp.array_equal(spikes.targets, jnp.where(unlike, 10e-3, 16e-3)) and not spikes.inputs[:, 2].any()


def test_sines_and_squares():
    u, y = tasks.sine_square(40, key=KEY)
    assert u.shape == y.shape == (320,) and set(y.tolist()) == {0.0, 1.0}
    for period, which in zip(u.reshape(40, 8), y.reshape(40, 8), strict=True):
        wave = [1.0] * 4 + [-1.0] * 4 if which[0] else np.sin(2 * np.pi * np.arange(8) / 8)
        assert period.tolist() == pytest.approx(list(wave), abs=1e-15)
    with pytest.raises(DataError, match="points = 5"):
        tasks.sine_square(4, 5, key=KEY)


def trace(bits, a=0.4, tau=5.0):
    """A trace that grows by x' = a (1 - x) - x/tau while a bit is on, for a unit time, and fades for another."""
    x, k = 0.0, a + 1 / tau
    for bit in bits:
        x = (x - bit * a / k) * np.exp(-(bit * a + 1 / tau)) + bit * a / k
        x *= np.exp(-1 / tau)
    return x


def test_digit_bitmaps_and_their_traces():
    x, labels = tasks.digit_bitmaps()
    assert x.shape == (10, 5, 4) and labels.tolist() == list(range(10))
    bits = [int(b) for b in "1111 1000 0001 0101 1010 0110".replace(" ", "")]
    expected = digits(".428985 .074174 .246268 .320442 .214799 .239253")
    assert [trace(code) for code in np.reshape(bits, (6, 4))] == expected
    codes = sorted(trace([int(b) for b in f"{k:04b}"]) for k in range(16))
    assert float(np.min(np.diff(codes))) == pytest.approx(0.003152, abs=5e-7)
    assert [trace(row) for row in np.asarray(x[5])] == digits(".428985 .074174 .272581 .246268 .272581")
    rows = ["".join(f"{int(''.join(str(int(b)) for b in row), 2):X}" for row in picture) for picture in x]
    assert rows == "69996 26227 6924F E161E 99F11 F8E1E 68E96 F1244 69696 69716".split()


def test_letters():
    x, labels = tasks.letter_bitmaps()
    assert x.shape == (4, 4, 4) and labels.tolist() == [0, 1, 2, 3]
    assert np.asarray(x[0]).astype(int).tolist() == [[1, 0, 0, 1]] * 3 + [[1] * 4]
    noisy = tasks.turned_pixels(x, 0.1, 200, key=KEY)
    assert noisy.shape == (800, 4, 4)
    assert float(jnp.mean(jnp.abs(noisy - jnp.tile(x, (200, 1, 1))))) == pytest.approx(0.1, abs=0.01)
    assert jnp.array_equal(tasks.turned_pixels(x, 0.0, key=KEY), x)


def test_handwritten_digits_and_permutations():
    pytest.importorskip("sklearn")
    data = tasks.handwritten_digits()
    assert data.x.shape == (1347, 64) and data.x_test.shape == (450, 64)
    assert 16 * float(data.x.sum() + data.x_test.sum()) == 561718
    labels = np.concatenate([data.y, data.y_test])
    assert np.bincount(labels).tolist() == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]
    pooled = tasks.handwritten_digits(pooled=True)
    corner = data.x[7].reshape(8, 8)[2:4, 4:6].mean()
    assert pooled.x.shape == (1347, 16) and float(pooled.x[7, 6]) == pytest.approx(float(corner))
    ordered = tasks.handwritten_digits(None, stratified=False)
    assert ordered.y[:10].tolist() == list(range(10))
    with pytest.raises(DataError, match="cannot be stratified"):
        tasks.handwritten_digits(None)
    one, two, three = tasks.permuted(data, 3, key=KEY)
    assert jnp.array_equal(one.x, data.x) and not jnp.array_equal(two.x, three.x)
    assert jnp.array_equal(jnp.sort(two.x_test, axis=1), jnp.sort(data.x_test, axis=1))
    with pytest.raises(DataError, match="0 tasks"):
        tasks.permuted(data, 0, key=KEY)


def test_digits_without_scikit_learn(monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    with pytest.raises(DataError, match="pip install scikit-learn"):
        tasks.handwritten_digits()


def test_languages_are_chains():
    chains = tasks.markov_languages(3, 5, 1.0, key=KEY)
    assert chains.shape == (3, 5, 5) and jnp.allclose(chains.sum(-1), 1.0)
    texts, labels = tasks.sample_texts(chains, 2, 20_000, key=KEY)
    assert texts.shape == (6, 20_000) and labels.tolist() == [0, 0, 1, 1, 2, 2]
    text = np.asarray(texts[2])
    counts = np.zeros((5, 5))
    np.add.at(counts, (text[:-1], text[1:]), 1.0)
    assert np.abs(counts / counts.sum(1, keepdims=True) - np.asarray(chains[1])).max() < 0.03
    told = tasks.text_likelihood(chains, texts[:, :50])
    by_hand = sum(np.log(chains[1, a, b]) for a, b in pairwise(text[:50]))
    assert float(told[2, 1]) == pytest.approx(by_hand)
    with pytest.raises(DataError, match="above zero"):
        tasks.markov_languages(2, 3, 0.0, key=KEY)


def trigrams(items, texts):
    a = items[texts]
    bound = np.roll(a[:, :-2], 2, -1) * np.roll(a[:, 1:-1], 1, -1) * a[:, 2:]
    return np.sign(bound.sum(1) + 0.5)


@rarely
@pytest.mark.parametrize(("d", "hundred", "thirty"), [(128, 0.826, 0.495), (512, 0.986, 0.807), (2048, 1.0, 0.986)])
def test_languages_are_as_hard_as_the_reference_says(d, hundred, thirty):
    """21 languages by bound trigrams of binary vectors, trained on 20 000 letters; within what chains differ by."""
    write, train, ask = jax.random.split(KEY, 3)
    chains = tasks.markov_languages(key=write)
    items = np.random.default_rng(0).choice(np.asarray([-1, 1], np.int8), (27, d))
    known = np.concatenate(
        [trigrams(items, np.asarray(t[None])) for t in tasks.sample_texts(chains, 1, 20_000, key=train)[0]]
    )
    for length, expected in ((100, hundred), (30, thirty)):
        texts, labels = tasks.sample_texts(chains, 10, length, key=ask)
        best = np.argmax(trigrams(items, np.asarray(texts)) @ known.T, axis=1)
        assert np.mean(best == np.asarray(labels)) == pytest.approx(expected, abs=0.09)


def test_vowels():
    assert tasks.MEN["iy"][:2] == (270, 2290) and tasks.MEN["ae"][:2] == (660, 1720)
    assert tasks.MEN["aa"][:2] == (730, 1090) and tasks.MEN["uw"][:2] == (300, 870)
    assert set(tasks.WOMEN) == set(tasks.VOWELS) and len(tasks.VOWELS) == 10
    formants, labels = tasks.vowel_formants(2000, key=KEY)
    assert formants.shape == (14_000, 3) and labels[-1] == 6
    iy = np.asarray(formants[:2000])
    assert iy.mean(0).tolist() == pytest.approx([270, 2290, 3010], rel=0.01)
    assert (iy.std(0) / iy.mean(0)).tolist() == pytest.approx([0.1] * 3, rel=0.06)
    assert tasks.vowel_formants(1, ("er",), 0.0, tasks.WOMEN, key=KEY)[0].tolist() == [[500, 1640, 1960]]
    with pytest.raises(DataError, match="'oe'"):
        tasks.vowel_formants(2, ("iy", "oe"), key=KEY)


def test_the_sound_of_a_vowel_has_its_formants():
    """Without a pitch, one pulse: peaks of the spectrum at the formants."""
    sound = np.asarray(tasks.vowel_sound(jnp.asarray([730.0, 1090.0, 2440.0]), duration=0.2, pitch=4.0, bandwidth=50.0))
    assert np.abs(sound).max() == 1.0 and sound.shape == (2000,)
    size = np.abs(np.fft.rfft(sound))
    frequencies = np.fft.rfftfreq(2000, 1e-4)
    peaks = [k for k in range(1, 999) if size[k] > max(size[k - 1], size[k + 1]) and size[k] > 0.01 * size.max()]
    assert frequencies[peaks].tolist() == pytest.approx([730, 1090, 2440], abs=10)


def test_episodes():
    labels = jnp.repeat(jnp.asarray([3, 5, 7, 9]), jnp.asarray([6, 7, 8, 9]), total_repeat_length=30)
    x = jnp.arange(30.0)[:, None]
    told = jax.tree.map(np.asarray, tasks.few_shot_episodes(x, labels, 3, 2, 4, 50, key=KEY))
    assert told.support.shape == (50, 3, 2, 1) and told.queries.shape == (50, 3, 4, 1) and told.classes.shape == (50, 3)
    of = lambda a: np.asarray(labels)[np.asarray(a[..., 0]).astype(int)]  # noqa: E731
    for support, queries, classes in zip(told.support, told.queries, np.asarray(told.classes), strict=True):
        assert len(set(classes.tolist())) == 3
        assert (of(support) == classes[:, None]).all() and (of(queries) == classes[:, None]).all()
        used = np.concatenate([np.asarray(support).ravel(), np.asarray(queries).ravel()])
        assert len(set(used.tolist())) == used.size
    assert len({tuple(c) for c in np.asarray(told.classes).tolist()}) > 5
    with pytest.raises(DataError, match="smallest with 6 samples"):
        tasks.few_shot_episodes(x, labels, 3, 2, 5, key=KEY)
