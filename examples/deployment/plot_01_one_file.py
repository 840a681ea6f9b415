"""
How does a whole pipeline leave the notebook?
=============================================

There are two kinds of files. ``skdl.io.save`` writes one for Python, which a colleague can load,
inspect and train further. It holds no code. ``skdl.export.to_onnx`` writes one for servers. It
holds the steps that impute, scale and encode, so a server takes raw columns with missing values and
needs neither scikit-learn nor TensorFlow.

Data: :func:`~skdl.datasets.fetch_penguins` (Horst, Hill and Gorman 2020).
"""

import tempfile
import time
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.compose import make_column_transformer
from sklearn.impute import SimpleImputer
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

import skdl
from skdl.datasets import fetch_penguins
from skdl.export import OnnxModel, to_onnx

X, y = fetch_penguins(return_X_y=True)
X = X.drop(columns="year")  # of the visit
X_train, X_test, y_train, y_test = train_test_split(X, y, stratify=y, random_state=0)
X_test.head()

# %%
# One pipeline
# ------------

# Columns by name: functions that pick them by type are code, which the file for Python leaves out.
numbers = X.select_dtypes("number").columns.tolist()
categories = [name for name in X if name not in numbers]
columns = make_column_transformer(
    (make_pipeline(SimpleImputer(), StandardScaler()), numbers),
    (
        make_pipeline(
            SimpleImputer(strategy="most_frequent"),
            OneHotEncoder(handle_unknown="ignore", sparse_output=False),
        ),
        categories,
    ),
)
network = skdl.MLPClassifier(32, dropout=0.2, epochs=60, learning_rate=0.005, random_state=0)
pipeline = make_pipeline(columns, network).fit(X_train, y_train)
print(f"accuracy on {len(X_test)} penguins not seen: {pipeline.score(X_test, y_test):.3f}")

# %%
# A file for Python
# -----------------
#
# Its predictions are equal to the bit.

folder = Path(tempfile.mkdtemp())
skdl.io.save(pipeline, folder / "penguins.skops")
loaded = skdl.io.load(folder / "penguins.skops")
np.testing.assert_array_equal(loaded.predict_proba(X_test), pipeline.predict_proba(X_test))

# %%
# A file for everybody
# --------------------
#
# ``to_onnx`` compares the file with the pipeline on the rows that it is given, and writes nothing
# where they differ.

report = to_onnx(pipeline, X_test, folder / "penguins.onnx")
report

# %%
# One input for each column. A row with gaps is a row as any other:

model = OnnxModel(folder / "penguins.onnx")
gaps = X_test.iloc[:3].copy()
gaps.iloc[0, 1] = np.nan
gaps.iloc[1, 0] = None
assert (model.predict(gaps) == pipeline.predict(gaps)).all()
pd.DataFrame(model.predict_proba(gaps), columns=pipeline.classes_).round(3)

# %%
# One row at a time
# -----------------
#
# What a server answers is mostly one row. In the pipeline, pandas and scikit-learn's checks take
# most of the time; ``OnnxModel`` takes a DataFrame as well; onnxruntime alone takes arrays.


def microseconds(call, n_calls=100):
    """Return the median time of a call."""
    times = []
    for _ in range(n_calls):
        started = time.perf_counter()
        call()
        times.append(time.perf_counter() - started)
    return 1e6 * float(np.median(times))


row = X_test.iloc[:1]
inputs = model.inputs(row)
times = pd.Series(
    {
        "the pipeline": microseconds(lambda: pipeline.predict_proba(row)),
        "OnnxModel": microseconds(lambda: model.predict_proba(row)),
        "onnxruntime on arrays": microseconds(lambda: model.session_.run(None, inputs)),
    }
)
assert times["onnxruntime on arrays"] < times["the pipeline"] / 10
axes = times.sort_values().plot.barh(logx=True, xlabel="µs for one row")
axes.figure.tight_layout()
plt.show()

# %%
# Behind HTTP
# -----------
#
# ``bundle`` writes a folder that runs on its own: the model, what it requires (without TensorFlow),
# a Dockerfile and a request to try out. ``python -m skdl.serving penguins.onnx`` serves a file
# directly.

skdl.serving.bundle(pipeline, X_test, folder / "served", name="penguins")
for path in sorted((folder / "served").rglob("*")):
    if path.is_file():
        print(f"{path.relative_to(folder)}: {path.stat().st_size / 1000:.1f} KB")
