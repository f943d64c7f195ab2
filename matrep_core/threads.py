"""One thread for linear algebra: MatRep's products are small, and work is spread over processes and sessions instead.

Several threads for a small product wait for each other longer than they work, and far longer where the cores are busy
with something else: a training run beside the app is enough to make a page many times slower. They also add up in
another order: the last bits of a result would depend on how many there are.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from threading import Lock

from threadpoolctl import threadpool_limits

ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")  # an environment for processes

_lock = Lock()
_inside: list[threadpool_limits] = []  # of all threads of the process; the first one knows the number from before


@cache
def keep_to_one_thread() -> None:
    """Hold this process, and all that it starts, to one thread: libraries loaded already, and those loaded later."""
    os.environ.update(ONE_THREAD)
    threadpool_limits(1)


@contextmanager
def one_thread() -> Iterator[None]:
    """Hold the linear algebra of this process to one thread until the last of all that are inside leaves.

    Its number of threads is one for the whole process: whoever puts the old one back at the end of his own work changes
    the results of those still at work in other threads. (OpenMP's is each thread's own.) A limit reaches only libraries
    that are loaded, so scipy's own copy is loaded before.
    """
    import scipy.linalg.cython_blas  # noqa: F401

    with threadpool_limits(1, user_api="openmp"):
        with _lock:
            _inside.append(threadpool_limits(1, user_api="blas"))
        try:
            yield
        finally:
            with _lock:
                first = _inside[0]
                _inside.pop()
                if not _inside:
                    first.restore_original_limits()
