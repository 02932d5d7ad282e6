import pytest

from nbmerge.widgets import TracksPanel


@pytest.fixture
def tracks(recipe):
    return TracksPanel(recipe=recipe)
