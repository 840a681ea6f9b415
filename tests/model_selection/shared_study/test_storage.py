import sqlite3
import threading

import optuna
import pytest
from optuna.storages import InMemoryStorage, JournalStorage, RDBStorage

from skdl.model_selection.shared_study import (
    Outcome,
    _storage,
    described_errors,
    open_study,
    run_study,
)


def x_of(trials):
    return [Outcome.completed(trial.suggest_float("x", 0, 1)) for trial in trials]


def states(study):
    return [trial.state.name for trial in study.get_trials(deepcopy=False)]


@pytest.fixture(params=["journal", "sqlite"])
def storage(request, tmp_path):
    """A storage that holds a study already."""
    kinds = {"journal": tmp_path / "a", "sqlite": f"sqlite:///{tmp_path / 'a'}"}
    open_study(kinds[request.param], "study", ["minimize"])
    return kinds[request.param]


@pytest.mark.parametrize(
    ("named", "kind"),
    [
        (None, InMemoryStorage),
        ("study.log", JournalStorage),
        ("sqlite:///study.db", RDBStorage),
        ("sqlite://", InMemoryStorage),
        ("sqlite:///:memory:", InMemoryStorage),
    ],
)
def test_storage_follows_from_how_it_is_named(named, kind, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    found = open_study(named, "study", ["maximize"])._storage
    assert isinstance(getattr(found, "_backend", found) if kind is RDBStorage else found, kind)


def test_storages_of_optuna_are_taken_as_they_are(tmp_path):
    storage = RDBStorage(f"sqlite:///{tmp_path / 'a'}")
    run_study(open_study(storage, "study", ["minimize"]), x_of, n_trials=2)
    run_study(open_study(storage, "study", ["minimize"]), x_of, n_trials=3)
    assert states(optuna.load_study(study_name="study", storage=storage)) == ["COMPLETE"] * 3


def test_stored_study_needs_a_name(tmp_path):
    with pytest.raises(ValueError, match=r'study_name=None.*Pass one, for example study_name="'):
        open_study(tmp_path / "a", None, ["minimize"])


def test_study_in_memory_needs_no_name():
    assert open_study(None, None, ["minimize"]).trials == []


def test_existing_study_is_refused_when_not_to_be_loaded(storage):
    with pytest.raises(ValueError, match=r"named 'study'.*Pass load_if_exists=True to go on with"):
        open_study(storage, "study", ["minimize"], load_if_exists=False)


def test_existing_study_with_other_directions_is_refused(storage):
    with pytest.raises(ValueError, match="made to minimize, and this search is to minimize and"):
        open_study(storage, "study", ["minimize", "maximize"])


def test_journal_file_that_cannot_be_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"lies in a folder that does not exist\. Expected"):
        open_study(tmp_path / "no" / "study.log", "study", ["minimize"])
    with pytest.raises(ValueError, match=r"is a folder\. Expected the path of a journal file"):
        open_study(tmp_path, "study", ["minimize"])
    with pytest.raises(ValueError, match=r"storage=3 is not allowed\. Expected None, the URL"):
        open_study(3, "study", ["minimize"])


def test_url_that_cannot_be_used_is_refused_without_its_password():
    with pytest.raises(ValueError, match="not a URL that SQLAlchemy knows") as wrong:
        open_study("no such://url", "study", ["minimize"])
    assert "Expected, for example" in str(wrong.value)
    with pytest.raises(ImportError, match="needs a database driver that is not installed") as lost:
        open_study("mysql+aiomysql://me:secret@host/data", "study", ["minimize"])
    assert "Install it" in str(lost.value)
    assert "secret" not in str(lost.value)


def test_opening_prints_nothing_and_leaves_optunas_verbosity_alone(tmp_path, capsys):
    level = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.INFO)
    try:
        for _ in range(2):
            run_study(open_study(tmp_path / "a", "study", ["minimize"]), x_of, n_trials=3)
        assert optuna.logging.get_verbosity() == optuna.logging.INFO
    finally:
        optuna.logging.set_verbosity(level)
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("stored", ["sqlite", "given"])
def test_waiting_trial_in_sqlite_is_taken_by_one_thread_only(tmp_path, stored):
    url = f"sqlite:///{tmp_path / 'a'}"
    study = open_study(url if stored == "sqlite" else RDBStorage(url), "study", ["minimize"])
    for _ in range(20):
        study.enqueue_trial({"x": 0.5})
    taken = []

    def take():
        storage = url if stored == "sqlite" else RDBStorage(url)
        own = open_study(storage, "study", ["minimize"])
        taken.extend([own.ask().number for _ in range(5)])

    threads = [threading.Thread(target=take) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(taken) == list(range(20))


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("sqlite:///no/such/folder/study.db", "lies in a folder that does not exist"),
        ("foo://host/data", "names a kind of database that SQLAlchemy does not know, 'foo'"),
        ("sqlite:///settings.json", "file is not a database"),
        ("sqlite:///half.db", "(malformed|not a database|disk image)"),
    ],
)
def test_database_that_cannot_be_used_is_named_with_the_reason(tmp_path, monkeypatch, url, told):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(_storage, "N_TRIES_TO_CREATE_TABLES", 1)
    (tmp_path / "settings.json").write_text('{"lr": 0.1}' * 100)
    open_study("sqlite:///half.db", "study", ["minimize"])
    content = (tmp_path / "half.db").read_bytes()
    (tmp_path / "half.db").write_bytes(content[: len(content) // 2])
    with pytest.raises(ValueError, match=rf"^OptunaSearchCV: storage='{url}'.*{told}.*Expected"):
        open_study(url, "study", ["minimize"])
    assert (tmp_path / "settings.json").read_text() == '{"lr": 0.1}' * 100


def test_server_that_does_not_answer_is_named_without_its_password(monkeypatch):
    monkeypatch.setattr(_storage, "N_TRIES_TO_CREATE_TABLES", 1)
    pytest.importorskip("psycopg2")
    with pytest.raises(ValueError, match=r"storage='postgresql\S*' cannot be used: ") as refused:
        open_study("postgresql+psycopg2://me:secret@127.0.0.1:1/data", "study", ["minimize"])
    assert "secret" not in str(refused.value)
    assert "Expected a database that can be reached" in str(refused.value)


def test_database_that_fails_under_way_is_named_with_the_reason(tmp_path):
    url = f"sqlite:///{tmp_path / 'study.db'}"
    study = open_study(url, "study", ["minimize"])
    with sqlite3.connect(tmp_path / "study.db") as database:
        database.execute("DROP TABLE trial_user_attributes")
    database.close()
    with (
        pytest.raises(
            optuna.exceptions.StorageInternalError, match=rf"storage='{url}'.*no such table"
        ),
        described_errors(url),
    ):
        run_study(study, x_of, n_trials=1)
