"""What `verbose=1` shows in a terminal, a notebook and a log file, and that TensorFlow comes."""

import re
import sys
from types import ModuleType, SimpleNamespace

import pytest

from skdl import _progress
from skdl._progress import Line, open_bars


class Clock:
    """Time that passes when it is told to."""

    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(_progress, "time", SimpleNamespace(monotonic=clock))
    return clock


class Handle:
    """What IPython's display gives back."""

    def __init__(self):
        self.shown = []

    def update(self, data, *, raw):
        assert raw
        self.shown.append(data)


@pytest.fixture
def notebook(monkeypatch):
    """A notebook without ipywidgets: all that is asked of IPython is its display."""
    handle = Handle()

    def display(data, *, raw, display_id):
        assert raw
        assert display_id is True
        handle.shown.append(data)
        return handle

    module = ModuleType("IPython.display")
    module.display = display
    monkeypatch.setitem(sys.modules, "IPython", ModuleType("IPython"))
    monkeypatch.setitem(sys.modules, "IPython.display", module)
    monkeypatch.setitem(sys.modules, "ipywidgets", None)
    monkeypatch.setattr("rich.console._is_jupyter", lambda: True)
    return handle


def run(n_epochs=3, seconds=0.0, clock=None):
    bars = open_bars()
    line = Line("MLPClassifier", n_epochs, "epoch ")
    minor = Line("  trial 0", n_epochs, is_minor=True)
    bars.add(line)
    bars.add(minor)
    for _ in range(n_epochs):
        line.done += 1
        line.note = f"loss {1 / line.done:.2g}"
        if clock is not None:
            clock.now += seconds
        bars.show(line)
    bars.remove(minor)
    bars.stop()


def test_a_log_has_one_line_for_what_takes_no_time(capsys, clock):
    run()
    assert capsys.readouterr().out == "MLPClassifier  epoch 3/3  0:00:00  loss 0.33\n"


def test_a_log_has_a_line_from_time_to_time(capsys, clock):
    run(n_epochs=10, seconds=2.0, clock=clock)
    lines = capsys.readouterr().out.splitlines()
    # Five seconds have passed after 6, 12 and 18 of 20 seconds.
    assert [re.search(r"epoch (\d+)/10", line).group(1) for line in lines] == ["3", "6", "9", "10"]
    assert lines[0].startswith("MLPClassifier  epoch 3/10  0:00:06")


def test_the_lines_of_a_long_log_grow_rarer(capsys, clock):
    run(n_epochs=3600, seconds=10.0, clock=clock)
    lines = capsys.readouterr().out.splitlines()
    # Ten hours, from the 50th second on a line each time that a tenth more has passed.
    assert len(lines) < 100
    assert "\x1b" not in "".join(lines)


def test_a_log_has_no_codes_of_terminals_and_a_terminal_has_a_bar(capsys, monkeypatch):
    run()
    assert "\x1b" not in capsys.readouterr().out
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm-256color")
    run()
    shown = capsys.readouterr().out
    assert "\x1b" in shown
    assert "epoch 3/3" in shown


def test_a_notebook_keeps_the_last_state_and_needs_no_widgets(notebook, capsys, recwarn):
    run()
    assert capsys.readouterr().out == ""
    assert not recwarn.list
    last = notebook.shown[-1]
    assert '<progress value="3" max="3"></progress>' in last["text/html"]
    assert "epoch 3/3" in last["text/html"]
    assert last["text/plain"].startswith("MLPClassifier  epoch 3/3")
    assert "trial 0" not in last["text/html"]


def test_a_notebook_is_sent_few_states(notebook, clock):
    run(n_epochs=1000, seconds=0.01, clock=clock)
    # Ten seconds, at most five a second, with the first and the last ones.
    assert len(notebook.shown) <= 53


def test_notes_are_escaped_in_a_notebook(notebook):
    bars = open_bars()
    bars.add(Line("<b>", None, note="<i>"))
    bars.stop()
    assert "<b>" not in notebook.shown[-1]["text/html"]
    assert "<i>" not in notebook.shown[-1]["text/html"]
    assert "<progress></progress>" in notebook.shown[-1]["text/html"]


FIT = """
import skdl
{before}
from sklearn.datasets import load_iris
X, y = load_iris(return_X_y=True)
{fit}
"""
FITS = {
    "fit": "skdl.MLPClassifier(4, epochs=2, random_state=0, verbose={}).fit(X, y)",
    "cross_validate": "skdl.model_selection.cross_validate("
    "skdl.MLPClassifier(4, epochs=2, random_state=0), X, y, cv=2, verbose={})",
    "search": "skdl.model_selection.OptunaSearchCV("
    "skdl.MLPClassifier(4, epochs=2, random_state=0), dict(), cv=2, verbose={}).fit(X, y)",
    "ensemble": "skdl.model_selection.KFoldEnsembleClassifier("
    "skdl.MLPClassifier(4, epochs=2), cv=2, random_state=0, verbose={}).fit(X, y)",
}


@pytest.mark.parametrize("what", FITS)
@pytest.mark.slow
def test_the_import_of_tensorflow_is_announced(what, fresh_python):
    done = fresh_python(FIT.format(before="", fit=FITS[what].format(1)))
    first, *others = done.stdout.splitlines()
    assert first == "Importing TensorFlow, once in this process ..."
    assert first not in others
    assert "2/2" in others[-1] or "1/1" in others[-1]


@pytest.mark.slow
def test_silence_is_silent(fresh_python):
    silently = "\n".join(fit.format(0) for fit in FITS.values())
    done = fresh_python(FIT.format(before="", fit=silently))
    assert done.stdout == done.stderr == ""


@pytest.mark.slow
def test_what_is_imported_already_is_not_announced(fresh_python):
    done = fresh_python(FIT.format(before="import tensorflow", fit=FITS["fit"].format(1)))
    assert "Importing" not in done.stdout
