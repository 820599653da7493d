"""The tracker that the parameters describe, and its parts that change while the node is active."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from taihri_ros.commands.joint_selection import JointSelection
from taihri_ros.commands.person_words import parse_select
from taihri_ros.commands.tasks import Tasks
from taihri_ros.inference.engine import Engine
from taihri_ros.node.parameters import Parameters
from taihri_ros.pipeline.belief import BeliefGate
from taihri_ros.pipeline.estimator import Estimator
from taihri_ros.pipeline.guards import Guards, Workspace
from taihri_ros.pipeline.motion_filter import MotionFilter
from taihri_ros.pipeline.people.group_tracker import BoxesAt, GroupTracker, no_boxes
from taihri_ros.pipeline.people.people_tracker import PeopleSettings
from taihri_ros.pipeline.person_crop import PersonCrop
from taihri_ros.pipeline.tracker import Tracker


def make_tracker(engine: Engine, parameters: Parameters, boxes_at: BoxesAt = no_boxes) -> Tracker:
    """Return the tracker that the parameters describe.

    Args:
        engine: The engine that runs the model.
        parameters: `xy_source`, `decoding`, `min_confidence`, `min_presence`, `command.refresh_s`, `command.selection`,
            `command.tasks`, `person_crop.*`, `filter.*`, `body.enabled`, `ros4hri.enabled`, `people.*` and
            `guards.*` are used.
        boxes_at: Returns what a detector found, where several people are told apart.

    Returns:
        The tracker.

    Raises:
        TaskError: The file in the parameter command.tasks is not a valid task file.
        PersonWordsError: The parameter people.select is not a valid choice.
    """
    make_filter = filter_maker(parameters)
    estimator = Estimator(
        engine,
        xy_source=parameters.xy_source,
        decoding=parameters.decoding,
        gate=BeliefGate(parameters.min_confidence, parameters.min_presence),
    )
    kept: dict[str, Any] = {
        "joint_selection": joint_selection(engine, parameters),
        "person_crop": person_crop(parameters),
        "whole_body": parameters.fits_bodies,
        "guards": Guards(
            workspace=Workspace.parse(parameters.guards_workspace),
            bone_lengths=parameters.guards_bone_lengths,
            max_speed_m_s=parameters.guards_max_speed_m_s,
        ),
    }
    if parameters.people_enabled:
        few = parameters.people_others_per_frame
        return GroupTracker(
            estimator,
            select=parse_select(parameters.people_select),
            most=parameters.people_max,
            others_per_frame=lambda: few or (1 if engine.info.device.startswith("cpu") else None),
            settings=PeopleSettings(keep_s=parameters.people_keep_s),
            boxes_at=boxes_at,
            make_filter=make_filter,
            **kept,
        )
    return Tracker(estimator, motion_filter=None if make_filter is None else make_filter(), **kept)


def filter_maker(parameters: Parameters) -> Callable[[], MotionFilter] | None:
    """Return what creates the motion filter of the parameters `filter.*`; None if the motion is not filtered."""
    if not parameters.filter_enabled:
        return None
    return partial(MotionFilter, acceleration=parameters.filter_acceleration, predict_s=parameters.filter_predict_s)


def person_crop(parameters: Parameters) -> PersonCrop | None:
    """Return the person crop of the parameters `person_crop.*`; None if the model is always shown the full view."""
    if parameters.person_crop_mode == "never":
        return None
    return PersonCrop(parameters.person_crop_mode, refresh_s=parameters.person_crop_refresh_s)


def joint_selection(engine: Engine, parameters: Parameters) -> JointSelection:
    """Return the selection of joints that the parameters `command.*` describe.

    Raises:
        TaskError: The file in the parameter command.tasks is not a valid task file.
    """
    extra_files = [parameters.command_tasks] if parameters.command_tasks else []
    return JointSelection(
        None if parameters.command_selection == "model" else Tasks.load(*extra_files),
        use_table=lambda: parameters.command_selection == "table" or engine.info.spec.task_table,
        refresh_s=parameters.command_refresh_s,
    )
