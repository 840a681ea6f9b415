"""A notebook as users of SciKeras write it, cell by cell, and nothing of ours in it."""

# ruff: noqa: B018, RET504
# %% Imports
import pickle

import keras
import numpy as np
from scikeras.wrappers import KerasClassifier, KerasRegressor
from sklearn.base import clone
from sklearn.datasets import load_diabetes, load_iris, make_moons
from sklearn.ensemble import BaggingClassifier, VotingClassifier
from sklearn.metrics import accuracy_score
from sklearn.model_selection import (
    GridSearchCV,
    KFold,
    RandomizedSearchCV,
    cross_val_predict,
    cross_val_score,
    train_test_split,
)
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import LabelEncoder, OneHotEncoder, StandardScaler

# %% Data
X, y = make_moons(80, noise=0.2, random_state=0)
X = X.astype("float32")
X_train, X_test, y_train, y_test = train_test_split(X, y, random_state=0)


# %% A function that builds and compiles
def create_model(hidden=8, activation="relu"):
    model = keras.Sequential()
    model.add(keras.layers.Input(shape=(2,)))
    model.add(keras.layers.Dense(hidden, activation=activation))
    model.add(keras.layers.Dense(1, activation="sigmoid"))
    model.compile(loss="binary_crossentropy", optimizer="adam", metrics=["accuracy"])
    return model


# %% The oldest spelling
clf = KerasClassifier(build_fn=create_model, epochs=2, batch_size=16, verbose=0)
clf.fit(X_train, y_train)

# %% The newer one
clf = KerasClassifier(model=create_model, epochs=2, batch_size=16, verbose=0)
clf.fit(X_train, y_train)
clf.predict(X_test)

# %% Probabilities
clf.predict_proba(X_test)[:, 1]

# %% Score
clf.score(X_test, y_test)

# %% History
clf.history_["loss"], clf.history_["accuracy"]

# %% The Keras model
clf.model_.summary(print_fn=str)

# %% Epochs of one fit
clf.fit(X_train, y_train, epochs=1)

# %% Several arguments of one fit
clf.fit(X_train, y_train, epochs=1, batch_size=8, verbose=0, validation_split=0.2)

# %% Validation data of one fit
clf.fit(X_train, y_train, validation_data=(X_test, y_test))
clf.history_["val_loss"]

# %% Callbacks of one fit
clf.fit(X_train, y_train, callbacks=[keras.callbacks.EarlyStopping(monitor="loss")])

# %% Arguments of predict
clf.predict(X_test, batch_size=64, verbose=0)

# %% Cross-validation
cross_val_score(KerasClassifier(create_model, epochs=1, verbose=0), X, y, cv=KFold(2))

# %% Out-of-fold predictions
cross_val_predict(KerasClassifier(create_model, epochs=1, verbose=0), X, y, cv=2)

# %% Grid search over the model
grid = GridSearchCV(
    KerasClassifier(create_model, epochs=1, verbose=0),
    {"model__hidden": [4, 8], "batch_size": [16, 32]},
    cv=2,
)
grid.fit(X, y)
grid.best_params_


# %% A function that reads meta
def get_clf(meta, hidden_layer_sizes, dropout):
    model = keras.Sequential([keras.layers.Input(shape=(meta["n_features_in_"],))])
    for size in hidden_layer_sizes:
        model.add(keras.layers.Dense(size, activation="relu"))
        model.add(keras.layers.Dropout(dropout))
    model.add(keras.layers.Dense(1, activation="sigmoid"))
    return model


clf = KerasClassifier(
    model=get_clf, loss="binary_crossentropy", hidden_layer_sizes=(8,), dropout=0.2, verbose=0
)
clf.fit(X, y)

# %% Grid search over optimizers
params = {
    "optimizer": ["adam", "SGD"],
    "optimizer__learning_rate": [0.01, 0.1],
    "hidden_layer_sizes": [(4,), (8, 4)],
}
RandomizedSearchCV(clf, params, n_iter=2, cv=2, random_state=0).fit(X, y)

# %% Setting parameters
clf.set_params(dropout=0.0, optimizer__learning_rate=0.05)
clf.get_params()["dropout"]

# %% Classes with routed arguments
clf = KerasClassifier(
    get_clf,
    hidden_layer_sizes=(4,),
    dropout=0.0,
    loss=keras.losses.BinaryCrossentropy,
    loss__label_smoothing=0.1,
    optimizer=keras.optimizers.Adam,
    optimizer__learning_rate=0.01,
    metrics=[keras.metrics.AUC],
    callbacks=keras.callbacks.EarlyStopping,
    callbacks__monitor="loss",
    callbacks__patience=3,
    epochs=2,
    verbose=0,
)
clf.fit(X, y)

# %% Pipeline
pipe = Pipeline([("scale", StandardScaler()), ("clf", clf)])
pipe.fit(X, y).predict(X)

# %% Arguments of fit through a pipeline
pipe.fit(X, y, clf__epochs=1)

# %% Text labels
iris = load_iris()
Xi, names = iris.data.astype("float32"), iris.target_names[iris.target]


def iris_model(meta, compile_kwargs):
    model = keras.Sequential(
        [
            keras.layers.Input(shape=meta["X_shape_"][1:]),
            keras.layers.Dense(8, activation="relu"),
            keras.layers.Dense(meta["n_classes_"], activation="softmax"),
        ]
    )
    model.compile(**compile_kwargs)
    return model


multi = KerasClassifier(iris_model, loss="sparse_categorical_crossentropy", epochs=2, verbose=0)
multi.fit(Xi, names).classes_

# %% One-hot targets
one_hot = OneHotEncoder(sparse_output=False).fit_transform(names[:, None])
KerasClassifier(
    lambda: keras.Sequential(
        [keras.layers.Input(shape=(4,)), keras.layers.Dense(3, activation="softmax")]
    ),
    loss="categorical_crossentropy",
    verbose=0,
).fit(Xi, one_hot).predict(Xi)

# %% Labels that were encoded before
codes = LabelEncoder().fit_transform(names)
multi.fit(Xi, codes).score(Xi, codes)

# %% Class weights
KerasClassifier(create_model, class_weight="balanced", verbose=0).fit(X, y)

# %% Class weights of one fit
KerasClassifier(create_model, verbose=0).fit(X, y, class_weight={0: 1.0, 1: 3.0})

# %% Sample weights
KerasClassifier(create_model, verbose=0).fit(X, y, sample_weight=np.ones(len(y)))

# %% Regression
Xd, yd = load_diabetes(return_X_y=True)
Xd, yd = Xd[:100].astype("float32"), yd[:100]


def get_reg(meta, units=8):
    model = keras.Sequential(
        [
            keras.layers.Input(shape=(meta["n_features_in_"],)),
            keras.layers.Dense(units, activation="relu"),
            keras.layers.Dense(1),
        ]
    )
    return model


reg = KerasRegressor(get_reg, loss="mse", metrics=["mae"], optimizer="RMSprop", verbose=0)
make_pipeline(StandardScaler(), reg).fit(Xd, yd).score(Xd, yd)

# %% Going on
reg = KerasRegressor(get_reg, loss="mse", warm_start=True, epochs=2, verbose=0)
reg.fit(Xd, yd)
reg.fit(Xd, yd)

# %% One epoch after the other
reg = KerasRegressor(get_reg, loss="mse", verbose=0)
for _ in range(3):
    reg.partial_fit(Xd, yd)
reg.current_epoch

# %% A network that is trained already
trained = create_model()
trained.fit(X, y, epochs=1, verbose=0)
clf = KerasClassifier(trained)
clf.initialize(X, y)
accuracy_score(y, clf.predict(X, verbose=0))

# %% Ensembles
BaggingClassifier(KerasClassifier(create_model, verbose=0), n_estimators=2).fit(X, y).predict(X)
VotingClassifier([("a", clone(multi)), ("b", clone(multi))], voting="soft").fit(Xi, codes)

# %% Keeping it
again = pickle.loads(pickle.dumps(multi))
np.testing.assert_allclose(again.predict_proba(Xi), multi.predict_proba(Xi), rtol=1e-4)


# %% A class of its own
class MLPClassifier(KerasClassifier):
    def __init__(
        self,
        hidden_layer_sizes=(8,),
        optimizer="adam",
        optimizer__learning_rate=0.001,
        epochs=2,
        verbose=0,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.hidden_layer_sizes = hidden_layer_sizes
        self.optimizer = optimizer
        self.epochs = epochs
        self.verbose = verbose

    def _keras_build_fn(self, compile_kwargs):
        model = keras.Sequential([keras.layers.Input(shape=(self.n_features_in_,))])
        for size in self.hidden_layer_sizes:
            model.add(keras.layers.Dense(size, activation="relu"))
        model.add(keras.layers.Dense(1, activation="sigmoid"))
        model.compile(loss="binary_crossentropy", optimizer=compile_kwargs["optimizer"])
        return model


cross_val_score(MLPClassifier(), X, y, cv=2)
