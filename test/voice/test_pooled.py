"""Two recognisers as one."""

from __future__ import annotations

import numpy as np
import pytest
from heard import TASKS
from numpy.typing import NDArray

from taihri_ros.voice.interpretation import Interpreter, Kind, Meaning
from taihri_ros.voice.pooled import PooledRecogniser
from taihri_ros.voice.recogniser import Hypothesis


class Says:
    """A recogniser that always hears the same."""

    def __init__(self, *readings: Hypothesis) -> None:
        self._readings = readings

    def recognise(self, samples: NDArray[np.int16]) -> tuple[Hypothesis, ...]:
        return self._readings


def meaning(first: Says, second: Says) -> Meaning:
    interpreter = Interpreter(TASKS)
    return interpreter.meaning(PooledRecogniser(first, second, interpreter.request).recognise(np.zeros(9, np.int16)))


def test_an_order_that_both_hear_is_surer_than_each_alone() -> None:
    meant = meaning(Says(Hypothesis("Shake my hand.", 0.9)), Says(Hypothesis("shake hands with me", 0.9)))
    assert (meant.kind, meant.text) == (Kind.COMMAND, "Shake my hand.")
    assert meant.confidence > 0.98


def test_what_both_hear_among_others_is_sure() -> None:
    first = Says(Hypothesis("Point to my right heel.", 0.5), Hypothesis("Point to my right hip.", 0.4))
    second = Says(Hypothesis("point to my right lip", 0.6), Hypothesis("point to my right hip", 0.4))
    meant = meaning(first, second)
    assert (meant.kind, meant.text) == (Kind.COMMAND, "Point to my right hip.")
    assert meant.confidence > 0.5


@pytest.mark.parametrize("general", [False, True])
def test_the_first_decides_alone_where_the_second_hears_no_order(general: bool) -> None:
    meant = meaning(Says(Hypothesis("Give me a hug.", 0.8)), Says(Hypothesis("live in a rug", 1.0, general)))
    assert (meant.kind, meant.text) == (Kind.COMMAND, "Give me a hug.")
    assert meant.confidence == pytest.approx(0.8)


def test_an_order_of_the_second_counts_where_the_first_is_unsure() -> None:
    meant = meaning(Says(Hypothesis("Hurt me.", 0.4)), Says(Hypothesis("hug me", 1.0)))
    assert (meant.kind, meant.text) == (Kind.COMMAND, "hug me")
    assert meant.confidence == pytest.approx(0.3)  # a question is asked back


def test_nobody_heard_anything() -> None:
    assert meaning(Says(), Says()).kind is Kind.NOTHING
    assert meaning(Says(), Says(Hypothesis("what a day", 1.0, general=True))).kind is Kind.NOTHING
