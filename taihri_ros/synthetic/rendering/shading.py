"""Procedural surface colours of rooms and of dressed people (warp functions)."""

# mypy: disable-error-code="no-untyped-def,misc,valid-type,untyped-decorator,no-untyped-call"
from __future__ import annotations

import warp as wp

# Indices into the array of `clothing.Outfit.pack`.
SKIN = wp.constant(0)
HAIR = wp.constant(3)
HAIRLINE = wp.constant(6)
HAIR_LENGTH = wp.constant(7)
BEARD = wp.constant(8)
TOP = wp.constant(9)
TOP_SECOND = wp.constant(12)
TOP_PATTERN = wp.constant(15)
TOP_SCALE = wp.constant(16)
SLEEVE = wp.constant(17)
COLLAR = wp.constant(18)
NECKLINE = wp.constant(19)
HEM = wp.constant(20)
OPEN_FRONT = wp.constant(21)
SHIRT = wp.constant(22)
BOTTOM = wp.constant(25)
BOTTOM_SECOND = wp.constant(28)
BOTTOM_PATTERN = wp.constant(31)
BOTTOM_SCALE = wp.constant(32)
BOTTOM_LENGTH = wp.constant(33)
WAIST = wp.constant(34)
SHOE = wp.constant(35)
SHOE_HEIGHT = wp.constant(38)
GLOVE = wp.constant(39)
SKIRT = wp.constant(40)
PHASE = wp.constant(41)
LIFELIKE = wp.constant(46)
IRIS = wp.constant(47)
LIP = wp.constant(50)
BROW = wp.constant(53)
GLASSES = wp.constant(54)
FRINGE = wp.constant(55)
WRINKLES = wp.constant(56)
PLACKET = wp.constant(57)
BELT = wp.constant(58)
SOCK = wp.constant(59)
CAP = wp.constant(60)
CAP_COLOR = wp.constant(61)


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
    """Return the colour of a patterned surface at a point in units of its scale."""
    color = first
    if kind == 1:  # stripes across
        if v - wp.floor(v) < 0.42:
            color = second
    elif kind == 2:  # stripes along
        if u - wp.floor(u) < 0.3:
            color = second
    elif kind == 3:  # checks
        a = u - wp.floor(u)
        b = v - wp.floor(v)
        color = first * 1.0
        if a < 0.35:
            color = 0.5 * (color + second)
        if b < 0.35:
            color = 0.5 * (color + second)
    elif kind == 4:  # dots
        a = u - wp.floor(u) - 0.5
        b = v - wp.floor(v) - 0.5
        if a * a + b * b < 0.07:
            color = second
    elif kind == 5:  # print
        if fractal_noise(u * 0.7, v * 0.7, w * 0.7, seed) > 0.08:
            color = second
    elif kind == 6:  # patches
        pick = unit_noise(int(wp.floor(u * 0.5)), int(wp.floor(v * 0.5)), seed)
        color = first * (1.0 - pick) + second * pick
    elif kind == 7:  # tiles with joints
        a = u - wp.floor(u)
        b = v - wp.floor(v)
        shade = 0.85 + 0.3 * unit_noise(int(wp.floor(u)), int(wp.floor(v)), seed)
        color = first * shade
        if a < 0.03 or b < 0.03:
            color = second
    elif kind == 8:  # planks
        row = wp.floor(v)
        along = u * 0.18 + unit_noise(int(row), 3, seed)
        shade = 0.7 + 0.5 * unit_noise(int(row), int(wp.floor(along)), seed)
        grain = fractal_noise(u * 0.6, v * 7.0, 0.5, seed)
        color = first * (shade + 0.18 * grain)
        if v - row < 0.035 or along - wp.floor(along) < 0.006:
            color = color * 0.35
    elif kind == 9:  # bricks
        row = wp.floor(v)
        a = 0.5 * u + 0.5 * (row - 2.0 * wp.floor(0.5 * row))
        shade = 0.75 + 0.45 * unit_noise(int(row), int(wp.floor(a)), seed)
        color = first * shade
        if v - row < 0.12 or a - wp.floor(a) < 0.06:
            color = second
    elif kind == 10:  # marble, concrete, carpet
        mix = wp.clamp(0.5 + 0.7 * fractal_noise(u, v, w, seed), 0.0, 1.0)
        color = first * mix + second * (1.0 - mix)
    elif kind == 11:  # shelves full of objects
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
def outfit_color(
    outfits: wp.array2d(dtype=float),
    row: int,
    rest: wp.vec3,
    coords: wp.vec3,
    head: wp.vec3,
    rough: wp.vec3,
    eye: float,
):
    """Return the colour of a point on a person.

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
    # Head: hair, beard, brows, mouth, eyes.
    if neck > -0.02:
        edge = outfits[row, HAIRLINE] - wp.clamp(head[1] + 0.3, -0.6, 1.6) * (0.9 + outfits[row, HAIR_LENGTH])
        hair = color_at(outfits, row, HAIR)
        if head[2] > edge + 6.0 * wobble:
            strands = value_noise(rest[0] * 60.0, rest[2] * 20.0 + rest[1] * 25.0, seed)
            return hair * (1.0 + 0.5 * strands)
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
    if arm > 1.0 and outfits[row, GLOVE] > 0.5:
        color = color_at(outfits, row, SHOE)
    # Trousers, skirt or shorts, then the top over them, then shoes.
    scale = outfits[row, BOTTOM_SCALE]
    length = outfits[row, BOTTOM_LENGTH] + wobble
    if outfits[row, SKIRT] > 0.5:
        length = wp.where(arm < -0.5, 2.0, 0.0)  # the skirt, and the hips under it
    if arm <= 0.0 and leg > outfits[row, WAIST] + wobble and leg < length:
        color = pattern(
            int(outfits[row, BOTTOM_PATTERN]),
            rest[0] / scale,
            rest[2] / scale,
            rest[1] / scale,
            seed,
            color_at(outfits, row, BOTTOM),
            color_at(outfits, row, BOTTOM_SECOND),
        )
        color = color * fold
        if length - leg < 0.012 or (leg - outfits[row, WAIST] < 0.05 and seed % 2 == 0):
            color = color * 0.55
    throat = wp.max(outfits[row, NECKLINE] - wp.abs(rest[0]) * 1.6, 0.0)
    collar = outfits[row, COLLAR]
    if rest[1] < -0.01:
        collar = wp.min(collar, collar - throat)
    if arm < outfits[row, SLEEVE] + wobble and leg < outfits[row, HEM] + wobble and neck < collar + 0.3 * wobble:
        scale = outfits[row, TOP_SCALE]
        kind = int(outfits[row, TOP_PATTERN])
        if kind == 6 and (rest[1] > 0.0 or wp.abs(rest[0]) > 0.14 or wp.abs(leg + 0.38) > 0.1):
            kind = 0
        u = rest[0] / scale
        v = rest[2] / scale
        if arm > 0.0:
            v = arm * 0.55 / scale
        color = pattern(
            kind, u, v, rest[1] / scale, seed + 1, color_at(outfits, row, TOP), color_at(outfits, row, TOP_SECOND)
        )
        if (
            outfits[row, OPEN_FRONT] > 0.0
            and rest[1] < -0.02
            and wp.abs(rest[0]) < outfits[row, OPEN_FRONT] * (0.6 - leg)
        ):
            color = color_at(outfits, row, SHIRT)
        color = color * fold
        if outfits[row, SLEEVE] + wobble - arm < 0.018 and arm > 0.0:
            color = color * 0.6
        if outfits[row, HEM] + wobble - leg < 0.012 or collar - neck < 0.008:
            color = color * 0.6
    if leg > outfits[row, SHOE_HEIGHT] and arm > -0.5:
        color = color_at(outfits, row, SHOE)
        if leg > 1.085:
            color = 0.35 * color + wp.vec3(0.25, 0.25, 0.25) * float(seed % 2)
    return color
