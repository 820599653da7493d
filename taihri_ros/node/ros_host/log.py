"""Log records of this package through the ROS logger: console, log file and /rosout."""

from __future__ import annotations

import logging
from typing import Any

_PACKAGE = "taihri_ros"


class RosLogHandler(logging.Handler):
    """Hands the package's log records to a ROS logger, which decides by its own level what to show.

    Use it as a context manager, or call `close`.
    """

    def __init__(self, logger: Any) -> None:
        """Take over the package's log.

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
        """Give the package's log back."""
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
        """Log a record. Each level has a line of its own, since rclpy ties a calling line to one level."""
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
