"""Private parts of other packages: looked up in the _compat modules alone, and still there."""

import ast
import functools
import inspect
import itertools
from pathlib import Path

import keras
import numpy as np
import optuna
import pytest
from optuna.storages import BaseStorage
from optuna.trial import TrialState
from sklearn.base import BaseEstimator
from sklearn.dummy import DummyClassifier
from sklearn.exceptions import FitFailedWarning
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import check_scoring, get_scorer
from sklearn.model_selection import GridSearchCV
from sklearn.svm import SVC

import skdl
from skdl import _compat_keras, _compat_optuna, _compat_sklearn, _compat_tensorflow
from skdl import _compat_model_selection as of_selection

ROOT = Path(skdl.__file__).parent
COMPAT = sorted(ROOT.glob("_compat*.py"))
FOREIGN = {"keras", "tensorflow", "sklearn", "joblib", "optuna", "scikeras", "scipy", "pandas"}
# Public in spelling, private all the same.
PRIVATE_PACKAGES = ("keras.src", "tensorflow.python", "sklearn.externals", "joblib.externals")
# Methods of subclasses of the user's, as SciKeras' guides have it, and of scikit-learn's callbacks,
# which documents it for developers (`skdl._compat` has a stand-in for older versions).
# The rest are the public methods of named tuples.
KNOWN = {"_keras_build_fn", "_init_callback_context", "_asdict", "_fields", "_replace"}
LOOK_UPS = {"getattr", "hasattr", "setattr", "delattr"}


def is_private(name):
    return name.startswith("_") and not name.startswith("__")


def is_private_path(path):
    return any(map(is_private, path.split("."))) or f"{path}.".startswith(
        tuple(f"{package}." for package in PRIVATE_PACKAGES)
    )


@functools.cache
def tree_of(path):
    return ast.parse(path.read_text("utf-8"))


def private_imports(tree):
    """Yield the private names that are imported from other packages."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        for name in names:
            if name.split(".")[0] in FOREIGN and is_private_path(name):
                yield node.lineno, name


def private_look_ups(tree):
    """Yield private names that are looked up, and whether on an object's own class."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and is_private(node.attr):
            holder = ast.unparse(node.value)
            yield node.lineno, node.attr, holder in {"self", "cls", "super()"}
        elif (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Name)
            and node.func.id in LOOK_UPS
            and isinstance(name := node.args[1], ast.Constant)
            and is_private(str(name.value))
        ):
            yield node.lineno, name.value, ast.unparse(node.args[0]) in {"self", "cls"}


def names_defined(tree):
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.Name | ast.Attribute) and isinstance(node.ctx, ast.Store):
            if isinstance(node, ast.Name):
                yield node.id
            elif ast.unparse(node.value) in {"self", "cls"}:
                yield node.attr


MODULES = [path for path in sorted(ROOT.rglob("*.py")) if path not in COMPAT]


@functools.cache
def ours():
    return set(itertools.chain(*(names_defined(tree_of(path)) for path in MODULES))) | KNOWN


@functools.cache
def theirs():
    """Return what the _compat modules look up on objects of other packages."""
    looked_up = itertools.chain(*(private_look_ups(tree_of(path)) for path in COMPAT))
    return {name for _, name, is_own in looked_up if not is_own}


def faults(tree):
    """Return which private parts of other packages a module uses."""
    used = [f"{line}: {name}" for line, name in private_imports(tree)]
    for line, name, is_own in private_look_ups(tree):
        if name not in ours() or (name in theirs() and not is_own):
            used.append(f"{line}: {name}")
    return used


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_private_parts_of_other_packages_stand_in_compat_modules_only(path):
    assert faults(tree_of(path)) == []


@pytest.mark.parametrize(
    "line",
    [
        "from sklearn.utils import _safe_indexing",
        "from sklearn.model_selection._search import BaseSearchCV",
        "import keras.src",
        "from keras.src.layers import Dense",
        "from tensorflow.python.framework import ops",
        "import scikeras._utils as conventions",
        "def f(study): return study._storage",  # also a name of ours
        "def f(model): return model._flatten_layers()",
        "def f(self): return self._select_best_index()",
        "def f(loss): return getattr(loss, '_fn_kwargs', {})",
    ],
)
def test_each_way_to_private_parts_is_noticed(line):
    assert len(faults(ast.parse(line))) == 1


@pytest.mark.parametrize(
    "line",
    [
        "from skdl.training._job import Job",
        "from keras.layers import Dense",
        "def f(self): return self._storage",
        "def f(X): return X.__class__",
    ],
)
def test_what_is_public_or_ours_is_let_through(line):
    assert faults(ast.parse(line)) == []


@pytest.mark.parametrize("path", COMPAT, ids=lambda path: path.stem)
def test_each_private_part_says_what_breaks_without_it(path):
    for node in tree_of(path).body:
        if isinstance(node, ast.FunctionDef) and list(private_look_ups(node)):
            assert "ithout " in ast.get_docstring(node), node.name


def test_compat_modules_import_neither_keras_nor_tensorflow(fresh_python):
    done = fresh_python(
        "import sys\n"
        "from skdl import _compat_keras, _compat_optuna, _compat_tensorflow\n"
        "print({'keras', 'tensorflow', 'optuna'} & set(sys.modules))"
    )
    assert done.stdout.strip() == "set()"


# ----------------------------------------------------------------------------------------- Keras


def test_flat_layers_include_those_of_layers_in_layers():
    inner = keras.Sequential([keras.Input((2,)), keras.layers.Dense(3, name="inner")])
    model = keras.Sequential([keras.Input((2,)), inner, keras.layers.Dense(1, name="outer")])
    assert {"inner", "outer"} <= {layer.name for layer in _compat_keras.flat_layers(model)}


def test_graph_of_a_sequential_model_has_a_node_for_each_layer():
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(3), keras.layers.Dense(1)])
    graph = _compat_keras.functional_graph(model)
    nodes = list(_compat_keras.graph_nodes(graph))
    assert [type(n.operation).__name__ for n in nodes].count("Dense") == 2
    assert sum(node.is_input for node in nodes) == 1


def test_subclassed_models_and_unbuilt_ones_have_no_graph():
    class Own(keras.Model):
        pass

    assert _compat_keras.functional_graph(Own()) is None
    assert _compat_keras.functional_graph(keras.Sequential([keras.layers.Dense(1)])) is None


def test_arguments_of_a_loss_that_its_config_leaves_out():
    loss = keras.losses.Huber(delta=3.0)
    assert _compat_keras.function_arguments(loss) == {"delta": 3.0}
    assert _compat_keras.function_arguments(keras.metrics.AUC()) == {}


def test_function_that_a_metric_takes_the_mean_of():
    metric = keras.metrics.BinaryAccuracy(threshold=0.7)
    assert _compat_keras.wrapped_function(metric) is keras.metrics.binary_accuracy
    assert _compat_keras.function_arguments(metric) == {"threshold": 0.7}


def test_what_a_model_was_compiled_with():
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    nothing = {"metrics": None, "weighted_metrics": None, "loss_weights": None}
    assert _compat_keras.compiled_with(model) == nothing
    model.compile("sgd", "mse", metrics=["mae"], weighted_metrics=["mape"], loss_weights=[2.0])
    assert _compat_keras.compiled_with(model) == {
        "metrics": ["mae"], "weighted_metrics": ["mape"], "loss_weights": [2.0],
    }  # fmt: skip


@pytest.mark.parametrize(("profile_batch", "profiles"), [(0, False), (2, True), ((3, 5), True)])
def test_profiled_batches_of_a_tensorboard_callback(tmp_path, profile_batch, profiles):
    callback = keras.callbacks.TensorBoard(str(tmp_path), profile_batch=profile_batch)
    assert _compat_keras.profiles_batches(callback) is profiles


@pytest.mark.parametrize("how", ["var_list", "var_names"])
def test_variables_excluded_from_weight_decay(how):
    optimizer = keras.optimizers.AdamW()
    assert not _compat_keras.excludes_from_weight_decay(optimizer)
    given = {"var_list": [keras.Variable(1.0)], "var_names": ["bias"]}
    optimizer.exclude_from_weight_decay(**{how: given[how]})
    assert _compat_keras.excludes_from_weight_decay(optimizer)


# ------------------------------------------------------------------------------------ TensorFlow


def test_functions_are_called_as_they_come_where_tensorflow_takes_no_messages(monkeypatch):
    monkeypatch.setattr(_compat_tensorflow, "_context", object)
    assert not _compat_tensorflow.is_watched()
    assert _compat_tensorflow.call_by_name(None, "f", 1) is None


# ---------------------------------------------------------------------------------------- Optuna


@pytest.fixture
def study():
    return optuna.create_study(study_name="compat")


def test_trials_are_found_by_their_ids_in_the_storage(study):
    study.enqueue_trial({"x": 0.25})
    trial = study.ask()
    storage = _compat_optuna.storage_of(study)
    assert isinstance(storage, BaseStorage)
    assert _compat_optuna.study_id(study) == storage.get_study_id_from_name("compat")
    frozen = storage.get_trial(_compat_optuna.trial_id(trial))
    assert (frozen.number, frozen.state) == (trial.number, TrialState.RUNNING)
    assert _compat_optuna.trial_id(frozen) == _compat_optuna.trial_id(trial)
    assert _compat_optuna.fixed_params(frozen) == {"x": 0.25}
    assert _compat_optuna.fixed_params(storage.get_trial(storage.create_new_trial(0))) == {}


def test_studies_can_be_stopped_outside_of_optimize(study):
    with pytest.raises(RuntimeError, match="inside"):
        study.stop()
    with _compat_optuna.stoppable(study) as is_stopped:
        assert not is_stopped()
        study.stop()
        assert is_stopped()
    with pytest.raises(RuntimeError, match="inside"):
        study.stop()


def test_trials_that_have_ended_are_seen_once_the_cache_is_dropped(study):
    trial = study.ask()
    seen_by_samplers = functools.partial(study._get_trials, deepcopy=False, use_cache=True)
    assert [t.state for t in seen_by_samplers()] == [TrialState.RUNNING]
    _compat_optuna.storage_of(study).set_trial_state_values(0, TrialState.COMPLETE, [1.0])
    assert trial.number == 0
    _compat_optuna.drop_cached_trials(study)
    assert [t.state for t in seen_by_samplers()] == [TrialState.COMPLETE]


# ---------------------------------------------------------------------------------- scikit-learn

X = np.arange(12.0).reshape(6, 2)
y = np.array([0, 1, 0, 1, 0, 1])


def test_checks_of_rows_and_weights():
    assert _compat_sklearn.num_samples([[1], [2], [3]]) == 3
    weight = _compat_sklearn.check_sample_weight(None, X, dtype=np.float64)
    np.testing.assert_array_equal(weight, np.ones(6))


def test_arguments_with_an_entry_per_row_are_split():
    params = {"sample_weight": np.arange(6.0), "flag": True}
    found = _compat_sklearn.check_method_params(X, params, indices=[1, 4])
    np.testing.assert_array_equal(found["sample_weight"], [1.0, 4.0])
    assert found["flag"] is True


def test_rows_and_columns_are_taken_by_position():
    np.testing.assert_array_equal(_compat_sklearn.safe_indexing(X, [2]), [[4.0, 5.0]])
    np.testing.assert_array_equal(_compat_sklearn.safe_indexing(X, 1, axis=1), X[:, 1])


def test_kernels_are_split_in_rows_and_columns():
    kernel, train, test = X @ X.T, [0, 1, 2], [3, 4]
    svc = SVC(kernel="precomputed")
    rows, targets = _compat_sklearn.safe_split(svc, kernel, y, test, train)
    np.testing.assert_array_equal(rows, kernel[3:5, :3])
    np.testing.assert_array_equal(targets, y[3:5])


def test_one_split_is_fitted_and_scored():
    result = of_selection.fit_and_score(
        DummyClassifier(strategy="constant", constant=1), X, y,
        scorer=check_scoring(DummyClassifier(), "accuracy"), train=[0, 1, 2, 3], test=[4, 5],
        verbose=0, parameters=None, fit_params=None, score_params=None, return_estimator=True,
        return_times=True,
    )  # fmt: skip
    assert result["test_scores"] == 0.5
    assert {"fit_time", "score_time", "fit_error", "estimator"} <= set(result)


def test_failed_fits_are_warned_of_and_given_error_scores():
    results = [
        {"fit_error": "Traceback", "test_scores": np.nan},
        {"fit_error": None, "test_scores": {"a": 0.5}},
    ]
    with pytest.warns(FitFailedWarning, match="1 fits failed out of a total of 2"):
        of_selection.warn_about_fit_failures(results, np.nan)
    of_selection.insert_error_scores(results, 0.0)
    assert results[0]["test_scores"] == {"a": 0.0}


def test_scorers_of_several_metrics():
    several = check_scoring(DummyClassifier(), scoring=["accuracy", "roc_auc"])
    assert of_selection.is_multimetric(several)
    assert not of_selection.is_multimetric(get_scorer("accuracy"))
    assert list(of_selection.scorers_by_name(several)) == ["accuracy", "roc_auc"]
    network = DummyClassifier().fit(X, y)
    both = of_selection.strict_scorer(several)(network, X, y)
    assert both == {"accuracy": 0.5, "roc_auc": 0.5}
    one = of_selection.strict_scorer(several, "accuracy")(network, X, y)
    assert one == {"accuracy": 0.5}


def test_parts_of_a_search():
    assert issubclass(GridSearchCV, of_selection.BaseSearchCV)
    search = GridSearchCV(LogisticRegression(), {}, scoring=["accuracy"], refit="accuracy")
    scorer, metric = of_selection.scorers_of_search(search)
    assert of_selection.is_multimetric(scorer)
    assert metric == "accuracy"
    routed = of_selection.fit_params_by_consumer(search, {"groups": y, "sample_weight": y})
    assert routed.splitter.split["groups"] is y
    assert routed.estimator.fit == {"sample_weight": y}
    assert of_selection.best_index(search, lambda _: 1, "accuracy", {"params": [{}, {}]}) == 1
    with pytest.raises(IndexError):
        of_selection.best_index(search, lambda _: 2, "accuracy", {"params": [{}, {}]})


def test_hooks_of_diagrams_are_those_that_scikit_learn_calls():
    for name in ("_doc_link_module", "_doc_link_template", "_doc_link_url_param_generator"):
        assert hasattr(BaseEstimator, name)
    assert hasattr(BaseEstimator, "_html_repr")
    if _compat_sklearn.HAS_FITTED_ATTRIBUTES:
        fitted = DummyClassifier().fit(X, y)
        attributes = _compat_sklearn.fitted_attributes(fitted, "")
        ahead = _compat_sklearn.HtmlInFront("<b>ahead</b>", attributes)
        assert len(ahead) == len(attributes) + 1
        html = ahead._repr_html_inner()
        assert html.startswith("<b>ahead</b>")
        assert "n_classes_" in html
    assert inspect.signature(_compat_sklearn.fitted_attributes).parameters.keys() == {
        "estimator", "doc_link",
    }  # fmt: skip
