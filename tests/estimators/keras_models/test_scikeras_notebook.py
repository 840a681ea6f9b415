"""The typical notebook of a user of SciKeras, with one import changed."""

import sys
import types
from pathlib import Path

import pytest

from skdl.exceptions import MigrationWarning

NOTEBOOK = Path(__file__).with_name("notebook_of_scikeras.py")
THEIRS, OURS = "from scikeras.wrappers import", "from skdl import"
# Cells that work with a warning that something is better.
WARNED = {
    "The oldest spelling",
    "Epochs of one fit",
    "Several arguments of one fit",
    "Validation data of one fit",
    "Callbacks of one fit",
    "Arguments of fit through a pipeline",
    "Class weights of one fit",
}


# Keras 3.15 with NumPy 2.4, in whatever reads a Keras variable as an array.
@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy")
def test_notebook_runs_with_one_import_changed(monkeypatch, recwarn):
    source = NOTEBOOK.read_text()
    assert source.count(THEIRS) == source.count("scikeras.") == 1
    _, *cells = source.replace(THEIRS, OURS).split("# %% ")
    assert len(cells) >= 35
    # Pickle looks for classes and functions where they are defined.
    module = types.ModuleType("notebook_of_scikeras")
    monkeypatch.setitem(sys.modules, module.__name__, module)
    warned = set()
    for cell in cells:
        title, code = cell.split("\n", 1)
        recwarn.clear()
        exec(compile(code, title, "exec"), vars(module))  # noqa: S102 - the file beside this one
        if any(issubclass(warning.category, MigrationWarning) for warning in recwarn):
            warned.add(title)
    assert warned == WARNED
