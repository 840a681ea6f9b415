"""Signs of life: which running trials still have somebody who works on them.

Optuna's own heartbeat exists for SQL databases alone, and only inside ``study.optimize``. This one
needs nothing but user attributes, so it works in every storage:

- A worker signs each trial that it runs with its host, its process and a token of its own, and
  renews the signature every quarter of the lease, from one daemon thread.
- Whoever looks at the study remembers when it last saw a running trial change. One that has not
  changed for the length of its lease is lost. Only the observer's own monotonic clock is read:
  clocks of two machines need not agree.
- A worker that was killed on the observer's own machine is seen at once: its process is gone.

A process that merely looks alive (its id was given to a stranger) is no proof of anything, so the
lease decides; hence start times of processes, which move with the clock, are not needed.
"""

from __future__ import annotations

import functools
import logging
import os
import socket
import threading
import time
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import psutil
from optuna.exceptions import UpdateFinishedTrialError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType

    from optuna.storages import BaseStorage
    from optuna.trial import FrozenTrial

__all__ = ["SIGNATURE", "Heartbeat", "StalenessMonitor", "is_gone", "process_identity"]

_log = logging.getLogger("skdl")

SIGNATURE = "skdl:worker"
LONGEST_GOODBYE_SECONDS = 5.0


@functools.cache
def _process_table() -> str:
    """Name what gives process ids their meaning: this boot of this machine, or this container."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return f"{boot} {Path('/proc/self/ns/pid').readlink()}"
    except OSError:
        # Elsewhere than on Linux. A host name alone would be wrong in containers, which share them.
        return socket.gethostname()


def process_identity() -> dict[str, Any]:
    """Return what others need to know of this process to tell whether it still runs."""
    return {"host": socket.gethostname(), "pid": os.getpid(), "processes": _process_table()}


def is_gone(identity: Mapping[str, Any]) -> bool:
    """Tell whether a process is known to have ended; False if it cannot be told from here."""
    pid = identity.get("pid")
    if identity.get("processes") != _process_table() or not isinstance(pid, int) or pid < 0:
        return False
    try:
        # A killed process that its parent has not asked for yet is still in the table.
        return bool(psutil.Process(pid).status() == psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return True
    except psutil.Error:
        return False


class Heartbeat:
    """Renews the signature of the trials that this worker runs; used in a ``with`` statement.

    Parameters
    ----------
    storage : optuna.storages.BaseStorage
    lease_seconds : float
        Others may take a trial for lost when its signature has not changed for so long.

    Attributes
    ----------
    signature : dict
        What the trials of this worker carry at the moment.
    """

    def __init__(self, storage: BaseStorage, lease_seconds: float) -> None:
        self._storage = storage
        self._interval = lease_seconds / 4
        self.signature = {
            **process_identity(),
            "token": uuid.uuid4().hex,
            "lease_seconds": lease_seconds,
            "beat": 0,
        }
        self._trial_ids: set[int] = set()
        # Held while a signature is written: once `end` has returned, none is written any more.
        self._lock = threading.Lock()
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._renew, name="skdl-heartbeat", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._is_over.set()
        # The thread may be waiting for a database that does not answer; Ctrl-C need not.
        self._thread.join(LONGEST_GOODBYE_SECONDS)

    def begin(self, trial_id: int, *, is_signed: bool = False) -> None:
        """Sign a trial, unless it was made with the signature, and keep it signed."""
        if not is_signed:
            self._storage.set_trial_user_attr(trial_id, SIGNATURE, self.signature)
        with self._lock:
            self._trial_ids.add(trial_id)

    def end(self, trial_id: int) -> None:
        """Renew the signature of a trial no longer."""
        with self._lock:
            self._trial_ids.discard(trial_id)

    def _renew(self) -> None:
        while not self._is_over.wait(self._interval):
            self.signature = {**self.signature, "beat": self.signature["beat"] + 1}
            for trial_id in sorted(self._trial_ids):
                with self._lock:
                    if trial_id in self._trial_ids:
                        self._renew_one(trial_id)

    def _renew_one(self, trial_id: int) -> None:
        try:
            self._storage.set_trial_user_attr(trial_id, SIGNATURE, self.signature)
        except UpdateFinishedTrialError:
            self._trial_ids.discard(trial_id)  # somebody took it for lost
        except Exception as error:  # noqa: BLE001 - a database may be back at the next beat
            _log.warning(
                "The sign of life of a trial could not be renewed (%s: %s). Trying again in %g s.",
                type(error).__name__,
                error,
                self._interval,
            )


class StalenessMonitor:
    """Remembers when running trials last changed.

    Parameters
    ----------
    lease_seconds : float
        For trials whose signature names no lease of its own, such as those of plain Optuna.
    """

    def __init__(self, lease_seconds: float) -> None:
        self._lease_seconds = lease_seconds
        self._seen: dict[int, tuple[object, float]] = {}

    def is_stale(self, trial: FrozenTrial) -> bool:
        """Tell whether nobody seems to be working on a running trial."""
        signature = trial.user_attrs.get(SIGNATURE) or {}
        now = time.monotonic()
        # Not the values reported: NaN is unequal to itself, so such a trial would never be silent.
        state = (signature, len(trial.params), len(trial.intermediate_values))
        before, since = self._seen.get(trial.number, (None, now))
        if state != before:
            since = now
        self._seen[trial.number] = (state, since)
        lease_seconds = signature.get("lease_seconds", self._lease_seconds)
        return is_gone(signature) or now - since > lease_seconds
