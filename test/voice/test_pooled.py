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
    return interpreter.meaning(PooledRecogniser(first, second, interpreter.asks).recognise(np.zeros(9, np.int16)))


def test_an_order_that_both_hear_is_as_sure_as_their_mean() -> None:
    meant = meaning(Says(Hypothesis("Shake my hand.", 0.9)), Says(Hypothesis("shake hands with me", 1.0)))
    assert (meant.kind, meant.text) == (Kind.COMMAND, "Shake my hand.")
    assert meant.confidence == pytest.approx(0.94)


@pytest.mark.parametrize("general", [False, True])
def test_the_first_decides_alone_where_the_second_hears_no_order(general: bool) -> None:
    meant = meaning(Says(Hypothesis("Give me a hug.", 0.8)), Says(Hypothesis("live in a rug", 1.0, general)))
    assert (meant.kind, meant.text) == (Kind.COMMAND, "Give me a hug.")
    assert meant.confidence == pytest.approx(0.8)


def test_an_order_of_the_second_counts_where_the_first_is_unsure() -> None:
    meant = meaning(Says(Hypothesis("Hurt me.", 0.4)), Says(Hypothesis("hug me", 1.0)))
    assert (meant.kind, meant.text) == (Kind.COMMAND, "hug me")
    assert meant.confidence == pytest.approx(0.4)  # a question is asked back


def test_nobody_heard_anything() -> None:
    assert meaning(Says(), Says()).kind is Kind.NOTHING
    assert meaning(Says(), Says(Hypothesis("what a day", 1.0, general=True))).kind is Kind.NOTHING
