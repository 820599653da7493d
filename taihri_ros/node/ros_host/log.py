"""Logging of this package through the ROS logger: console, log file and /rosout."""

from __future__ import annotations

import logging
from typing import Any

from rclpy.impl.implementation_singleton import rclpy_implementation
from rclpy.logging import LoggingSeverity

from taihri_ros.node.messages import encodable

_PACKAGE = "taihri_ros"

_SEVERITIES = (
    (logging.CRITICAL, LoggingSeverity.FATAL),
    (logging.ERROR, LoggingSeverity.ERROR),
    (logging.WARNING, LoggingSeverity.WARN),
    (logging.INFO, LoggingSeverity.INFO),
    (logging.NOTSET, LoggingSeverity.DEBUG),
)


class RosLogHandler(logging.Handler):
    """Handler that forwards the package's log records to a ROS logger, which filters them by its own level.

    Use it as a context manager, or call `close`.
    """

    def __init__(self, logger: Any) -> None:
        """Forward the package's log records from here on.

        Args:
            logger: The node's rclpy logger.
        """
        super().__init__()
        self._ros = logger
        package = logging.getLogger(_PACKAGE)
        package.addHandler(self)
        package.setLevel(logging.DEBUG)
        package.propagate = False

    def close(self) -> None:
        """Stop forwarding."""
        package = logging.getLogger(_PACKAGE)
        package.removeHandler(self)
        package.propagate = True
        super().close()

    def __enter__(self) -> RosLogHandler:
        """Return the handler itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the handler."""
        self.close()

    def emit(self, record: logging.LogRecord) -> None:
        """Log a record with its own file, function and line; rclpy's logger would name those of this method."""
        severity = next(severity for level, severity in _SEVERITIES if record.levelno >= level)
        if self._ros.is_enabled_for(severity):
            text, path = map(encodable, (self.format(record), record.pathname))
            rclpy_implementation.rclpy_logging_rcutils_log(
                severity, self._ros.name, text, record.funcName, path, record.lineno
            )
