"""Colour of lifelike people: hair, painted faces and cloth with seams and folds (warp functions)."""

# mypy: disable-error-code="no-untyped-def,misc,valid-type,untyped-decorator,no-untyped-call"
# ruff: noqa: UP018
# In a kernel, float(0) is a variable and 0.0 a constant.
from __future__ import annotations

import warp as wp

from taihri_ros.synthetic.rendering.shading import (
    BEARD,
    BELT,
    BOTTOM_LENGTH,
    BROW,
    CAP,
    CAP_COLOR,
    COLLAR,
    FRINGE,
    GLASSES,
    GLOVE,
    HAIR,
    HAIRLINE,
    HEM,
    IRIS,
    LIP,
    NECKLINE,
    OPEN_FRONT,
    PATCHES,
    PHASE,
    PLACKET,
    SHIRT,
    SHOE,
    SHOE_HEIGHT,
    SKIN,
    SKIRT,
    SLEEVE,
    SOCK,
    TOP_PATTERN,
    WAIST,
    bottom_cloth,
    color_at,
    fractal_noise,
    top_cloth,
    value_noise,
)

BARE = wp.constant(0.0)
CLOTH = wp.constant(1.0)
STRANDS = wp.constant(2.0)
"""Material of a point: skin, cloth or hair."""


@wp.func
def hair_edge(head: wp.vec3):
    """Return the height of the hairline at a point of the head; `clothing.hair_edge` computes the same."""
    azimuth = wp.atan2(wp.abs(head[0]), 0.05 - head[1])
    if azimuth < 0.8:
        return 0.44 - 0.125 * azimuth
    if azimuth < 1.5:
        return 0.34 - 0.77142857 * (azimuth - 0.8)
    if azimuth < 2.2:
        return -0.2 - 0.42857143 * (azimuth - 1.5)
    return -0.5 - 0.23362 * (azimuth - 2.2)


@wp.func
def strand_color(hair: wp.vec3, head: wp.vec3, seed: int):
    """Return the colour of hair with strands that run downwards."""
    azimuth = wp.atan2(head[0], head[1])
    strands = value_noise(azimuth * 14.0, head[2] * 1.2, seed) + 0.6 * value_noise(azimuth * 37.0, head[2] * 2.5, seed)
    return hair * (1.0 + 0.38 * strands)


@wp.func
def beard_share(outfits: wp.array2d(dtype=float), row: int, head: wp.vec3, seed: int):
    """Return the share of the colour of the beard at a point of the face, 0 to 0.95."""
    side = wp.abs(head[0])
    lower = wp.clamp((-0.74 - head[2] + 0.25 * wp.max(0.35 - side, 0.0)) * 9.0, 0.0, 1.0)
    if side > 0.5:
        lower = wp.clamp((-0.35 - head[2]) * 6.0, 0.0, 1.0)
    if head[2] > -0.8 and side < 0.3:
        lower = wp.clamp((-0.70 - head[2]) * 14.0, 0.0, 1.0)
    return lower * wp.clamp(
        0.15 + 0.8 * outfits[row, BEARD] + 0.15 * value_noise(40.0 * head[0], 40.0 * head[2], seed), 0.0, 0.95
    )


@wp.func
def face_color(
    outfits: wp.array2d(dtype=float),
    row: int,
    head: wp.vec3,
    face: wp.vec3,
    skin: wp.vec3,
    hair: wp.vec3,
    seed: int,
    color: wp.vec3,
):
    """Return the colour of a point of the face: cheeks, beard, brows, eyes, lips, nostrils and glasses on a colour."""
    side = wp.abs(head[0])
    blush = wp.exp(-12.0 * ((side - 0.42) * (side - 0.42) + (head[2] + 0.55) * (head[2] + 0.55)))
    color = wp.cw_mul(color, wp.vec3(1.0 + 0.06 * blush, 1.0 - 0.10 * blush, 1.0 - 0.08 * blush))
    if outfits[row, BEARD] > 0.0 and face[0] < 0.3:
        share = beard_share(outfits, row, head, seed)
        color = color * (1.0 - share) + hair * share
    arch = (side - 0.31) / 0.2
    brow = wp.abs(head[2] + 0.045 - 0.045 * (1.0 - arch * arch)) / outfits[row, BROW]
    if brow < 1.0 and wp.abs(arch) < 1.0 and head[1] < -0.5:
        dark = (1.0 - 0.6 * brow * brow) * (1.0 - 0.5 * wp.max(arch, 0.0))
        color = color * (1.0 - dark) + (hair * 0.6 + wp.cw_mul(skin, skin) * 0.15) * dark
    socket = wp.exp(-30.0 * (side - 0.3) * (side - 0.3) - 45.0 * (head[2] + 0.2) * (head[2] + 0.2))
    color = color * (1.0 - 0.22 * socket)
    if face[1] > 0.4:  # eyelids
        color = color * 0.45
    if face[0] > 0.4:
        color = color_at(outfits, row, LIP)
        if wp.abs(head[2] + 0.955) < 0.018:
            color = color * 0.35
    nostril = (side - 0.085) * (side - 0.085) + 2.0 * (head[2] + 0.715) * (head[2] + 0.715)
    if nostril < 0.0016 and head[1] < -0.85:
        color = color * 0.3
    if face[2] > -0.5:  # eyeball, iris and pupil
        color = wp.vec3(0.62, 0.6, 0.57)
        if face[2] > 0.84:
            color = color_at(outfits, row, IRIS)
        if face[2] > 0.955:
            color = wp.vec3(0.008, 0.008, 0.008)
    if outfits[row, GLASSES] > 0.5 and head[1] < -0.3:
        away = wp.sqrt((side - 0.31) * (side - 0.31) + 1.2 * (head[2] + 0.24) * (head[2] + 0.24))
        bridge = wp.abs(head[2] + 0.2) < 0.025 and (side < 0.12 or side > 0.5)
        if (away > 0.2 and away < 0.235) or bridge:
            color = wp.vec3(0.02, 0.02, 0.022)
    return color


@wp.func
def head_color(outfits: wp.array2d(dtype=float), row: int, head: wp.vec3, face: wp.vec3, skin: wp.vec3):
    """Return colour and material of a point on head or neck."""
    seed = int(outfits[row, PHASE] * 1000.0)
    hair = color_at(outfits, row, HAIR)
    edge = hair_edge(head) + outfits[row, HAIRLINE]
    if head[1] < -0.45 and wp.abs(head[0]) < 0.6:
        edge = edge - outfits[row, FRINGE]
    ragged = 0.05 * value_noise(18.0 * head[0], 18.0 * head[1], seed)
    if outfits[row, CAP] > 0.5 and head[2] > 0.3 - 0.1 * head[1] and face[1] > -0.3:
        cap = color_at(outfits, row, CAP_COLOR)
        if wp.abs(head[2] - 0.33 + 0.1 * head[1]) < 0.05:
            cap = cap * 0.6
        return wp.vec4(cap[0], cap[1], cap[2], CLOTH)
    if head[2] > edge + ragged and face[1] > -0.3:
        color = strand_color(hair, head, seed)
        return wp.vec4(color[0], color[1], color[2], STRANDS)
    color = skin
    if face[1] < -0.3:  # ears
        color = wp.cw_mul(skin, wp.vec3(0.95, 0.82, 0.78))
    if head[1] < -0.05 and head[2] > -1.5:
        color = face_color(outfits, row, head, face, skin, hair, seed, color)
    return wp.vec4(color[0], color[1], color[2], BARE)


@wp.func
def trouser_color(
    outfits: wp.array2d(dtype=float), row: int, rest: wp.vec3, leg: float, length: float, wobble: float, seed: int
):
    """Return the colour of trousers, shorts or a skirt."""
    color = bottom_cloth(outfits, row, rest, seed)
    color = color * (1.0 + 0.05 * fractal_noise(90.0 * rest[0], 90.0 * rest[2], 90.0 * rest[1], seed))
    if seed % 3 == 0:  # worn on thighs and knees
        worn = wp.exp(-30.0 * (leg - 0.28) * (leg - 0.28)) * wp.clamp(-6.0 * rest[1], 0.0, 1.0)
        color = color * (1.0 + 0.35 * worn)
    if outfits[row, SKIRT] < 0.5 and wp.abs(rest[1]) < 0.006 and leg > 0.05:
        color = color * 0.7  # side seam
    if length - leg < 0.012:
        color = color * 0.6
    above = leg - outfits[row, WAIST] - wobble
    if above < 0.045:
        color = color * 0.72
        if outfits[row, BELT] > 0.5:
            color = wp.vec3(0.03, 0.02, 0.015)
    return color


@wp.func
def top_color(
    outfits: wp.array2d(dtype=float),
    row: int,
    rest: wp.vec3,
    coords: wp.vec3,
    collar: float,
    wobble: float,
    seed: int,
):
    """Return the colour of shirt, pullover or jacket."""
    arm = coords[0]
    leg = coords[1]
    neck = coords[2]
    kind = int(outfits[row, TOP_PATTERN])
    if kind == PATCHES and (rest[1] > 0.0 or wp.abs(rest[0]) > 0.12 or wp.abs(leg + 0.38) > 0.08):
        kind = 0
    color = top_cloth(outfits, row, kind, rest, arm, seed)
    color = color * (1.0 + 0.05 * fractal_noise(110.0 * rest[0], 110.0 * rest[2], 110.0 * rest[1], seed))
    opening = outfits[row, OPEN_FRONT]
    half = opening * (0.9 - leg)
    if opening > 0.0 and rest[1] < -0.02 and arm <= 0.0 and wp.abs(rest[0]) < half + 0.012:
        color = color * 0.6
        if wp.abs(rest[0]) < half:
            color = color_at(outfits, row, SHIRT)
    elif outfits[row, PLACKET] > 0.5 and rest[1] < -0.02 and arm <= 0.0:
        if wp.abs(wp.abs(rest[0]) - 0.014) < 0.003:
            color = color * 0.72
        button = 14.0 * leg - wp.floor(14.0 * leg) - 0.5
        if wp.abs(rest[0]) < 0.005 and wp.abs(button) < 0.1:
            color = wp.vec3(0.5, 0.5, 0.48)
    if wp.abs(arm - 0.03) < 0.008:
        color = color * 0.78  # seam of the sleeve
    if outfits[row, SLEEVE] + wobble - arm < 0.02 and arm > 0.0:
        color = color * 0.75
    if outfits[row, HEM] + wobble - leg < 0.012:
        color = color * 0.62
    if collar - neck < 0.014:
        color = color * 0.7
    return color


@wp.func
def lifelike_color(
    outfits: wp.array2d(dtype=float),
    row: int,
    rest: wp.vec3,
    coords: wp.vec3,
    head: wp.vec3,
    rough: wp.vec3,
    face: wp.vec3,
):
    """Return colour and material of a point on a lifelike person; the arguments are those of `outfit_color`."""
    arm = coords[0]
    leg = coords[1]
    neck = coords[2]
    seed = int(outfits[row, PHASE] * 1000.0)
    hair = color_at(outfits, row, HAIR)
    if arm < -1.5:
        falling = strand_color(hair, head, seed)
        return wp.vec4(falling[0], falling[1], falling[2], STRANDS)
    mottled = 1.0 + 0.05 * rough[0] + 0.03 * fractal_noise(60.0 * rest[0], 60.0 * rest[2], 60.0 * rest[1], seed)
    skin = color_at(outfits, row, SKIN) * mottled
    painted = wp.vec4(skin[0], skin[1], skin[2], BARE)
    if neck > 0.0:
        painted = head_color(outfits, row, head, face, skin)
    wobble = 0.01 * rough[seed % 3]
    cloth = wp.vec3(0.0, 0.0, 0.0)
    dressed = float(0.0)
    if arm > 1.0 and outfits[row, GLOVE] > 0.5:
        cloth = color_at(outfits, row, SHOE)
        dressed = 1.0
    if seed % 5 == 0 and arm > 0.93 and arm < 0.975 and rest[0] > 0.0:
        cloth = wp.vec3(0.02, 0.02, 0.02)  # wristwatch
        dressed = 1.0
    if leg > outfits[row, SOCK] and arm > -0.5 and arm <= 0.0:
        cloth = wp.vec3(0.6, 0.6, 0.6) * float(1 - seed % 2) + wp.vec3(0.03, 0.03, 0.035) * float(seed % 2)
        dressed = 1.0
    length = outfits[row, BOTTOM_LENGTH] + wobble
    if outfits[row, SKIRT] > 0.5:
        length = wp.where(arm < -0.5, 2.0, 0.0)
    if arm <= 0.0 and leg > outfits[row, WAIST] + wobble and leg < length:
        cloth = trouser_color(outfits, row, rest, leg, length, wobble, seed)
        dressed = 1.0
    throat = wp.max(outfits[row, NECKLINE] - wp.abs(rest[0]) * 1.6, 0.0)
    collar = outfits[row, COLLAR] + 0.3 * wobble
    if rest[1] < -0.01:
        collar = collar - throat
    if arm < outfits[row, SLEEVE] + wobble and leg < outfits[row, HEM] + wobble and neck < collar and arm > -0.5:
        cloth = top_color(outfits, row, rest, coords, collar, wobble, seed)
        dressed = 1.0
    if arm < -0.5 and outfits[row, HEM] > 0.15 and leg < outfits[row, HEM] + wobble:
        cloth = top_color(outfits, row, rest, coords, collar, wobble, seed)
        dressed = 1.0
    if leg > outfits[row, SHOE_HEIGHT] and arm > -0.5:
        cloth = color_at(outfits, row, SHOE)
        if leg > 1.085:
            cloth = 0.3 * cloth + wp.vec3(0.3, 0.3, 0.3) * float(seed % 2)
        dressed = 1.0
    if dressed > 0.0:
        painted = wp.vec4(cloth[0], cloth[1], cloth[2], CLOTH)
    return painted


@wp.func
def folds(rest: wp.vec3, coords: wp.vec3, seed: int, strength: float):
    """Return the tilt of the normal by folds of cloth, in the axes of the body at rest."""
    x = 9.0 * rest[0]
    y = 9.0 * rest[1]
    z = 15.0 * rest[2] + 4.0 * wp.abs(rest[0])
    bend = wp.exp(-60.0 * (coords[0] - 0.5) * (coords[0] - 0.5)) + wp.exp(-80.0 * (coords[1] - 0.5) * (coords[1] - 0.5))
    bend += wp.exp(-50.0 * (coords[1] + 0.05) * (coords[1] + 0.05))
    step = 0.08
    here = fractal_noise(x, z, y, seed)
    tilt = wp.vec3(
        fractal_noise(x + step, z, y, seed) - here,
        fractal_noise(x, z, y + step, seed) - here,
        fractal_noise(x, z + step, y, seed) - here,
    )
    return tilt * (strength * (0.45 + bend) / step * 0.3)
