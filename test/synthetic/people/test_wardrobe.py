from __future__ import annotations

import colorsys
from dataclasses import fields, replace

import numpy as np
import pytest

from taihri_ros.synthetic.people.body import body_model
from taihri_ros.synthetic.people.clothing import hair_edge, sample_outfit
from taihri_ros.synthetic.people.garments import surface
from taihri_ros.synthetic.people.wardrobe import recolor, sample_lifelike_outfit
from taihri_ros.synthetic.rendering import lifelike, shading


def outfits(count: int = 200, gender: float = 0.5) -> list:
    rng = np.random.default_rng(4)
    return [sample_lifelike_outfit(rng, gender) for _ in range(count)]


def test_the_renderer_reads_the_packed_fields() -> None:
    worn = replace(outfits(1)[0], brow=0.031, glasses=1.0, fringe=0.2, wrinkles=0.3, belt=1.0, sock=0.9, cap=1.0)
    packed = worn.pack()
    for name in ("lifelike", "brow", "glasses", "fringe", "wrinkles", "placket", "belt", "sock", "cap"):
        assert packed[getattr(shading, name.upper())] == pytest.approx(getattr(worn, name)), name
    for name in ("iris", "lip", "cap_color"):
        start = getattr(shading, name.upper())
        assert packed[start : start + 3] == pytest.approx(getattr(worn, name), rel=1e-6), name


def test_clothes_are_less_saturated_than_plain_ones() -> None:
    def saturation(colors: list) -> float:
        return float(np.mean([colorsys.rgb_to_hsv(*color)[1] * max(color) ** 0.45 for color in colors]))

    rng = np.random.default_rng(0)
    plain = [sample_outfit(rng).top for _ in range(200)]
    assert saturation([worn.top for worn in outfits()]) < 0.75 * saturation(plain)


def test_beards_and_skirts_go_with_gender() -> None:
    men, women = outfits(gender=0.0), outfits(gender=1.0)
    assert sum(worn.beard > 0 for worn in men) > 3 * sum(worn.beard > 0 for worn in women)
    assert sum(worn.skirt for worn in women) > 3 * sum(worn.skirt for worn in men)
    assert sum(worn.hair_style > 0 for worn in women) > 2 * sum(worn.hair_style > 0 for worn in men)


def test_other_colors_leave_the_shape_unchanged() -> None:
    places, rng = surface(body_model().template), np.random.default_rng(1)
    for worn in outfits(12):
        changed = replace(worn, **recolor(rng, worn, 0.5))
        assert changed != worn
        assert (changed.thickness(places) == worn.thickness(places)).all()
        assert changed.skirt_shape() == replace(worn, phase=changed.phase).skirt_shape()


def test_hair_begins_at_the_painted_hairline() -> None:
    rng = np.random.default_rng(2)
    for head in rng.normal(size=(50, 3)).astype(np.float32):
        assert lifelike.hair_edge(lifelike.wp.vec3(*head.tolist())) == pytest.approx(hair_edge(head[None])[0], abs=2e-3)


def test_every_field_is_finite() -> None:
    for worn in outfits(50):
        assert all(np.isfinite(getattr(worn, field.name)).all() for field in fields(worn))
