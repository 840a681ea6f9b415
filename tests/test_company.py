"""Company: the code of the page *Works with*, each section with the tool that it is about."""

import json
import re
import runpy
from pathlib import Path
from types import SimpleNamespace
from wsgiref.util import setup_testing_defaults

import numpy as np
import pytest

PAGE = Path(__file__).resolve().parents[1] / "docs" / "works_with.rst"
# What must be importable, for the sections that need more than skdl itself.
TOOLS = {
    "MLflow": "mlflow",
    "Weights & Biases": "wandb",
    "TensorBoard": "tensorboard",
    "Optuna dashboard": "optuna_dashboard",
    "skore": "skore",
    "skops' model card": "skops",
    "polars": "polars",
    "skrub": "skrub",
    "category_encoders": "category_encoders",
    "imbalanced-learn": "imblearn",
    "cleanlab": "cleanlab",
    "scikit-learn's inspection": "sklearn",
    "SHAP": "shap",
    "DALEX": "dalex",
    "MAPIE": "mapie",
    "Fairlearn": "fairlearn",
    "Dask-ML": "dask_ml",
}
# Sections of which a test below asks more than that they run.
LOOKED_AT = {
    "MLflow",
    "Optuna dashboard",
    "SHAP",
    "Weights & Biases",
    "imbalanced-learn",
    "polars",
}
QUICK = "MLPClassifier(32, epochs=3"


def of_others(test):
    """Mark a test of what does not come with skdl's own tests; its warnings are not ours."""
    return pytest.mark.slow(pytest.mark.filterwarnings("default")(test))


def sections():
    """Return {title: the Python code below it}; the code in front of all titles is under ""."""
    found, title = {"": ""}, ""
    lines = PAGE.read_text(encoding="utf-8").splitlines()
    in_code = False
    for line, following in zip(lines, [*lines[1:], ""], strict=True):
        if line and re.fullmatch(r"~+|-+", following):
            title, in_code = line, False
        elif line.startswith(".. code-block:: python"):
            in_code = True
        elif in_code and line.startswith("   "):
            found[title] = found.get(title, "") + line[3:] + "\n"
        elif in_code and line:
            in_code = False
        elif in_code:
            found[title] = found.get(title, "") + "\n"
    return found


@pytest.fixture(scope="module")
def first_lines(tmp_path_factory):
    script = tmp_path_factory.mktemp("page") / "first_lines.py"
    script.write_text(sections()[""], encoding="utf-8")
    return runpy.run_path(str(script))


@pytest.fixture
def run(first_lines, tmp_path, monkeypatch):
    """Return a function that runs a section and returns what its code named."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MPLBACKEND", "Agg")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/mlflow.db")
    monkeypatch.setenv("WANDB_SILENT", "true")

    def run_section(title):
        pytest.importorskip(TOOLS[title])
        code = sections()[title].replace("MLPClassifier(32, callbacks", f"{QUICK}, callbacks")
        script = tmp_path / "section.py"
        script.write_text(code, encoding="utf-8")
        return SimpleNamespace(**runpy.run_path(str(script), init_globals=first_lines))

    return run_section


def test_every_section_with_code_has_its_tool():
    assert set(sections()) == {"", *TOOLS}


def test_frames_of_polars_are_those_of_pandas(run):
    names = run("polars")
    of_pandas = names.model.predict(names.X_train)
    np.testing.assert_array_equal(names.from_frame.predict(names.frame), of_pandas)
    assert type(names.from_frame[:-1].transform(names.frame)) is names.pl.DataFrame


def test_samplers_of_imbalanced_learn_in_cross_validation(run):
    assert run("imbalanced-learn").result["test_score"].min() > 0.8


@of_others
def test_mlflow_logs_pipelines_and_curves(run):
    names = run("MLflow")
    try:
        client = names.mlflow.MlflowClient()
        curve = client.get_metric_history(names.run.info.run_id, "loss")
        assert [point.step for point in curve] == [0, 1, 2]
        logged = [found.data for found in client.search_runs(["0"])]
    finally:
        names.mlflow.sklearn.autolog(disable=True)
    assert any(found.params.get("mlpclassifier__hidden_units") == "32" for found in logged)
    assert any("training_accuracy_score" in found.metrics for found in logged)
    expected = names.model.predict_proba(names.X_test)
    np.testing.assert_array_equal(names.loaded.predict_proba(names.X_test), expected)


@of_others
def test_weights_and_biases_has_the_curve(run, monkeypatch):
    wandb = pytest.importorskip("wandb")
    logged, log = [], wandb.Run.log

    def spied(self, data, **options):
        logged.append(data["loss"])
        log(self, data, **options)

    monkeypatch.setattr(wandb.Run, "log", spied)
    run("Weights & Biases")
    assert len(logged) == 3  # epochs
    assert np.isfinite(logged).all()
    assert len(list(Path().glob("wandb/offline-run-*"))) == 1


@of_others
def test_optuna_dashboard_shows_the_trials(run):
    from optuna.storages import RDBStorage

    run("Optuna dashboard")
    dashboard = pytest.importorskip("optuna_dashboard").wsgi(RDBStorage("sqlite:///search.db"))
    environment = {"PATH_INFO": "/api/studies/1"}
    setup_testing_defaults(environment)
    shown = json.loads(b"".join(dashboard(environment, lambda *_: None)))
    assert shown["name"] == "search"
    assert len(shown["trials"]) == 4


@of_others
def test_shap_explains_probabilities(run):
    names = run("SHAP")
    explained = names.values.values.sum(axis=1) + names.values.base_values
    expected = names.model.predict_proba(names.X_test[:5])
    np.testing.assert_allclose(explained, expected, atol=1e-5)


@of_others
@pytest.mark.parametrize("title", [title for title in TOOLS if title not in LOOKED_AT])
def test_the_code_of_a_section_runs(title, run):
    run(title)
