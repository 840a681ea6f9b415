"""How estimators look in notebooks."""

import inspect

import numpy as np
import pytest
from sklearn.base import BaseEstimator
from sklearn.ensemble import BaggingClassifier, VotingClassifier
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils import estimator_html_repr

import skdl
import skdl.model_selection
from skdl import CNNClassifier, MLPClassifier, MLPRegressor
from skdl.model_selection import KFoldEnsembleClassifier
from skdl.training import layer_summaries
from tests.checks import slow_case

has_place = pytest.mark.skipif(
    not hasattr(BaseEstimator, "_get_fitted_attr_html"),
    reason="diagrams have a place for fitted attributes since scikit-learn 1.9",
)
ESTIMATORS = [
    (module, name)
    for module in (skdl, skdl.model_selection)
    for name in module.__all__
    if hasattr(getattr(module, name), "get_params")
]
LINK = "https://docs.example/generated/skdl.MLPClassifier.html"


def name_of(each):
    return each if isinstance(each, str) else ""


@pytest.fixture(scope="module")
def fitted(iris):
    network = MLPClassifier(8, epochs=20, learning_rate=0.5, early_stopping=True, patience=2)
    return network.set_params(dropout=0.25, batch_norm="before_activation", random_state=0).fit(
        *iris
    )


def test_there_is_a_link_where_the_documentation_is_known(monkeypatch):
    monkeypatch.setenv("SKDL_DOCS_URL", "https://docs.example/")
    assert f'href="{LINK}"' in estimator_html_repr(MLPClassifier())
    assert f'href="{LINK}"' in estimator_html_repr(make_pipeline(StandardScaler(), MLPClassifier()))


@pytest.mark.parametrize(("module", "name"), ESTIMATORS, ids=name_of)
def test_every_estimator_links_to_its_page_in_the_reference(module, name, monkeypatch):
    monkeypatch.setenv("SKDL_DOCS_URL", "https://docs.example")
    kind = getattr(module, name)
    page = f"https://docs.example/generated/{module.__name__}.{name}.html"
    assert kind.__new__(kind)._get_doc_link() == page


def test_subclasses_of_others_do_not_link_to_pages_that_are_not_there(monkeypatch):
    monkeypatch.setenv("SKDL_DOCS_URL", "https://docs.example")
    theirs = type("Theirs", (MLPClassifier,), {"__module__": "theirs"})
    assert theirs()._get_doc_link() == ""


def test_there_is_no_link_where_it_is_not(monkeypatch):
    monkeypatch.setenv("SKDL_DOCS_URL", "")
    assert "skdl.MLPClassifier.html" not in estimator_html_repr(MLPClassifier())


@pytest.mark.slow
def test_a_fitted_network_shows_its_layers_and_epochs(fitted):
    page = fitted._repr_mimebundle_()["text/html"]
    n_weights = sum(weight.size for weight in fitted.model_.get_weights())
    epochs = f"{fitted.n_iter_} epochs, the best after {fitted.best_epoch_}"
    assert fitted.best_epoch_ < fitted.n_iter_
    assert f"Network: {n_weights:,} weights, {epochs}" in page
    assert "Dropout: 0.25" in page
    assert page.count("Network: ") == 1


def test_an_unfitted_network_shows_none():
    assert "Network: " not in estimator_html_repr(MLPClassifier())


@has_place
def test_a_network_inside_a_pipeline_shows_its_layers(iris):
    pipe = make_pipeline(StandardScaler(), MLPClassifier(8, epochs=1, random_state=0)).fit(*iris)
    page = estimator_html_repr(pipe)
    assert "weights, 1 epoch<" in page


@pytest.mark.parametrize(
    "outer",
    [
        lambda network: BaggingClassifier(network, 1),
        slow_case(lambda network: VotingClassifier([("net", network)], voting="soft")),
        slow_case(lambda network: GridSearchCV(KFoldEnsembleClassifier(network), {}, cv=2)),
    ],
    ids=["bagging", "voting", "search over folds"],
)
def test_an_unfitted_network_inside_a_fitted_estimator_shows_none(outer, iris):
    fitted = outer(MLPClassifier(4, epochs=1, random_state=0)).fit(*iris)
    page = fitted._repr_mimebundle_()["text/html"]
    assert "MLPClassifier" in page
    assert "Network: " not in page


@has_place
@pytest.mark.parametrize(("module", "name"), ESTIMATORS, ids=name_of)
def test_every_unfitted_estimator_can_stand_in_the_diagram_of_a_fitted_one(module, name):
    kind = getattr(module, name)
    needed = [p for p in inspect.signature(kind).parameters.values() if p.default is p.empty]
    attributes = kind(*[MLPClassifier() for _ in needed])._get_fitted_attr_html()
    assert "Network: " not in attributes._repr_html_inner()


def test_looking_builds_no_keras_model(iris):
    network = MLPClassifier(8, epochs=1, random_state=0).fit(*iris)
    estimator_html_repr(network)
    assert "_keras_model" not in vars(network)
    network.model_  # noqa: B018 - now it is
    estimator_html_repr(network)
    assert network.model_.count_params() > 0


@pytest.mark.parametrize("kind", [slow_case("dense"), "images", "layer object"])
def test_the_layers_are_those_of_the_keras_model(kind, iris):
    X, y = iris
    if kind == "dense":
        network = MLPRegressor((6, 4), dropout=0.1, batch_norm="after_activation", l2=0.1)
    elif kind == "images":
        network = CNNClassifier(filters=2, conv_blocks=2, hidden_units=4, image_shape=(2, 2))
        network.set_params(conv_blocks=1)
    else:
        import keras

        network = MLPClassifier(4, hidden_layers=1, activation=keras.layers.PReLU())
    network.set_params(epochs=1, random_state=0).fit(X, y)
    ours = layer_summaries(network._trained.network)
    theirs = [
        (tuple(layer.output.shape[1:]), layer.count_params()) for layer in network.model_.layers
    ]
    assert [(layer.output_shape, layer.n_weights) for layer in ours] == theirs
    assert np.isin("PReLU", [layer.name for layer in ours]) == (kind == "layer object")
