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

from threadpoolctl import threadpool_limits

ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")  # an environment for processes


@cache
def keep_to_one_thread() -> None:
    """Hold this process, and all that it starts, to one thread: libraries loaded already, and those loaded later."""
    os.environ.update(ONE_THREAD)
    threadpool_limits(1)


@contextmanager
def one_thread() -> Iterator[None]:
    """Hold the linear algebra of this process to one thread.

    The limit reaches only libraries that are loaded, and inside it no other thread of the process can change it: scipy's
    own copy, first loaded by one of several at work, would keep its threads, and so the last bits would depend on how
    many are at work. It is loaded before.
    """
    import scipy.linalg.cython_blas  # noqa: F401

    with threadpool_limits(1):
        yield
