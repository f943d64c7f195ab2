"""One UMAP layout for all frames: the last frame's layout, learned by a small network that then places every frame.

A layout of each frame by itself, or by UMAP's ``transform``, jumps from frame to frame; a network is continuous in
the vectors, so materials move on the screen as they move in the original space. ``python -m benchmarks films``
measures it beside a chain of layouts that start from one another.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from matrep_core.errors import SettingRefused
from matrep_core.sampling import at_most
from matrep_core.threads import one_thread
from matrep_core.views.film import Film, quantised
from matrep_core.views.projection import UMAP_LEAST, umap
from matrep_core.views.trajectory import Trajectory

LAID_OUT = 6_000  # trained materials; beyond it a sample of so many makes the layout, and the network places all
_WIDTHS = (100, 100)
_PASSES = 200


def umap_over_frames(
    way: Trajectory, dimensions: int = 2, progress: Callable[[float], None] = lambda _: None, seed: int = 0
) -> Film:
    """The UMAP of the trained materials in the last frame, and where a network that learned it places all frames.

    Repeats exactly for the same frames and seed on one machine. Materials that never trained do not shape the
    layout. Raises SettingRefused below 20 trained materials.
    """
    import warnings

    from sklearn.exceptions import ConvergenceWarning
    from sklearn.neural_network import MLPRegressor

    members = np.flatnonzero(way.trained)
    if len(members) < UMAP_LEAST:
        raise SettingRefused(
            "projection", "UMAP", f"it needs at least {UMAP_LEAST} materials that trained; this run has {len(members)}."
        )
    members = at_most(members, LAID_OUT, np.random.default_rng(seed))
    last = way.vectors(-1)[members]
    layout = umap(last, dimensions, seed).coordinates.astype(np.float64)
    layout -= layout.mean(axis=0)
    radius = float(np.sqrt((layout**2).sum(axis=1).mean())) or 1.0
    progress(0.5)
    mean, spread = last.mean(axis=0), float(last.std()) or 1.0
    network = MLPRegressor(
        hidden_layer_sizes=_WIDTHS, activation="tanh", batch_size=min(128, len(members)), learning_rate_init=2e-3,
        max_iter=_PASSES, tol=0.0, n_iter_no_change=_PASSES, random_state=seed,
    )  # fmt: skip
    with one_thread(), warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # the number of passes is fixed, as meant
        network.fit((last - mean) / spread, layout / radius)
        misses = network.predict((last - mean) / spread) - layout / radius
        frames = [network.predict((way.vectors(frame) - mean) / spread) * radius for frame in range(len(way))]
    missed = float(np.sqrt((misses**2).sum(axis=1).mean()))
    return quantised(np.stack(frames).astype(np.float32), tuple(f"UMAP {i + 1}" for i in range(dimensions)), missed)
