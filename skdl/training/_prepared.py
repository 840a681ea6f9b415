"""Who is made ready when: parts that train compile others meanwhile, as far as memory allows."""

from __future__ import annotations

import itertools
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Self

from skdl.training._part import Part
from skdl.training.engine._plan import fit_together

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from concurrent.futures import Future

__all__ = ["prepared"]


def prepared(parts: Sequence[Part], memory_limit: float, *, is_race: bool) -> Iterator[Part]:
    """Yield the parts that go on, ready to run; while one runs, others compile.

    What need not be compiled runs first, so that compiling begins beside it.

    Parameters
    ----------
    parts : sequence of Part
    memory_limit : float
        Bytes that those that are ready may take together.
    is_race : bool
        Whether they wait for each other at rungs. They are held together anyway then, and all of
        them compile ahead; otherwise only the next one does.
    """
    going = [part for part in parts if part.outcomes is None and part.running]
    for part in going:
        part.rest_if_to_be_compiled()
    going.sort(key=Part.is_to_be_compiled)
    with _Compiler(going, memory_limit, is_race=is_race) as compiler:
        for part, after in itertools.zip_longest(going, going[1:]):
            try:
                compiler.make_ready(part)
            except Exception as error:  # noqa: BLE001 - belongs to this stack alone
                part.fail(error)
                continue
            compiler.compile_ahead()
            yield part
            # Its tensors must be free before the next is prepared.
            if part.is_ready and after is not None and not compiler.has_room_for(after):
                part.rest()


class _Compiler:
    """A thread that compiles the parts that are to be compiled, in their order.

    Parameters
    ----------
    parts : sequence of Part
    memory_limit : float
    is_race : bool
    """

    def __init__(self, parts: Sequence[Part], memory_limit: float, *, is_race: bool) -> None:
        self._parts, self._memory_limit = parts, memory_limit
        self._waiting = deque(part for part in parts if part.is_to_be_compiled())
        self._coming: dict[Part, Future[None]] = {}
        # Asked once for all where that answers it: a race has hundreds of parts.
        self._all_fit = fit_together([part.running for part in parts], memory_limit)
        self._n_ahead = len(parts) if self._all_fit and is_race else 1
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="skdl-compile")

    def __enter__(self) -> Self:
        # For a small fit alone, a thread would cost a tenth of its time.
        if self._all_fit and len(self._parts) > 1:
            self.compile_ahead()
        return self

    def __exit__(self, *exc_info: object) -> None:
        # After Ctrl-C nobody waits for what is still to be compiled.
        self._pool.shutdown(cancel_futures=True)

    def has_room_for(self, after: Part) -> bool:
        """Tell whether a part may be held beside those whose stacks stand."""
        held = [part.running for part in self._parts if part.is_ready and part is not after]
        return self._all_fit or fit_together([*held, after.running], self._memory_limit)

    def compile_ahead(self) -> None:
        """Have those compiled that come next."""
        while self._waiting and len(self._coming) < self._n_ahead:
            if not self.has_room_for(self._waiting[0]):
                return
            part = self._waiting.popleft()
            self._coming[part] = self._pool.submit(part.make_ready)

    def make_ready(self, part: Part) -> None:
        """Return once a part is ready."""
        if part in self._coming:
            self._coming.pop(part).result()
        elif not part.is_ready:
            if part.is_to_be_compiled():
                self._waiting.popleft()
            part.make_ready()
