"""The Figure menu of the Tracks panel sends files and code to the window that asked for them."""

from tests.widgets.browser import act


def sent_by(panel, monkeypatch):
    sent = []
    monkeypatch.setattr(panel.view, "send", lambda message, buffers=None: sent.append((message, buffers)))
    return sent


def test_a_file_is_sent_to_the_window_that_asked(tracks, monkeypatch):
    sent = sent_by(tracks, monkeypatch)
    act(tracks.view, "figure.save", format="svg", window="me")
    ((message, (data,)),) = sent
    assert message == {"file": "task_arithmetic-gradients.svg", "type": "image/svg+xml", "window": "me"}
    assert b"<svg" in data
    act(tracks.view, "figure.save", format="exe", window="me")
    assert "png, pdf, svg, not as &#x27;exe&#x27;" in tracks.errors.value
    assert len(sent) == 1


def test_code_makes_the_same_figure(tracks, monkeypatch):
    sent = sent_by(tracks, monkeypatch)
    act(tracks.view, "figure.write_code", window="me")
    ((message, _),) = sent
    assert "nbm.plan(recipe)" in message["code"]
    assert message["window"] == "me"
