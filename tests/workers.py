"""An engine for tests of lockstep on workers, whose workers are this process."""

import contextlib

from joblib import parallel_config

from skdl.training.lockstep import WorkersBackend
from skdl.training.lockstep._worker import run_chunk


class Here:
    """Runs chunks one after another; `loses` says how often it loses all but the first."""

    def __init__(self, n_workers=2, loses=0):
        self.n_workers, self.loses = n_workers, loses
        self.runs = []

    def workers(self):
        return self.n_workers

    def cores_of_worker(self):
        return None

    def run(self, chunks, arrays, order):
        self.runs.append(list(chunks))
        for i, (number, (pickled, numbers)) in enumerate(chunks.items()):
            if i == 1 and self.loses:
                self.loses -= 1
                raise OSError("a worker has died")
            yield run_chunk(number, pickled, {n: arrays[n] for n in numbers}, order)


@contextlib.contextmanager
def workers_here(engine=None):
    """Context of lockstep on workers that are this process; gives the backend."""
    backend = WorkersBackend(engine or Here(), engine_name="here")
    with parallel_config(backend=backend, n_jobs=-1):
        yield backend
