"""Old names keep working and say what to write instead; none outlives the version it names."""

import ast
import inspect
import linecache
from pathlib import Path

import pytest
from packaging.version import Version
from sklearn.base import BaseEstimator, clone
from sklearn.model_selection import ParameterGrid
from sklearn.pipeline import make_pipeline

import skdl
from skdl._deprecation import renamed_function, renamed_parameter, warn_renamed

PACKAGE = Path(skdl.__file__).parent


@renamed_parameter("n_units", "hidden_units", removed_in="0.3")
def network(hidden_units=32, *, dropout=0.0):
    return hidden_units, dropout


class Estimator(BaseEstimator):
    @renamed_parameter("n_units", "hidden_units", removed_in="0.3")
    def __init__(self, hidden_units=32):
        self.hidden_units = hidden_units

    @renamed_parameter("n_units", "hidden_units", removed_in="0.3")
    def set_params(self, **params):
        return super().set_params(**params)

    def best(self):
        return self.hidden_units

    best_one = renamed_function("best_one", best, removed_in="0.4")


def network_of(hidden_units):
    """Return a network."""
    return hidden_units


make_network = renamed_function("make_network", network_of, removed_in="0.4")


def line_of(warning):
    return linecache.getline(warning.filename, warning.lineno).strip()


def test_an_old_parameter_is_passed_on_under_its_new_name():
    with pytest.warns(FutureWarning) as caught:
        assert network(n_units=8, dropout=0.1) == (8, 0.1)
    (warning,) = caught
    assert str(warning.message) == (
        "network: parameter 'n_units' is deprecated and will be removed in skdl 0.3. "
        "Use 'hidden_units' instead."
    )


def test_the_warning_points_at_the_line_of_the_caller():
    with pytest.warns(FutureWarning) as caught:
        network(n_units=8)
    assert line_of(caught[0]) == "network(n_units=8)"


def test_new_names_do_not_warn():
    assert network(8) == (8, 0.0)
    assert network(hidden_units=8) == (8, 0.0)
    assert Estimator(hidden_units=8).set_params(hidden_units=9).hidden_units == 9


def test_both_names_at_once_are_refused():
    with pytest.raises(TypeError, match=r"network got 'n_units' and 'hidden_units'.*Pass 'hidden"):
        network(n_units=8, hidden_units=16)


def test_the_signature_shows_the_new_name_only():
    assert list(inspect.signature(network).parameters) == ["hidden_units", "dropout"]
    assert Estimator().get_params() == {"hidden_units": 32}


def test_an_estimator_takes_the_old_name_in_init_grids_and_pipelines():
    with pytest.warns(FutureWarning, match=r"Estimator: parameter 'n_units'.*0\.3.*'hidden_units'"):
        estimator = Estimator(n_units=8)
    assert clone(estimator).hidden_units == 8
    pipeline = make_pipeline(estimator)
    (settings,) = ParameterGrid({"estimator__n_units": [16]})
    with pytest.warns(FutureWarning, match=r"Estimator\.set_params: parameter 'n_units'"):
        pipeline.set_params(**settings)
    assert pipeline[0].hidden_units == 16


def test_an_old_function_warns_and_returns_what_the_new_one_returns():
    with pytest.warns(FutureWarning) as caught:
        assert make_network(hidden_units=8) == 8
    (warning,) = caught
    assert str(warning.message) == (
        "make_network is deprecated and will be removed in skdl 0.4. Use network_of instead."
    )
    assert warning.filename == __file__
    assert make_network.__name__ == "make_network"
    assert inspect.signature(make_network) == inspect.signature(network_of)


def test_an_old_method_names_its_class():
    with pytest.warns(FutureWarning, match=r"^Estimator\.best_one .* Use Estimator\.best instead"):
        assert Estimator(7).best_one() == 7


def test_what_has_no_decorator_can_warn_by_itself():
    def old_name():
        warn_renamed("skdl.OldName", "skdl.NewName", removed_in="0.3")

    with pytest.warns(FutureWarning, match=r"^skdl\.OldName .* 0\.3\. Use skdl\.NewName") as caught:
        old_name()
    assert line_of(caught[0]) == "old_name()"


def versions_of_removal(source):
    """Return (line, version) of each ``removed_in="…"`` that a module's source says."""
    return [
        (node.value.lineno, Version(node.value.value))
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.keyword)
        and node.arg == "removed_in"
        and isinstance(node.value, ast.Constant)
    ]


def test_what_was_to_be_removed_by_now_is_gone():
    assert versions_of_removal('f("a", removed_in="0.3")') == [(1, Version("0.3"))]
    now = Version(Version(skdl.__version__).base_version)
    late = {
        f"{path.relative_to(PACKAGE)}:{line}"
        for path in PACKAGE.rglob("*.py")
        for line, version in versions_of_removal(path.read_text(encoding="utf-8"))
        if version <= now
    }
    assert late == set()
