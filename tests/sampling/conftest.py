import logging

import pytest


@pytest.fixture
def heard(caplog):
    """What transformers logs; its loggers do not hand on to the root, where pytest listens."""
    logger = logging.getLogger("transformers")
    logger.addHandler(caplog.handler)
    yield caplog
    logger.removeHandler(caplog.handler)
