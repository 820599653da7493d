"""Outfits that look like those of people: natural hair, muted and dark cloth, mostly plain, that hangs and folds."""

from __future__ import annotations

import colorsys
from typing import Any

import numpy as np

from taihri_ros.synthetic.people.clothing import HAIR_STYLES, Color, Outfit, vary
from taihri_ros.synthetic.surface_patterns import Pattern

Rng = np.random.Generator

_SKINS: tuple[tuple[Color, float], ...] = (
    ((0.66, 0.43, 0.33), 0.2),
    ((0.60, 0.36, 0.26), 0.2),
    ((0.50, 0.29, 0.19), 0.17),
    ((0.38, 0.20, 0.12), 0.14),
    ((0.25, 0.12, 0.07), 0.12),
    ((0.13, 0.06, 0.035), 0.1),
    ((0.07, 0.035, 0.022), 0.07),
)
_HAIRS: tuple[tuple[Color, float], ...] = (
    ((0.010, 0.008, 0.007), 0.32),
    ((0.025, 0.015, 0.010), 0.24),
    ((0.06, 0.033, 0.018), 0.16),
    ((0.13, 0.07, 0.03), 0.08),
    ((0.36, 0.24, 0.11), 0.08),
    ((0.22, 0.07, 0.025), 0.03),
    ((0.28, 0.27, 0.26), 0.06),
    ((0.6, 0.6, 0.58), 0.03),
)
_IRISES: tuple[Color, ...] = ((0.03, 0.015, 0.008), (0.06, 0.03, 0.012), (0.08, 0.1, 0.05), (0.1, 0.16, 0.22))


_TOP_PATTERNS = {
    Pattern.STRIPES_ACROSS: 0.3,
    Pattern.STRIPES_ALONG: 0.1,
    Pattern.CHECKS: 0.22,
    Pattern.DOTS: 0.06,
    Pattern.PRINT: 0.12,
    Pattern.PATCHES: 0.2,
}
"""Shares of the patterns of tops that are not plain."""

_BOTTOM_PATTERNS = (Pattern.STRIPES_ACROSS, Pattern.STRIPES_ALONG, Pattern.CHECKS, Pattern.PRINT)
"""Patterns of trousers and skirts that are not plain."""

_SPORT_PATTERNS = {
    Pattern.PLAIN: 0.4,
    Pattern.STRIPES_ACROSS: 0.3,
    Pattern.STRIPES_ALONG: 0.15,
    Pattern.PATCHES: 0.15,
}
"""Shares of the patterns of tops in sports and work clothes."""


def sample_lifelike_outfit(rng: Rng, gender: float) -> Outfit:
    """Sample hair, face and clothes of a person.

    Args:
        rng: Random number generator.
        gender: 0 for male, 1 for female; changes only how often hair is long, beards and skirts are worn.

    Returns:
        The outfit.
    """
    female = rng.random() < 0.12 + 0.76 * gender
    skin = _vary(rng, _choice(rng, _SKINS), 0.12)
    hair = _sample_hair(rng, female, skin)
    jacket = rng.random() < 0.25
    sleeve = _sleeve(rng, jacket)
    skirt, shorts = rng.random() < (0.2 if female else 0.01), rng.random() < 0.15
    dress = skirt and rng.random() < 0.35
    length = float(rng.uniform(0.25, 0.7) if skirt else rng.uniform(0.3, 0.52) if shorts else rng.uniform(0.92, 1.06))
    waist = float(rng.uniform(-0.22, -0.12))
    top = _cloth(rng)
    jeans = not skirt and rng.random() < 0.35
    bottom = top if dress else _denim(rng) if jeans else _cloth(rng, dark=0.6)
    pattern = (
        0.0 if jacket or rng.random() < 0.68 else float(rng.choice(list(_TOP_PATTERNS), p=list(_TOP_PATTERNS.values())))
    )
    shoe = _cloth(rng, dark=0.55) if rng.random() < 0.75 else (0.75, 0.75, 0.73)
    return Outfit(
        skin=skin,
        top=top,
        top_second=_second(rng, top),
        top_pattern=pattern,
        top_scale=float(rng.uniform(0.015, 0.07)),
        sleeve=sleeve,
        collar=float(rng.uniform(-0.03, 0.05) if rng.random() < 0.9 else 0.085),
        neckline=float(rng.uniform(0.0, 0.13) if rng.random() < 0.6 else 0.0),
        hem=float(length if dress else waist + 0.03 if skirt else rng.uniform(-0.1, 0.16)),
        open_front=float(rng.uniform(0.015, 0.09) if jacket and rng.random() < 0.75 else 0.0),
        shirt=_cloth(rng),
        bottom=bottom,
        bottom_second=_second(rng, bottom),
        bottom_pattern=0.0 if jeans or rng.random() < 0.9 else float(rng.choice(_BOTTOM_PATTERNS)),
        bottom_scale=float(rng.uniform(0.015, 0.06)),
        bottom_length=length,
        waist=waist,
        shoe=shoe,
        shoe_height=float(rng.uniform(0.97, 1.04) if rng.random() < 0.85 else rng.uniform(0.8, 0.95))
        if rng.random() < 0.95
        else 3.0,
        glove=float(rng.random() < 0.01),
        skirt=float(skirt),
        phase=float(rng.uniform(0.0, 100.0)),
        flare=float(rng.uniform(0.0, 0.12)),
        top_thickness=float(rng.uniform(0.004, 0.012) + (0.012 if jacket else 0.0)),
        bottom_thickness=float(rng.uniform(0.005, 0.014)),
        lifelike=1.0,
        iris=_IRISES[int(rng.integers(len(_IRISES)))],
        lip=_lip(rng, skin, female),
        brow=float(rng.uniform(0.025, 0.055)),
        glasses=float(rng.random() < 0.15),
        wrinkles=float(rng.uniform(0.15, 0.8)),
        placket=float(rng.random() < (0.5 if jacket else 0.25)),
        belt=float(rng.random() < 0.3),
        sock=float(rng.uniform(0.8, 0.93) if rng.random() < 0.6 else 3.0),
        cap=float(rng.random() < 0.05),
        cap_color=_cloth(rng),
        top_slack=float(rng.uniform(0.05, 0.3) if skirt else rng.uniform(0.1, 0.95)),
        bottom_slack=float(rng.uniform(0.05, 0.7)),
        **hair,
    )


def recolor(rng: Rng, outfit: Outfit, gender: float) -> dict[str, Any]:
    """Return other colours for an outfit, which leave the shape of the body unchanged."""
    other = sample_lifelike_outfit(rng, gender)
    same_kind = 0.0 if outfit.open_front > 0.0 else other.top_pattern
    return {
        **{name: getattr(other, name) for name in ("skin", "hair", "top", "top_second", "top_scale", "shirt", "shoe")},
        **{name: getattr(other, name) for name in ("bottom_second", "bottom_pattern", "bottom_scale", "phase")},
        **{name: getattr(other, name) for name in ("iris", "lip", "brow", "glasses", "wrinkles", "cap_color")},
        "bottom": other.top if outfit.hem == outfit.bottom_length else other.bottom,
        "top_pattern": same_kind,
    }


def sample_sport_colors(rng: Rng) -> dict[str, Any]:
    """Sample the colours of sports and work clothes: bright, in two contrasting colours, often with stripes."""

    def bright() -> Color:
        return _hsv(rng.random(), rng.uniform(0.65, 1.0), rng.uniform(0.5, 1.0))

    neon = _hsv(rng.choice([0.17, 0.2, 0.08, 0.95]), rng.uniform(0.7, 1.0), 1.0)
    top = neon if rng.random() < 0.35 else bright()
    return {
        "top": top,
        "top_second": (0.7, 0.7, 0.7) if rng.random() < 0.5 else bright(),
        "top_pattern": float(rng.choice(list(_SPORT_PATTERNS), p=list(_SPORT_PATTERNS.values()))),
        "top_scale": float(rng.uniform(0.05, 0.2)),
        "shirt": bright(),
        "bottom": bright() if rng.random() < 0.6 else (0.02, 0.02, 0.03),
        "bottom_second": (0.7, 0.7, 0.7),
        "bottom_pattern": 0.0,
        "shoe": bright(),
        "cap": float(rng.random() < 0.4),
        "cap_color": bright(),
    }


def _sample_hair(rng: Rng, female: bool, skin: Color) -> dict[str, Any]:
    bald = not female and rng.random() < 0.1
    style = 0
    if not bald and rng.random() < (0.75 if female else 0.06):
        style = int(rng.choice([1, 2, 3], p=[0.66, 0.24, 0.1]))
    fall = float(rng.uniform(0.5, 3.6)) if HAIR_STYLES[style] == "loose" else float(rng.uniform(1.2, 3.2))
    dark = skin[0] < 0.3
    color = (0.01, 0.008, 0.007) if dark and rng.random() < 0.85 else _choice(rng, _HAIRS)
    return {
        "hair": _vary(rng, color, 0.25),
        "hairline": 3.0 if bald else float(rng.normal(0.0, 0.05) + (0.12 * rng.random() if not female else 0.0)),
        "hair_length": 0.35,
        "hair_style": float(style),
        "hair_fall": fall,
        "hair_cover": float(rng.uniform(1.55, 2.1)),
        "hair_thickness": float(rng.uniform(0.004, 0.02) if not female else rng.uniform(0.008, 0.022)),
        "fringe": float(rng.uniform(0.1, 0.32) if female and rng.random() < 0.3 else 0.0),
        "beard": float(0.0 if female or rng.random() < 0.55 else rng.uniform(0.2, 1.0)),
    }


def _sleeve(rng: Rng, jacket: bool) -> float:
    if jacket:
        return float(rng.uniform(0.92, 1.02))
    kind = rng.random()
    if kind < 0.42:
        return float(rng.uniform(0.2, 0.48))
    return float(rng.uniform(0.88, 1.0) if kind < 0.93 else rng.uniform(-0.02, 0.1))


def _cloth(rng: Rng, dark: float = 0.35) -> Color:
    """Sample a colour of cloth as people wear it, linear RGB."""
    kind = rng.random()
    if kind < dark:  # black, charcoal, navy, dark green or brown
        return _hsv(rng.choice([0.6, 0.62, 0.08, 0.35, 0.95]), rng.uniform(0.0, 0.5), rng.uniform(0.08, 0.32))
    if kind < dark + 0.3 * (1.0 - dark):  # white to grey
        return _hsv(rng.uniform(0.05, 0.15), rng.uniform(0.0, 0.06), rng.uniform(0.35, 0.95))
    if kind < dark + 0.85 * (1.0 - dark):  # muted
        return _hsv(rng.random(), rng.uniform(0.12, 0.5), rng.uniform(0.3, 0.85))
    return _hsv(rng.random(), rng.uniform(0.55, 0.9), rng.uniform(0.35, 0.85))


def _denim(rng: Rng) -> Color:
    return _hsv(rng.uniform(0.58, 0.63), rng.uniform(0.25, 0.6), rng.uniform(0.18, 0.6))


def _second(rng: Rng, first: Color) -> Color:
    """Sample the second colour of a pattern: lighter, darker or another colour of cloth."""
    if rng.random() < 0.5:
        return _cloth(rng)
    factor = float(np.exp(rng.choice([-1.0, 1.0]) * rng.uniform(0.4, 1.2)))
    red, green, blue = (min(0.8, factor * value) for value in first)
    return red, green, blue


def _lip(rng: Rng, skin: Color, female: bool) -> Color:
    red, green, blue = skin
    if female and rng.random() < 0.25:
        return 0.8 * red + 0.12, 0.25 * green + 0.01, 0.3 * blue + 0.02
    fade = float(rng.uniform(0.55, 0.75))
    return 0.9 * red, fade * green, (fade + 0.05) * blue


def _hsv(hue: float, saturation: float, value: float) -> Color:
    red, green, blue = colorsys.hsv_to_rgb(float(hue) % 1.0, float(saturation), float(value))
    return red**2.2, green**2.2, blue**2.2


def _choice(rng: Rng, options: tuple[tuple[Color, float], ...]) -> Color:
    weights = np.array([weight for _, weight in options])
    return options[int(rng.choice(len(options), p=weights / weights.sum()))][0]


def _vary(rng: Rng, color: Color, spread: float) -> Color:
    return vary(rng, color, spread, tint=0.2, brightest=0.85)
