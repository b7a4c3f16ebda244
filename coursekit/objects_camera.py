"""A small camera for solid things: round ones and flat ones, seen from anywhere, drawn for many pictures at a time.

A body is made of rounds (two balls and all that lies between them) and faces (flat, four corners). Its own axes are x
forward, y up and z to the left side; its size is of no account, as the camera chooses how large it gets. Every number
of a body may differ from picture to picture.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Field = NDArray[np.float32]
    Number = float | NDArray[Any]
    Point = tuple[Number, Number, Number]

SIDE = 32
_CHUNK = 64  # pictures at a time: so that what is worked on stays in the processor's cache
_NEAR = np.float32(1e3)
_WINDOW = 15  # pixels: up to here a window is quicker than the picture

Rows, Columns = np.mgrid[0:SIDE, 0:SIDE].astype(np.float32).reshape(2, -1)


class View(NamedTuple):
    """How each picture looks at its body: angles in radians, (n,), size and shift in pixels, and the light.

    At yaw 0 a body looks to the right and shows its left side; `size` is what its longer extent becomes.
    """

    yaw: NDArray[Any]
    pitch: NDArray[Any]
    roll: NDArray[Any]
    size: NDArray[Any]
    shift: NDArray[Any]  # (n, 2): right, down
    light: NDArray[Any]  # (n, 3): where it comes from, right, up, towards the camera


class Body:
    """What is to be drawn: the same parts in every picture, of different shape and colour in each."""

    def __init__(self, count: int) -> None:
        self.count = count
        self._rounds: list[tuple[NDArray[Any], ...]] = []
        self._faces: list[tuple[NDArray[Any], ...]] = []

    def round(
        self, start: Point, end: Point, radius: Number, end_radius: Number, colour: NDArray[Any], *, where: Any = True
    ) -> None:
        """Add two balls with all that lies between them; `where` says in which pictures."""
        wide = np.where(where, np.broadcast_to(radius, self.count), -1.0)
        end_wide = np.where(where, np.broadcast_to(end_radius, self.count), -1.0)
        self._rounds.append((self._point(start), self._point(end), wide, end_wide, self._colour(colour)))

    def ball(self, centre: Point, radius: Number, colour: NDArray[Any], *, where: Any = True) -> None:
        """Add a ball."""
        self.round(centre, centre, radius, radius, colour, where=where)

    def face(self, corners: Sequence[Point], colour: NDArray[Any]) -> None:
        """Add a flat face, convex, with three or four corners in order; both its sides are seen."""
        four = [*corners, corners[-1]][:4]
        self._faces.append((np.stack([self._point(corner) for corner in four], 1), self._colour(colour)))

    def prism(self, base: Sequence[Number], top: Sequence[Number], colour: NDArray[Any]) -> None:
        """Add a block without a bottom: `base` and `top` are (rear x, front x, y, half width)."""
        corners = [
            [(rear, y, -half), (front, y, -half), (front, y, half), (rear, y, half)]
            for rear, front, y, half in (base, top)
        ]
        low, high = corners
        self.face(high, colour)
        for one, two in ((0, 1), (1, 2), (2, 3), (3, 0)):
            self.face([low[one], low[two], high[two], high[one]], colour)

    def _point(self, point: Point) -> NDArray[Any]:
        return np.stack([np.broadcast_to(each, self.count) for each in point], -1)

    def _colour(self, colour: NDArray[Any]) -> NDArray[Any]:
        return np.broadcast_to(colour, (self.count, 3))

    def rounds(self) -> tuple[NDArray[Any], ...]:
        """Give starts and ends (n, parts, 3), both radii (n, parts) and colours (n, parts, 3) of the rounds."""
        return tuple(np.stack(each, 1) for each in zip(*self._rounds, strict=True))

    def faces(self) -> tuple[NDArray[Any], ...]:
        """Give corners (n, parts, 4, 3) and colours (n, parts, 3) of the faces."""
        if not self._faces:
            return np.empty((self.count, 0, 4, 3)), np.empty((self.count, 0, 3))
        return tuple(np.stack(each, 1) for each in zip(*self._faces, strict=True))


class Placed(NamedTuple):
    """A body as the camera sees it: places and radii in pixels, and the box around it (n, 4): left, right, top, low."""

    starts: Field
    ends: Field
    radii: Field
    end_radii: Field
    colours: Field
    corners: Field
    face_colours: Field
    light: Field
    box: Field


def place(body: Body, view: View) -> Placed:
    """Turn a body towards the camera, and give it the size and the place that the view asks for."""
    start, end, wide, end_wide, colour = body.rounds()
    corners, face_colour = body.faces()
    turn = _turn(view)
    start, end, corners = start @ turn, end @ turn, corners @ turn[:, None]
    there, end_there = np.maximum(wide, 0)[..., None], np.maximum(end_wide, 0)[..., None]
    flat = corners.reshape(len(corners), -1, 3)
    lows = np.concatenate([start - there, end - end_there, flat], 1).min(axis=1)
    highs = np.concatenate([start + there, end + end_there, flat], 1).max(axis=1)
    size = view.size / (highs - lows)[:, :2].max(axis=1)
    middle = np.zeros_like(lows)
    middle[:, :2] = (SIDE - 1) / 2 + view.shift - size[:, None] * (lows + highs)[:, :2] / 2
    start, end = (size[:, None, None] * points + middle[:, None] for points in (start, end))
    wide, end_wide = (np.where(radius < 0, -9, size[:, None] * radius) for radius in (wide, end_wide))
    corners = size[:, None, None, None] * corners + middle[:, None, None]
    left, low = (size[:, None] * each + middle for each in (lows, highs))
    box = np.stack([left[:, 0], low[:, 0], left[:, 1], low[:, 1]], -1)
    parts = (start, end, wide, end_wide, colour, corners, face_colour, view.light, box)
    return Placed(*(part.astype(np.float32) for part in parts))


def draw(canvas: Field, placed: Placed) -> None:
    """Draw what is placed into pictures (n, 3, 32 * 32), brightness 0 to 1, in place."""
    for first in range(0, len(canvas), _CHUNK):
        some = Placed(*(table[first : first + _CHUNK] for table in placed))
        pictures = canvas[first : first + _CHUNK]
        depth = np.full((len(pictures), SIDE * SIDE), -_NEAR, np.float32)
        for number in range(some.corners.shape[1]):
            _draw_face(pictures, depth, some.corners[:, number], some.face_colours[:, number], some.light)
        for number in range(some.starts.shape[1]):
            ends = some.starts[:, number], some.ends[:, number]
            radii = some.radii[:, number], some.end_radii[:, number]
            _draw_round(pictures, depth, ends, radii, some.colours[:, number], some.light)


def _turn(view: View) -> NDArray[Any]:
    """Make the matrices (n, 3, 3) that take a body's axes, by rows, to right, down and towards the camera."""
    zero, one = np.zeros_like(view.yaw), np.ones_like(view.yaw)

    def matrix(*entries: Any) -> NDArray[Any]:
        return np.stack(entries, -1).reshape(-1, 3, 3)

    c, s = np.cos(view.yaw), np.sin(view.yaw)
    yaw = matrix(c, zero, -s, zero, one, zero, s, zero, c)
    c, s = np.cos(view.pitch), np.sin(view.pitch)
    pitch = matrix(one, zero, zero, zero, c, s, zero, -s, c)
    c, s = np.cos(view.roll), np.sin(view.roll)
    roll = matrix(c, s, zero, -s, c, zero, zero, zero, one)
    turned: NDArray[Any] = yaw @ pitch @ roll @ np.diag([1.0, -1.0, 1.0])
    return turned


def _draw_round(
    canvas: Field, depth: Field, ends: tuple[Field, Field], radii: tuple[Field, Field], colour: Field, light: Field
) -> None:
    lows = np.minimum(*(end[:, :2] - radius[:, None] for end, radius in zip(ends, radii, strict=True)))
    highs = np.maximum(*(end[:, :2] + radius[:, None] for end, radius in zip(ends, radii, strict=True)))
    extent = (highs - lows).max(axis=1, where=radii[0][:, None] > 0, initial=0)
    wide = int(extent.max()) + 4
    if wide > _WINDOW:
        _shade_round(canvas, depth, Columns, Rows, ends, radii, colour, light)
        return
    # Most parts are small: it is quicker to lift a window out of every picture and put it back than to work on it all.
    corner = np.clip(np.floor(lows) - 1, 0, SIDE - wide)
    steps = np.arange(wide, dtype=np.float32)
    x = np.repeat(corner[:, :1, None] + steps, wide, axis=1).reshape(len(corner), -1)
    y = np.repeat(corner[:, 1:, None] + steps, wide, axis=2).reshape(len(corner), -1)
    there = (y * SIDE + x).astype(np.int32)
    there += np.arange(len(corner), dtype=np.int32)[:, None] * (SIDE * SIDE)
    here = (there + np.arange(len(corner), dtype=np.int32)[:, None] * (2 * SIDE * SIDE))[:, None, :]
    here = here + np.arange(3, dtype=np.int32)[:, None] * (SIDE * SIDE)
    all_depths, all_colours = depth.reshape(-1), canvas.reshape(-1)
    depths, colours = all_depths[there], all_colours[here]
    _shade_round(colours, depths, x, y, ends, radii, colour, light)
    all_depths[there], all_colours[here] = depths, colours


def _shade_round(
    canvas: Field,
    depth: Field,
    columns: Field,
    rows: Field,
    ends: tuple[Field, Field],
    radii: tuple[Field, Field],
    colour: Field,
    light: Field,
) -> None:
    (ax, ay, az), (bx, by, bz) = (np.split(each, 3, axis=1) for each in ends)
    wide, end_wide = (radius[:, None] for radius in radii)
    along_x, along_y = bx - ax, by - ay
    length = np.maximum(along_x * along_x + along_y * along_y, np.float32(1e-6))
    x, y = columns - ax, rows - ay
    t = x * (along_x / length)
    t += y * (along_y / length)
    np.clip(t, 0, 1, out=t)
    x -= t * along_x
    y -= t * along_y
    radius = wide + t * (end_wide - wide)
    cover = np.sqrt(x * x + y * y)
    np.subtract(radius + np.float32(0.5), cover, out=cover)
    np.clip(cover, 0, 1, out=cover)
    # A part thinner than a pixel covers as much of it as it is thick.
    cover *= np.minimum(2 * np.maximum(radius, 0), 1)
    height = az + t * (bz - az)
    height += np.float32(0.7) * radius
    cover *= height > depth
    np.copyto(depth, height, where=cover > 0.5)
    np.maximum(radius, np.float32(0.3), out=radius)
    x *= light[:, 0:1]
    y *= -light[:, 1:2]
    x += y
    x /= radius
    np.clip(x, -1, 1, out=x)
    _paint(canvas, cover, colour, np.float32(0.86) + np.float32(0.3) * x)


def _draw_face(canvas: Field, depth: Field, corners: Field, colour: Field, light: Field) -> None:
    one, two = corners[:, 2] - corners[:, 0], corners[:, 3] - corners[:, 1]
    # The diagonals span the face whatever its shape; their cross product is twice its area.
    normal = np.stack(
        [
            one[:, 1] * two[:, 2] - one[:, 2] * two[:, 1],
            one[:, 2] * two[:, 0] - one[:, 0] * two[:, 2],
            one[:, 0] * two[:, 1] - one[:, 1] * two[:, 0],
        ],
        -1,
    )
    area = normal[:, 2]
    side = np.where(area < 0, -1, 1).astype(np.float32)
    cover = np.full(depth.shape, 9, np.float32)
    following = np.roll(corners, -1, axis=1)
    for number in range(4):
        edge = following[:, number] - corners[:, number]
        length = np.sqrt(edge[:, 0] ** 2 + edge[:, 1] ** 2)
        # An edge without length, where a triangle has three corners, bounds nothing.
        unit = side / np.maximum(length, np.float32(1e-3))
        offset = np.where(length < 1e-3, 9, 0.5).astype(np.float32)
        x, y = -edge[:, 1] * unit, edge[:, 0] * unit
        offset -= x * corners[:, number, 0] + y * corners[:, number, 1]
        distance = Columns * x[:, None]
        distance += Rows * y[:, None] + offset[:, None]
        np.minimum(cover, distance, out=cover)
    np.clip(cover, 0, 1, out=cover)
    cover *= np.minimum(np.abs(area) / 2, 1)[:, None]
    steep = np.where(np.abs(area) < 0.5, 0.5 * side, area)
    slope_x, slope_y = (np.clip(-normal[:, axis] / steep, -4, 4)[:, None] for axis in (0, 1))
    middle = corners.mean(axis=1)[:, :, None]
    height = slope_x * (Columns - middle[:, 0]) + slope_y * (Rows - middle[:, 1]) + middle[:, 2]
    cover *= height > depth
    np.copyto(depth, height, where=cover > 0.5)
    normal *= (side / np.maximum(np.sqrt(np.square(normal).sum(axis=1)), np.float32(1e-6)))[:, None]
    facing = normal[:, 0] * light[:, 0] - normal[:, 1] * light[:, 1] + normal[:, 2] * light[:, 2]
    shade = (0.72 + 0.36 * np.clip(facing, -0.5, 1)).astype(np.float32)
    _paint(canvas, cover, colour, shade[:, None])


def _paint(canvas: Field, cover: Field, colour: Field, shade: Field) -> None:
    for channel in range(3):
        plane = canvas[:, channel]
        plane += cover * (shade * colour[:, channel, None] - plane)
