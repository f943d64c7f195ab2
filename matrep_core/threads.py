"""One thread for linear algebra: MatRep's products are small, and work is spread over processes and sessions instead.

Several threads for a small product wait for each other longer than they work, and far longer where the cores are busy
with something else: a training run beside the app is enough to make a page many times slower.
"""

from __future__ import annotations

import os
from functools import cache

from threadpoolctl import threadpool_limits

ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")  # an environment for processes


@cache
def keep_to_one_thread() -> None:
    """Hold this process, and all that it starts, to one thread: libraries loaded already, and those loaded later."""
    os.environ.update(ONE_THREAD)
    threadpool_limits(1)
