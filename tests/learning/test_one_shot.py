"""Prototypes and shared covariances, an associative memory of devices, embeddings, transfer, the table."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from established import rarely
from flax import nnx

import neurojax as nj
import physics
from learning.oneshot.embedding import Embedding, embed, pretrained, turned_and_mirrored
from learning.oneshot.memory import DeviceMemory, StatisticalWriting, memory_faults, unit
from learning.oneshot.prototypes import class_means, discriminant, prototypes, shared_covariance
from learning.oneshot.table import Row, digit_rows, episode_accuracy, memory_scores, split_digits, table, table_text
from learning.oneshot.transfer import retrain, transfer_digits
from learning.tasks.episodes import few_shot_episodes
from learning.tasks.pictures import Pictures
from neurojax.layers import Hardware

pytestmark = pytest.mark.slow

KEY = jax.random.key(0)

# Prototypes.


def _gaussians(classes, each, d, key, spread=0.5):
    """Classes about random means, with a scatter that is longer in some directions."""
    one, two = jax.random.split(key)
    means = jax.random.normal(one, (classes, d))
    labels = jnp.repeat(jnp.arange(classes), each)
    scatter = spread * jnp.linspace(0.2, 3.0, d)[None] * jax.random.normal(two, (classes * each, d))
    return means[labels] + scatter, labels


def test_discriminant_is_that_of_scikit_learn():
    lda = pytest.importorskip("sklearn.discriminant_analysis")
    x, labels = _gaussians(4, 30, 6, KEY)
    log_prior = jnp.log(jnp.asarray([0.1, 0.2, 0.3, 0.4]))
    ours = discriminant(x, labels, 4, shrinkage=0.0, log_prior=log_prior)(x)
    theirs = lda.LinearDiscriminantAnalysis(priors=np.exp(np.asarray(log_prior))).fit(np.asarray(x), np.asarray(labels))
    # Theirs divides the scatter by n, ours by n - classes.
    within = discriminant(
        x, labels, 4, covariance=shared_covariance(x, labels, 4, shrinkage=0.0) * (116 / 120), log_prior=log_prior
    )(x)
    found = np.asarray(jax.nn.softmax(within, axis=1))
    assert found == pytest.approx(theirs.predict_proba(np.asarray(x)), abs=1e-6)
    assert np.argmax(np.asarray(ours), axis=1).shape == (120,)


def test_means_with_a_prior():
    x, labels = jnp.asarray([[1.0, 0.0], [3.0, 0.0], [0.0, 4.0]]), jnp.asarray([0, 0, 1])
    plain = class_means(x, labels, 2)
    assert np.asarray(plain) == pytest.approx(np.asarray([[2.0, 0.0], [0.0, 4.0]]))
    drawn = class_means(x, labels, 3, prior_mean=jnp.asarray([1.0, 1.0]), strength=2.0)
    assert np.asarray(drawn) == pytest.approx(np.asarray([[1.5, 0.5], [2 / 3, 2.0], [1.0, 1.0]]))


@rarely
def test_scatter_of_earlier_classes_helps_where_it_is_the_same():
    """One example of each class, scatter long in some directions: the covariance knows which, distances do not."""
    old, labels = _gaussians(10, 40, 8, KEY)
    known = shared_covariance(old, labels, 10, shrinkage=0.05)
    x, y = _gaussians(10, 40, 8, jax.random.key(7))
    episodes = few_shot_episodes(x, y, 5, 1, 10, 60, key=KEY)
    plain = episode_accuracy(episodes, lambda s, c, q, k: prototypes(s, c, 5)(q), key=KEY)
    better = episode_accuracy(episodes, lambda s, c, q, k: discriminant(s, c, 5, covariance=known)(q), key=KEY)
    assert 0.2 < float(plain) + 0.1 < float(better) < 1.0
    with pytest.raises(nj.DataError, match="5 examples of 5 classes"):
        shared_covariance(x[:5], jnp.arange(5), 5)


@rarely
def test_gradients_of_the_closed_forms():
    """In examples, questions and shrinkage, against central differences; jit as eager, vmap as a loop."""
    x, labels = _gaussians(3, 4, 5, KEY)
    q = jax.random.normal(jax.random.key(1), (6, 5))

    def f(x, q, s):
        return jnp.sum(jnp.tanh(discriminant(x, labels, 3, shrinkage=s)(q) + prototypes(x, labels, 3)(q)))

    at = (x, q, jnp.asarray(0.3))
    step = [1e-6 * jax.random.normal(jax.random.key(k), a.shape) for k, a in enumerate(at)]
    exact = sum(float(jnp.sum(g * h)) for g, h in zip(jax.grad(f, (0, 1, 2))(*at), step, strict=True))
    ends = [float(f(*(a + sign * h for a, h in zip(at, step, strict=True)))) for sign in (1.0, -1.0)]
    assert exact == pytest.approx((ends[0] - ends[1]) / 2, rel=1e-5)
    assert float(jax.jit(f)(*at)) == pytest.approx(float(f(*at)), rel=1e-10)
    both = jax.vmap(lambda s: f(x, q, s))(jnp.asarray([0.3, 0.6]))
    assert np.asarray(both) == pytest.approx([float(f(x, q, jnp.asarray(s))) for s in (0.3, 0.6)], rel=1e-10)


# Memory.


def _filled(points, **options):
    memory = DeviceMemory.blank(points.shape[0], points.shape[1], **options)
    for k, point in enumerate(points):
        memory = memory.write(point, k, key=jax.random.fold_in(KEY, k))
    return memory


def test_currents_are_cosines():
    points = jax.random.normal(KEY, (4, 32))
    exact = np.asarray(unit(points) @ unit(points).T)
    assert np.asarray(_filled(points).cosines(points)) == pytest.approx(exact, abs=1e-9)
    wired = np.asarray(_filled(points, wires=nj.Wires.uniform(2.0)).cosines(points))
    assert not np.allclose(wired, exact, atol=1e-4) and np.all(np.argmax(wired, axis=0) == np.arange(4))
    assert float(_filled(points).power(points[0])) > 0


def test_the_least_used_slot_is_written():
    """Three slots: what is recalled stays, what is not is replaced."""
    points = jax.random.normal(KEY, (4, 16))
    memory = _filled(points[:3])
    for _ in range(3):
        for k in (0, 2):
            scores, memory = memory.recall(points[k], 4)
            assert int(jnp.argmax(scores)) == k
    memory = memory.write(points[3], 3)
    assert memory.labels.tolist() == [0, 3, 2]
    assert np.argmax(np.asarray(memory.scores(points, 4)), axis=1)[[0, 2, 3]].tolist() == [0, 2, 3]


def test_usage_follows_its_equation():
    points = jax.random.normal(KEY, (2, 16))
    memory = _filled(points, decay=0.5)
    assert memory.usage.tolist() == [0.5, 1.0]
    attention = memory.attention(points[0])
    later = memory.recall(points[0], 2)[1]
    assert np.asarray(later.usage) == pytest.approx(0.5 * np.asarray([0.5, 1.0]) + np.asarray(attention))
    assert np.asarray(DeviceMemory.blank(3, 16).write(points[0], 1).attention(points[1])).tolist() == [1.0, 0.0, 0.0]


def test_noise_of_reading_is_that_of_the_cells():
    """Cells that scatter by 5 % of their currents: the cosine scatters as the root of the sum of squares."""
    points = jax.random.normal(KEY, (3, 24))
    memory = _filled(points, read_noise=0.05)
    query = points[1]
    drawn = jax.vmap(lambda k: memory.cosines(query, key=k))(jax.random.split(KEY, 4000))
    v = 0.2 * np.asarray(unit(query))
    g = np.asarray(memory.conductances)
    spread = np.sqrt(np.einsum("f,afs->s", v**2, (0.05 * g) ** 2)) * 0.5 / (0.2 * (1e-4 - 1e-6))
    assert np.asarray(drawn.std(axis=0)) == pytest.approx(spread, rel=0.05)
    assert np.asarray(drawn.mean(axis=0)) == pytest.approx(np.asarray(memory.cosines(query)), abs=5 * spread.max() / 60)


def test_writing_by_a_statistics_and_stuck_cells():
    points = jax.random.normal(KEY, (5, 64))
    number = lambda a: jnp.asarray(a, float)  # noqa: E731
    writing = StatisticalWriting(physics.PcmStatistics(), number(3600.0), number(1e-7), number(25e-6))
    window = dict(g_min=1e-7, g_max=25e-6)
    ideal = np.diag(np.asarray(_filled(points, **window).cosines(points)))
    noisy = np.diag(np.asarray(_filled(points, writing=writing, **window).cosines(points)))
    # Phase-change cells have lost a part of their conductance after an hour.
    assert np.all(noisy < ideal) and np.all(noisy > 0.5 * ideal)
    faults = memory_faults(5, 64, 0.1, key=KEY)
    broken = _filled(points, faults=faults, **window)
    assert float(jnp.mean(faults.on | faults.off)) == pytest.approx(0.1, abs=0.04)
    assert bool(jnp.all(broken.cells.reshape(-1, 5)[faults.on] == 1.0))
    assert np.argmax(np.asarray(broken.scores(points, 5)), axis=1).tolist() == [0, 1, 2, 3, 4]


@rarely
def test_gradient_through_writing_and_reading():
    """In the key that is written and the query, within the window."""
    points, query = 0.1 * jax.random.normal(KEY, (3, 40)), jax.random.normal(jax.random.key(4), (40,))

    def f(points, query):
        return jnp.log(_filled(points, sharpness=3.0).scores(query, 3)[0])

    steps = 1e-6 * jax.random.normal(jax.random.key(2), points.shape), 1e-6 * jax.random.normal(KEY, query.shape)
    exact = sum(float(jnp.sum(g * h)) for g, h in zip(jax.grad(f, (0, 1))(points, query), steps, strict=True))
    ends = [float(f(points + sign * steps[0], query + sign * steps[1])) for sign in (1.0, -1.0)]
    assert exact == pytest.approx((ends[0] - ends[1]) / 2, rel=1e-5)
    assert float(jax.jit(f)(points, query)) == pytest.approx(float(f(points, query)), rel=1e-10)
    at_zero = jax.grad(lambda q: _filled(points).scores(q, 3)[0])(jnp.zeros_like(query))
    assert bool(jnp.all(jnp.isfinite(at_zero)))


def test_wrong_memories():
    with pytest.raises(nj.CircuitError, match="faults have shape"):
        DeviceMemory.blank(4, 8, faults=memory_faults(4, 7, 0.1, key=KEY))
    with pytest.raises(nj.CircuitError, match="exchange them"):
        DeviceMemory.blank(4, 8, g_min=1e-4, g_max=1e-6)


# Embeddings, transfer, table.


def test_turned_and_mirrored_pictures():
    x = jnp.arange(32.0).reshape(2, 16)
    many, names = turned_and_mirrored(x, jnp.asarray([0, 1]), 2)
    assert many.shape == (16, 16) and names.tolist() == list(range(16))
    assert len({tuple(p) for p in np.asarray(many).tolist()}) == 16
    with pytest.raises(nj.DataError, match="not square"):
        turned_and_mirrored(x[:, :15], jnp.asarray([0, 1]), 2)


def _bars(n, key):
    """Bars at one of three heights with noise: pictures of three classes."""
    labels = jnp.arange(n) % 3
    rows = jnp.arange(4)[None, :, None] == labels[:, None, None]
    x = jnp.broadcast_to(rows, (n, 4, 4)).astype(float) + 0.3 * jax.random.normal(key, (n, 4, 4))
    return x.reshape(n, 16), labels.astype(jnp.int32)


@rarely
def test_pretraining_lowers_errors_on_its_own_classes():
    x, labels = _bars(60, KEY)
    before = Embedding(channels=4, side=4, rngs=nnx.Rngs(0))
    how = dict(ways=3, augment=False, shift=0, key=KEY, progress=False)
    # Adam of optax counts its steps in integers.
    with jax.numpy_dtype_promotion("standard"):
        after = pretrained(before, x, labels, steps=60, **how)
    test, names = _bars(60, jax.random.key(3))

    def accuracy(model):
        points = embed(model, test)
        assert points.shape == (60, model.features) and points.dtype == test.dtype
        episodes = few_shot_episodes(points, names, 3, 1, 5, 100, key=KEY)
        return float(episode_accuracy(episodes, lambda s, c, q, k: prototypes(s, c, 3)(q), key=KEY))

    assert accuracy(after) > accuracy(before) + 0.03
    with pytest.raises(nj.DataError, match="3 classes"):
        pretrained(before, x, labels, **(how | dict(ways=4)))
    with pytest.raises(nj.DataError, match="side = 7"):
        Embedding(side=7, rngs=nnx.Rngs(0))


def test_text_of_a_table():
    rows = [Row("digits", "one way", (0.7, 0.8)), Row("languages", "another", (1.0,), 0.9)]
    text = table_text(rows)
    assert "75.00 +- 5.00" in text and "(90.0 in an independent script)" in text
    with pytest.raises(nj.DataError, match="one seed at least"):
        table(0, key=KEY)
    with pytest.raises(nj.DataError, match="'letters'"):
        table(1, groups=("letters",), key=KEY)


def test_new_digits_are_never_seen():
    pytest.importorskip("sklearn")
    one, two = split_digits(0), split_digits(1)
    assert len(one.x_old) + len(one.x_new) == 1797 and len(set(one.digits)) == 5 and one.digits != two.digits
    known, new = (set(map(bytes, np.asarray(a).round(4))) for a in (one.x_old, one.x_new))
    assert not known & new


@rarely
def test_memory_answers_as_prototypes_do():
    """With ideal cells and one example, the largest cosine is the nearest of points of one length."""
    x, y = _gaussians(6, 20, 32, KEY, spread=0.3)
    episodes = few_shot_episodes(unit(x), y, 5, 1, 5, 40, key=KEY)
    plain = episode_accuracy(episodes, lambda s, c, q, k: prototypes(s, c, 5)(q), key=KEY)
    held = episode_accuracy(episodes, memory_scores(lambda k: DeviceMemory.blank(5, 32, largest=1.0)), key=KEY)
    assert float(held) == pytest.approx(float(plain), abs=1e-6)


@rarely
def test_one_shot_digits_above_seventy_per_cent():
    """Five digits never seen, one example of each, through an embedding that saw the other five: mean of three seeds
    above 70 % with ideal and with phase-change cells, above what the pixels alone give."""
    pytest.importorskip("sklearn")
    with jax.numpy_dtype_promotion("standard"):
        found = [digit_rows(seed, key=jax.random.key(seed)) for seed in range(3)]
    mean = {name: np.mean([row[name] for row in found]) for name in found[0]}
    assert mean["embedded, prototypes"] > 0.70 and mean["embedded, memory, phase-change cells, 1 h"] > 0.70
    assert mean["embedded, memory, ideal cells"] > mean["pixels, prototypes"] + 0.02
    assert mean["embedded, memory, the same, 20 % stuck"] < mean["embedded, memory, the same, 5 % stuck"]


@rarely
def test_transfer_reaches_ninety_per_cent_with_a_tenth_of_the_cells():
    pytest.importorskip("sklearn")
    result = transfer_digits(seeds=1, hidden=128, epochs=10, pretraining=60, rates=(1.0,))
    assert result.epochs_transfer[0] <= 10 and result.curve_transfer.shape == (1, 11)
    assert result.cells[0] < 0.1 * result.cells[1]
    with pytest.raises(nj.DataError, match="not all"):
        transfer_digits(known=range(10))
    with pytest.raises(nj.DataError, match="no layer 'head'"):
        retrain(_small(), _tiny(), only="head")


def _small():
    from learning.oneshot.transfer import TwoLayers

    return nj.layers.to_crossbar(TwoLayers(16, 8, 3, rngs=nnx.Rngs(0)), Hardware())


def _tiny():
    x, y = _bars(60, KEY)
    return Pictures(x.astype(jnp.float32), y, x.astype(jnp.float32), y)


def test_only_the_readout_gets_pulses():
    model = _small()
    trained, curve = retrain(model, _tiny(), only="readout", rate=1.0, epochs=6)
    assert bool(jnp.all(trained.features.cells[...] == model.features.cells[...]))
    assert not bool(jnp.all(trained.readout.cells[...] == model.readout.cells[...]))
    assert curve.shape == (7,) and curve[-1] > curve[0] + 0.2
    with pytest.raises(nj.DataError, match="less than a batch"):
        retrain(model, _tiny(), batch=100)
