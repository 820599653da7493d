"""Body shapes of adults in anny's parameters."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Phenotype:
    """Body shape of an adult in anny's parameters.

    Attributes:
        gender: 0 for male, 1 for female.
        age: 2/3 for young, 1 for old.
        muscle: In [0, 1].
        weight: In [0, 1].
        height: See `height_parameter`.
        proportions: In [0, 1]; 0 for ideal.
    """

    gender: float
    age: float
    muscle: float
    weight: float
    height: float
    proportions: float


def sample_phenotype(rng: np.random.Generator) -> Phenotype:
    """Sample the shape of an adult, thin to heavy; the height is that of adults, or uniform with probability 0.12."""
    female = rng.random() < 0.5
    gender = float(np.clip((0.9 if female else 0.1) + rng.normal(0.0, 0.12), 0.0, 1.0))
    stature = rng.normal(1.64, 0.075) if female else rng.normal(1.765, 0.08)
    if rng.random() < 0.12:
        stature = rng.uniform(1.45, 2.05)
    return Phenotype(
        gender=gender,
        age=float(rng.uniform(2 / 3, 0.97)),
        muscle=float(np.clip(rng.normal(0.5, 0.22), 0.05, 0.98)),
        weight=float(np.clip(rng.normal(0.5, 0.24), 0.03, 1.0)),
        height=height_parameter(float(np.clip(stature, 1.42, 2.1)), gender),
        proportions=float(np.clip(rng.normal(0.55, 0.25), 0.0, 1.0)),
    )


def height_parameter(stature: float, gender: float) -> float:
    """Return anny's height parameter for a stature.

    An adult of anny is 1.352 m - 0.136 m * gender + 1.09 m * height tall.

    Args:
        stature: Height from sole to crown, metres.
        gender: 0 for male, 1 for female.

    Returns:
        The parameter `height`.
    """
    return (stature - 1.352 + 0.136 * gender) / 1.09
