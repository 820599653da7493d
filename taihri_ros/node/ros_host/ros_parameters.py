"""The node's parameters as ROS parameters: declared with types, ranges and descriptions, and checked when set."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from typing import Any

from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor, SetParametersResult
from rclpy.exceptions import InvalidParameterTypeException, ParameterException
from rclpy.lifecycle import LifecycleNode
from rclpy.parameter import Parameter

from taihri_ros.inference.printable import printable
from taihri_ros.node.messages import encodable
from taihri_ros.node.node_names import with_own_names
from taihri_ros.node.parameters import Declaration, ParameterError, Parameters, declarations
from taihri_ros.validation import unknown_name

logger = logging.getLogger(__name__)

_READ_AT_CONFIGURE = "engine."
"""Prefix of the parameters that are read when the node is configured; the others are read when it is activated, and
dynamic ones take effect at once."""

_DECLARED_LATER = "qos_overrides."
"""Prefix of the parameters that rclpy declares when it creates a publisher or a subscription."""

_TYPES = "; a DOUBLE is written with a point, as in 1.0, and a STRING that looks like something else in quotes"

_MOST_WARNINGS = 10

_LONGEST_VALUE = 200
"""Number of characters that are logged of a value."""


class RosParameters:
    """The node's declared parameters. Setting an invalid value is refused with the reason.

    So is setting a parameter that is not dynamic while the node is active.
    """

    def __init__(self, node: LifecycleNode, apply: Callable[[Parameters], None], is_active: Callable[[], bool]) -> None:
        """Declare all parameters.

        Args:
            node: The node.
            apply: Receives all values when a dynamic parameter is set.
            is_active: Returns whether the node is active.

        Raises:
            ParameterError: A value from the command line or a parameter file is not valid.
        """
        self._node = node
        self._apply = apply
        self._is_active = is_active
        self._declarations = {declaration.name: declaration for declaration in declarations()}
        for declaration in self._declarations.values():
            self._declare(declaration)
        self.read()
        node.add_on_set_parameters_callback(self._check)

    def read(self) -> Parameters:
        """Read the current values.

        Returns:
            The values; see `with_own_names` for the TF prefix.

        Raises:
            ParameterError: A value is not valid.
        """
        return self._checked(self._values())

    def warn_of_unknown(self) -> None:
        """Log the parameters of a file or of the command line that the node does not have; rclpy ignores them.

        Call this when everything else, such as diagnostic_updater, has declared its own.
        """
        given = getattr(self._node, "_parameter_overrides", {})  # rclpy tells it in no other way
        unknown = [
            name for name in given if not self._node.has_parameter(name) and not name.startswith(_DECLARED_LATER)
        ]
        for name in unknown[:_MOST_WARNINGS]:
            logger.warning("%s; it is ignored", printable(unknown_name("parameter", name, self._declarations)))
        if len(unknown) > _MOST_WARNINGS:
            logger.warning("%d more unknown parameters are ignored", len(unknown) - _MOST_WARNINGS)

    def _checked(self, values: dict[str, Any]) -> Parameters:
        return with_own_names(Parameters.from_mapping(values), self._node.get_fully_qualified_name())

    def _declare(self, declaration: Declaration) -> None:
        name, default, description = declaration.name, declaration.default, _describe(declaration)
        try:
            if not isinstance(default, tuple):
                self._node.declare_parameter(name, default, description)
                return
            # rclpy reads an empty list as a list of bytes, so the type is declared first and the value set afterwards.
            self._node.declare_parameter(name, Parameter.Type.STRING_ARRAY, description)
            if self._node.get_parameter_or(name).value is None:
                self._node.set_parameters([Parameter(name, Parameter.Type.STRING_ARRAY, list(default))])
        except ParameterException as error:
            hint = _TYPES if isinstance(error, InvalidParameterTypeException) else ""
            raise ParameterError(" ".join(str(error).split()) + hint) from error

    def _values(self) -> dict[str, Any]:
        return {parameter.name: parameter.value for parameter in self._node.get_parameters(list(self._declarations))}

    def _check(self, changes: Iterable[Parameter]) -> SetParametersResult:
        changed = {change.name: change.value for change in changes if change.name in self._declarations}
        if not changed:
            return SetParametersResult(successful=True)
        try:
            parameters = self._checked(self._values() | changed)
        except ParameterError as error:
            return SetParametersResult(successful=False, reason=encodable(str(error)))
        fixed = [name for name in changed if not self._declarations[name].dynamic]
        if fixed and self._is_active():
            node = self._node.get_fully_qualified_name()
            reason = f"{fixed[0]} cannot change while the node is active: ros2 lifecycle set {node} deactivate"
            return SetParametersResult(successful=False, reason=reason)
        if len(fixed) < len(changed):
            self._apply(parameters)
        for name, value in changed.items():
            change = f"{name} = {printable(repr(value), _LONGEST_VALUE)}"
            if self._declarations[name].dynamic:
                logger.info("%s", change)
                continue
            when = "configured" if name.startswith(_READ_AT_CONFIGURE) else "activated"
            logger.info("%s takes effect when the node is %s the next time", change, when)
        return SetParametersResult(successful=True)


def _describe(declaration: Declaration) -> ParameterDescriptor:
    description = ParameterDescriptor(
        name=declaration.name,
        description=declaration.description,
        read_only=declaration.read_only,
    )
    if declaration.choices:
        description.additional_constraints = f"one of: {', '.join(declaration.choices)}"
    if declaration.limits is not None:
        lowest, highest = declaration.limits
        if isinstance(declaration.default, float):
            description.floating_point_range = [FloatingPointRange(from_value=float(lowest), to_value=float(highest))]
        else:
            description.integer_range = [IntegerRange(from_value=int(lowest), to_value=int(highest), step=1)]
    return description
