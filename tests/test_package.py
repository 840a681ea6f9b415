"""The package itself: what ``import skdl`` gives, and what it does not load for it."""

import pkgutil
import sys

import grimp
import pytest

import skdl
from tests.checks import slow_but

# Rooms that users have no names from; what they need of them stands at the top.
INTERNAL = {"layers", "networks", "training"}


def test_dir_shows_public_names_and_public_submodules_only():
    submodules = {m.name for m in pkgutil.iter_modules(skdl.__path__) if m.name[0] != "_"}
    assert set(dir(skdl)) == {*skdl.__all__, *(submodules - INTERNAL), "__version__"}


def test_every_name_that_dir_shows_exists():
    for name in dir(skdl):
        assert getattr(skdl, name) is not None


@pytest.mark.parametrize(
    ("submodule", "name"),
    slow_but(
        [
            ("datasets", "fetch_penguins"),
            ("estimators", "MLPClassifier"),
            ("exceptions", "InvalidParameterError"),
            ("inspection", "diagnose"),
            ("model_selection", "cross_validate"),
        ],
        ("exceptions", "InvalidParameterError"),
        ("model_selection", "cross_validate"),
    ),
)
def test_submodules_are_loaded_by_the_first_look_at_them(submodule, name, fresh_python):
    done = fresh_python(
        "import sys, skdl\n"
        "_, submodule, name = sys.argv\n"
        "assert f'skdl.{submodule}' not in sys.modules or submodule == 'exceptions'\n"
        "print(getattr(getattr(skdl, submodule), name).__name__)",
        submodule,
        name,
    )
    assert done.stdout.strip() == name


def test_import_loads_no_submodule_and_none_of_the_slow_packages(fresh_python):
    done = fresh_python(
        "import sys, skdl\n"
        "slow = {'keras', 'tensorflow', 'scikeras', 'optuna', 'matplotlib', 'pandas', 'scipy',\n"
        "        'sklearn', 'sklearn.model_selection', 'skdl.estimators', 'skdl.inspection',\n"
        "        'skdl.model_selection', 'skdl.training'}\n"
        "print(*sorted(slow & set(sys.modules)))"
    )
    assert done.stdout.strip() == ""
    assert done.stderr == ""


def test_unknown_submodules_are_refused():
    with pytest.raises(AttributeError, match="model_selektion"):
        _ = skdl.model_selektion


def test_a_submodule_is_the_module_itself():
    assert skdl.model_selection is sys.modules["skdl.model_selection"]


def test_upper_rows_enter_other_rooms_by_the_door():
    graph = grimp.build_graph("skdl")
    upper_rows = ("skdl.model_selection.", "skdl.inspection.")
    by_the_window = []
    for importer in sorted(graph.modules):
        for imported in sorted(graph.find_modules_directly_imported_by(importer)):
            room, _, name = imported.rpartition(".")
            is_private = name[0] == "_" and room != "skdl"
            is_inside = f"{importer}.".startswith(f"{room}.")
            if f"{importer}.".startswith(upper_rows) and is_private and not is_inside:
                by_the_window.append((importer, imported))
    assert by_the_window == []
