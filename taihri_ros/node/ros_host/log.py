"""Logging of this package through the ROS logger: console, log file and /rosout."""

from __future__ import annotations

import logging
from typing import Any

_PACKAGE = "taihri_ros"


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
        """Log a record. Each level has its own line: rclpy allows only one level per calling line."""
        text = self.format(record)
        if record.levelno >= logging.CRITICAL:
            self._ros.fatal(text)
        elif record.levelno >= logging.ERROR:
            self._ros.error(text)
        elif record.levelno >= logging.WARNING:
            self._ros.warning(text)
        elif record.levelno >= logging.INFO:
            self._ros.info(text)
        else:
            self._ros.debug(text)
