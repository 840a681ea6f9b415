"""Search spaces: what Optuna samples from each kind of description, and how it is read again."""

import functools
import re

import keras
import numpy as np
import optuna
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import FixedTrial
from scipy import stats
from sklearn.compose import ColumnTransformer, TransformedTargetRegressor
from sklearn.decomposition import PCA
from sklearn.ensemble import BaggingRegressor, RandomForestRegressor, VotingRegressor
from sklearn.linear_model import Ridge
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import MinMaxScaler, StandardScaler

import skdl
from skdl.estimators.base import describe_space
from skdl.exceptions import InvalidParameterError
from skdl.model_selection.search._space import make_space
from tests.checks import name_without_address

OPTUNA_EXPERIMENTS = pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")


@pytest.fixture(autouse=True)
def _quiet_optuna():
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    yield
    optuna.logging.set_verbosity(before)


def sampled(space, n_trials=50, sampler=None, storage=None):
    """Return a study, and for each of its trials what the space suggested."""
    study = optuna.create_study(
        sampler=sampler or optuna.samplers.RandomSampler(seed=0), storage=storage
    )
    suggested = []

    def objective(trial):
        suggested.append(space.suggest(trial))
        return float(trial.number)

    study.optimize(objective, n_trials)
    return study, suggested


def values_of(given, n_trials=50, **options):
    """Return the distributions the study holds, and the values of one parameter."""
    study, suggested = sampled(make_space(Ridge(), {"alpha": given}), n_trials, **options)
    return study.trials[0].distributions, [params["alpha"] for params in suggested]


# ----------------------------------------------------------------- one distribution at a time


@pytest.mark.parametrize(
    "distribution",
    [
        FloatDistribution(0.5, 2.0),
        FloatDistribution(1e-4, 1.0, log=True),
        FloatDistribution(0.0, 1.0, step=0.25),
        IntDistribution(1, 9, step=2),
        IntDistribution(1, 100, log=True),
        CategoricalDistribution((0.1, 1.0, None)),
    ],
    ids=name_without_address,
)
def test_optuna_distributions_reach_the_study_as_they_are(distribution):
    held, values = values_of(distribution)
    assert held == {"alpha": distribution}
    assert all(distribution._contains(distribution.to_internal_repr(v)) for v in values)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (stats.uniform(2, 3), FloatDistribution(2.0, 5.0)),
        (stats.uniform(loc=-1, scale=4), FloatDistribution(-1.0, 3.0)),
        (stats.uniform, FloatDistribution(0.0, 1.0)),
        (stats.loguniform(1e-5, 1e2), FloatDistribution(1e-5, 1e2, log=True)),
        (stats.reciprocal(0.1, 10), FloatDistribution(0.1, 10.0, log=True)),
        (stats.loguniform(1, 10, scale=3), FloatDistribution(3.0, 30.0, log=True)),
        (stats.randint(2, 9), IntDistribution(2, 8)),
        (stats.randint(2, 9, loc=10), IntDistribution(12, 18)),
    ],
    ids=name_without_address,
)
def test_scipy_distributions_that_optuna_has_too_become_its_own(given, expected):
    held, _ = values_of(given, 1)
    assert held == {"alpha": expected}


@pytest.mark.parametrize(
    "given",
    [
        stats.norm(3, 2),
        stats.gamma(2.0),
        stats.beta(2, 5),
        stats.loguniform(1, 10, loc=5),
        stats.loguniform(1, 10, loc=-5),
        stats.truncnorm(-1, 1),
        stats.expon,
    ],
    ids=lambda given: getattr(given, "dist", given).name,
)
def test_other_continuous_distributions_of_scipy_are_sampled_as_they_are(given):
    held, values = values_of(given, 400)
    assert set(held) == {"quantile of alpha"}
    assert stats.kstest(values, given.cdf).pvalue > 0.01


def test_quantiles_of_scipy_distributions_at_given_shares():
    space = make_space(Ridge(), {"alpha": stats.norm(10, 2)})
    for share, expected in [(0.5, 10.0), (0.975, 10 + 2 * 1.959963984540054)]:
        value = space.suggest(FixedTrial({"quantile of alpha": share}))["alpha"]
        assert value == pytest.approx(expected, abs=1e-12)


# Sobol's first point is 0, whose quantile would be minus infinity.
@OPTUNA_EXPERIMENTS
def test_unbounded_distributions_stay_finite_at_the_ends_of_the_quantile():
    space = make_space(Ridge(), {"alpha": stats.norm(0, 1)})
    study, suggested = sampled(space, 8, optuna.samplers.QMCSampler(scramble=False))
    ends = study.trials[0].distributions["quantile of alpha"]
    suggested += [
        space.suggest(FixedTrial({"quantile of alpha": u})) for u in (ends.low, ends.high)
    ]
    assert all(np.isfinite(params["alpha"]) for params in suggested)


def test_discrete_distributions_of_scipy_give_integers_in_their_proportions():
    given = stats.binom(4, 0.3)
    _, values = values_of(given, 500)
    assert all(type(v) is int for v in values)
    counts = [values.count(k) for k in range(5)]
    # Binomial probabilities by hand: C(4, k) 0.3^k 0.7^(4 - k).
    shares = [0.2401, 0.4116, 0.2646, 0.0756, 0.0081]
    assert stats.chisquare(counts, 500 * np.array(shares)).pvalue > 0.01


def test_choices_of_plain_values_are_readable_in_the_study():
    choices = [None, True, 3, 0.5, "auto-like"]
    held, values = values_of(choices)
    assert held["alpha"].choices == tuple(choices)
    assert set(values) == set(choices)


@pytest.mark.parametrize(
    "given",
    [(8, 16), range(8, 10), np.array([8, 16]), np.array([0.5, 1.0]), [np.int64(8), np.float32(2)]],
    ids=name_without_address,
)
def test_choices_of_any_sequence_come_as_python_numbers(given):
    _, values = values_of(given)
    assert sorted(set(values)) == sorted(np.asarray(given).tolist())
    assert {type(v) for v in values} <= {int, float}


def softplus(x):
    return keras.ops.log1p(keras.ops.exp(x))


def test_choices_of_any_type_come_back_as_they_were_given():
    array = np.arange(3)
    given = [(64, 64), (128,), [32], softplus, lambda x: x, lambda x: 2 * x, StandardScaler, array]
    held, values = values_of(given, 200)
    assert all(isinstance(label, str) for label in held["alpha"].choices)
    for choice in given:
        assert any(v is choice or repr(v) == repr(choice) for v in values)
    functions = [v for v in values if callable(v) and not isinstance(v, type)]
    assert set(functions) == {softplus, given[4], given[5]}


def test_names_of_choices_are_short_and_the_same_in_every_process():
    given = [softplus, object(), (64, 64), "word", np.zeros(1000), Ridge(alpha=2)]
    held, _ = values_of(given, 1)
    assert held["alpha"].choices[:4] == ("softplus", "<object object>", "(64, 64)", "word")
    assert held["alpha"].choices[5] == "Ridge(alpha=2)"
    assert not any(re.search("0x[0-9a-f]{4}", label) for label in held["alpha"].choices)
    assert max(map(len, held["alpha"].choices)) < 100


def test_equal_choices_of_different_types_are_told_apart():
    _, values = values_of([1, True, 1.0, "1"])
    assert {(type(v), v) for v in values} == {(int, 1), (bool, True), (float, 1.0), (str, "1")}


def test_a_choice_given_twice_counts_once():
    held, _ = values_of([1, 2, 1, "a", "a"], 1)
    assert held["alpha"].choices == (1, 2, "a")


def test_a_categorical_distribution_of_tuples_works_without_a_second_warning():
    with pytest.warns(UserWarning, match="persistent storage"):
        given = CategoricalDistribution(((64, 64), (32,)))
    _, values = values_of(given)
    assert set(values) == {(64, 64), (32,)}


def test_estimators_among_the_choices_are_each_trials_own():
    scaler = StandardScaler()
    space = make_space(make_pipeline(PCA(), Ridge()), {"pca": [scaler, "passthrough"]})
    _, suggested = sampled(space, 20)
    given = [params["pca"] for params in suggested if params["pca"] != "passthrough"]
    assert len({id(s) for s in given}) == len(given) > 1
    assert scaler not in given
    assert all(isinstance(s, StandardScaler) for s in given)


# --------------------------------------------------------------------------- the automatic space


def pipeline(network):
    return make_pipeline(StandardScaler(), network)


def around(network):
    return TransformedTargetRegressor(pipeline(network), func=np.log1p, inverse_func=np.expm1)


AUTOMATIC = {
    "regressor": (skdl.MLPRegressor(), ""),
    "classifier": (skdl.MLPClassifier(), ""),
    "pipeline": (pipeline(skdl.MLPClassifier()), "mlpclassifier__"),
    "target": (around(skdl.MLPRegressor()), "regressor__mlpregressor__"),
    "bagging": (BaggingRegressor(skdl.MLPRegressor()), "estimator__"),
}


@pytest.mark.parametrize("case", AUTOMATIC)
def test_automatic_space_suggests_what_the_estimator_accepts(case):
    estimator, prefix = AUTOMATIC[case]
    space = make_space(estimator, "auto")
    study, suggested = sampled(space, 50, optuna.samplers.TPESampler(seed=1))
    network = AUTOMATIC[case][0] if not prefix else estimator.get_params()[prefix[:-2]]
    assert set(space.names) == {prefix + name for name in network._search_space()}
    for params, trial in zip(suggested, study.trials, strict=True):
        assert set(params) <= set(space.names)
        changed = estimator.__class__(**estimator.get_params(deep=False)).set_params(**params)
        (changed if not prefix else changed.get_params()[prefix[:-2]])._check_parameters()
        assert space.params_of(trial) == params


def test_automatic_space_covers_capacity_regularisation_loss_and_training():
    common = {"hidden_units", "hidden_layers", "dropout", "l1", "l2", "batch_norm"}
    common |= {"learning_rate", "batch_size", "weight_decay", "beta_2"}
    assert set(make_space(skdl.MLPRegressor(), "auto").names) == common | {"loss", "huber_delta"}
    assert set(make_space(skdl.MLPClassifier(), "auto").names) == common | {"label_smoothing"}


def test_automatic_space_searches_the_sizes_of_embeddings_that_are_there():
    waves = skdl.MLPRegressor.tabular(numeric_embedding="pbld")
    bins = skdl.MLPRegressor(numeric_embedding="auto", optimizer="sgd")
    own = {"n_frequencies", "frequency_scale", "n_bins", "weight_decay", "beta_2"}
    names = set(make_space(waves, "auto").names)
    assert names & own == {"n_frequencies", "frequency_scale", "weight_decay", "beta_2"}
    assert set(make_space(bins, "auto").names) & own == {"n_bins", "weight_decay"}


def test_automatic_space_reaches_its_bounds():
    _, suggested = sampled(make_space(skdl.MLPRegressor(), "auto"), 300)
    assert {p["hidden_units"] for p in suggested} == {32, 64, 128, 256}
    assert {p["hidden_layers"] for p in suggested} == {1, 2, 3, 4}
    assert {p["batch_norm"] for p in suggested} == {None, "before_activation"}
    assert {p["batch_size"] for p in suggested} == {32, 64, 128}
    assert {0.0, 0.5} <= {p["dropout"] for p in suggested}
    for name, low, high in [("l1", 1e-7, 1e-3), ("l2", 1e-6, 1e-2), ("learning_rate", 1e-4, 1e-2)]:
        logarithms = np.log([p[name] for p in suggested])
        uniform = stats.uniform(np.log(low), np.log(high / low))
        assert stats.kstest(logarithms, uniform.cdf).pvalue > 0.01


def test_huber_delta_is_searched_only_with_the_huber_loss():
    _, suggested = sampled(make_space(skdl.MLPRegressor(), "auto"))
    assert {p["loss"] for p in suggested} == {"mse", "huber"}
    assert all(("huber_delta" in p) == (p["loss"] == "huber") for p in suggested)


@pytest.mark.parametrize("loss", ["quantile", "poisson", "log_cosh"])
def test_a_loss_that_says_what_to_predict_is_left_alone(loss):
    names = make_space(skdl.MLPRegressor(loss=loss), "auto").names
    assert not {"loss", "huber_delta"} & set(names)


def test_label_smoothing_is_searched_only_with_losses_that_know_it():
    assert "label_smoothing" in make_space(skdl.MLPClassifier(loss="focal"), "auto").names
    assert "label_smoothing" not in make_space(skdl.MLPClassifier(loss="hinge"), "auto").names


def test_learning_rates_that_the_user_built_are_left_alone():
    import keras

    schedule = keras.optimizers.schedules.CosineDecay(0.01, 100)
    own_rate = skdl.MLPRegressor(optimizer=keras.optimizers.SGD(0.1))
    for network in (own_rate, skdl.MLPRegressor(learning_rate=schedule)):
        space = make_space(network, "auto")
        assert "learning_rate" not in space.names
        skdl.MLPRegressor(**{**network.get_params(), **sampled(space, 1)[1][0]})._check_parameters()
    by_name = skdl.MLPRegressor(optimizer="sgd", learning_rate=0.1)
    assert "learning_rate" in make_space(by_name, "auto").names


def test_several_networks_are_all_searched():
    vote = VotingRegressor([("wide", skdl.MLPRegressor()), ("deep", around(skdl.MLPRegressor()))])
    names = make_space(vote, "auto").names
    assert {"wide__l2", "deep__regressor__mlpregressor__l2"} <= set(names)
    _, [params] = sampled(make_space(vote, {"wide": "auto"}), 1)
    assert params
    assert all(name.startswith("wide__") for name in params)


def test_an_automatic_space_may_be_mixed_with_own_entries():
    estimator = Pipeline([("pca", PCA()), ("mlp", skdl.MLPRegressor())])
    given = {
        "mlp__loss": ["huber", "mae"],
        "pca__n_components": IntDistribution(2, 10),
        "mlp": "auto",
        "mlp__epochs": [5, 10],
        "mlp__learning_rate": [0.01],
    }
    _, suggested = sampled(make_space(estimator, given))
    for params in suggested:
        assert params["mlp__learning_rate"] == 0.01
        assert params["mlp__epochs"] in {5, 10}
        assert 2 <= params["pca__n_components"] <= 10
        assert ("mlp__huber_delta" in params) == (params["mlp__loss"] == "huber")
        assert "mlp__l2" in params
    assert {params["mlp__loss"] for params in suggested} == {"huber", "mae"}


@pytest.mark.parametrize("place", ["", "estimator"])
def test_the_top_of_the_estimator_may_be_named_too(place):
    names = make_space(pipeline(skdl.MLPRegressor()), {place: "auto"}).names
    assert names == make_space(pipeline(skdl.MLPRegressor()), "auto").names


def test_estimator_is_a_sub_estimator_where_there_is_one_of_that_name():
    bagging = BaggingRegressor(pipeline(skdl.MLPRegressor()))
    names = make_space(bagging, {"estimator": "auto"}).names
    assert "estimator__mlpregressor__l2" in names


def test_description_of_the_automatic_space_names_every_parameter():
    rows = dict(describe_space(skdl.MLPRegressor()))
    assert tuple(rows) == make_space(skdl.MLPRegressor(), "auto").names
    assert rows["hidden_units"] == "32, 64, 128, 256"
    assert rows["hidden_layers"] == "1 to 4, integers"
    assert rows["dropout"] == "0 to 0.5, in steps of 0.05"
    assert rows["l2"] == "1e-06 to 0.01, on a log scale"
    assert rows["huber_delta"] == "0.1 to 3, on a log scale, where loss='huber'"


# ----------------------------------------------------------------- alternatives and functions


def test_a_list_of_dicts_searches_one_of_them_per_trial():
    space = make_space(
        pipeline(Ridge()),
        [
            {"standardscaler": ["passthrough"], "ridge__alpha": FloatDistribution(1, 2)},
            {"ridge__alpha": [0.1, "never"], "ridge__fit_intercept": [True, False]},
        ],
    )
    study, suggested = sampled(space, 60, optuna.samplers.TPESampler(seed=0))
    first = [p for p in suggested if "standardscaler" in p]
    second = [p for p in suggested if "standardscaler" not in p]
    assert first
    assert second
    assert all(1 <= p["ridge__alpha"] <= 2 for p in first)
    assert all(p["ridge__alpha"] in {0.1, "never"} for p in second)
    assert [space.params_of(t) for t in study.trials] == suggested
    assert space.names == ("standardscaler", "ridge__alpha", "ridge__fit_intercept")


def test_parameters_of_an_estimator_among_the_choices_may_be_searched():
    estimator = Pipeline([("model", Ridge())])
    given = [
        {"model": [Ridge()], "model__alpha": stats.loguniform(0.1, 10)},
        {"model": [RandomForestRegressor()], "model__max_depth": [3, None]},
    ]
    _, suggested = sampled(make_space(estimator, given), 20)
    for params in suggested:
        model = Pipeline([("model", None)]).set_params(**params).named_steps["model"]
        name = "alpha" if isinstance(model, Ridge) else "max_depth"
        assert getattr(model, name) == params[f"model__{name}"]


def conditional(trial):
    params = {"mlp__hidden_units": trial.suggest_categorical("width", [32, 64])}
    if trial.suggest_categorical("regularised", [True, False]):
        params["mlp__l2"] = trial.suggest_float("l2", 1e-6, 1e-2, log=True)
    depth = trial.suggest_int("depth", 1, 3)
    return params | {"mlp__hidden_units": (params["mlp__hidden_units"],) * depth}


def test_a_function_with_conditions_is_read_again_from_the_study():
    space = make_space(Pipeline([("mlp", skdl.MLPRegressor())]), conditional)
    study, suggested = sampled(space)
    assert {len(params) for params in suggested} == {1, 2}
    assert [space.params_of(trial) for trial in study.trials] == suggested
    assert space.names is None


def test_a_function_that_names_an_unknown_parameter_is_told_at_the_first_trial():
    space = make_space(
        skdl.MLPRegressor(), lambda trial: {"droput": trial.suggest_float("x", 0, 1)}
    )
    with pytest.raises(
        InvalidParameterError, match=r"'droput' is not a parameter.*Did you mean 'dropout'"
    ):
        space.suggest(FixedTrial({"x": 0.5}))


def test_a_function_that_returns_no_dict_is_told_what_to_return():
    space = make_space(skdl.MLPRegressor(), lambda trial: None)
    with pytest.raises(InvalidParameterError, match=r"returned None\. Expected a dict"):
        space.suggest(FixedTrial({}))


def test_a_function_may_prune():
    def prunes(trial):
        raise optuna.TrialPruned

    with pytest.raises(optuna.TrialPruned):
        make_space(skdl.MLPRegressor(), prunes).suggest(FixedTrial({}))


# ------------------------------------------------------------------------- samplers and storages

KINDS_OF_VALUES = {
    "hidden_units": [(64, 64), (32,), 16],
    "activation": ["relu", softplus],
    "dropout": FloatDistribution(0, 0.5, step=0.1),
    "l2": stats.loguniform(1e-6, 1e-2),
    "l1": stats.halfnorm(scale=1e-3),
    "epochs": stats.randint(5, 10),
    "patience": stats.poisson(5),
    "batch_norm": (None, "before_activation"),
    "shuffle": np.array([True, False]),
    "optimizer": ["adam", "sgd"],
    "batch_size": IntDistribution(8, 64, log=True),
}


def in_memory(folder):
    storage = optuna.storages.InMemoryStorage()
    return lambda: storage


STORAGES = {
    "memory": in_memory,
    "sqlite": lambda folder: lambda: optuna.storages.RDBStorage(f"sqlite:///{folder}/study.db"),
    "journal": lambda folder: lambda: JournalStorage(JournalFileBackend(f"{folder}/study.log")),
}


@pytest.mark.parametrize("kind", STORAGES)
@pytest.mark.parametrize(
    ("estimator", "given"),
    [
        (skdl.MLPRegressor(), KINDS_OF_VALUES),
        (pipeline(skdl.MLPRegressor()), "auto"),
        (Pipeline([("mlp", skdl.MLPRegressor())]), conditional),
        (skdl.MLPRegressor(), [{"": "auto"}, {"l2": [0, 1]}]),
    ],
    ids=["kinds", "auto", "function", "alternatives"],
)
def test_a_trial_is_read_again_from_any_storage(kind, estimator, given, tmp_path):
    opened = STORAGES[kind](tmp_path)
    study, suggested = sampled(make_space(estimator, given), 8, storage=opened())
    elsewhere = optuna.load_study(study_name=study.study_name, storage=opened())
    space = make_space(estimator, given)
    for trial, params in zip(elsewhere.trials, suggested, strict=True):
        before = dict(trial.params)
        assert space.params_of(trial) == params
        assert trial.params == before


@OPTUNA_EXPERIMENTS
@pytest.mark.parametrize(
    "sampler",
    [
        functools.partial(optuna.samplers.TPESampler, n_startup_trials=5, seed=0),
        functools.partial(
            optuna.samplers.TPESampler,
            n_startup_trials=5,
            multivariate=True,
            group=True,
            constant_liar=True,
            seed=0,
        ),
        functools.partial(optuna.samplers.NSGAIISampler, population_size=5, seed=0),
        functools.partial(optuna.samplers.QMCSampler, seed=0),
    ],
    ids=["tpe", "multivariate_tpe", "nsga2", "qmc"],
)
@pytest.mark.parametrize("given", [KINDS_OF_VALUES, "auto"], ids=["kinds", "auto"])
def test_samplers_that_learn_from_trials_sample_every_kind(sampler, given):
    estimator = skdl.MLPRegressor()
    _, suggested = sampled(make_space(estimator, given), 15, sampler())
    for params in suggested:
        skdl.MLPRegressor(**params)._check_parameters()


def test_cma_es_samples_numbers_and_quantiles():
    pytest.importorskip("cmaes")
    given = {"alpha": stats.norm(5, 1), "tol": stats.loguniform(1e-6, 1e-2)}
    space = make_space(Ridge(), given)
    study, suggested = sampled(space, 20, optuna.samplers.CmaEsSampler(seed=0))
    assert [space.params_of(trial) for trial in study.trials] == suggested


def test_grid_sampler_takes_names_and_choices_as_given():
    grid = {"hidden_units": [16, 32], "l2": [0.0, 0.1, 0.2]}
    sampler = optuna.samplers.GridSampler(grid, seed=0)
    _, suggested = sampled(make_space(skdl.MLPRegressor(), grid), None, sampler)
    pairs = {(p["hidden_units"], p["l2"]) for p in suggested}
    assert len(suggested) == len(pairs) == 6


@OPTUNA_EXPERIMENTS
def test_brute_force_sampler_visits_every_tuple_once():
    space = make_space(skdl.MLPRegressor(), {"hidden_units": [(8,), (8, 8), 16], "l2": [0, 1]})
    _, suggested = sampled(space, None, optuna.samplers.BruteForceSampler(seed=0))
    assert len({(p["hidden_units"], p["l2"]) for p in suggested}) == len(suggested) == 6


def test_a_trial_of_another_space_is_refused():
    study, _ = sampled(make_space(Ridge(), {"alpha": [1, 2]}), 1)
    for other in ({"tol": [1, 2]}, {"alpha": [3, 4]}, {"alpha": FloatDistribution(0, 5)}):
        with pytest.raises(InvalidParameterError, match=r"trial 0 .*another study_name\."):
            make_space(Ridge(), other).params_of(study.trials[0])


# ---------------------------------------------------------------------------- told at the door


def refused(estimator, given):
    with pytest.raises(InvalidParameterError) as caught:
        make_space(estimator, given)
    return str(caught.value)


def test_unknown_name_error_has_nearest_name_and_those_beside_it():
    message = refused(pipeline(skdl.MLPRegressor()), {"mlpregressor__hidden_unit": [32]})
    assert "'mlpregressor__hidden_unit' is not a parameter of Pipeline" in message
    assert "Did you mean 'mlpregressor__hidden_units'" in message
    assert "mlpregressor__learning_rate" in message
    assert "standardscaler__with_mean" not in message
    assert "estimator.get_params()" in message


def test_name_without_its_prefix_is_told_with_it():
    message = refused(around(skdl.MLPRegressor()), {"l2": [0.1]})
    assert "Did you mean 'regressor__mlpregressor__l2'" in message


def test_all_bad_entries_are_told_at_once():
    given = {"alpha": 0.1, "beta": [1], "tol": [], "solver": "svd", 5: [1], "ridge": "auto"}
    message = refused(Ridge(), given)
    assert message.startswith("OptunaSearchCV: 6 entries of param_distributions need a change.")
    assert "- alpha: 0.1 is not a distribution. Expected" in message
    assert "- tol: the list of choices is empty. Expected at least one value." in message
    assert "- solver: 'svd' is not a distribution" in message
    assert "- 'beta' is not a parameter of Ridge" in message
    assert "- 5 is not the name of a parameter. Expected a string." in message
    assert "- 'ridge' is not a parameter of Ridge" in message


def test_all_dicts_of_a_list_are_checked():
    message = refused(Ridge(), [{"alhpa": [1]}, {"tol": 1e-3}])
    assert "Did you mean 'alpha'" in message
    assert "tol: 0.001 is not a distribution" in message


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (stats.uniform(0, -1), "scale > 0"),
        (stats.randint(5, 5), "low < high"),
        (stats.gamma, "with its parameters set"),
        (stats.multivariate_normal([0, 0]), "not a distribution .it has rvs, but no ppf"),
        (FloatDistribution(0, float("inf")), "finite low and high"),
        ({1, 2}, "a list of choices"),
        ({"low": 1}, "a list of choices"),
        (np.ones((2, 2)), "a list of choices"),
        (None, "a list of one value holds a parameter fixed"),
    ],
    ids=name_without_address,
)
def test_bad_distributions_are_told_with_what_to_give_instead(given, expected):
    assert re.search(expected, refused(Ridge(), {"alpha": given}))


@pytest.mark.parametrize(
    "given", [[], None, "automatic", 3, [1], [{}, 1], ()], ids=name_without_address
)
def test_what_is_no_space_is_told_what_a_space_is(given):
    message = refused(skdl.MLPRegressor(), given)
    assert f"param_distributions={given!r} names nothing to search" in message
    assert "Expected 'auto', a dict" in message


def test_automatic_space_without_a_network_lists_what_was_found():
    message = refused(pipeline(Ridge()), "auto")
    assert "Pipeline holds only standardscaler=StandardScaler, ridge=Ridge" in message
    assert "a distribution per parameter" in message
    assert "Ridge holds none" in refused(Ridge(), "auto")


def test_automatic_space_of_a_part_without_a_network_is_told():
    estimator = pipeline(skdl.MLPRegressor())
    assert "StandardScaler holds none" in refused(estimator, {"standardscaler": "auto"})
    assert "float holds none" in refused(estimator, {"mlpregressor__l2": "auto"})


def test_a_network_among_transformers_is_found():
    columns = ColumnTransformer([("scaled", MinMaxScaler(), [0])])
    estimator = make_pipeline(columns, skdl.MLPClassifier())
    assert "mlpclassifier__l2" in make_space(estimator, "auto").names
