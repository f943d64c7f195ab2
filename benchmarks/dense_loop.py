"""The training as a researcher would write it: the whole formulas × materials matrix, autograd and AdamW.

It is what MatRep's engine is measured against, and is kept plain on purpose.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn


class DenseModel(nn.Module):
    """Material vectors W (M, N) through tanh, mixed by a dense matrix product, then a perceptron of ``layers`` layers."""

    def __init__(self, materials: int, n_entries: int, hidden: type[nn.Module], width: int = 128, layers: int = 4):
        super().__init__()
        self.W = nn.Parameter(0.01 * torch.randn(materials, n_entries))
        sizes = [n_entries, *[width] * (layers - 1)]
        stack = [m for a, b in zip(sizes[:-1], sizes[1:]) for m in (nn.Linear(a, b), hidden())]
        self.mlp = nn.Sequential(*stack, nn.Linear(width, 1))

    def forward(self, x: Tensor) -> Tensor:
        return self.mlp(x @ torch.tanh(self.W)).squeeze(1)  # x (B, M) -> (B,)


class DenseLoop:
    """x (F, M) amounts and y (F,) targets of the training formulas; ``rates`` one learning rate a step, or one for all."""

    def __init__(self, x: Tensor, y: Tensor, n_entries: int, rates: Tensor | float = 1e-3, batch: int = 32, seed: int = 0,
                 hidden: type[nn.Module] = nn.Tanh):  # fmt: skip
        self.generator = torch.Generator().manual_seed(seed)
        self.x, self.y, self.batch, self.rates, self.step = x, y, batch, rates, 0
        self.model = DenseModel(x.shape[1], n_entries, hidden)
        with torch.no_grad():  # torch's own start, drawn from the loop's own generator
            self.model.W.normal_(0, 0.01, generator=self.generator)
            for layer in self.model.mlp:
                if isinstance(layer, nn.Linear):
                    for parameter in layer.parameters():
                        parameter.uniform_(-(layer.in_features**-0.5), layer.in_features**-0.5, generator=self.generator)
        self.optimiser = torch.optim.AdamW(self.model.parameters(), lr=1e-3)
        self._batches = self._endless()

    def _endless(self) -> Iterator[Tensor]:
        while True:
            yield from torch.randperm(len(self.x), generator=self.generator).split(self.batch)

    def train(self, steps: int) -> None:
        """Go on for that many steps."""
        for _ in range(steps):
            index = next(self._batches)
            if isinstance(self.rates, Tensor):
                for group in self.optimiser.param_groups:
                    group["lr"] = float(self.rates[self.step])
            loss = nn.functional.l1_loss(self.model(self.x[index]), self.y[index])
            self.optimiser.zero_grad()
            loss.backward()
            self.optimiser.step()
            self.step += 1

    def predict(self, x: Tensor) -> Tensor:
        with torch.no_grad():
            return self.model(x)
