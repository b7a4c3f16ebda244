"""Ten kinds of bodies: what makes an airplane an airplane, whatever its colour and wherever it is seen from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from coursekit.objects_camera import Body

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from coursekit.objects_camera import Point

    Array = NDArray[Any]
    Maker = Callable[[np.random.Generator, int], Body]

_BLACK = np.array([0.09, 0.09, 0.1])
_GLASS = np.array([0.2, 0.27, 0.33])
_PAINTS = (
    (0.86, 0.86, 0.86), (0.15, 0.15, 0.17), (0.62, 0.64, 0.67), (0.7, 0.12, 0.1), (0.13, 0.22, 0.52),
    (0.15, 0.4, 0.25), (0.86, 0.7, 0.16), (0.4, 0.42, 0.45), (0.83, 0.42, 0.13), (0.55, 0.72, 0.82),
)  # fmt: skip
_FURS = (
    (0.13, 0.11, 0.1), (0.42, 0.28, 0.17), (0.62, 0.44, 0.26), (0.85, 0.8, 0.72), (0.48, 0.45, 0.42), (0.68, 0.5, 0.3),
    (0.3, 0.2, 0.14),
)  # fmt: skip

# fmt: off
_DEER_FUR = (
    (0.5, 0.34, 0.2), (0.6, 0.43, 0.26), (0.42, 0.33, 0.26), (0.36, 0.25, 0.17), (0.66, 0.52, 0.36),
)
_HORSE_FUR = (
    (0.13, 0.11, 0.1), (0.42, 0.24, 0.13), (0.55, 0.32, 0.17), (0.85, 0.82, 0.78), (0.5, 0.48, 0.46),
    (0.3, 0.18, 0.12), (0.66, 0.46, 0.27),
)
_FROG_SKIN = (
    (0.3, 0.42, 0.16), (0.42, 0.55, 0.2), (0.4, 0.32, 0.2), (0.5, 0.42, 0.28), (0.28, 0.26, 0.2),
    (0.45, 0.68, 0.22), (0.62, 0.35, 0.2),
)
_BIRD_PLUME = (
    (0.4, 0.32, 0.24), (0.2, 0.2, 0.22), (0.85, 0.85, 0.83), (0.25, 0.38, 0.62), (0.55, 0.25, 0.18),
    (0.6, 0.58, 0.55), (0.7, 0.6, 0.25), (0.25, 0.4, 0.3),
)
_AIRPLANE_PAINT = (
    (0.88, 0.88, 0.9), (0.9, 0.9, 0.9), (0.6, 0.63, 0.67), (0.42, 0.45, 0.46), (0.75, 0.2, 0.15), (0.2, 0.3, 0.55),
    (0.85, 0.75, 0.3), (0.2, 0.21, 0.22),
)
_SHIP_HULL = (
    (0.85, 0.85, 0.86), (0.16, 0.2, 0.32), (0.45, 0.14, 0.12), (0.2, 0.2, 0.22), (0.3, 0.4, 0.5),
    (0.25, 0.4, 0.32), (0.5, 0.52, 0.55),
)
# fmt: on


def _uniform(rng: np.random.Generator, count: int, low: float, high: float) -> Array:
    return rng.uniform(low, high, count)


def _coloured(rng: np.random.Generator, count: int, palette: Sequence[Sequence[float]], spread: float = 0.05) -> Array:
    """Choose a colour for every picture: one of the palette, a little lighter or darker, a little off."""
    chosen = np.asarray(palette)[rng.integers(len(palette), size=count)]
    level = rng.normal(0, 1.6 * spread, (count, 1))
    return np.clip(chosen + level + rng.normal(0, 0.5 * spread, (count, 3)), 0.02, 1)


def _either(rng: np.random.Generator, share: float, one: Array, other: Array) -> Array:
    """Choose between two colours for every picture."""
    return np.where(rng.random((len(one), 1)) < share, one, other)


# --- animals ---


def _head(
    body: Body,
    at: Point,
    nod: Array,
    turn: Array,
    *,
    skull: Array,
    muzzle: Array,
    snout: Array,
    fur: Array,
    nose: Array,
) -> dict[str, Array]:
    """Put a head at a place, looking down by `nod` and aside by `turn`; give its own axes for ears and horns."""
    centre = np.stack(np.broadcast_arrays(*at), -1)
    c, s = np.cos(turn), np.sin(turn)
    ahead = np.stack([np.cos(nod) * c, -np.sin(nod), np.cos(nod) * s], -1)
    up = np.stack([np.sin(nod) * c, np.cos(nod), np.sin(nod) * s], -1)
    side = np.stack([-s, np.zeros_like(s), c], -1)
    axes = {"centre": centre, "ahead": ahead, "up": up, "side": side, "size": np.broadcast_to(skull, len(centre))}
    body.ball(_p(axes), skull, fur)
    body.round(_p(axes), _p(axes, ahead=muzzle / skull), 0.72 * skull, snout, fur)
    body.ball(_p(axes, ahead=muzzle / skull + 0.7 * snout / skull), 0.55 * snout, nose)
    for sign in (-1, 1):
        body.ball(_p(axes, ahead=0.62, up=0.42, side=0.55 * sign), 0.2 * skull, _BLACK)
    return axes


def _p(axes: dict[str, Array], *, ahead: Any = 0.0, up: Any = 0.0, side: Any = 0.0) -> tuple[Array, Array, Array]:
    """Name a place by a head's own axes, in head sizes."""
    place = axes["centre"] + axes["size"][:, None] * (
        np.asarray(ahead)[..., None] * axes["ahead"]
        + np.asarray(up)[..., None] * axes["up"]
        + np.asarray(side)[..., None] * axes["side"]
    )
    return place[:, 0], place[:, 1], place[:, 2]


def _legs(
    body: Body,
    rng: np.random.Generator,
    *,
    hip: Array,
    shoulder: Array,
    high: Array,
    apart: Array,
    wide: Any,
    fur: Array,
    sock: Array,
) -> None:
    """Put four legs under a body, each bent a little, walking or standing."""
    count = body.count
    stride = _uniform(rng, count, 0, 0.22)
    for x, sign, phase, back in ((hip, -1, 1, 1), (hip, 1, -1, 1), (shoulder, -1, -1, 0), (shoulder, 1, 1, 0)):
        swing = phase * stride * high + rng.normal(0, 0.03, count)
        knee_x = x + 0.4 * swing + (0.06 if back else -0.02) * -high * 1.6
        body.round((x, high, sign * apart), (knee_x, 0.48 * high, sign * apart), 1.7 * wide, 1.05 * wide, fur)
        body.round((knee_x, 0.48 * high, sign * apart), (x + swing, 0.0 * high, sign * apart), wide, 0.85 * wide, sock)


def _cat_head(body: Body, rng: np.random.Generator, at: Point, skull: Array, fur: Array, inner: Array) -> None:
    count = body.count
    nod, turn = _uniform(rng, count, -0.15, 0.35), _uniform(rng, count, -0.4, 1.9)
    nose = np.array([0.55, 0.33, 0.32])
    axes = _head(body, at, nod, turn, skull=skull, muzzle=0.75 * skull, snout=0.36 * skull, fur=fur, nose=nose)
    body.ball(_p(axes, ahead=0.62, up=-0.28), 0.5 * skull, inner)
    for sign in (-1, 1):
        body.round(
            _p(axes, up=0.6, side=0.58 * sign), _p(axes, up=1.55, side=0.82 * sign), 0.4 * skull, 0.03 * skull, fur
        )
        body.ball(_p(axes, ahead=0.74, up=0.24, side=0.45 * sign), 0.2 * skull, np.array([0.6, 0.62, 0.2]))
        body.ball(_p(axes, ahead=0.9, up=0.24, side=0.45 * sign), 0.11 * skull, _BLACK)


def _dog_head(body: Body, rng: np.random.Generator, at: Point, skull: Array, fur: Array, inner: Array) -> None:
    count = body.count
    nod, turn = _uniform(rng, count, -0.1, 0.45), _uniform(rng, count, -0.4, 1.9)
    long = _uniform(rng, count, 1.25, 1.9) * skull
    axes = _head(body, at, nod, turn, skull=skull, muzzle=long, snout=0.46 * skull, fur=fur, nose=_BLACK)
    body.round(
        _p(axes, ahead=0.7, up=-0.25), _p(axes, ahead=0.95 * long / skull, up=-0.15), 0.42 * skull, 0.36 * skull, inner
    )
    floppy = rng.random(count) < 0.78
    ear = _either(rng, 0.25, 0.85 * fur, 0.5 * fur)
    for sign in (-1, 1):
        body.round(
            _p(axes, ahead=-0.1, up=0.6, side=0.8 * sign),
            _p(axes, ahead=-0.1, up=-1.0, side=1.3 * sign),
            0.34 * skull, 0.42 * skull, ear, where=floppy,
        )  # fmt: skip
        body.round(
            _p(axes, ahead=-0.2, up=0.7, side=0.6 * sign), _p(axes, ahead=-0.2, up=1.5, side=0.66 * sign),
            0.3 * skull, 0.08 * skull, ear, where=~floppy,
        )  # fmt: skip


def _pet(rng: np.random.Generator, count: int, *, cat: bool) -> Body:
    """Make a cat or a dog that stands, sits, lies, or looks into the camera from near."""
    body = Body(count)
    fur = _coloured(rng, count, [*_FURS, (0.78, 0.46, 0.2), (0.35, 0.34, 0.34), (0.92, 0.9, 0.86)])
    inner = _either(rng, 0.5, fur * 1.05, _coloured(rng, count, [(0.9, 0.87, 0.8), (0.75, 0.62, 0.45)]))
    sock = _either(rng, 0.3, inner, fur * 0.95)
    pose = rng.choice(4, count, p=(0.36, 0.3, 0.18, 0.16))
    stands, sits, lies, near = (pose == number for number in range(4))
    thick = _uniform(rng, count, 0.13, 0.17) if cat else _uniform(rng, count, 0.13, 0.2)
    high = _uniform(rng, count, 0.26, 0.34) if cat else _uniform(rng, count, 0.28, 0.5)
    hip_y = np.select([stands, sits, lies], [high + 0.6 * thick, thick * 1.25, thick * 1.1], 0.1)
    front_y = np.select([stands, sits, lies], [high + 0.75 * thick, 0.52 + thick, thick * 1.3], 0.25)
    hip_x, front_x = np.where(sits, -0.26, -0.42), np.where(sits, 0.04, 0.36)
    body.round((hip_x, hip_y, 0), (front_x, front_y, 0), thick * np.where(sits, 1.35, 1), thick * 0.98, fur)
    body.ball((front_x + 0.05, front_y - 0.3 * thick, 0), 0.82 * thick, inner)
    skull = (_uniform(rng, count, 0.15, 0.18) if cat else _uniform(rng, count, 0.14, 0.185)) * np.where(near, 2.6, 1)
    neck = 0.1 if cat else _uniform(rng, count, 0.12, 0.28)
    head = (front_x + 0.12 + 0.3 * neck, front_y + thick * 0.6 + neck, np.where(near, 0.35, 0.0))
    body.round((front_x, front_y, 0), head, 0.8 * thick, 0.72 * skull, fur)
    (_cat_head if cat else _dog_head)(body, rng, head, skull, fur, inner)
    wide = 0.042 if cat else _uniform(rng, count, 0.035, 0.06)
    ground = np.select([stands, sits, lies], [0.0, 0.0, 0.03], -0.3)
    for sign in (-1, 1):
        swing = sign * _uniform(rng, count, -0.12, 0.12)
        apart = sign * 0.6 * thick
        paw = np.select([lies, sits], [front_x + 0.28, front_x + 0.1], front_x + swing)
        body.round((front_x, front_y - 0.3 * thick, apart), (paw, ground + wide, apart), 1.4 * wide, wide, sock)
        knee = np.select([stands, sits, lies], [hip_x + 0.05, hip_x + 0.22, hip_x + 0.2], hip_x)
        knee_y = np.select([stands, sits, lies], [0.5 * high, 0.25, 0.12], 0.0)
        body.round((hip_x, hip_y - 0.2 * thick, apart), (knee, knee_y, apart * 1.3), 0.65 * thick, 1.2 * wide, fur)
        paw = np.select([stands, sits, lies], [hip_x - 0.02 - swing, hip_x + 0.3, hip_x + 0.34], hip_x)
        body.round((knee, knee_y, apart * 1.3), (paw, ground + wide, apart * 1.3), 1.2 * wide, wide, sock)
    lift = _uniform(rng, count, -0.25, 0.55) if cat else _uniform(rng, count, 0.1, 1.4)
    long = 0.34 if cat else _uniform(rng, count, 0.12, 0.3)
    bend_x, bend_y = hip_x - 0.8 * long, np.maximum(hip_y + 0.5 * lift * long, 0.03)
    thin = 0.038 if cat else _uniform(rng, count, 0.025, 0.055)
    body.round((hip_x - 0.5 * thick, hip_y + 0.3 * thick, 0), (bend_x, bend_y, 0.05), 1.2 * thin, thin, fur)
    tip = (bend_x - 0.12, np.maximum(bend_y + lift * (0.75 if cat else 0.4), 0.03), 0.1 if cat else 0.02)
    body.round((bend_x, bend_y, 0.05), tip, thin, 0.8 * thin, fur)
    if cat:
        # Tabby stripes: dark bands that show on back and side.
        dark = rng.random(count) < 0.45
        for share in (0.15, 0.4, 0.65, 0.9):
            x, y = hip_x + share * (front_x - hip_x), hip_y + share * (front_y - hip_y)
            body.round(
                (x, y + 0.6 * thick, 0.55 * thick),
                (x - 0.02, y - 0.1 * thick, 0.93 * thick),
                0.03,
                0.02,
                0.45 * fur,
                where=dark,
            )
    return body


def cat(rng: np.random.Generator, count: int) -> Body:
    """Make a cat: round head, pointed ears, long thin tail."""
    return _pet(rng, count, cat=True)


def dog(rng: np.random.Generator, count: int) -> Body:
    """Make a dog: a muzzle, ears that hang or stand, longer legs."""
    return _pet(rng, count, cat=False)


def deer(rng: np.random.Generator, count: int) -> Body:
    """Make a deer: slender, with a raised neck, large ears, a white rump, and antlers on every other one."""
    body = Body(count)
    fur = _coloured(rng, count, _DEER_FUR)
    pale = _coloured(rng, count, [(0.85, 0.8, 0.7)])
    thick, high = _uniform(rng, count, 0.12, 0.155), _uniform(rng, count, 0.42, 0.56)
    y = high + 0.7 * thick
    body.round((-0.36, y, 0), (0.3, y + 0.02, 0), thick, 0.95 * thick, fur)
    body.round(
        (-0.25, y - 0.35 * thick, 0),
        (0.2, y - 0.35 * thick, 0),
        0.72 * thick,
        0.72 * thick,
        _either(rng, 0.5, pale, fur * 0.9),
    )
    body.ball((-0.43, y + 0.1 * thick, 0), 0.75 * thick, pale)
    body.round((-0.47, y + 0.4 * thick, 0), (-0.53, y - 0.02, 0), 0.04, 0.03, pale)
    grazes = rng.random(count) < 0.15
    rise = np.where(grazes, -0.75, _uniform(rng, count, 0.65, 1.25))
    long = _uniform(rng, count, 0.32, 0.42)
    head = (0.32 + long * np.cos(rise), y + 0.05 + long * np.sin(rise), 0.0)
    body.round((0.28, y + 0.03, 0), head, 0.72 * thick, 0.06, fur)
    skull = _uniform(rng, count, 0.075, 0.09)
    axes = _head(
        body, head, _uniform(rng, count, 0.2, 0.6), _uniform(rng, count, -0.3, 1.5), skull=skull, muzzle=2.1 * skull,
        snout=0.42 * skull, fur=fur, nose=_BLACK,
    )  # fmt: skip
    antlers = rng.random(count) < 0.55
    horn = _coloured(rng, count, [(0.45, 0.36, 0.26), (0.72, 0.63, 0.5), (0.3, 0.23, 0.18)])
    reach = _uniform(rng, count, 2.2, 4.2)
    for sign in (-1, 1):
        body.round(_p(axes, up=0.5, side=0.6 * sign), _p(axes, ahead=-0.3, up=0.9, side=1.9 * sign), 0.035, 0.02, fur)
        fork, tip = (0.45, 0.55 * reach, 1.0 * sign), (0.2, reach, 1.25 * sign)
        for low, high_up in (((0.1, 0.8, 0.3 * sign), fork), (fork, tip), (fork, (1.3, 0.85 * reach, 1.2 * sign)),
                           ((-0.4, 0.75 * reach, 1.1 * sign), (-1.2, 0.95 * reach, 1.5 * sign))):  # fmt: skip
            start, end = (_p(axes, ahead=each[0], up=each[1], side=each[2]) for each in (low, high_up))
            body.round(start, end, 0.03, 0.02, horn, where=antlers)
    _legs(
        body,
        rng,
        hip=-0.34 + 0 * high,
        shoulder=0.28 + 0 * high,
        high=high,
        apart=0.5 * thick,
        wide=0.028,
        fur=fur,
        sock=fur * 0.85,
    )
    return body


def horse(rng: np.random.Generator, count: int) -> Body:
    """Make a horse: heavy, with a long face, a thick neck with a mane, and a hanging tail; some are ridden."""
    body = Body(count)
    fur = _coloured(rng, count, _HORSE_FUR)
    hair = _either(
        rng,
        0.65,
        _coloured(rng, count, [(0.1, 0.09, 0.08)]),
        _coloured(rng, count, [(0.8, 0.74, 0.62), (0.4, 0.26, 0.16)]),
    )
    sock = _either(rng, 0.35, _coloured(rng, count, [(0.88, 0.86, 0.83)]), fur * 0.85)
    thick, high = _uniform(rng, count, 0.165, 0.2), _uniform(rng, count, 0.42, 0.52)
    y = high + 0.65 * thick
    body.round((-0.36, y + 0.02, 0), (0.3, y, 0), thick, thick, fur)
    grazes = rng.random(count) < 0.2
    rise = np.where(grazes, -0.9, _uniform(rng, count, 0.45, 1.0))
    long = np.where(grazes, 0.5, _uniform(rng, count, 0.36, 0.44))
    head = (0.34 + long * np.cos(rise), y + 0.04 + long * np.sin(rise), 0.0)
    body.round((0.3, y + 0.04, 0), head, 0.88 * thick, 0.075, fur)
    body.round((0.24, y + 0.75 * thick, 0), (head[0] - 0.07, head[1] + 0.07, 0), 0.05, 0.04, hair)
    skull = _uniform(rng, count, 0.085, 0.1)
    nod = np.where(grazes, 1.0, _uniform(rng, count, 0.5, 1.0))
    axes = _head(
        body, head, nod, _uniform(rng, count, -0.4, 0.7), skull=skull, muzzle=3.0 * skull, snout=0.58 * skull, fur=fur,
        nose=0.55 * fur,
    )  # fmt: skip
    blaze = rng.random(count) < 0.35
    body.round(
        _p(axes, ahead=0.6, up=0.5), _p(axes, ahead=2.6, up=0.36), 0.035, 0.03, np.array([0.9, 0.88, 0.85]), where=blaze
    )
    for sign in (-1, 1):
        body.round(_p(axes, up=0.6, side=0.45 * sign), _p(axes, ahead=-0.1, up=1.6, side=0.6 * sign), 0.03, 0.01, fur)
    root = (-0.36 - 0.8 * thick, y + 0.5 * thick, 0)
    drop = _uniform(rng, count, 0.1, 0.4)
    body.round(root, (-0.44 - 0.8 * thick, y - 0.15, 0), 0.035, 0.05, hair)
    body.round((-0.44 - 0.8 * thick, y - 0.15, 0), (-0.44 - 0.8 * thick, y - 0.15 - drop, 0), 0.05, 0.03, hair)
    _legs(
        body,
        rng,
        hip=-0.36 + 0 * high,
        shoulder=0.3 + 0 * high,
        high=high,
        apart=0.5 * thick,
        wide=0.042,
        fur=fur,
        sock=sock,
    )
    ridden = rng.random(count) < 0.15
    shirt = _coloured(rng, count, _PAINTS)
    body.round((-0.02, y + 0.9 * thick, 0), (0, y + 0.42, 0), 0.085, 0.095, shirt, where=ridden)
    body.ball((0.02, y + 0.58, 0), 0.07, _coloured(rng, count, [(0.75, 0.58, 0.46), (0.15, 0.13, 0.12)]), where=ridden)
    body.round(
        (0, y + 0.7 * thick, thick),
        (0.08, y - 0.16, thick + 0.02),
        0.05,
        0.04,
        np.array([0.2, 0.2, 0.25]),
        where=ridden,
    )
    return body


def frog(rng: np.random.Generator, count: int) -> Body:
    """Make a frog: squat, eyes on top of a wide head, hind legs folded at its sides."""
    body = Body(count)
    skin = _coloured(rng, count, _FROG_SKIN)
    belly = _either(rng, 0.6, _coloured(rng, count, [(0.8, 0.78, 0.6), (0.72, 0.66, 0.5)]), skin * 1.1)
    spot = _either(rng, 0.6, skin * 0.5, _coloured(rng, count, [(0.75, 0.7, 0.3), (0.2, 0.2, 0.15)]))
    sit = _uniform(rng, count, 0.0, 0.28)
    fat = _uniform(rng, count, 0.22, 0.28)
    front_y = fat + sit
    for sign in (-1, 1):
        body.round((-0.28, fat, 0.13 * sign), (0.16, front_y, 0.11 * sign), fat, 0.2, skin)
        body.round((0.16, front_y, 0.1 * sign), (0.42, front_y + 0.02, 0.07 * sign), 0.2, 0.12, skin)
        body.round((0.2, front_y - 0.12, 0.08 * sign), (0.44, front_y - 0.05, 0.05 * sign), 0.14, 0.08, belly)
        body.ball((0.24, front_y + 0.19, 0.16 * sign), 0.095, skin * 1.08)
        body.ball(
            (0.28, front_y + 0.2, 0.2 * sign), 0.065, _coloured(rng, count, [(0.75, 0.6, 0.15), (0.7, 0.3, 0.15)])
        )
        body.ball((0.3, front_y + 0.21, 0.235 * sign), 0.04, _BLACK)
        knee = (0.02 + 0 * sit, 0.24 + 0 * sit, 0.42 * sign)
        body.round((-0.42, 0.16, 0.28 * sign), knee, 0.13, 0.11, skin * 0.95)
        body.round(knee, (-0.4, 0.06, 0.44 * sign), 0.1, 0.06, skin * 0.9)
        body.round((-0.4, 0.05, 0.44 * sign), (0.02, 0.03, 0.55 * sign), 0.06, 0.045, skin * 0.9)
        elbow = (0.24, 0.5 * front_y, 0.33 * sign)
        body.round((0.14, front_y - 0.05, 0.2 * sign), elbow, 0.08, 0.06, skin)
        body.round(elbow, (0.34, 0.03, 0.34 * sign), 0.055, 0.04, skin)
        body.round((0.34, 0.03, 0.34 * sign), (0.46, 0.03, 0.42 * sign), 0.035, 0.025, skin)
    spotted = rng.random(count) < 0.6
    for x, y, z in ((-0.3, 0.21, 0.12), (-0.12, 0.24, -0.1), (0.0, 0.2, 0.2), (-0.25, 0.12, 0.3)):
        body.ball((x, fat + sit * (x + 0.3) / 0.6 + y * fat / 0.25, z), 0.06, spot, where=spotted)
    return body


def bird(rng: np.random.Generator, count: int) -> Body:
    """Make a bird: perched, wading on long legs, or with its wings spread."""
    body = Body(count)
    plume = _coloured(rng, count, _BIRD_PLUME)
    breast = _either(
        rng, 0.6, _coloured(rng, count, [(0.85, 0.8, 0.7), (0.8, 0.5, 0.25), (0.75, 0.7, 0.3)]), plume * 1.1
    )
    wing = _either(rng, 0.7, plume * 0.65, plume * 0.9)
    bill = _coloured(rng, count, [(0.85, 0.6, 0.15), (0.15, 0.14, 0.13), (0.6, 0.5, 0.4)])
    kind = rng.choice(3, count, p=(0.5, 0.2, 0.3))
    perched, wades, flies = (kind == number for number in range(3))
    rise = np.select(
        [perched, wades], [_uniform(rng, count, 0.2, 0.95), _uniform(rng, count, 0.1, 0.35)], rng.normal(0, 0.12, count)
    )
    fat = np.select(
        [perched, wades],
        [_uniform(rng, count, 0.17, 0.24), _uniform(rng, count, 0.16, 0.22)],
        _uniform(rng, count, 0.09, 0.12),
    )
    leg = np.select([perched, wades], [_uniform(rng, count, 0.1, 0.2), _uniform(rng, count, 0.35, 0.65)], 0.0)
    y = leg + fat
    c, s = np.cos(rise), np.sin(rise)
    front = (0.2 * c, y + 0.2 * s + 0.02, 0)
    body.round((-0.16 * c, y - 0.1 * s, 0), front, 0.85 * fat, fat, plume)
    body.round(
        (-0.02, y - 0.12 * fat, 0), (front[0] + 0.14 * fat, front[1] - 0.12 * fat, 0), 0.8 * fat, 0.85 * fat, breast
    )
    neck = np.select([perched, wades], [0.12, _uniform(rng, count, 0.2, 0.5)], 0.12)
    tilt = np.select([perched, wades], [1.0, 1.25], 0.15)
    head = (front[0] + 0.06 + neck * np.cos(tilt), front[1] + fat * 0.4 + neck * np.sin(tilt), 0)
    skull = np.where(perched, _uniform(rng, count, 0.11, 0.14), 0.085)
    body.round(front, head, 0.55 * fat, 0.6 * skull, plume)
    cap = _either(rng, 0.35, wing, plume)
    body.ball(head, skull, cap)
    aside = _uniform(rng, count, -0.5, 0.9)
    long = np.where(perched, _uniform(rng, count, 0.09, 0.17), _uniform(rng, count, 0.12, 0.28))
    start = (head[0] + 0.7 * skull * np.cos(aside), head[1], 0.7 * skull * np.sin(aside))
    end = (head[0] + (skull + long) * np.cos(aside), head[1] - 0.03, (skull + long) * np.sin(aside))
    body.round(start, end, 0.45 * skull, 0.01, bill)
    for sign in (-1, 1):
        eye = aside + 0.75 * sign
        body.ball(
            (head[0] + 0.8 * skull * np.cos(eye), head[1] + 0.25 * skull, 0.8 * skull * np.sin(eye)),
            0.24 * skull,
            _BLACK,
        )
        folded = ((0.1 * c, y + 0.1 * s + 0.1 * fat, 0.72 * fat * sign), (-0.34 * c, y - 0.2 * s, 0.4 * fat * sign))
        body.round(*folded, 0.55 * fat, 0.03, wing, where=~flies)
        foot = (0.02 + 0.05 * sign, 0, 0.09 * sign)
        body.round((0.0, y - 0.5 * fat, 0.08 * sign), foot, 0.018, 0.014, bill * 0.8, where=~flies)
        body.round(foot, (0.12 + 0.05 * sign, 0, 0.1 * sign), 0.018, 0.012, bill * 0.8, where=~flies)
    tail = np.where(wades, 0.15, _uniform(rng, count, 0.2, 0.4))
    body.round((-0.16 * c, y - 0.1 * s, 0), (-(0.2 + tail) * c, y - (0.1 + tail) * s, 0), 0.5 * fat, 0.035, wing)
    beat, span = _uniform(rng, count, -0.5, 0.9), _uniform(rng, count, 0.4, 0.65)
    for sign in (-1, 1):
        bend = (0.02, y + 0.5 * span * np.sin(beat), sign * 0.5 * span * np.cos(beat))
        tip = (-0.2, y + span * np.sin(beat * 0.7), sign * span * np.cos(beat * 0.7))
        body.round((0.08, y, 0.03 * sign), bend, 0.1, 0.085, wing, where=flies)
        body.round((-0.06, y, 0.05 * sign), (bend[0] - 0.12, bend[1], bend[2]), 0.1, 0.08, plume, where=flies)
        body.round(bend, tip, 0.1, 0.02, wing, where=flies)
    branch = perched & (rng.random(count) < 0.7)
    wood = _coloured(rng, count, [(0.35, 0.27, 0.2), (0.5, 0.45, 0.4), (0.25, 0.2, 0.16)])
    slope = rng.normal(0, 0.12, count)
    body.round((-0.45, -0.04 - slope, 0.3), (0.45, -0.04 + slope, -0.3), 0.045, 0.03, wood, where=branch)
    return body


# --- machines ---


def _wheels(body: Body, places: Sequence[Array], half: Any, radius: Any, hub: Array) -> None:
    for x in places:
        for sign in (-1, 1):
            body.round((x, radius, sign * (half - 0.05)), (x, radius, sign * half), radius, radius, _BLACK)
            body.ball((x, radius, sign * (half + 0.45 * radius)), 0.45 * radius, hub)


def automobile(rng: np.random.Generator, count: int) -> Body:
    """Make a car: a low body with a cabin of glass on it; saloons, hatchbacks, convertibles."""
    body = Body(count)
    paint = _coloured(rng, count, _PAINTS)
    half, wheel = _uniform(rng, count, 0.19, 0.22), _uniform(rng, count, 0.075, 0.095)
    low, belt = wheel * 0.8, _uniform(rng, count, 0.2, 0.25)
    roof = belt + _uniform(rng, count, 0.11, 0.18)
    hatch = rng.random(count) < 0.4
    rear, front = np.where(hatch, -0.47, -0.32), _uniform(rng, count, 0.12, 0.22)
    bonnet = belt - _uniform(rng, count, 0.0, 0.04)
    body.prism((-0.5, 0.5, low, half), (-0.49, 0.2, belt, 0.96 * half), paint)
    body.prism((0.0, 0.5, low, half), (0.0, 0.46, bonnet, 0.93 * half), paint)
    open_top = rng.random(count) < 0.12
    roof = np.where(open_top, belt + 0.02, roof)
    slope = _uniform(rng, count, 0.08, 0.14)
    top_rear, top_front = rear + np.where(hatch, 0.05, 0.12), front - slope
    body.prism(
        (rear, front, belt, 0.93 * half),
        (top_rear, top_front, roof, 0.78 * half),
        _GLASS * rng.uniform(0.5, 1.3, (count, 1)),
    )
    body.prism(
        (top_rear - 0.01, top_front + 0.01, roof - 0.012, 0.8 * half),
        (top_rear, top_front, roof + 0.012, 0.76 * half),
        paint,
    )
    for sign in (-1, 1):
        pillar = (top_rear + top_front) / 2
        body.round((pillar - 0.02, belt, 0.93 * half * sign), (pillar, roof, 0.78 * half * sign), 0.014, 0.014, paint)
        body.ball((0.49, 0.8 * belt, 0.68 * half * sign), 0.034, _coloured(rng, count, [(0.95, 0.93, 0.8)]))
        body.ball((-0.495, 0.82 * belt, 0.75 * half * sign), 0.026, np.array([0.65, 0.08, 0.08]))
    body.face(
        [
            (0.503, 0.45 * belt, -0.5 * half),
            (0.503, 0.45 * belt, 0.5 * half),
            (0.5, 0.72 * belt, 0.5 * half),
            (0.5, 0.72 * belt, -0.5 * half),
        ],
        _BLACK * 1.6,
    )
    _wheels(
        body,
        [np.full(count, -0.3), np.full(count, 0.31)],
        half,
        wheel,
        _coloured(rng, count, [(0.65, 0.65, 0.67), (0.25, 0.25, 0.26)]),
    )
    return body


def truck(rng: np.random.Generator, count: int) -> Body:
    """Make a truck: a cab in front, and behind it a box, a tank, or an open bed."""
    body = Body(count)
    paint = _coloured(rng, count, _PAINTS)
    load = _either(rng, 0.3, paint, _coloured(rng, count, [*_PAINTS, (0.9, 0.9, 0.88), (0.85, 0.84, 0.8)]))
    half, wheel = _uniform(rng, count, 0.14, 0.17), _uniform(rng, count, 0.055, 0.075)
    base = 1.5 * wheel
    cab = _uniform(rng, count, 0.32, 0.42)
    nose = np.where(rng.random(count) < 0.45, _uniform(rng, count, 0.1, 0.18), 0.01)
    front = 0.5 - nose
    back = front - _uniform(rng, count, 0.15, 0.2)
    body.prism((back, front, base * 0.8, half), (back, front - 0.02, cab, 0.96 * half), paint)
    body.prism((front - 0.02, 0.5, base * 0.8, half * 0.95), (front - 0.02, 0.49, base + 0.1, 0.9 * half), paint)
    for sign in (-1, 1):
        z = sign * (half + 0.012)
        body.face(
            [
                (back + 0.05, base + 0.13, z),
                (front - 0.02, base + 0.13, z),
                (front - 0.03, cab - 0.03, z),
                (back + 0.05, cab - 0.03, z),
            ],
            _GLASS,
        )
        body.ball((0.5, base + 0.02, 0.7 * half * sign), 0.024, np.array([0.95, 0.93, 0.8]))
    body.face(
        [
            (front + 0.012, base + 0.13, -0.85 * half),
            (front + 0.012, base + 0.13, 0.85 * half),
            (front - 0.008, cab - 0.03, 0.85 * half),
            (front - 0.008, cab - 0.03, -0.85 * half),
        ],
        _GLASS,
    )
    kind = rng.choice(3, count, p=(0.62, 0.18, 0.2))
    rear = np.full(count, -0.5)
    top = np.select(
        [kind == 0, kind == 1], [_uniform(rng, count, 0.4, 0.56), base + 0.02], base + _uniform(rng, count, 0.06, 0.14)
    )
    body.prism((rear, back - 0.02, base, 1.04 * half), (rear, back - 0.02, top, 1.04 * half), load)
    tank = 0.85 * half
    body.round(
        (rear + tank * 0.7, base + tank, 0),
        (back - 0.03 - tank * 0.7, base + tank, 0),
        tank,
        tank,
        load,
        where=kind == 1,
    )
    body.prism((rear, back, base - 0.03, 0.8 * half), (rear, back, base, 0.8 * half), _BLACK * 2)
    stripe = _either(rng, 0.5, load * 0.8, _coloured(rng, count, _PAINTS))
    for sign in (-1, 1):
        z = sign * (1.04 * half + 0.008)
        low, high = base + 0.35 * (top - base), base + _uniform(rng, count, 0.5, 0.8) * (top - base)
        body.face(
            [(rear + 0.06, low, z), (back - 0.08, low, z), (back - 0.08, high, z), (rear + 0.06, high, z)], stripe
        )
    hub = _coloured(rng, count, [(0.6, 0.6, 0.6), (0.2, 0.2, 0.2)])
    _wheels(body, [rear + 0.09, rear + 0.09 + 2.3 * wheel, (back + front) / 2 + 0.3 * nose], half, wheel, hub)
    return body


def airplane(rng: np.random.Generator, count: int) -> Body:
    """Make an airplane: airliners with engines under the wings, jets with swept ones, small ones with a propeller."""
    body = Body(count)
    paint = _coloured(rng, count, _AIRPLANE_PAINT)
    trim = _either(rng, 0.5, _coloured(rng, count, _PAINTS), paint * 0.85)
    kind = rng.choice(3, count, p=(0.5, 0.22, 0.28))
    liner, jet = kind == 0, kind == 1
    fat = np.select([liner, jet], [_uniform(rng, count, 0.055, 0.07), 0.045], _uniform(rng, count, 0.06, 0.08))
    body.round((-0.2, 0, 0), (0.36, 0, 0), fat, fat, paint)
    body.round((0.36, 0, 0), (0.48, -0.01, 0), fat, np.where(jet, 0.01, 0.4 * fat), paint)
    body.round((-0.2, 0, 0), (-0.46, 0.03, 0), fat, 0.3 * fat, paint)
    body.round((0.34, 0.55 * fat, 0), (0.4, 0.4 * fat, 0), 0.6 * fat, 0.5 * fat, _GLASS)
    sweep = np.select(
        [liner, jet],
        [_uniform(rng, count, 0.14, 0.26), _uniform(rng, count, 0.3, 0.42)],
        _uniform(rng, count, -0.02, 0.05),
    )
    span = np.select(
        [liner, jet],
        [_uniform(rng, count, 0.42, 0.5), _uniform(rng, count, 0.26, 0.34)],
        _uniform(rng, count, 0.42, 0.52),
    )
    root = np.where(jet, 0.36, np.where(liner, 0.2, 0.15))
    tip = np.select([liner, jet], [0.06, 0.08], 0.11)
    lead = np.select([liner, jet], [0.16, 0.14], 0.2)
    raised = np.where(liner | jet, -0.3 * fat, np.where(rng.random(count) < 0.5, 0.9 * fat, -0.6 * fat))
    tail_lead, tail_span = -0.34 + 0 * fat, np.where(liner, 0.17, 0.16)
    fin = _uniform(rng, count, 0.13, 0.2)
    for sign in (-1, 1):
        out = sign * span
        body.face(
            [
                (lead, raised, 0),
                (lead - sweep, raised + 0.04, out),
                (lead - sweep - tip, raised + 0.04, out),
                (lead - root, raised, 0),
            ],
            paint * 0.92,
        )
        out = sign * tail_span
        body.face(
            [
                (tail_lead, 0.04, 0),
                (tail_lead - 0.08, 0.05, out),
                (tail_lead - 0.14, 0.05, out),
                (tail_lead - 0.14, 0.04, 0),
            ],
            trim,
        )
        engine = (lead - 0.35 * sweep + 0.02, raised - 0.035, 0.36 * sign * span)
        body.round(
            (engine[0] + 0.06, *engine[1:]),
            (engine[0] - 0.06, *engine[1:]),
            0.032,
            0.026,
            _either(rng, 0.5, trim, paint * 0.8),
            where=liner,
        )
        body.round((0.22, -fat, 0.05 * sign), (0.2, -fat - 0.09, 0.1 * sign), 0.012, 0.025, _BLACK, where=~liner & ~jet)
    body.face([(-0.3, 0.04, 0), (-0.42, 0.04 + fin, 0), (-0.5, 0.04 + fin, 0), (-0.47, 0.03, 0)], trim)
    body.round((-0.18, 0.25 * fat, 0.86 * fat), (0.28, 0.25 * fat, 0.86 * fat), 0.012, 0.012, trim * 0.6, where=liner)
    body.round((-0.18, 0.25 * fat, -0.86 * fat), (0.28, 0.25 * fat, -0.86 * fat), 0.012, 0.012, trim * 0.6, where=liner)
    blade = _uniform(rng, count, 0, np.pi)
    for sign in (-1, 1):
        end = (0.5, 0.14 * sign * np.sin(blade), 0.14 * sign * np.cos(blade))
        body.round((0.5, 0, 0), end, 0.014, 0.012, _BLACK * 2, where=~liner & ~jet)
    return body


def ship(rng: np.random.Generator, count: int) -> Body:
    """Make a ship: a hull with a bow, and on it cabins and a funnel, containers, or sails."""
    body = Body(count)
    hull = _coloured(rng, count, _SHIP_HULL)
    deck = _either(rng, 0.5, _coloured(rng, count, [(0.6, 0.5, 0.38), (0.7, 0.7, 0.7)]), hull * 0.9)
    white = _coloured(rng, count, [(0.9, 0.9, 0.9), (0.8, 0.78, 0.72)])
    kind = rng.choice(4, count, p=(0.36, 0.22, 0.2, 0.22))
    cruiser, cargo, sails = (kind == number for number in range(3))
    half = np.select([cargo, cruiser], [0.09, 0.1], 0.12)
    high = np.select(
        [cargo, cruiser, sails], [_uniform(rng, count, 0.09, 0.13), 0.12, 0.1], _uniform(rng, count, 0.12, 0.16)
    )
    bow = high * _uniform(rng, count, 1.15, 1.5)
    prow, mid = _uniform(rng, count, 0.1, 0.2), 0.22
    for sign in (-1, 1):
        z = sign * half
        body.face([(-0.46, 0, 0.85 * z), (mid, 0, 0.85 * z), (mid, high, z), (-0.5, high, 0.92 * z)], hull)
        body.face([(mid, 0, 0.85 * z), (0.5 - prow, 0, 0), (0.5, bow, 0), (mid, high, z)], hull)
        body.face(
            [(-0.46, 0, 0.86 * z), (mid, 0, 0.86 * z), (mid, 0.2 * high, 0.9 * z), (-0.47, 0.2 * high, 0.88 * z)],
            hull * 0.6,
        )
    body.face(
        [(-0.46, 0, -0.8 * half), (-0.46, 0, 0.8 * half), (-0.5, high, 0.92 * half), (-0.5, high, -0.92 * half)], hull
    )
    body.face([(-0.5, high, -0.9 * half), (mid, high, -half), (mid, high, half), (-0.5, high, 0.9 * half)], deck)
    body.face([(mid, high, -half), (0.5, bow, 0), (0.5, bow, 0), (mid, high, half)], deck)
    # Cabins: a long one, and another on top of it.
    rear = np.select([cruiser, cargo, sails], [-0.4, -0.44, -0.25], _uniform(rng, count, -0.3, -0.1))
    fore = np.select([cruiser, cargo, sails], [0.22, -0.28, 0.0], rear + _uniform(rng, count, 0.22, 0.35))
    roof = high + np.select([cruiser, cargo, sails], [0.09, 0.16, 0.04], _uniform(rng, count, 0.08, 0.14))
    body.prism((rear, fore, high, 0.78 * half), (rear + 0.01, fore - 0.03, roof, 0.72 * half), white)
    upper = roof + np.select([cruiser, cargo], [0.07, 0.05], 0.002)
    body.prism(
        (rear + 0.05, fore - 0.08, roof, 0.62 * half), (rear + 0.06, fore - 0.11, upper, 0.56 * half), white * 0.97
    )
    for sign in (-1, 1):
        z = sign * (0.79 * half + 0.006)
        y = high + 0.55 * (roof - high)
        body.round((rear + 0.04, y, z), (fore - 0.06, y, z), 0.013, 0.013, _GLASS)
    funnel = rear + np.where(cargo, 0.08, 0.2)
    paint = _coloured(rng, count, _PAINTS)
    body.round((funnel, roof, 0), (funnel - 0.02, upper + 0.1, 0), 0.036, 0.034, paint, where=cruiser | cargo)
    for number, x in enumerate((-0.2, -0.06, 0.08)):
        tall = np.where(cargo, _uniform(rng, count, 0.03, 0.12), 0.0)
        load = np.where(cargo[:, None], _coloured(rng, count, _PAINTS), deck)
        body.prism(
            (x, x + 0.125, high, 0.85 * half), (x, x + 0.125, high + tall, 0.85 * half), load * (1 - 0.04 * number)
        )
    mast = np.where(sails, _uniform(rng, count, 0.6, 0.95), _uniform(rng, count, 0.22, 0.4))
    body.round((0.04, high, 0), (0.04, high + mast, 0), 0.014, 0.009, _either(rng, 0.5, white, deck * 0.6))
    cloth = _coloured(rng, count, [(0.92, 0.91, 0.87), (0.92, 0.92, 0.92), (0.75, 0.3, 0.2)])
    reach = np.where(sails, 1.0, 0.0)
    belly = 0.06 * reach
    body.face(
        [
            (0.02, high + 0.06, 0),
            (0.02, high + 0.06 + reach * (mast - 0.08), 0),
            (0.02 - 0.42 * reach, high + 0.09, belly),
        ],
        cloth,
    )
    body.face(
        [
            (0.07, high + 0.05 + reach * (mast - 0.12), 0),
            (0.07, high + 0.06, belly),
            (0.07 + 0.38 * reach, high + 0.07, 0),
        ],
        cloth * 0.95,
    )
    return body


BODIES: dict[str, Maker] = {
    "airplane": airplane,
    "automobile": automobile,
    "bird": bird,
    "cat": cat,
    "deer": deer,
    "dog": dog,
    "frog": frog,
    "horse": horse,
    "ship": ship,
    "truck": truck,
}
