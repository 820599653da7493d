"""Procedural surface colours of rooms and of dressed people (warp functions)."""

# mypy: disable-error-code="no-untyped-def,misc,valid-type,untyped-decorator,no-untyped-call"
from __future__ import annotations

import warp as wp

from taihri_ros.synthetic.people.clothing import field_places
from taihri_ros.synthetic.surface_patterns import Pattern

_OUTFIT = field_places()
SKIN = wp.constant(_OUTFIT["skin"])
HAIR = wp.constant(_OUTFIT["hair"])
HAIRLINE = wp.constant(_OUTFIT["hairline"])
HAIR_LENGTH = wp.constant(_OUTFIT["hair_length"])
BEARD = wp.constant(_OUTFIT["beard"])
TOP = wp.constant(_OUTFIT["top"])
TOP_SECOND = wp.constant(_OUTFIT["top_second"])
TOP_PATTERN = wp.constant(_OUTFIT["top_pattern"])
TOP_SCALE = wp.constant(_OUTFIT["top_scale"])
SLEEVE = wp.constant(_OUTFIT["sleeve"])
COLLAR = wp.constant(_OUTFIT["collar"])
NECKLINE = wp.constant(_OUTFIT["neckline"])
HEM = wp.constant(_OUTFIT["hem"])
OPEN_FRONT = wp.constant(_OUTFIT["open_front"])
SHIRT = wp.constant(_OUTFIT["shirt"])
BOTTOM = wp.constant(_OUTFIT["bottom"])
BOTTOM_SECOND = wp.constant(_OUTFIT["bottom_second"])
BOTTOM_PATTERN = wp.constant(_OUTFIT["bottom_pattern"])
BOTTOM_SCALE = wp.constant(_OUTFIT["bottom_scale"])
BOTTOM_LENGTH = wp.constant(_OUTFIT["bottom_length"])
WAIST = wp.constant(_OUTFIT["waist"])
SHOE = wp.constant(_OUTFIT["shoe"])
SHOE_HEIGHT = wp.constant(_OUTFIT["shoe_height"])
GLOVE = wp.constant(_OUTFIT["glove"])
SKIRT = wp.constant(_OUTFIT["skirt"])
PHASE = wp.constant(_OUTFIT["phase"])
LIFELIKE = wp.constant(_OUTFIT["lifelike"])
IRIS = wp.constant(_OUTFIT["iris"])
LIP = wp.constant(_OUTFIT["lip"])
BROW = wp.constant(_OUTFIT["brow"])
GLASSES = wp.constant(_OUTFIT["glasses"])
FRINGE = wp.constant(_OUTFIT["fringe"])
WRINKLES = wp.constant(_OUTFIT["wrinkles"])
PLACKET = wp.constant(_OUTFIT["placket"])
BELT = wp.constant(_OUTFIT["belt"])
SOCK = wp.constant(_OUTFIT["sock"])
CAP = wp.constant(_OUTFIT["cap"])
CAP_COLOR = wp.constant(_OUTFIT["cap_color"])
"""Places of the fields in the array of `clothing.Outfit.pack`."""

STRIPES_ACROSS = wp.constant(int(Pattern.STRIPES_ACROSS))
STRIPES_ALONG = wp.constant(int(Pattern.STRIPES_ALONG))
CHECKS = wp.constant(int(Pattern.CHECKS))
DOTS = wp.constant(int(Pattern.DOTS))
PRINT = wp.constant(int(Pattern.PRINT))
PATCHES = wp.constant(int(Pattern.PATCHES))
TILES = wp.constant(int(Pattern.TILES))
PLANKS = wp.constant(int(Pattern.PLANKS))
BRICKS = wp.constant(int(Pattern.BRICKS))
CLOUDS = wp.constant(int(Pattern.CLOUDS))
SHELVES = wp.constant(int(Pattern.SHELVES))


@wp.func
def color_at(values: wp.array2d(dtype=float), row: int, start: int):
    """Return the colour in three consecutive fields."""
    return wp.vec3(values[row, start], values[row, start + 1], values[row, start + 2])


@wp.func
def lattice_noise(x: int, y: int, seed: int):
    """Return a pseudo-random number in [-1, 1) for a lattice point."""
    h = wp.uint32(x) * wp.uint32(374761393) + wp.uint32(y) * wp.uint32(668265263) + wp.uint32(seed) * wp.uint32(362437)
    h = (h ^ (h >> wp.uint32(13))) * wp.uint32(1274126177)
    h = h ^ (h >> wp.uint32(16))
    return float(h & wp.uint32(65535)) / 32768.0 - 1.0


@wp.func
def unit_noise(x: int, y: int, z: int):
    """Return a pseudo-random number in [0, 1) for a lattice point."""
    return 0.5 + 0.5 * lattice_noise(x, y, z)


@wp.func
def value_noise(x: float, y: float, seed: int):
    """Return one octave of value noise, -1 to 1."""
    fx = wp.floor(x)
    fy = wp.floor(y)
    i = int(fx)
    j = int(fy)
    u = x - fx
    v = y - fy
    u = u * u * (3.0 - 2.0 * u)
    v = v * v * (3.0 - 2.0 * v)
    low = lattice_noise(i, j, seed) * (1.0 - u) + lattice_noise(i + 1, j, seed) * u
    high = lattice_noise(i, j + 1, seed) * (1.0 - u) + lattice_noise(i + 1, j + 1, seed) * u
    return low * (1.0 - v) + high * v


@wp.func
def fractal_noise(x: float, y: float, z: float, seed: int):
    """Return two octaves of value noise, about -1 to 1."""
    return 0.7 * value_noise(x + 0.37 * z, y + 0.53 * z, seed) + 0.4 * value_noise(
        2.03 * x - 0.71 * z, 2.03 * y + 0.6 * z, seed + 1
    )


@wp.func
def pattern(kind: int, u: float, v: float, w: float, seed: int, first: wp.vec3, second: wp.vec3):
    """Return the colour of a surface with a `Pattern` at a point in units of its scale."""
    color = first
    if kind == STRIPES_ACROSS:
        if v - wp.floor(v) < 0.42:
            color = second
    elif kind == STRIPES_ALONG:
        if u - wp.floor(u) < 0.3:
            color = second
    elif kind == CHECKS:
        a = u - wp.floor(u)
        b = v - wp.floor(v)
        color = first * 1.0
        if a < 0.35:
            color = 0.5 * (color + second)
        if b < 0.35:
            color = 0.5 * (color + second)
    elif kind == DOTS:
        a = u - wp.floor(u) - 0.5
        b = v - wp.floor(v) - 0.5
        if a * a + b * b < 0.07:
            color = second
    elif kind == PRINT:
        if fractal_noise(u * 0.7, v * 0.7, w * 0.7, seed) > 0.08:
            color = second
    elif kind == PATCHES:
        pick = unit_noise(int(wp.floor(u * 0.5)), int(wp.floor(v * 0.5)), seed)
        color = first * (1.0 - pick) + second * pick
    elif kind == TILES:
        a = u - wp.floor(u)
        b = v - wp.floor(v)
        shade = 0.85 + 0.3 * unit_noise(int(wp.floor(u)), int(wp.floor(v)), seed)
        color = first * shade
        if a < 0.03 or b < 0.03:
            color = second
    elif kind == PLANKS:
        row = wp.floor(v)
        along = u * 0.18 + unit_noise(int(row), 3, seed)
        shade = 0.7 + 0.5 * unit_noise(int(row), int(wp.floor(along)), seed)
        grain = fractal_noise(u * 0.6, v * 7.0, 0.5, seed)
        color = first * (shade + 0.18 * grain)
        if v - row < 0.035 or along - wp.floor(along) < 0.006:
            color = color * 0.35
    elif kind == BRICKS:
        row = wp.floor(v)
        a = 0.5 * u + 0.5 * (row - 2.0 * wp.floor(0.5 * row))
        shade = 0.75 + 0.45 * unit_noise(int(row), int(wp.floor(a)), seed)
        color = first * shade
        if v - row < 0.12 or a - wp.floor(a) < 0.06:
            color = second
    elif kind == CLOUDS:
        mix = wp.clamp(0.5 + 0.7 * fractal_noise(u, v, w, seed), 0.0, 1.0)
        color = first * mix + second * (1.0 - mix)
    elif kind == SHELVES:
        row = wp.floor(v)
        column = wp.floor(u * 3.0 + unit_noise(int(row), 1, seed))
        color = wp.vec3(
            unit_noise(int(column), int(row), seed),
            unit_noise(int(column), int(row), seed + 1),
            unit_noise(int(column), int(row), seed + 2),
        )
        color = wp.cw_mul(color, color) * 0.5 + first * 0.35
        if v - row > 0.55 + 0.4 * unit_noise(int(column), int(row), seed + 3):
            color = first * 0.4
        if v - row < 0.08:
            color = second
    return color


@wp.func
def plain_face(
    outfits: wp.array2d(dtype=float), row: int, head: wp.vec3, skin: wp.vec3, hair: wp.vec3, eye: float, color: wp.vec3
):
    """Return the colour of a point of the head below the hair: beard, brows, mouth and eyes on a skin of a colour."""
    side = wp.abs(head[0])
    if head[1] < -0.2:
        if outfits[row, BEARD] > 0.5 and head[2] < -0.45 and head[2] > -1.25:
            color = hair * 0.7 + color * 0.3
        if wp.abs(head[2] - 0.22) < 0.035 and side > 0.12 and side < 0.5:
            color = hair * 0.7 + skin * 0.2
        if wp.abs(head[2] + 0.68) < 0.06 and side < 0.25:
            color = wp.cw_mul(skin, wp.vec3(0.9, 0.5, 0.5))
    if eye > 0.5:
        color = wp.vec3(0.7, 0.7, 0.68)
        if head[1] < -0.985:
            color = wp.vec3(0.03, 0.025, 0.02)
    return color


@wp.func
def bottom_cloth(outfits: wp.array2d(dtype=float), row: int, rest: wp.vec3, seed: int):
    """Return the colour of the cloth of trousers or a skirt, without seams and light."""
    scale = outfits[row, BOTTOM_SCALE]
    return pattern(
        int(outfits[row, BOTTOM_PATTERN]),
        rest[0] / scale,
        rest[2] / scale,
        rest[1] / scale,
        seed,
        color_at(outfits, row, BOTTOM),
        color_at(outfits, row, BOTTOM_SECOND),
    )


@wp.func
def top_cloth(outfits: wp.array2d(dtype=float), row: int, kind: int, rest: wp.vec3, arm: float, seed: int):
    """Return the colour of the cloth of a top, in a pattern of a kind, without seams and light."""
    scale = outfits[row, TOP_SCALE]
    u = rest[0] / scale
    v = rest[2] / scale
    if arm > 0.0:
        v = arm * 0.55 / scale
    return pattern(
        kind, u, v, rest[1] / scale, seed + 1, color_at(outfits, row, TOP), color_at(outfits, row, TOP_SECOND)
    )


@wp.func
def plain_trousers(
    outfits: wp.array2d(dtype=float), row: int, rest: wp.vec3, leg: float, length: float, fold: float, seed: int
):
    """Return the colour of trousers, shorts or a skirt down to a length, with dark seams."""
    color = bottom_cloth(outfits, row, rest, seed)
    color = color * fold
    if length - leg < 0.012 or (leg - outfits[row, WAIST] < 0.05 and seed % 2 == 0):
        color = color * 0.55
    return color


@wp.func
def plain_top(
    outfits: wp.array2d(dtype=float),
    row: int,
    rest: wp.vec3,
    coords: wp.vec3,
    collar: float,
    fold: float,
    wobble: float,
    seed: int,
):
    """Return the colour of a shirt, pullover or jacket up to a collar, with dark seams."""
    arm = coords[0]
    leg = coords[1]
    neck = coords[2]
    kind = int(outfits[row, TOP_PATTERN])
    if kind == PATCHES and (rest[1] > 0.0 or wp.abs(rest[0]) > 0.14 or wp.abs(leg + 0.38) > 0.1):
        kind = 0
    color = top_cloth(outfits, row, kind, rest, arm, seed)
    if outfits[row, OPEN_FRONT] > 0.0 and rest[1] < -0.02 and wp.abs(rest[0]) < outfits[row, OPEN_FRONT] * (0.6 - leg):
        color = color_at(outfits, row, SHIRT)
    color = color * fold
    if outfits[row, SLEEVE] + wobble - arm < 0.018 and arm > 0.0:
        color = color * 0.6
    if outfits[row, HEM] + wobble - leg < 0.012 or collar - neck < 0.008:
        color = color * 0.6
    return color


@wp.func
def outfit_color(
    outfits: wp.array2d(dtype=float),
    row: int,
    rest: wp.vec3,
    coords: wp.vec3,
    head: wp.vec3,
    rough: wp.vec3,
    eye: float,
):
    """Return the colour of a point on a person: skin and hair, then trousers, the top over them, and shoes.

    `rest`, `head` and `rough` are those of `garments.Surface`; `coords` are its arm, leg and neck coordinates.
    """
    arm = coords[0]
    leg = coords[1]
    neck = coords[2]
    seed = int(outfits[row, PHASE] * 1000.0)
    skin = color_at(outfits, row, SKIN)
    color = skin * (1.0 + 0.06 * rough[0])
    wobble = 0.012 * rough[seed % 3]
    fold = 1.0 + 0.13 * rough[(seed + 1) % 3]
    if neck > -0.02:
        edge = outfits[row, HAIRLINE] - wp.clamp(head[1] + 0.3, -0.6, 1.6) * (0.9 + outfits[row, HAIR_LENGTH])
        hair = color_at(outfits, row, HAIR)
        if head[2] > edge + 6.0 * wobble:
            strands = value_noise(rest[0] * 60.0, rest[2] * 20.0 + rest[1] * 25.0, seed)
            return hair * (1.0 + 0.5 * strands)
        color = plain_face(outfits, row, head, skin, hair, eye, color)
    if arm > 1.0 and outfits[row, GLOVE] > 0.5:
        color = color_at(outfits, row, SHOE)
    length = outfits[row, BOTTOM_LENGTH] + wobble
    if outfits[row, SKIRT] > 0.5:
        length = wp.where(arm < -0.5, 2.0, 0.0)  # the skirt, and the hips under it
    if arm <= 0.0 and leg > outfits[row, WAIST] + wobble and leg < length:
        color = plain_trousers(outfits, row, rest, leg, length, fold, seed)
    throat = wp.max(outfits[row, NECKLINE] - wp.abs(rest[0]) * 1.6, 0.0)
    collar = outfits[row, COLLAR]
    if rest[1] < -0.01:
        collar = wp.min(collar, collar - throat)
    if arm < outfits[row, SLEEVE] + wobble and leg < outfits[row, HEM] + wobble and neck < collar + 0.3 * wobble:
        color = plain_top(outfits, row, rest, coords, collar, fold, wobble, seed)
    if leg > outfits[row, SHOE_HEIGHT] and arm > -0.5:
        color = color_at(outfits, row, SHOE)
        if leg > 1.085:
            color = 0.35 * color + wp.vec3(0.25, 0.25, 0.25) * float(seed % 2)
    return color
