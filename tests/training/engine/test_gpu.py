"""Ready for a GPU, as far as it can be told without one.

What a GPU would compute follows from the kernels that TensorFlow is built with, see `gpu_kernels`;
that the variant of a program for GPUs gives the same numbers is tried on the processor.
"""

import contextlib
import functools
import types

import numpy as np
import pytest
import tensorflow as tf
from joblib import Parallel, delayed
from scipy import sparse
from sklearn.model_selection import GridSearchCV

import skdl
from skdl import _tensorflow_import
from skdl.training import _part
from skdl.training.engine import _devices, _plan, _program, _row_pool, _stack, _traced
from skdl.training.engine._plan import ON_CPU, ON_GPU
from tests.checks import PLAIN_OR_XLA, slow_but
from tests.training.engine.gpu_kernels import (
    DEVICE,
    GPU,
    HOST,
    XLA,
    missing_kernels,
    transfers_per_step,
)

pytestmark = pytest.mark.skipif(
    not tf.test.is_built_with_cuda(), reason="this TensorFlow has no kernels for GPUs"
)

N_ROWS = 48
N_EPOCHS = 3
rng = np.random.default_rng(0)
TABLE = rng.normal(size=(N_ROWS, 6)).astype(np.float32)
TARGET = TABLE[:, 0] - TABLE[:, 1] ** 2
LABELS = (TARGET > 0).astype(int)
IMAGES = rng.integers(0, 256, (N_ROWS, 5, 5, 3), np.uint8)
STEPS = rng.normal(size=(N_ROWS, 6, 2)).astype(np.float32)
COMMON = {"epochs": N_EPOCHS, "batch_size": 16, "random_state": 0}


def table():
    return skdl.MLPClassifier(
        (8, 4), dropout=0.2, batch_norm="before_activation", validation_fraction=0.25,
        early_stopping=True, **COMMON,
    ).fit(TABLE, LABELS)  # fmt: skip


def regression():
    return skdl.MLPRegressor((8,), dropout=0.2, **COMMON).fit(TABLE, TARGET)


def sparse_rows():
    X = sparse.random(N_ROWS, 400, 0.02, "csr", dtype=np.float32, random_state=0)
    return skdl.MLPRegressor((8,), **COMMON).fit(X, TARGET)


def sparse_rows_made_dense():
    X = sparse.random(N_ROWS, 40, 0.2, "csr", dtype=np.float32, random_state=0)
    return skdl.MLPRegressor((8,), dropout=0.2, **COMMON).fit(X, TARGET)


def padded():
    network = skdl.MLPRegressor(dropout=0.2, **COMMON)
    with skdl.lockstep():
        search = GridSearchCV(network, {"hidden_units": [3, 4, 5]}, cv=2)
        return search.fit(TABLE, TARGET).best_estimator_


def images():
    return skdl.CNNClassifier(
        conv_blocks=1, filters=4, hidden_units=4, dropout=0.2, **COMMON
    ).fit(IMAGES, LABELS)  # fmt: skip


def sequences():
    return skdl.RNNClassifier(units=4, recurrent_dropout=0.2, **COMMON).fit(STEPS, LABELS)


def weights_of(estimator):
    return estimator._trained.arrays


CASES = {
    fit.__name__: fit
    for fit in (table, regression, sparse_rows, sparse_rows_made_dense, padded, images, sequences)
}


@contextlib.contextmanager
def programs_for_gpus():
    """Let programs be made as for a GPU; what is put there stays on the processor."""

    def forget():
        _devices.has_gpu.cache_clear()
        _devices.n_cores.cache_clear()
        _program._programs.clear()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tf.config, "get_visible_devices", lambda kind: [kind])
        forget()
        yield patch
    forget()


@pytest.fixture
def as_with_gpu():
    """Let programs of a test be made as for a GPU."""
    with programs_for_gpus():
        yield


@functools.cache
def made_for_gpu(case, *, compiled=False):
    """Return what a case fits as with a GPU, and the functions that are traced for it."""
    traces = []
    real = _traced.call_of_tensors

    def noted(concrete):
        traces.append(concrete)
        return real(concrete)

    with programs_for_gpus() as patch:
        patch.setattr(_traced, "call_of_tensors", noted)
        if compiled:
            patch.setattr(_part, "worth_compiling", lambda *_: True)
        return CASES[case](), traces


# ------------------------------------------------------------------ the traced graphs


@pytest.mark.parametrize("case", slow_but(list(CASES), "table", "images"))
def test_every_operation_has_a_kernel_for_gpus(case):
    _, traces = made_for_gpu(case)
    assert traces
    assert [missing_kernels(concrete, GPU) for concrete in traces] == [{}] * len(traces)


# Sparse rows are never compiled.
@pytest.mark.parametrize(
    "case", slow_but([c for c in CASES if not c.startswith("sparse")], "regression")
)
def test_xla_compiles_every_operation_for_gpus(case):
    _, traces = made_for_gpu(case, compiled=True)
    assert traces
    assert [missing_kernels(concrete, XLA) for concrete in traces] == [{}] * len(traces)


def test_kernels_that_are_missing_are_found():
    """What programs for processors do with rows of uint8 has no kernel, nor has a loop of them."""

    @tf.function(autograph=False, input_signature=[tf.TensorSpec([None, 2], tf.uint8)])
    def summed(rows):
        total = tf.zeros([2])
        return tf.while_loop(
            lambda i, _: i < 3,
            lambda i, total: (i + 1, total + tf.cast(tf.gather(rows, i), tf.float32)),
            (0, total),
        )

    concrete = summed.get_concrete_function()
    assert set(missing_kernels(concrete, GPU)) == {("GatherV2", ("int32", "int32", "uint8"))}
    # The row, which is gathered on the host, goes to the device.
    assert (DEVICE, "Cast", "x", "uint8") in transfers_per_step(concrete)


@pytest.mark.parametrize(
    "case", slow_but(["table", "regression", "padded", "images"], "table", "images")
)
def test_a_step_waits_for_nothing_and_sends_one_number(case):
    _, traces = made_for_gpu(case)
    # How many outputs there are, for the gradient of their mean.
    one_number = {(DEVICE, "Cast", "x", "int32"): 1}
    for concrete in traces:
        transfers = transfers_per_step(concrete)
        assert [key for key in transfers if key[0] == HOST] == []
        assert transfers in ({}, one_number)


# ------------------------------------------------------------------ numbers


@pytest.mark.parametrize("case", slow_but(list(CASES), "images", "sparse_rows"))
def test_programs_for_gpus_give_the_same_networks(case):
    found, _ = made_for_gpu(case)
    for one, other in zip(weights_of(found), weights_of(CASES[case]()), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)


# ------------------------------------------------------------------ transfers per epoch


def test_rows_are_put_on_the_device_once(as_with_gpu, monkeypatch):
    del as_with_gpu
    put, calls = [], []
    real = _row_pool.on_device

    def noted(tensors):
        put.append(sum(np.prod(t.shape) for t in tf.nest.flatten(tensors)))
        return real(tensors)

    train = _program.Program.train

    def trained(program, call):
        calls.append(call)
        return train(program, call)

    monkeypatch.setattr(_row_pool, "on_device", noted)
    monkeypatch.setattr(_program.Program, "train", trained)
    regression()
    assert len(calls) == N_EPOCHS
    # The rows; targets and weights.
    assert put == [TABLE.size, 2 * N_ROWS]
    for of_calls in zip(*(tf.nest.flatten((c.data, c.noise.table)) for c in calls), strict=True):
        assert len(set(map(id, of_calls))) == 1


def test_an_epoch_costs_few_transfers_however_many_steps(as_with_gpu, monkeypatch):
    del as_with_gpu
    counts = {}

    def count(owner, name):
        real = getattr(owner, name)

        def counted(*args, **options):
            counts[name] = counts.get(name, 0) + 1
            return real(*args, **options)

        monkeypatch.setattr(owner, name, counted)

    def fit(epochs, batch_size):
        options = {**COMMON, "epochs": epochs, "batch_size": batch_size}
        counts.clear()
        skdl.MLPRegressor((8,), dropout=0.2, **options).fit(TABLE, TARGET)
        return dict(counts)

    fit(1, 16)
    count(type(tf.zeros([])), "numpy")
    count(tf, "constant")
    one, five = fit(1, 16), fit(5, 16)
    per_epoch = {name: (five[name] - one[name]) / 4 for name in five}
    # The log and, empty here, what somebody may look at; the order, noise and rates of an epoch.
    assert per_epoch == {"numpy": 2, "constant": 6}
    # 12 steps instead of 3.
    assert fit(5, 4) == five


# ------------------------------------------------------------------ memory


@pytest.fixture
def small_device(monkeypatch):
    """Give the device memory for the step of so many networks; with the members of each call."""
    most, seen = [0], []
    train = _program.Program.train

    def trained(program, call):
        n_members = int(call.steps_before.shape[0])
        seen.append(n_members)
        if n_members > most[0]:
            raise tf.errors.ResourceExhaustedError(None, None, "OOM when allocating tensor")
        return train(program, call)

    monkeypatch.setattr(_program.Program, "train", trained)
    return most, seen


def five_networks(n_metrics=0):
    networks = [
        skdl.MLPRegressor(
            (4,), dropout=0.2, metrics=["mae"][:n_metrics], **{**COMMON, "random_state": i}
        )
        for i in range(5)
    ]
    with skdl.lockstep():
        fitted = Parallel(n_jobs=-1)(delayed(n.fit)(TABLE, TARGET) for n in networks)
    return [(n.history_, weights_of(n)) for n in fitted]


@pytest.mark.parametrize("compiled", PLAIN_OR_XLA)
def test_without_memory_fewer_networks_train_at_once(small_device, compiled, monkeypatch, caplog):
    monkeypatch.setattr(_part, "worth_compiling", lambda *_: compiled)
    monkeypatch.setattr(_stack, "n_cores", lambda: 1)
    most, seen = small_device
    most[0] = 5
    expected = five_networks()
    assert set(seen) == {5}
    seen.clear()
    most[0] = 2
    found = five_networks()
    assert sorted(set(seen)) == [1, 2, 3, 5] or sorted(set(seen)) == [2, 3, 5]
    # Found out once, not in each epoch.
    assert seen.count(5) == 1
    assert seen.count(3) <= 2
    assert "at most 2 at a time" in caplog.text
    for (history, weights), (other_history, other_weights) in zip(found, expected, strict=True):
        np.testing.assert_allclose(history["loss"], other_history["loss"], rtol=1e-5)
        for one, other in zip(weights, other_weights, strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-6)


def test_one_network_that_does_not_fit_is_told_what_helps(small_device):
    del small_device
    with pytest.raises(tf.errors.ResourceExhaustedError) as raised:
        regression()
    (note,) = raised.value.__notes__
    assert note.startswith("MLPRegressor: the device has too little memory for one network.")
    assert "smaller batch_size" in note


@pytest.mark.parametrize("is_set", [False, True])
def test_memory_of_a_gpu_grows_unless_tensorflow_is_told_otherwise(is_set, monkeypatch):
    grown = {}
    config = types.SimpleNamespace(
        list_physical_devices=lambda kind: [f"{kind}:0", f"{kind}:1"],
        experimental=types.SimpleNamespace(
            set_memory_growth=lambda device, enable: grown.update({device: enable})
        ),
    )
    monkeypatch.delenv("TF_FORCE_GPU_ALLOW_GROWTH", raising=False)
    if is_set:
        monkeypatch.setenv("TF_FORCE_GPU_ALLOW_GROWTH", "false")
    _tensorflow_import._let_memory_grow(types.SimpleNamespace(config=config))
    assert grown == ({} if is_set else {"GPU:0": True, "GPU:1": True})


# ------------------------------------------------------------------ the plan


def test_plan_is_priced_by_device(request):
    assert _plan._prices() is ON_CPU
    request.getfixturevalue("as_with_gpu")
    assert _plan._prices() is ON_GPU
    # XLA compiles for seconds there.
    assert ON_GPU.compiling > ON_CPU.compiling
