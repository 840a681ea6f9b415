"""Bad values of displays and callbacks are told with the parameter's name."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from skdl.inspection import TensorBoard, TrainingCurveDisplay, ValidationCurveDisplay, diagnose

HISTORY = {"loss": [3.0, 2.0], "val_loss": [3.0, 2.5]}
X = np.arange(40.0).reshape(20, 2)
Y = np.arange(20) % 2
FITS = []

OTHERS = [3, 1.5, object(), object, len, b"x", True, np.zeros((2, 2)), [1, 2], ["x"]]
NO_TEXT = [*OTHERS, {}, []]
NO_AXES = ["x", *OTHERS, {}]
NO_STYLE = ["x", *OTHERS, [], {1: 2}]
NO_CURVE = [5, [], None, "abc", ["a"], [[1, 2], [3, 4]], {}, object(), np.zeros((2, 2)), 1.5]
FLAG = ["yes", 1, 0, None, [], {}, object(), 1.5, X, b"x"]


class Spy(LogisticRegression):
    def fit(self, X, y, sample_weight=None):
        FITS.append(1)
        return super().fit(X, y, sample_weight)


def cases(table):
    return [
        pytest.param(name, value, id=f"{name}-{i}")
        for name, values in table.items()
        for i, value in enumerate(values)
    ]


@pytest.mark.parametrize("key", ["loss", "val_loss"])
@pytest.mark.parametrize("values", NO_CURVE)
def test_history_without_a_curve(key, values):
    with pytest.raises(ValueError, match=rf"history\['{key}'\]=.* is no curve\. Expected a list"):
        TrainingCurveDisplay.from_history({**HISTORY, key: values})
    with pytest.raises(ValueError, match="is no curve"):
        TrainingCurveDisplay.from_history([HISTORY, {**HISTORY, key: values}])


@pytest.mark.parametrize("history", [None, "x", 3, [3], [HISTORY, None], object(), len, b"x"])
def test_what_is_no_history(history):
    with pytest.raises(TypeError, match=r"from_history: got a .*Expected a dict of lists"):
        TrainingCurveDisplay.from_history(history)


@pytest.mark.parametrize("history", [{}, [], {1: 2}, {"mae": [1.0]}])
def test_history_of_other_things(history):
    with pytest.raises(ValueError, match="there is no curve of 'loss'"):
        TrainingCurveDisplay.from_history(history)


def test_curves_of_unequal_length_are_drawn_as_far_as_they_go():
    display = TrainingCurveDisplay.from_history({"loss": [3.0, 2.0, 1.0], "val_loss": [3.0, 2.0]})
    np.testing.assert_array_equal(display.curves["validation"], [[3.0], [2.0], [np.nan]])


@pytest.mark.parametrize(
    ("name", "value"),
    cases(
        {
            "metric": [None, *NO_TEXT],
            "name": NO_TEXT,
            "ax": NO_AXES,
            "band": ["x", "", *NO_TEXT],
            "show_folds": FLAG,
            "show_best": FLAG,
            "show_stops": FLAG,
            "train_kw": NO_STYLE,
            "val_kw": NO_STYLE,
            "test_kw": NO_STYLE,
            "band_kw": NO_STYLE,
            "best_kw": NO_STYLE,
        }
    ),
)
def test_training_curves(name, value):
    with pytest.raises(ValueError, match=rf"^TrainingCurveDisplay.*{name}=.*Expected"):
        TrainingCurveDisplay.from_history(HISTORY, **{name: value})


@pytest.mark.parametrize(
    ("name", "value"),
    cases(
        {
            "curves": [None, "x", "", {}, {"training": []}, {"training": [1, 2]}, *OTHERS],
            "kept_epochs": ["x", -1, {}, [], [1], [1, 2, 3], float("nan"), object(), len],
            "metric": [None, *NO_TEXT],
            "name": NO_TEXT,
        }
    ),
)
def test_curves_given_by_hand(name, value):
    given = {"curves": {"training": np.ones((3, 2)), "validation": np.ones((3, 2))}, name: value}
    with pytest.raises(ValueError, match=rf"^TrainingCurveDisplay: {name}=.*Expected"):
        TrainingCurveDisplay(**given).plot()


@pytest.mark.parametrize(
    ("name", "value"),
    cases(
        {
            "estimator": [None, "x", {}, LogisticRegression, *OTHERS],
            "param_name": [None, *NO_TEXT],
            "param_range": [3, None, "x", len, object()],
            "negate_score": FLAG,
            "score_name": NO_TEXT,
            "score_type": ["x", "", None, *NO_TEXT],
            "std_display_style": ["x", "", *NO_TEXT],
            "ax": NO_AXES,
            "line_kw": NO_STYLE,
            "fill_between_kw": NO_STYLE,
            "errorbar_kw": NO_STYLE,
        }
    ),
)
def test_validation_curve(name, value):
    FITS.clear()
    given = {"estimator": Spy(), "param_name": "C", "param_range": [1.0, 2.0], name: value}
    with pytest.raises((ValueError, TypeError), match=rf"{name}(=|:).*Expected"):
        ValidationCurveDisplay.from_estimator(X=X, y=Y, cv=2, **given)
    assert not FITS


@pytest.mark.parametrize("target_score", ["x", [], {}, object(), X, True, float("nan"), len, b"x"])
def test_target_to_reach(target_score):
    with pytest.raises(ValueError, match=r"^diagnose: target_score=.*Expected"):
        diagnose(None, target_score)


@pytest.mark.parametrize("metric", NO_TEXT)
def test_metric_to_judge(metric):
    with pytest.raises(ValueError, match=r"^diagnose: metric=.*Expected"):
        diagnose(None, metric=metric)


@pytest.mark.parametrize("run", ["", " ", ".", "..", "a/b", "/", "a\\b", "../a", "a\0", *NO_TEXT])
def test_name_of_a_run_stays_in_its_folder(tmp_path, run):
    with pytest.raises(ValueError, match=r"^TensorBoard: run=.*Expected None or a name"):
        TensorBoard(tmp_path, run=run)


@pytest.mark.parametrize("log_dir", ["", " ", "a\0", None, *NO_TEXT])
def test_folder_of_runs(log_dir):
    with pytest.raises(ValueError, match=r"^TensorBoard: log_dir=.*Expected the path"):
        TensorBoard(log_dir)
