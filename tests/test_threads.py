"""One thread for the linear algebra, also in libraries that one of several at work would be the first to load."""

from __future__ import annotations

import os
import subprocess
import sys

from tests.conftest import PROJECT

AT_WORK = """
import numpy
from threading import Thread
from threadpoolctl import threadpool_info
from matrep_core.threads import one_thread

def numbers():
    return [library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"]

def work():
    import scipy.linalg.cython_blas
    with one_thread():
        seen.extend(numbers())

seen = []
print(numbers())
with one_thread():
    worker = Thread(target=work)
    worker.start()
    worker.join()
print(seen)
print(numbers())
"""


def test_no_library_has_more_than_one_thread_and_all_have_theirs_again_after():
    done = subprocess.run(
        [sys.executable, "-c", AT_WORK], cwd=PROJECT, capture_output=True, text=True, env={**os.environ, "OPENBLAS_NUM_THREADS": "2"}
    )
    assert done.stdout.splitlines() == ["[2]", "[1, 1]", "[2, 2]"], done.stderr
