"""Synthetic vowels: formants drawn around published means, and the sound of them.

    formants, labels = vowel_formants(20, key=key)
    sound = vowel_sound(formants[0])

G. E. Peterson and H. L. Barney, J. Acoust. Soc. Am. 24, 175 (1952), 10.1121/1.1906875, table II. Their recordings are
not part of this; say "synthetic" of results.
"""

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float, Int

from neurojax.errors import DataError

MEN = {
    "iy": (270, 2290, 3010), "ih": (390, 1990, 2550), "eh": (530, 1840, 2480), "ae": (660, 1720, 2410),
    "aa": (730, 1090, 2440), "ao": (570, 840, 2410), "uh": (440, 1020, 2240), "uw": (300, 870, 2240),
    "ah": (640, 1190, 2390), "er": (490, 1350, 1690),
}  # fmt: skip
"""Mean first, second and third formant of 33 men (Hz)."""
WOMEN = {
    "iy": (310, 2790, 3310), "ih": (430, 2480, 3070), "eh": (610, 2330, 2990), "ae": (860, 2050, 2850),
    "aa": (850, 1220, 2810), "ao": (590, 920, 2710), "uh": (470, 1160, 2680), "uw": (370, 950, 2670),
    "ah": (760, 1400, 2780), "er": (500, 1640, 1960),
}  # fmt: skip
"""The same of 28 women (Hz)."""
VOWELS = tuple(MEN)


def vowel_formants(
    count: int,
    vowels: tuple[str, ...] = ("iy", "ih", "eh", "ae", "aa", "uw", "er"),
    spread: float = 0.1,
    speakers: dict[str, tuple[int, int, int]] | None = None,
    *,
    key: Array,
) -> tuple[Float[Array, "n 3"], Int[Array, " n"]]:
    """Three formants (Hz) of `count` utterances of each vowel, and which vowel, one vowel after the other.

    Each formant is normal around its mean, with a standard deviation in proportion to it; cut at a tenth of the mean.

    Args:
        count: of each vowel. vowels: names, see `VOWELS`. spread: standard deviation over mean, of all formants.
        speakers: the table of means, `MEN` by default. key: of the draw.

    Raises:
        DataError: a vowel that the table does not have, or a negative spread.
    """
    table = MEN if speakers is None else speakers
    unknown = [v for v in vowels if v not in table]
    if unknown or spread < 0:
        raise DataError(f"vowel_formants: vowels {unknown} unknown, spread {spread}; there are {', '.join(table)}.")
    means = jnp.repeat(jnp.asarray([table[v] for v in vowels], jnp.result_type(float)), count, axis=0)
    drawn = means * (1 + spread * jax.random.normal(key, means.shape, means.dtype))
    return jnp.maximum(drawn, 0.1 * means), jnp.repeat(jnp.arange(len(vowels)), count)


def vowel_sound(
    formants: Float[Array, " formants"],
    duration: float = 0.05,
    rate: float = 10e3,
    pitch: float = 120.0,
    bandwidth: float = 80.0,
) -> Float[Array, " time"]:
    """The pressure of a vowel, of peak one: pulses of the glottis through one resonance after the other.

    y_k = (1 - b - c) x_k + b y_{k-1} + c y_{k-2} with c = -exp(-2 pi B/f_s), b = 2 exp(-pi B/f_s) cos(2 pi F/f_s):
    D. H. Klatt, J. Acoust. Soc. Am. 67, 971 (1980), 10.1121/1.383940. Differentiable in the formants.

    Args:
        formants: F (Hz), below half of the rate. duration: s. rate: samples a second f_s (Hz). pitch: pulses a second
            (Hz). bandwidth: B of each resonance (Hz).
    """
    time = jnp.arange(round(duration * rate), dtype=formants.dtype)
    phase = time * pitch / rate
    # A pulse at each sample where a new period begins; the first at zero.
    pulses = (jnp.floor(phase) > jnp.floor(phase - pitch / rate)).astype(formants.dtype)
    decay = jnp.exp(jnp.asarray(-jnp.pi * bandwidth / rate, formants.dtype))
    b, c = 2 * decay * jnp.cos(2 * jnp.pi * formants / rate), -(decay**2)

    def resonances(past: Array, x: Array) -> tuple[Array, Array]:
        rows = []
        for k in range(formants.shape[0]):
            x = (1 - b[k] - c) * x + b[k] * past[k, 0] + c * past[k, 1]
            rows.append(jnp.stack([x, past[k, 0]]))
        return jnp.stack(rows), x

    sound = lax.scan(resonances, jnp.zeros((formants.shape[0], 2), formants.dtype), pulses)[1]
    return sound / jnp.max(jnp.abs(sound))
