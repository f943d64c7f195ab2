"""The number of threads of the linear algebra: one while anybody is at work, and after that what it was."""

from __future__ import annotations

from threading import Event, Thread

import numpy  # noqa: F401  (brings the linear algebra that is counted)
from threadpoolctl import threadpool_info, threadpool_limits

from matrep_core.threads import one_thread


def numbers() -> set[int]:
    return {library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"}


def test_who_leaves_first_leaves_the_others_with_one_thread():
    import scipy.linalg.cython_blas  # noqa: F401

    inside, leave, left = Event(), Event(), Event()

    def first() -> None:
        with one_thread():
            inside.set()
            leave.wait(30)
        left.set()

    with threadpool_limits(2, user_api="blas"):
        assert numbers() == {2}
        Thread(target=first).start()
        assert inside.wait(30)
        with one_thread():
            leave.set()
            assert left.wait(30)
            assert numbers() == {1}
        assert numbers() == {2}


def test_a_fault_inside_gives_the_number_back():
    with threadpool_limits(2, user_api="blas"):
        try:
            with one_thread():
                raise ValueError
        except ValueError:
            pass
        assert numbers() == {2}
