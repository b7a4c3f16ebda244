"""The things that lie about: bottles, and all that a bottle can be mistaken for.

Round things (bottles, cans, cups, butts) are turned on a lathe: five tables along the axis say how thick, how bright,
how opaque, how glossy and how printed they are, and a picture of them is a matter of looking up. Flat and lumpy things
have a distance to their edge. All draw into a canvas of fine pixels, brightness 0 to 1, in place. Lengths are in fine
pixels unless a thing's own unit is named.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from coursekit.litter_ground import FINE, grid, sample, textures

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from coursekit.litter_ground import Field

    Table = NDArray[Any]
    Points = Sequence[tuple[float, float]]

_STEPS = 256
_ALONG = (np.arange(_STEPS) + 0.5) / _STEPS


class Light(NamedTuple):
    """Where light comes from: angle in the picture, height above the ground (0 to 1), and what its shadows are like."""

    angle: float
    height: float
    shadow: float
    reach: float


class Place(NamedTuple):
    """Where a thing lies: its centre, the direction of its axis (radians), and how long its unit is (fine pixels)."""

    x: float
    y: float
    angle: float
    size: float


class Lathe(NamedTuple):
    """A round thing, lying: tables over its axis from 0 (base) to 1 (top); its length is the unit of `radius`."""

    radius: Table
    tone: Table
    opacity: Table
    gloss: Table
    ink: Table
    crumple: float = 0.0
    bend: float = 0.0
    tilt: float = 0.0  # above 0 the top end is seen, below 0 the base
    grooves: float = 10.0  # how dark it is between ribs, for their depth
    end_tone: float = 0.5
    end_ring: float = 0.0


class _Window(NamedTuple):
    """The part of the canvas that a thing can touch, and the thing's own coordinates there (in its units)."""

    canvas: Field
    u: Field
    v: Field


def _window(canvas: Field, place: Place, half_u: float, half_v: float, margin: float) -> _Window | None:
    c, s = np.cos(place.angle), np.sin(place.angle)
    reach_x = (abs(c) * half_u + abs(s) * half_v) * place.size + margin
    reach_y = (abs(s) * half_u + abs(c) * half_v) * place.size + margin
    left, right = max(0, int(place.x - reach_x)), min(FINE, int(place.x + reach_x) + 2)
    top, bottom = max(0, int(place.y - reach_y)), min(FINE, int(place.y + reach_y) + 2)
    if left >= right or top >= bottom:
        return None
    x, y = grid()
    x = (x[:1, left:right] - np.float32(place.x)) / np.float32(place.size)
    y = (y[top:bottom, :1] - np.float32(place.y)) / np.float32(place.size)
    c, s = np.float32(c), np.float32(s)
    return _Window(canvas[top:bottom, left:right], c * x + s * y, c * y - s * x)


def _level(light: Light, place: Place) -> tuple[np.float32, np.float32]:
    """Give the level part of the direction to the light, along and across a thing's axis."""
    level = np.sqrt(1 - light.height**2)
    return np.float32(np.cos(light.angle - place.angle) * level), np.float32(np.sin(light.angle - place.angle) * level)


def _cast(window: _Window, mask: Field, light: Light, height: float, strength: float = 1.0) -> None:
    """Darken what lies in the shadow of `mask`, a thing that stands `height` fine pixels high."""
    dark = mask
    for share in (0.45, 1.0):
        dx = round(-np.cos(light.angle) * light.reach * height * share)
        dy = round(-np.sin(light.angle) * light.reach * height * share)
        dark = np.maximum(dark, (1.1 - 0.4 * share) * _moved(mask, dy, dx))
    dark = _soft(dark)
    window.canvas[...] *= 1 - np.float32(light.shadow * strength) * dark


def _moved(mask: Field, dy: int, dx: int) -> Field:
    rows, columns = mask.shape
    out = np.zeros_like(mask)
    if abs(dy) < rows and abs(dx) < columns:
        out[max(dy, 0) : rows + min(dy, 0), max(dx, 0) : columns + min(dx, 0)] = mask[
            max(-dy, 0) : rows + min(-dy, 0), max(-dx, 0) : columns + min(-dx, 0)
        ]
    return out


def _soft(mask: Field) -> Field:
    """Blur over five pixels each way; the window's rim stays as it is."""
    out = mask.copy()
    out[2:-2] = (mask[:-4] + mask[1:-3] + mask[2:-2] + mask[3:-1] + mask[4:]) * np.float32(0.2)
    soft = out.copy()
    soft[:, 2:-2] = (out[:, :-4] + out[:, 1:-3] + out[:, 2:-2] + out[:, 3:-1] + out[:, 4:]) * np.float32(0.2)
    return soft


def _paint(window: _Window, mask: Field, tone: Field) -> None:
    window.canvas[...] += mask * (tone - window.canvas)


def _table(points: Points, smooth: int = 1) -> Table:
    """Join (place along the axis, value) points by lines, rounded over `smooth` table steps."""
    places, values = zip(*points, strict=True)
    table: Table = np.interp(_ALONG, places, values)
    if smooth > 1:
        padded = np.concatenate([np.full(smooth // 2, table[0]), table, np.full(smooth // 2, table[-1])])
        table = np.convolve(padded, np.full(smooth, 1 / smooth), "valid")[:_STEPS]
    return table


def _band(table: Table, start: float, stop: float, value: float) -> None:
    table[int(start * _STEPS) : int(stop * _STEPS)] = value


def draw_lathe(  # noqa: PLR0915 - one long recipe reads better than its parts
    rng: np.random.Generator, canvas: Field, light: Light, place: Place, thing: Lathe
) -> None:
    """Draw a round thing with its shadow, highlights, print, and what is seen through it."""
    widest = float(thing.radius.max())
    thick = widest * place.size
    end = abs(thing.tilt) * widest
    half_v = widest + abs(thing.bend) * 0.3
    window = _window(canvas, place, 0.5 + end, half_v, light.reach * thick + 4)
    if window is None:
        return
    along = window.u + np.float32(0.5)
    across = window.v + np.float32(thing.bend) * (np.square(window.u * 2) - np.float32(0.4)) * np.float32(0.5)
    tile = textures()
    grain = np.float32(place.size * 0.9)
    left, top = rng.uniform(1000, 1500, 2).astype(np.float32)
    side_slope = slope = None
    if thing.crumple:
        grain = np.float32(90.0)
        side_slope = sample(tile.crease_v, along * grain + left, across * grain + top)
        slope = sample(tile.crease_u, along * grain + left, across * grain + top)
        across = across + np.float32(0.06 * thing.crumple * widest) * side_slope

    index = np.clip(along * _STEPS, 0, _STEPS - 1).astype(np.int32)
    radius_table = thing.radius.astype(np.float32)
    radius = radius_table[index]
    side = np.clip(across / radius, -1, 1)
    lift = np.sqrt(1 - side * side)
    size = np.float32(place.size)
    cover = np.clip((radius - np.abs(across)) * size + np.float32(0.5), 0, 1)
    if end:
        # Circles around the axis are seen as ellipses: bands bulge towards the end that is turned away.
        bulge = np.float32(thing.tilt) * radius * lift
        along = along + bulge
        index = np.clip(along * _STEPS, 0, _STEPS - 1).astype(np.int32)
    cover *= np.clip(along * size + np.float32(0.5), 0, 1) * np.clip((1 - along) * size + np.float32(0.5), 0, 1)

    disc = ring = None
    if end:
        rim = radius_table[-1] if thing.tilt > 0 else radius_table[0]
        from_end = (window.u - np.float32(0.5 if thing.tilt > 0 else -0.5)) / np.float32(abs(thing.tilt))
        distance = np.sqrt(np.square(from_end) + np.square(across)) / rim
        thick_end = rim * abs(thing.tilt) * place.size
        disc = np.clip((1 - distance) * np.float32(max(thick_end, 1.0)) + np.float32(0.5), 0, 1)
        ring = np.clip(1 - np.abs(distance - np.float32(0.8)) * 6, 0, 1)
        cover = np.maximum(cover, disc)

    opacity = thing.opacity.astype(np.float32)[index]
    _cast(window, cover, light, thick, 0.15 + 0.85 * float(thing.opacity.mean()) ** 2)

    light_u, light_v = _level(light, place)
    slopes = np.clip(-np.gradient(thing.radius) * _STEPS, -0.9, 0.9).astype(np.float32)[index]
    if slope is not None and side_slope is not None:
        slopes = slopes + np.float32(0.55 * thing.crumple) * slope
        side = np.clip(side + np.float32(0.4 * thing.crumple) * side_slope, -1, 1)
    facing = light_v * side + (np.float32(light.height) + np.float32(1.3) * light_u * slopes) * lift
    crest = np.maximum(np.roll(thing.radius, 9), np.roll(thing.radius, -9))
    valley = np.clip(1 - thing.radius / crest, 0, 0.06) * thing.grooves
    tone = (thing.tone * (1.15 - valley)).astype(np.float32)[index]
    ink = thing.ink.astype(np.float32)[index]
    if thing.ink.any():
        letters = sample(tile.text, along * grain + left, across * np.float32(1.3) * grain + top)
        tone = tone + ink * letters
    tone = tone * (np.float32(0.45) + np.float32(0.6) * np.clip(facing, 0, 1.3))
    rim_light = np.square(np.square(side))
    opacity = opacity + (1 - opacity) * np.float32(0.55) * rim_light
    seen = window.canvas
    tone = seen + opacity * (tone - seen)
    streak = side - np.float32(0.55) * light_v / np.float32(0.7) - np.float32(0.1) * slopes
    shine = np.exp(-np.square(streak / np.float32(0.16))) + np.float32(0.5) * np.exp(
        -np.square((side + light_v) / np.float32(0.1))
    )
    tone = tone + thing.gloss.astype(np.float32)[index] * shine
    if disc is not None and ring is not None:
        tone = tone + disc * (np.float32(thing.end_tone) + np.float32(thing.end_ring) * ring - tone)
    _paint(window, cover, tone)


# --- bottles -------------------------------------------------------------------------------------------------------


def bottle(rng: np.random.Generator) -> tuple[Lathe, float]:
    """Make a bottle: what it looks like, and its length over that of a half-litre bottle."""
    makers: tuple[Callable[[np.random.Generator], tuple[Lathe, float]], ...] = (_water, _soda, _beer, _flask, _opaque)
    return makers[rng.choice(len(makers), p=(0.52, 0.21, 0.07, 0.12, 0.08))](rng)


def _ribs(radius: Table, start: float, stop: float, pitch: float, depth: float) -> Table:
    inside = (start < _ALONG) & (stop > _ALONG)
    return radius * (1 - depth * inside * (0.5 + 0.5 * np.cos(2 * np.pi * (_ALONG - start) / pitch)))


def _finish(
    rng: np.random.Generator,
    radius: Table,
    *,
    tone: float,
    opacity: float,
    gloss: float,
    label: tuple[float, float] | None,
    cap: tuple[float, float] | None,
    crumple: float,
) -> Lathe:
    """Give a bottle its colour, label and cap."""
    tones = np.full(_STEPS, tone)
    opacities = np.full(_STEPS, opacity)
    glosses = np.full(_STEPS, gloss)
    inks = np.zeros(_STEPS)
    if label is not None:
        paper = rng.choice([rng.uniform(0.75, 1.0), rng.uniform(0.05, 0.35)], p=(0.65, 0.35))
        for table, value in (
            (tones, paper),
            (opacities, 0.95),
            (glosses, gloss * 0.3),
            (inks, 0.7 * (0.5 - paper) / 0.5),
        ):
            _band(table, *label, value)
    if cap is not None:
        colour = rng.choice([rng.uniform(0.8, 1.0), rng.uniform(0.05, 0.3)], p=(0.6, 0.4))
        for table, value in ((tones, colour), (opacities, 1.0), (glosses, 0.2), (inks, 0.0)):
            _band(table, *cap, value)
    return Lathe(
        radius,
        tones,
        opacities,
        glosses,
        inks,
        crumple=crumple,
        bend=rng.normal(0, 0.09) * (crumple > 0),
        tilt=rng.uniform(-0.3, 0.25),
        grooves=rng.uniform(7.0, 12.0),
        end_tone=tone * opacity + 0.3 * (1 - opacity) if cap is None else colour,
        end_ring=0.1,
    )


def _crushed(rng: np.random.Generator, radius: Table, amount: float) -> Table:
    """Squeeze the body of a bottle here and there; neck and cap are too stiff."""
    knots = np.linspace(0, 0.75, 7)
    squeeze = _table([*zip(knots, 1 + amount * rng.uniform(-0.45, 0.3, 7), strict=True), (0.85, 1.0), (1.0, 1.0)], 25)
    return radius * squeeze


def _water(rng: np.random.Generator) -> tuple[Lathe, float]:
    wide = rng.uniform(0.14, 0.175)
    waist = rng.uniform(0.82, 1.0)
    radius = _table(
        [
            (0, 0.8 * wide),
            (0.03, wide),
            (0.3, wide),
            (0.42, waist * wide),
            (0.52, wide),
            (0.66, wide),
            (0.86, 0.058),
            (0.92, 0.055),
            (1, 0.055),
        ],
        13,
    )
    start = rng.uniform(0.38, 0.5)
    label = (start, start + rng.uniform(0.12, 0.22)) if rng.random() < 0.7 else None
    radius = _ribs(radius, 0.06, 0.64, rng.uniform(0.06, 0.085), rng.uniform(0.03, 0.055))
    crumple = rng.uniform(0.3, 1.0) if rng.random() < 0.4 else 0.0
    if crumple:
        radius = _crushed(rng, radius, 0.6 * crumple)
    capped = rng.random() < 0.8
    _band(radius, 0.905, 1.0, 0.066 if capped else 0.05)
    _band(radius, 0.89, 0.905, 0.072)
    thing = _finish(
        rng,
        radius,
        tone=rng.uniform(0.8, 1.0),
        opacity=rng.uniform(0.4, 0.75),
        gloss=rng.uniform(0.3, 0.5),
        label=label,
        cap=(0.905, 1.0) if capped else None,
        crumple=crumple,
    )
    return thing, rng.uniform(0.9, 1.1)


def _soda(rng: np.random.Generator) -> tuple[Lathe, float]:
    wide = rng.uniform(0.15, 0.18)
    radius = _table(
        [
            (0, 0.7 * wide),
            (0.05, wide),
            (0.2, wide),
            (0.34, 0.86 * wide),
            (0.6, 0.97 * wide),
            (0.68, wide),
            (0.88, 0.06),
            (1, 0.055),
        ],
        21,
    )
    crumple = rng.uniform(0.3, 1.0) if rng.random() < 0.35 else 0.0
    if crumple:
        radius = _crushed(rng, radius, 0.6 * crumple)
    capped = rng.random() < 0.85
    _band(radius, 0.92, 1.0, 0.066 if capped else 0.05)
    radius = _ribs(radius, 0.06, 0.72, rng.uniform(0.065, 0.085), rng.uniform(0.03, 0.055))
    full = rng.random() < 0.25
    thing = _finish(
        rng,
        radius,
        tone=rng.uniform(0.1, 0.3) if full else rng.uniform(0.75, 1.0),
        opacity=rng.uniform(0.7, 0.95) if full else rng.uniform(0.4, 0.7),
        gloss=rng.uniform(0.3, 0.55),
        label=(0.38, 0.6) if rng.random() < 0.85 else None,
        cap=(0.92, 1.0) if capped else None,
        crumple=crumple,
    )
    return thing, rng.uniform(0.95, 1.2)


def _beer(rng: np.random.Generator) -> tuple[Lathe, float]:
    wide = rng.uniform(0.12, 0.14)
    shoulder = rng.uniform(0.5, 0.6)
    radius = _table(
        [(0, 0.92 * wide), (0.03, wide), (shoulder, wide), (shoulder + 0.16, 0.062), (0.94, 0.046), (1, 0.046)], 15
    )
    _band(radius, 0.95, 1.0, 0.056)
    dark = rng.random() < 0.65
    thing = _finish(
        rng,
        radius,
        tone=rng.uniform(0.05, 0.3) if dark else rng.uniform(0.6, 0.8),
        opacity=rng.uniform(0.75, 0.95) if dark else rng.uniform(0.3, 0.5),
        gloss=rng.uniform(0.5, 0.8),
        label=(0.14, shoulder - 0.08) if rng.random() < 0.75 else None,
        cap=(0.95, 1.0) if rng.random() < 0.4 else None,
        crumple=0.0,
    )
    return thing, rng.uniform(0.95, 1.2)


def _flask(rng: np.random.Generator) -> tuple[Lathe, float]:
    """Make a squat bottle with a wide cap: juice, milk, spirits."""
    wide = rng.uniform(0.19, 0.24)
    neck = rng.uniform(0.08, 0.1)
    radius = _table([(0, 0.9 * wide), (0.03, wide), (0.58, wide), (0.64, 0.97 * wide), (0.78, neck), (1, neck)], 15)
    radius = _ribs(radius, 0.04, 0.62, rng.uniform(0.075, 0.095), rng.uniform(0.035, 0.055))
    _band(radius, 0.84, 1.0, neck * 1.2)
    clear = rng.random() < 0.6
    thing = _finish(
        rng,
        radius,
        tone=rng.uniform(0.7, 0.95),
        opacity=rng.uniform(0.4, 0.7) if clear else rng.uniform(0.85, 1.0),
        gloss=rng.uniform(0.3, 0.5),
        label=(0.2, rng.uniform(0.45, 0.55)) if rng.random() < 0.8 else None,
        cap=(0.84, 1.0),
        crumple=0.0,
    )
    return thing, rng.uniform(0.75, 0.95)


def _opaque(rng: np.random.Generator) -> tuple[Lathe, float]:
    """Make an opaque bottle: yoghurt drink, shampoo, cleaner."""
    wide = rng.uniform(0.15, 0.2)
    neck = rng.uniform(0.055, 0.08)
    shoulder = rng.uniform(0.6, 0.72)
    radius = _table(
        [
            (0, 0.93 * wide),
            (0.03, wide),
            (0.35, rng.uniform(0.85, 1) * wide),
            (shoulder, wide),
            (shoulder + 0.1, neck),
            (1, neck),
        ],
        15,
    )
    crumple = rng.uniform(0.2, 0.7) if rng.random() < 0.3 else 0.0
    if crumple:
        radius = _crushed(rng, radius, 0.5 * crumple)
    if rng.random() < 0.75:
        radius = _ribs(radius, 0.06, shoulder, rng.uniform(0.07, 0.095), rng.uniform(0.03, 0.05))
    _band(radius, 0.86, 1.0, neck * 1.2)
    thing = _finish(
        rng,
        radius,
        tone=rng.choice([rng.uniform(0.75, 0.95), rng.uniform(0.2, 0.6)], p=(0.65, 0.35)),
        opacity=1.0,
        gloss=rng.uniform(0.15, 0.35),
        label=(0.12, shoulder - 0.06) if rng.random() < 0.75 else None,
        cap=(0.86, 1.0),
        crumple=crumple,
    )
    return thing, rng.uniform(0.8, 1.05)


# --- other round things --------------------------------------------------------------------------------------------


def can(rng: np.random.Generator) -> tuple[Lathe, float]:
    """Make a drinks can, whole or crushed."""
    wide = rng.uniform(0.25, 0.31)
    radius = _table([(0, 0.82 * wide), (0.05, wide), (0.92, wide), (0.97, 0.84 * wide), (1, 0.86 * wide)], 7)
    crumple = rng.uniform(0.4, 1.0) if rng.random() < 0.45 else 0.0
    if crumple:
        pinch = rng.uniform(0.3, 0.7)
        radius = radius * _table([(0, 1), (pinch - 0.2, 1), (pinch, 1 - 0.35 * crumple), (pinch + 0.2, 1), (1, 1)], 25)
    paint = rng.choice([rng.uniform(0.6, 0.95), rng.uniform(0.1, 0.4)])
    tone, ink = np.full(_STEPS, paint), np.full(_STEPS, 0.7 * (0.5 - paint) / 0.5)
    for start, stop in ((0, 0.06), (0.94, 1)):
        _band(tone, start, stop, 0.7)
        _band(ink, start, stop, 0.0)
    return Lathe(
        radius,
        tone,
        np.ones(_STEPS),
        np.full(_STEPS, rng.uniform(0.3, 0.6)),
        ink,
        crumple=crumple,
        bend=rng.normal(0, 0.2) * (crumple > 0),
        tilt=rng.choice([-1, 1]) * rng.uniform(0.15, 0.6),
        end_tone=rng.uniform(0.45, 0.75),
        end_ring=rng.choice([-0.25, 0.2]),
    ), rng.uniform(0.62, 0.8)


def cup(rng: np.random.Generator) -> tuple[Lathe, float]:
    """Make a cup: paper or clear plastic, with a lid or open."""
    wide = rng.uniform(0.33, 0.4)
    foot = wide * rng.uniform(0.62, 0.8)
    clear = rng.random() < 0.4
    lid = rng.random() < 0.5
    radius = _table([(0, foot), (1, wide)])
    if clear:
        radius = _ribs(radius, 0.1, rng.uniform(0.5, 0.85), rng.uniform(0.06, 0.1), 0.05)
    crumple = rng.uniform(0.3, 0.9) if rng.random() < 0.35 else 0.0
    if crumple:
        radius = _crushed(rng, radius, 0.4 * crumple)
    tone = np.full(_STEPS, rng.uniform(0.7, 0.95) if clear or rng.random() < 0.6 else rng.uniform(0.15, 0.5))
    opacity = np.full(_STEPS, rng.uniform(0.25, 0.5) if clear else 1.0)
    ink = np.zeros(_STEPS)
    if not clear or rng.random() < 0.4:
        start = rng.uniform(0.2, 0.35)
        stop = start + rng.uniform(0.25, 0.45)
        _band(opacity, start, stop, 1.0)
        _band(ink, start, stop, -0.6 if tone[0] > 0.5 else 0.6)
        if rng.random() < 0.6:
            _band(tone, start, stop, rng.uniform(0.2, 0.8))
    if lid:
        for table, value in ((tone, rng.choice([0.92, 0.15])), (opacity, 1.0), (ink, 0.0)):
            _band(table, 0.9, 1.0, value)
        _band(radius, 0.9, 0.94, wide * 1.08)
    return Lathe(
        radius,
        tone,
        opacity,
        np.full(_STEPS, rng.uniform(0.25, 0.5) if clear else rng.uniform(0.0, 0.12)),
        ink,
        crumple=crumple,
        bend=rng.normal(0, 0.15) * (crumple > 0),
        tilt=rng.uniform(0.15, 0.6) if rng.random() < 0.75 else -rng.uniform(0.1, 0.4),
        end_tone=tone[-1] * 0.95 if lid else rng.uniform(0.1, 0.4),
        end_ring=0.0 if lid else 0.15,
    ), rng.uniform(0.6, 0.75)


def jar(rng: np.random.Generator) -> tuple[Lathe, float]:
    """Make a food tin or a jar: as wide at the top as at the base."""
    wide = rng.uniform(0.3, 0.42)
    radius = _ribs(np.full(_STEPS, wide), 0.1, 0.9, rng.uniform(0.08, 0.16), rng.uniform(0, 0.025))
    clear = rng.random() < 0.4
    tone = np.full(_STEPS, rng.uniform(0.5, 0.85))
    opacity = np.full(_STEPS, rng.uniform(0.35, 0.6) if clear else 1.0)
    ink = np.zeros(_STEPS)
    if rng.random() < 0.6:
        paper = rng.choice([0.9, 0.25])
        for table, value in ((tone, paper), (opacity, 1.0), (ink, 0.6 * (0.5 - paper) / 0.5)):
            _band(table, 0.2, 0.75, value)
    if clear:
        for table, value in ((tone, rng.choice([0.85, 0.2])), (opacity, 1.0)):
            _band(table, 0.84, 1.0, value)
    return Lathe(
        radius,
        tone,
        opacity,
        np.full(_STEPS, rng.uniform(0.3, 0.55)),
        ink,
        tilt=rng.choice([-1, 1]) * rng.uniform(0.2, 0.6),
        end_tone=rng.uniform(0.3, 0.75),
        end_ring=rng.choice([-0.2, 0.2]),
    ), rng.uniform(0.5, 0.65)


def branch(rng: np.random.Generator) -> tuple[Lathe, float]:
    """Make a branch, a pipe or a hose that crosses the picture."""
    pipe = rng.random() < 0.5
    wide = rng.uniform(0.03, 0.07)
    radius = np.full(_STEPS, wide) if pipe else wide * _table([(0, 1), (0.3, 0.8), (0.6, 0.95), (1, 0.6)], 31)
    if pipe and rng.random() < 0.6:
        radius = _ribs(radius, 0, 1, rng.uniform(0.02, 0.035), 0.12)
    return Lathe(
        radius,
        np.full(_STEPS, rng.uniform(0.15, 0.8)),
        np.ones(_STEPS),
        np.full(_STEPS, rng.uniform(0.1, 0.4) if pipe else 0.0),
        np.zeros(_STEPS),
        crumple=0.0 if pipe else rng.uniform(0.5, 1.0),
        bend=rng.normal(0, 0.2),
    ), rng.uniform(1.6, 2.4)


def butt(rng: np.random.Generator) -> tuple[Lathe, float]:
    """Make a cigarette butt: white paper, a darker filter, a burnt end."""
    tone = np.full(_STEPS, 0.95)
    _band(tone, 0, rng.uniform(0.4, 0.7), rng.uniform(0.4, 0.65))
    _band(tone, 0.93, 1, 0.1)
    return Lathe(
        np.full(_STEPS, 0.13),
        tone,
        np.ones(_STEPS),
        np.zeros(_STEPS),
        np.zeros(_STEPS),
        crumple=0.4,
        bend=rng.normal(0, 0.12),
    ), rng.uniform(0.13, 0.2)


def straw(rng: np.random.Generator) -> tuple[Lathe, float]:
    """Make a drinking straw, plain or striped."""
    tone = np.full(_STEPS, rng.uniform(0.3, 1.0))
    if rng.random() < 0.25:
        tone = tone * (0.85 + 0.15 * np.sign(np.sin(_ALONG * 40)))
    return Lathe(
        np.full(_STEPS, 0.03), tone, np.ones(_STEPS), np.full(_STEPS, 0.2), np.zeros(_STEPS), bend=rng.normal(0, 0.1)
    ), rng.uniform(0.6, 0.9)


# --- flat and lumpy things -----------------------------------------------------------------------------------------


def draw_sheet(rng: np.random.Generator, canvas: Field, light: Light, place: Place) -> None:
    """Draw something flat: paper, a newspaper, a wrapper, cardboard, a face mask, a carton; one unit long."""
    wide = rng.uniform(0.45, 0.95)
    window = _window(canvas, place, 0.55, wide * 0.55, 8)
    if window is None:
        return
    tile = textures()
    left, top = rng.uniform(1000, 1500, 2).astype(np.float32)
    size = np.float32(place.size)
    shift = np.float32(rng.uniform(0.0, 0.05)) * sample(tile.cloud, window.u * 60 + left, window.v * 60 + top)
    u, v = window.u + shift, window.v - shift
    skew = np.float32(rng.uniform(-0.25, 0.25))
    edge = np.minimum(0.5 - np.abs(u + skew * v), 0.5 * wide - np.abs(v))
    kind = rng.choice(["paper", "print", "wrapper", "card", "pleats", "carton"], p=(0.2, 0.2, 0.22, 0.17, 0.06, 0.15))
    if kind == "wrapper":
        edge = edge - np.float32(0.02) * np.abs(np.sin(v * 60)) * (np.abs(u) > 0.4)
    mask = np.clip(edge * size + np.float32(0.5), 0, 1)
    bright = rng.uniform(0.7, 1.0) if kind in {"paper", "pleats"} or rng.random() < 0.5 else rng.uniform(0.15, 0.6)
    tone = np.full_like(u, bright)
    if kind in {"print", "wrapper", "carton"}:
        scale = np.float32(rng.uniform(40, 110))
        tone += np.float32(0.8 * (0.5 - bright)) * sample(tile.text, u * scale + left, v * scale + top)
    rough = {"paper": 0.3, "print": 0.2, "wrapper": 0.5, "card": 0.08, "pleats": 0.1, "carton": 0.1}[kind]
    grain = np.float32(rng.uniform(50, 110))
    crease = sample(tile.crease_u, u * grain + left, v * grain + top)
    level = np.cos(light.angle - place.angle)
    if kind == "wrapper":
        tone += np.float32(0.5) * np.square(np.clip(crease, 0, 1))
    if kind == "pleats":
        crease = np.sin(v * np.float32(2 * np.pi * 3 / wide)) * 2
    if kind == "carton":
        fold = np.float32(rng.uniform(-0.3, 0.3) * wide)
        tone *= 1 - np.float32(rng.uniform(0.25, 0.5)) * (v > fold)
    if kind == "card":
        tone -= np.float32(0.12) * (np.abs(u - np.float32(rng.uniform(-0.3, 0.3))) < 0.015)
    tone *= 1 + np.float32(rough) * crease * np.float32(0.5 + 0.5 * abs(level))
    _cast(window, mask, light, 5.0 if kind != "carton" else 14.0)
    _paint(window, mask, tone * np.float32(0.6 + 0.4 * light.height))


def draw_lump(rng: np.random.Generator, canvas: Field, light: Light, place: Place, kind: str) -> None:
    """Draw a lump, one unit across: crumpled ``paper`` or a ``stone``."""
    slim = rng.uniform(0.65, 1.0)
    window = _window(canvas, place, 0.62, 0.62, 0.25 * place.size * light.reach + 4)
    if window is None:
        return
    paper = kind == "paper"
    tile = textures()
    left, top = rng.uniform(1000, 1500, 2).astype(np.float32)
    u, v = window.u, window.v / np.float32(slim)
    grain = np.float32(100 if paper else 64)
    bumps = sample(tile.cloud, u * 60 + left, v * 60 + top)
    crease_u = sample(tile.crease_u, u * grain + left, v * grain + top)
    crease_v = sample(tile.crease_v, u * grain + left, v * grain + top)
    distance = np.sqrt(u * u + v * v) + np.float32(0.07) * bumps + np.float32(0.06) * crease_u
    mask = np.clip((np.float32(0.45) - distance) * np.float32(place.size) + np.float32(0.5), 0, 1)
    light_u, light_v = _level(light, place)
    facing = np.float32(light.height) + np.float32(1.2) * (u * light_u + v * light_v)
    facing = facing + np.float32(0.7 if paper else 0.35) * (crease_u * light_u + crease_v * light_v)
    bright = rng.uniform(0.65, 0.9) if paper or rng.random() < 0.3 else rng.uniform(0.15, 0.6)
    _cast(window, mask, light, 0.25 * place.size)
    tone = np.float32(bright) * (np.float32(0.3) + np.float32(0.65) * np.clip(facing, 0, 1.3))
    _paint(window, mask, tone.astype(np.float32))


def draw_bag(rng: np.random.Generator, canvas: Field, light: Light, place: Place) -> None:
    """Draw a plastic bag, one unit across: thin, with folds that run together where it is gathered."""
    window = _window(canvas, place, 0.62, 0.62, 8)
    if window is None:
        return
    tile = textures()
    left, top = rng.uniform(1000, 1500, 2).astype(np.float32)
    u, v = window.u, window.v / np.float32(rng.uniform(0.55, 0.9))
    cloud = sample(tile.cloud, u * 70 + left, v * 70 + top)
    around = np.arctan2(v, u + np.float32(0.25))
    lobes = rng.uniform(0, 2 * np.pi, 2)
    edge = 0.4 + 0.07 * np.sin(2 * around + lobes[0]) + 0.05 * np.sin(5 * around + lobes[1]) + 0.03 * cloud
    distance = np.sqrt(u * u + v * v)
    mask = np.clip((edge - distance) * np.float32(place.size) + np.float32(0.5), 0, 1).astype(np.float32)
    folds = np.sin(np.float32(rng.integers(7, 12)) * around + 5 * cloud).astype(np.float32)
    bright = rng.uniform(0.7, 0.95) if rng.random() < 0.6 else rng.uniform(0.08, 0.3)
    tone = np.float32(bright) * (np.float32(0.85) + np.float32(0.12) * folds + np.float32(0.06) * cloud)
    tone = tone + np.float32(0.35) * np.clip(1 - np.abs(folds - np.float32(0.5)) * 5, 0, 1)
    _cast(window, mask, light, 6.0)
    _paint(window, mask * np.float32(rng.uniform(0.55, 1.0)), tone)


def draw_leaf(rng: np.random.Generator, canvas: Field, light: Light, place: Place) -> None:
    """Draw a leaf of one unit, with its midrib."""
    slim = rng.uniform(0.2, 0.4)
    window = _window(canvas, place, 0.5, slim + 0.4, 4)
    if window is None:
        return
    u, v = window.u, window.v + np.float32(rng.normal(0, 0.15)) * np.square(window.u * 2)
    size = np.float32(place.size)
    mask = np.clip(
        (np.float32(slim) * (1 - np.square(2 * u)) - np.abs(v)) * size * np.float32(0.7) + np.float32(0.5), 0, 1
    )
    tone = np.float32(rng.uniform(0.15, 0.7)) * (1 + np.float32(rng.uniform(-0.8, 0.8)) * v)
    tone = tone + np.float32(rng.choice([-0.15, 0.15])) * np.clip(1.2 - np.abs(v) * size, 0, 1)
    _cast(window, mask, light, 4.0)
    _paint(window, mask, tone)


def draw_blade(rng: np.random.Generator, canvas: Field, light: Light, place: Place) -> None:
    """Draw a blade of grass or a twig of one unit length."""
    bend = np.float32(rng.normal(0, 0.15))
    window = _window(canvas, place, 0.5, abs(float(bend)) * 0.5 + 0.03, 5)
    if window is None:
        return
    v = window.v + bend * (np.square(2 * window.u) - 0.5) * np.float32(0.5)
    size = np.float32(place.size)
    thick = np.float32(rng.uniform(0.6, 1.7)) * (np.float32(0.7) - window.u)
    inside = np.clip(thick - np.abs(v) * size + np.float32(0.5), 0, 1)
    mask = (inside * (np.abs(window.u) < 0.5)).astype(np.float32)
    _cast(window, mask, light, 6.0, 0.8)
    _paint(window, mask, np.full(v.shape, rng.uniform(0.1, 0.75), np.float32))


def draw_disc(rng: np.random.Generator, canvas: Field, light: Light, place: Place) -> None:
    """Draw a crown cap, a lid or a coin, one unit across, with its rings."""
    window = _window(canvas, place, 0.5, 0.5, 5)
    if window is None:
        return
    slim = np.float32(rng.uniform(0.6, 1.0))
    distance = np.sqrt(np.square(window.u) + np.square(window.v / slim)) * 2
    size = np.float32(place.size * 0.5)
    mask = np.clip((1 - distance) * size + np.float32(0.5), 0, 1)
    bright = rng.uniform(0.15, 0.95)
    tone = np.float32(bright) + np.float32(rng.choice([-0.25, 0.3])) * np.clip(1 - np.abs(distance - 0.78) * 7, 0, 1)
    tone = tone + np.float32(0.15) * (window.u * np.float32(np.cos(light.angle - place.angle)))
    _cast(window, mask, light, 5.0)
    _paint(window, mask, tone)
