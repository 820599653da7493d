"""Outfits: colours of skin and hair, and garments with outlines, patterns and thickness."""

from __future__ import annotations

import colorsys
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from taihri_ros.synthetic.people.body import Body
from taihri_ros.synthetic.people.garments import Floats, Surface
from taihri_ros.synthetic.people.hair import HairShape, Style, with_hair
from taihri_ros.synthetic.people.skirt import SkirtShape, with_skirt
from taihri_ros.synthetic.surface_patterns import Pattern

Rng = np.random.Generator
Color = tuple[float, float, float]

SKINS: tuple[Color, ...] = (
    (0.72, 0.46, 0.35),
    (0.80, 0.56, 0.45),
    (0.62, 0.38, 0.26),
    (0.46, 0.26, 0.16),
    (0.30, 0.16, 0.10),
    (0.17, 0.085, 0.05),
    (0.09, 0.045, 0.028),
    (0.85, 0.65, 0.55),
)
_HAIRS: tuple[Color, ...] = (
    (0.012, 0.010, 0.009),
    (0.03, 0.018, 0.012),
    (0.08, 0.04, 0.02),
    (0.2, 0.1, 0.04),
    (0.45, 0.3, 0.13),
    (0.35, 0.1, 0.03),
    (0.4, 0.4, 0.4),
    (0.75, 0.75, 0.75),
)
HAIR_STYLES: tuple[Style, ...] = ("none", "loose", "ponytail", "bun")

_SHOE_THICKNESS_M = 0.009


@dataclass(frozen=True)
class Outfit:
    """Skin, hair and clothes of a person.

    Colours are linear RGB, 0 to 1; outlines are in the coordinates of `garments.Surface`; sizes are in metres. The
    patterns are those of `Pattern`. The renderer reads the fields as an array in this order (`rendering.shading`).
    """

    skin: Color
    hair: Color
    hairline: float
    hair_length: float
    beard: float
    top: Color
    top_second: Color
    top_pattern: float
    top_scale: float
    sleeve: float
    collar: float
    neckline: float
    hem: float
    open_front: float
    shirt: Color
    bottom: Color
    bottom_second: Color
    bottom_pattern: float
    bottom_scale: float
    bottom_length: float
    waist: float
    shoe: Color
    shoe_height: float
    glove: float
    skirt: float
    phase: float
    flare: float
    top_thickness: float
    bottom_thickness: float
    hair_thickness: float
    lifelike: float = 0.0
    iris: Color = (0.1, 0.06, 0.03)
    lip: Color = (0.5, 0.2, 0.2)
    brow: float = 0.04
    glasses: float = 0.0
    fringe: float = 0.0
    wrinkles: float = 0.0
    placket: float = 0.0
    belt: float = 0.0
    sock: float = 3.0
    cap: float = 0.0
    cap_color: Color = (0.1, 0.1, 0.1)
    top_slack: float = 0.0
    bottom_slack: float = 0.0
    hair_fall: float = 0.0
    hair_cover: float = 1.9
    hair_style: float = 0.0

    def pack(self) -> Floats:
        """Return the fields as the float32 array that the renderer reads."""
        return np.hstack([np.atleast_1d(getattr(self, field.name)) for field in fields(self)]).astype(np.float32)

    def thickness(self, places: Surface) -> Floats:
        """Return the distance of clothes and hair from the skin.

        Args:
            places: Surface coordinates of the body.

        Returns:
            float32 (V,) metres, for the vertices of the body without the skirt's.
        """
        top = (places.arm < self.sleeve) & (places.leg < self.hem) & (places.neck < self.collar) & (places.arm < 0.98)
        bottom = (places.leg > self.waist) & (places.leg < min(self.bottom_length, 1.0)) & (places.arm <= 0.0)
        flare = 1.0 + 0.8 * np.clip(places.arm, 0.0, 1.0)
        if self.skirt > 0.5:
            bottom &= places.leg < 0.0
        upper, lower = self.top_thickness * flare, np.full(len(flare), self.bottom_thickness)
        if self.lifelike > 0.5:
            throat = np.maximum(self.neckline - 1.6 * np.abs(places.rest[:, 0]), 0.0) * (places.rest[:, 1] < -0.01)
            hanging = self.top_slack * places.slack * np.clip(-8.0 * places.neck, 0.0, 1.0)
            upper = (upper + hanging) * np.clip((self.collar - throat - places.neck) / 0.05, 0.0, 1.0)
            lower = lower + self.bottom_slack * places.slack
            upper = np.where(bottom, np.maximum(upper, lower), upper)
        worn = np.where(top, upper, np.where(bottom, lower, 0.0))
        if self.lifelike > 0.5:
            above = np.clip((places.head[:, 2] - hair_edge(places.head) - self.hairline) / 0.25, 0.0, 1.0)
            volume = np.where(places.face[:, 1] < -0.3, 0.0, above) * self.hair_thickness
            thickness = np.where(places.neck > 0.0, np.maximum(worn, volume), worn)
            shod = (places.leg > self.shoe_height) & (places.arm > -0.5)
            thickness = np.where(shod, np.maximum(thickness, _SHOE_THICKNESS_M), thickness)
        else:
            hair = is_hair(places.head, self.hairline, self.hair_length) & (places.neck > -0.02)
            thickness = np.where(hair, self.hair_thickness, worn)
        return thickness[: places.skin].astype(np.float32)

    def hair_shape(self) -> HairShape | None:
        """Return the shape of falling hair, or None if there is none."""
        if self.hair_style < 0.5:
            return None
        style = HAIR_STYLES[round(self.hair_style)]
        return HairShape(style, self.hair_fall, self.hair_cover, 10.0 * self.hair_thickness, self.phase)

    def skirt_shape(self) -> SkirtShape | None:
        """Return the shape of the skirt, or None if none is worn."""
        if self.skirt < 0.5:
            return None
        return SkirtShape(
            self.waist, self.bottom_length, self.flare, self.bottom_thickness, self.phase, 0.2 * self.lifelike
        )


def field_places() -> dict[str, int]:
    """Return the place of the first number of each field in the array of `Outfit.pack`, by the name of the field."""
    places, end = {}, 0
    for field in fields(Outfit):
        places[field.name] = end
        end += 3 if field.type == "Color" else 1
    return places


def dress(body: Body, outfit: Outfit) -> Body:
    """Return a body with the vertices of skirt and hair appended."""
    return with_hair(with_skirt(body, outfit.skirt_shape()), outfit.hair_shape())


def hair_edge(head: Floats) -> Floats:
    """Return the height of the natural hairline around the head, in units of 0.1 m.

    Args:
        head: float32 (V, 3), `garments.Surface.head`.

    Returns:
        float32 (V,); `rendering.lifelike.hair_edge` computes the same.
    """
    azimuth = np.arctan2(np.abs(head[:, 0]), 0.05 - head[:, 1])
    return np.asarray(np.interp(azimuth, *HAIRLINE), dtype=np.float32)


HAIRLINE = ((0.0, 0.8, 1.5, 2.2, np.pi), (0.44, 0.34, -0.2, -0.5, -0.72))
"""Azimuth from the middle of the face (radians) and height of the hairline (0.1 m)."""


def is_hair(head: Floats, hairline: float, length: float) -> NDArray[np.bool_]:
    """Return the points of the head that have hair; the hairline is high at the forehead and low at the back.

    Args:
        head: (N, 3) coordinates `garments.Surface.head`.
        hairline: Height of the hairline, in the same unit.
        length: Length of the hair: how steeply the hairline falls to the back.

    Returns:
        bool (N,).
    """
    edge = hairline - np.clip(head[:, 1] + 0.3, -0.6, 1.6) * (0.9 + length)
    return np.asarray(head[:, 2] > edge)


def sample_outfit(rng: Rng) -> Outfit:
    """Sample skin, hair and clothes."""
    skin = vary(rng, SKINS[int(rng.integers(len(SKINS)))], 0.15)
    jacket = rng.random() < 0.22
    short = rng.random()
    sleeve = (
        rng.uniform(0.12, 0.5) if short < 0.42 else rng.uniform(0.85, 1.0) if short < 0.9 else rng.uniform(-0.02, 0.1)
    )
    if jacket:
        sleeve = rng.uniform(0.9, 1.02)
    skirt = rng.random() < 0.16
    dress = rng.random() < (0.35 if skirt else 0.05)
    shorts = rng.random() < 0.25
    length = rng.uniform(0.22, 0.62) if shorts or skirt else rng.uniform(0.85, 1.06)
    waist = rng.uniform(-0.24, -0.1)
    top = _color(rng)
    bottom = top if dress else _color(rng, dark=0.35)
    bald = rng.random() < 0.1
    return Outfit(
        skin=skin,
        hair=_color(rng) if rng.random() < 0.06 else vary(rng, _HAIRS[int(rng.integers(len(_HAIRS)))], 0.3),
        hairline=3.0 if bald else float(rng.normal(0.55, 0.12)),
        hair_length=float(np.clip(rng.normal(0.35, 0.4), -0.1, 1.3)),
        beard=float(rng.random() < 0.2),
        top=top,
        top_second=_color(rng),
        top_pattern=_pattern(rng, 0.45),
        top_scale=float(rng.uniform(0.012, 0.09)),
        sleeve=float(sleeve),
        collar=float(rng.uniform(-0.05, 0.06) if rng.random() < 0.85 else 0.09),
        neckline=float(rng.uniform(0.0, 0.16) if rng.random() < 0.6 else 0.0),
        hem=float(rng.uniform(-0.16, 0.22) if not dress else length),
        open_front=float(rng.uniform(0.01, 0.09) if jacket and rng.random() < 0.7 else 0.0),
        shirt=_color(rng),
        bottom=bottom,
        bottom_second=_color(rng),
        bottom_pattern=_pattern(rng, 0.75),
        bottom_scale=float(rng.uniform(0.012, 0.08)),
        bottom_length=float(length),
        waist=float(waist),
        shoe=_color(rng, dark=0.5),
        shoe_height=float(rng.uniform(0.95, 1.05) if rng.random() < 0.8 else rng.uniform(0.65, 0.95))
        if rng.random() < 0.92
        else 3.0,
        glove=float(rng.random() < 0.03),
        skirt=float(skirt),
        phase=float(rng.uniform(0.0, 100.0)),
        flare=float(rng.uniform(0.0, 0.22)),
        top_thickness=float(rng.uniform(0.004, 0.018) + (0.012 if jacket else 0.0)),
        bottom_thickness=float(rng.uniform(0.004, 0.02)),
        hair_thickness=float(rng.uniform(0.006, 0.035)),
    )


def _pattern(rng: Rng, plain: float) -> float:
    return 0.0 if rng.random() < plain else float(rng.integers(1, Pattern.PATCHES + 1))


def _color(rng: Rng, dark: float = 0.15) -> Color:
    """Sample a colour of cloth: mostly muted, some greys, some bright."""
    kind = rng.random()
    if kind < 0.3:
        red = green = blue = float(rng.uniform(0.02, 0.95))
    elif kind < 0.75:
        red, green, blue = colorsys.hsv_to_rgb(
            float(rng.random()), float(rng.uniform(0.15, 0.6)), float(rng.uniform(0.1, 0.9))
        )
    else:
        red, green, blue = colorsys.hsv_to_rgb(
            float(rng.random()), float(rng.uniform(0.6, 1.0)), float(rng.uniform(0.3, 1.0))
        )
    shade = 0.3 if rng.random() < dark else 1.0
    return red**2.2 * shade, green**2.2 * shade, blue**2.2 * shade


def vary(rng: Rng, color: Color, spread: float, tint: float = 0.3, brightest: float = 0.95) -> Color:
    """Vary a colour at random.

    Args:
        rng: Random number generator.
        color: Linear RGB.
        spread: Standard deviation of the logarithm of the brightness.
        tint: That of each channel, as a share of the spread.
        brightest: Largest value of a channel.

    Returns:
        Linear RGB.
    """
    factors = np.exp(rng.normal(0.0, spread)) * np.exp(rng.normal(0.0, tint * spread, 3))
    red, green, blue = np.clip(np.array(color) * factors, 0.003, brightest).tolist()
    return red, green, blue
