"""What the model answered, and the file that keeps it, so that a long evaluation can go on where it stopped."""

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
from taihri_ros.pipeline.decoder import XySource
from taihri_ros.pipeline.estimator import Exchange

XY_SOURCES: tuple[XySource, ...] = ("bins", "pixel")
"""Every answer is kept with x and y from each."""


@dataclass(frozen=True, eq=False)
class Found:
    """One joint that the answer has.

    Attributes:
        state: Name of its `State`; only MEASURED ones have a position.
        pixel: (2,) px in the image; NaN without one.
        positions: (3,) metres, camera optical frame, by where x and y were taken from; NaN without one.
        argmax: The positions (3,) that the answer's tokens themselves say, without their alternatives; empty where that
            is not known.
        covariances: (3, 3) m², camera optical frame, of the positions; NaN, or empty, where that is not known.
        confidences: Probabilities that the positions are right within 0.1 m; NaN, or empty, where that is not known.
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
        joints: The joints that the answer mentions, by name.
        malformed: Why the whole answer cannot be used; empty when it can.
        answer: The model's raw answer.
        stages_ms: Milliseconds by stage; empty for a malformed answer.
    """

    joints: dict[str, Found] = field(default_factory=dict)
    malformed: str = ""
    answer: str = ""
    stages_ms: dict[str, float] = field(default_factory=dict)

    @classmethod
    def of(cls, exchange: Exchange) -> Prediction:
        """Keep what matters of an answer: it is decoded with x and y from both sources.

        Args:
            exchange: The command and its answer.

        Returns:
            The prediction.
        """
        estimate, decoder = exchange.estimate("bins"), exchange.decoder
        people = {"bins": estimate.person, "pixel": decoder.person("pixel")}
        plain = {source: decoder.person(source, sub_bin=False) for source in XY_SOURCES}
        joints = {}
        for row, keypoint in enumerate(estimate.person.keypoints):
            if keypoint.state in (State.NOT_ASKED, State.NOT_ANSWERED):
                continue
            found = {source: people[source].keypoints[row] for source in XY_SOURCES}
            joints[keypoint.name] = Found(
                state=keypoint.state.name,
                pixel=keypoint.pixel,
                positions={source: found[source].position for source in XY_SOURCES},
                argmax={source: plain[source].keypoints[row].position for source in XY_SOURCES},
                covariances={source: found[source].covariance for source in XY_SOURCES},
                confidences={source: found[source].confidence for source in XY_SOURCES},
            )
        return cls(joints, "", estimate.answer, estimate.stages_ms)

    def to_dict(self) -> dict[str, Any]:
        """Give it as JSON types; null stands for NaN, and the upper triangle for a covariance."""
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
        return {"joints": joints, "malformed": self.malformed, "answer": self.answer, "stages_ms": stages}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Prediction:
        """Read what `to_dict` gave for a prediction that was made with `of`."""
        joints = {
            name: Found(
                state=found["state"],
                pixel=_array(found["pixel"], 2),
                positions={source: _array(found[f"position_{source}"], 3) for source in XY_SOURCES},
                argmax={source: _array(found[f"argmax_{source}"], 3) for source in XY_SOURCES},
                covariances={source: _symmetric(found[f"covariance_{source}"]) for source in XY_SOURCES},
                confidences={source: _float(found[f"confidence_{source}"]) for source in XY_SOURCES},
            )
            for name, found in values["joints"].items()
        }
        return cls(joints, values["malformed"], values["answer"], values["stages_ms"])


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
    """Give xx, xy, xz, yy, yz, zz, with so many digits that a long and thin ellipsoid keeps its width."""
    values = matrix[_UPPER]
    return [float(f"{value:.9g}") for value in values] if np.isfinite(values).all() else None


def _symmetric(numbers: list[float] | None) -> NDArray[np.float64]:
    matrix = np.full((3, 3), np.nan)
    if numbers is not None:
        matrix[_UPPER] = numbers
        matrix.T[_UPPER] = numbers
    return matrix


class PredictionFile:
    """A file with one JSON object a line: first what was run, then the answers. Use it in a `with` statement."""

    def __init__(self, path: Path, run: Mapping[str, Any]) -> None:
        """Open the file, or make it.

        Args:
            path: The file.
            run: What the answers depend on: checkpoint, data, questions.

        Raises:
            TaihriError: The file holds the answers of another run, or is broken.
        """
        self._path = path
        self._known: dict[tuple[int, str], Prediction] = {}
        path.touch()
        lines = path.read_bytes().splitlines(keepends=True)
        if lines and not lines[-1].endswith(b"\n"):  # the run was ended in the middle of it
            lines.pop()
            os.truncate(path, sum(map(len, lines)))
        if lines:
            self._read(lines, run)
        self._file = path.open("ab")
        if not lines:
            self._file.write(_line({"run": run}))
            self._file.flush()

    def get(self, question: Question) -> Prediction | None:
        """Give the answer that is there already, if any."""
        return self._known.get(question.key)

    def add(self, question: Question, prediction: Prediction) -> None:
        """Append an answer; it is on its way to the disk when this returns."""
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
                raise TaihriError(f"{self._path}:{number} is not an answer ({error!r}): name another --out") from error
        if different := [name for name in run if before.get(name) != run[name]]:
            name = different[0]
            raise TaihriError(
                f"{self._path} holds the answers of another run ({name} was {before.get(name)!r}, is {run[name]!r}): "
                "name another --out"
            )


def _line(values: Mapping[str, Any]) -> bytes:
    return (json.dumps(values, allow_nan=False) + "\n").encode()
