from nbmerge.errors import OutputError
from nbmerge.widgets.controls.guard import Guard


def test_our_errors_are_shown_as_the_sentence_they_are():
    guard = Guard()

    @guard
    def callback():
        raise OutputError("the folder <b>x</b> exists.")

    callback()
    assert "the folder &lt;b&gt;x&lt;/b&gt; exists." in guard.value
    assert "Traceback" not in guard.value


def test_other_errors_bring_their_traceback_folded_away():
    guard = Guard()
    guard(lambda: {}["missing"])()
    assert "KeyError" in guard.value
    assert "<details>" in guard.value


def test_the_next_success_of_the_same_callback_clears_it():
    guard, fail = Guard(), [True]

    def sometimes():
        if fail[0]:
            raise ValueError("no")
        return 5

    callback, other = guard(sometimes), guard(lambda: None)
    callback()
    other()
    assert guard.value
    fail[0] = False
    assert callback() == 5
    assert guard.value == ""
