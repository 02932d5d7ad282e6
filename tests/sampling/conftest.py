from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest


class LogRecords(logging.Handler):
    """Keeps what is logged."""

    def __init__(self) -> None:
        super().__init__()
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)


@pytest.fixture
def transformers_log() -> Iterator[LogRecords]:
    """What transformers logs, whose loggers hand nothing on to the root."""
    logger, handler = logging.getLogger("transformers"), LogRecords()
    logger.addHandler(handler)
    yield handler
    logger.removeHandler(handler)
