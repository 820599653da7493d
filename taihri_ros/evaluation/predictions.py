"""Answers of the model, and the file that stores them, so that an interrupted evaluation can be continued."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from taihri_ros.errors import TaihriError
from taihri_ros.evaluation.question_plan import Question
from taihri_ros.keypoints import State
from taihri_ros.pipeline.belief import OFF
from taihri_ros.pipeline.decoder import XySource
from taihri_ros.pipeline.estimator import Exchange
from taihri_ros.pipeline.presence import MEASURES
from taihri_ros.skeleton import JOINTS

XY_SOURCES: tuple[XySource, ...] = ("bins", "pixel")
"""Every answer is stored with x and y from each of these sources."""


@dataclass(frozen=True, eq=False)
class JointPrediction:
    """One joint of an answer.

    Attributes:
        state: Name of its `State`; only a MEASURED joint has a position.
        pixel: (2,) px in the image; NaN without a position.
        positions: (3,) metres, camera optical frame, by source of x and y; NaN without a position.
        argmax: (3,) metres, positions from the answered tokens without their top-k log-probabilities; empty if unknown.
        covariances: (3, 3) m², camera optical frame, of the positions; NaN or empty if unknown.
        confidences: Probabilities that the errors are at most 0.1 m; NaN or empty if unknown.
    """

    state: str
    pixel: NDArray[np.float64]
    positions: Mapping[XySource, NDArray[np.float64]]
    argmax: Mapping[XySource, NDArray[np.float64]] = field(default_factory=dict)
    covariances: Mapping[XySource, NDArray[np.float64]] = field(default_factory=dict)
    confidences: Mapping[XySource, float] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Prediction:
    """The answer to one question.

    Attributes:
        joints: The joints of the answer by name.
        malformed: Reason why the whole answer is unusable; empty for a usable answer.
        answer: Raw answer of the model.
        stages_ms: Duration of each stage, ms; empty for a malformed answer.
        sharpness: (22, 2) how sharply each joint is placed (`pipeline/presence.py`); NaN if unknown.
        log_odds: (22,) log-odds that each joint is there, by a model that may answer `<absent>`; NaN if unknown.
    """

    joints: dict[str, JointPrediction] = field(default_factory=dict)
    malformed: str = ""
    answer: str = ""
    stages_ms: dict[str, float] = field(default_factory=dict)
    sharpness: NDArray[np.float64] = field(default_factory=lambda: np.full((len(JOINTS), MEASURES), np.nan))
    log_odds: NDArray[np.float64] = field(default_factory=lambda: np.full(len(JOINTS), np.nan))

    @classmethod
    def from_exchange(cls, exchange: Exchange) -> Prediction:
        """Decode an answer with x and y from both sources.

        Args:
            exchange: The command with its answer.

        Returns:
            The prediction.
        """
        estimate, decoder = exchange.estimate("bins", OFF), exchange.decoder
        people = {"bins": estimate.person, "pixel": exchange.person("pixel")}
        plain = {source: exchange.person(source, sub_bin=False) for source in XY_SOURCES}
        joints = {}
        for row, keypoint in enumerate(estimate.person.keypoints):
            if keypoint.state in (State.NOT_ASKED, State.NOT_ANSWERED):
                continue
            found = {source: people[source].keypoints[row] for source in XY_SOURCES}
            joints[keypoint.name] = JointPrediction(
                state=keypoint.state.name,
                pixel=keypoint.pixel,
                positions={source: found[source].position for source in XY_SOURCES},
                argmax={source: plain[source].keypoints[row].position for source in XY_SOURCES},
                covariances={source: found[source].covariance for source in XY_SOURCES},
                confidences={source: found[source].confidence for source in XY_SOURCES},
            )
        return cls(joints, "", estimate.answer, estimate.stages_ms, decoder.sharpness(), decoder.log_odds())

    def to_dict(self) -> dict[str, Any]:
        """Return the prediction in JSON types; NaN becomes null, a covariance its upper triangle."""
        joints = {
            name: {
                "state": found.state,
                "pixel": _numbers(found.pixel, 3),
                **{f"position_{kind}": _numbers(position, 5) for kind, position in found.positions.items()},
                **{f"argmax_{kind}": _numbers(position, 5) for kind, position in found.argmax.items()},
                **{f"covariance_{kind}": _triangle(matrix) for kind, matrix in found.covariances.items()},
                **{f"confidence_{kind}": _number(value) for kind, value in found.confidences.items()},
            }
            for name, found in self.joints.items()
        }
        stages = {stage: round(duration, 3) for stage, duration in self.stages_ms.items()}
        return {
            "joints": joints,
            "malformed": self.malformed,
            "answer": self.answer,
            "stages_ms": stages,
            "sharpness": [_numbers(measures, 4) for measures in self.sharpness],
            "log_odds": [_number(value) for value in self.log_odds.tolist()],
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Prediction:
        """Return the prediction from the result of `to_dict`."""
        joints = {
            name: JointPrediction(
                state=found["state"],
                pixel=_array(found["pixel"], 2),
                positions={source: _array(found[f"position_{source}"], 3) for source in XY_SOURCES},
                argmax={source: _array(found[f"argmax_{source}"], 3) for source in XY_SOURCES},
                covariances={source: _symmetric(found[f"covariance_{source}"]) for source in XY_SOURCES},
                confidences={source: _float(found[f"confidence_{source}"]) for source in XY_SOURCES},
            )
            for name, found in values["joints"].items()
        }
        sharpness = np.array([_array(measures, MEASURES) for measures in values["sharpness"]])
        log_odds = np.array([_float(number) for number in values["log_odds"]])
        return cls(joints, values["malformed"], values["answer"], values["stages_ms"], sharpness, log_odds)


_UPPER = np.triu_indices(3)


def _numbers(values: NDArray[np.float64], digits: int) -> list[float] | None:
    return np.round(values, digits).tolist() if np.isfinite(values).all() else None


def _array(numbers: list[float] | None, size: int) -> NDArray[np.float64]:
    return np.full(size, np.nan) if numbers is None else np.array(numbers, np.float64)


def _number(value: float) -> float | None:
    return round(value, 6) if np.isfinite(value) else None


def _float(number: float | None) -> float:
    return float("nan") if number is None else number


def _triangle(matrix: NDArray[np.float64]) -> list[float] | None:
    """Return xx, xy, xz, yy, yz, zz with 9 digits, so that thin ellipsoids keep their width."""
    values = matrix[_UPPER]
    return [float(f"{value:.9g}") for value in values] if np.isfinite(values).all() else None


def _symmetric(numbers: list[float] | None) -> NDArray[np.float64]:
    matrix = np.full((3, 3), np.nan)
    if numbers is not None:
        matrix[_UPPER] = numbers
        matrix.T[_UPPER] = numbers
    return matrix


class PredictionFile:
    """A JSON Lines file of answers, for use in a `with` statement.

    The first line has the settings of the run, every other line one answer.
    """

    def __init__(self, path: Path, run: Mapping[str, Any]) -> None:
        """Open or create the file.

        Args:
            path: The file.
            run: Settings that the answers depend on, from `describe_run`.

        Raises:
            TaihriError: The file has answers of another run, or is damaged.
        """
        self._path = path
        self._known: dict[tuple[int, str], Prediction] = {}
        path.touch()
        lines = path.read_bytes().splitlines(keepends=True)
        if lines and not lines[-1].endswith(b"\n"):  # the last run ended while writing it
            lines.pop()
            os.truncate(path, sum(map(len, lines)))
        if lines:
            self._read(lines, run)
        self._file = path.open("ab")
        if not lines:
            self._file.write(_line({"run": run}))
            self._file.flush()

    def get(self, question: Question) -> Prediction | None:
        """Return the stored answer to a question, or None."""
        return self._known.get(question.key)

    def add(self, question: Question, prediction: Prediction) -> None:
        """Append an answer and flush the file."""
        command, task = question.command.text, question.task
        record = {"index": question.index, "image": question.source, "command": command, "task": task}
        self._file.write(_line(record | prediction.to_dict()))
        self._file.flush()

    def __enter__(self) -> PredictionFile:
        """Return the file itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the file."""
        self._file.close()

    def _read(self, lines: list[bytes], run: Mapping[str, Any]) -> None:
        before: Mapping[str, Any] = {}
        for number, line in enumerate(lines, 1):
            try:
                record = json.loads(line)
                if number == 1:
                    before = dict(record["run"])
                else:
                    self._known[record["index"], record["command"]] = Prediction.from_dict(record)
            except (ValueError, KeyError, TypeError) as error:
                raise TaihriError(f"{self._path}:{number} is not an answer ({error!r}): use another --out") from error
        if different := [name for name in run if before.get(name) != run[name]]:
            name = different[0]
            raise TaihriError(
                f"{self._path} has answers of another run ({name} was {before.get(name)!r}, is {run[name]!r}): "
                "use another --out"
            )


def _line(values: Mapping[str, Any]) -> bytes:
    return (json.dumps(values, allow_nan=False) + "\n").encode()
