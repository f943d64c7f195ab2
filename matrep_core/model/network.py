"""The model of the research as a page of torch: the reference that the fast engine is measured against.

A formula is a sparse row of amounts. Its mixture vector is the amount-weighted sum of the material
vectors, which are free numbers put through the code activation; conditions are appended; a multilayer
perceptron predicts the property.

Shapes in comments: M materials, N entries, C conditions, B batch, H width.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from matrep_core.model.layout import Layout
from matrep_core.model.problem import Problem
from matrep_core.settings import TrainingSettings

ACTIVATIONS = {"identity": nn.Identity, "tanh": nn.Tanh, "sigmoid": nn.Sigmoid, "relu": nn.ReLU}
LOSSES = {"huber": nn.functional.huber_loss, "absolute": nn.functional.l1_loss, "squared": nn.functional.mse_loss}


def product(matrix: Tensor, dense: Tensor) -> Tensor:
    """matrix (rows, columns; CSR) @ dense (columns, N), the same bits in every call.

    cuSPARSE adds up in an order of the moment, and a training grows its last bits into another result.
    """
    return product_in_order(matrix, dense) if dense.is_cuda else matrix @ dense


def product_in_order(matrix: Tensor, dense: Tensor) -> Tensor:
    """As ``product``, on any device: the terms of a row are added up as they stand."""
    terms = matrix.values().unsqueeze(1) * dense[matrix.col_indices()]  # (non-zeros, N)
    return torch.segment_reduce(terms, "sum", offsets=matrix.crow_indices(), axis=0, initial=0)


class SparseSum(torch.autograd.Function):
    """amounts (B, M; CSR) @ codes (M, N), with the transposed CSR product as its gradient.

    The gradient of an index lookup is neither repeatable on two threads nor fast; this one is both.
    """

    @staticmethod
    def forward(ctx: Any, amounts: Tensor, transposed: Tensor, codes: Tensor) -> Tensor:
        ctx.save_for_backward(transposed)
        return product(amounts, codes)  # (B, N)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[None, None, Tensor]:
        (transposed,) = ctx.saved_tensors
        return None, None, product(transposed, gradients[0])  # (M, N)


class MixtureRegressor(nn.Module):
    """Material vectors, their sum in a formula, and the regressor on top."""

    def __init__(self, layout: Layout, settings: TrainingSettings):
        super().__init__()
        self.free = nn.Parameter(torch.empty(layout.materials, layout.n_entries))  # (M, N)
        self.code = ACTIVATIONS[settings.code_activation]()
        layers: list[nn.Module] = []
        for inputs, outputs in layout.shapes:
            layers += [nn.Linear(inputs, outputs), ACTIVATIONS[settings.hidden_activation]()]
        self.regressor = nn.Sequential(*layers[:-1])  # the output layer has no activation

    def forward(self, amounts: Tensor, transposed: Tensor, conditions: Tensor) -> Tensor:
        mixture = SparseSum.apply(amounts, transposed, self.code(self.free))  # (B, N)
        return self.regressor(torch.cat([mixture, conditions], dim=1)).squeeze(1)  # (B,)


class ReferenceEngine:
    """Trains MixtureRegressor with torch's own AdamW, on the CPU or a GPU; the same doors as FastEngine."""

    name = "reference"

    def __init__(
        self, problem: Problem, settings: TrainingSettings, pace: np.ndarray, start: tuple[np.ndarray, np.ndarray], device: str = "cpu"
    ):
        self.device = torch.device("cuda" if device == "cuda" or (device == "auto" and torch.cuda.is_available()) else "cpu")
        self.layout = Layout.of(settings, problem.materials)
        self._problem, self._settings, self._rates = problem, settings, pace[2]
        self.model = MixtureRegressor(self.layout, settings)
        with torch.no_grad():
            self.model.free.copy_(torch.from_numpy(start[0].copy()))
            self._load_regressor(start[1])
        self.model.to(self.device)
        groups = [
            {"params": [self.model.free], "weight_decay": settings.vector_decay},
            {"params": list(self.model.regressor.parameters()), "weight_decay": settings.weight_decay},
        ]
        self.optimiser = torch.optim.AdamW(groups, lr=1.0, betas=(0.9, 0.999), eps=1e-8, fused=True)
        self._loss = LOSSES[settings.loss]

    def _batch(self, rows: np.ndarray) -> tuple[Tensor, Tensor, Tensor]:
        from scipy.sparse import csr_array

        p = self._problem
        whole = csr_array((p.amounts, p.indices, p.indptr), shape=(len(p.targets), p.materials))
        part = whole[rows]  # (B, M)
        tensors = []
        for matrix in (part, part.T.tocsr()):
            index = (torch.from_numpy(matrix.indptr.astype(np.int64)), torch.from_numpy(matrix.indices.astype(np.int64)))
            with warnings.catch_warnings():
                warnings.filterwarnings("ignore", message="Sparse", category=UserWarning)  # CSR is "in beta" since 2021
                tensors.append(torch.sparse_csr_tensor(*index, torch.from_numpy(matrix.data), size=matrix.shape))
        tensors.append(torch.from_numpy(p.conditions[rows]))
        return tensors[0].to(self.device), tensors[1].to(self.device), tensors[2].to(self.device)

    def train(self, order: np.ndarray, step: int) -> tuple[int, float, int]:
        """As FastEngine.train."""
        done, total, seen = 0, 0.0, 0
        for begin in range(0, len(order), self._settings.batch_size):
            rows = order[begin : begin + self._settings.batch_size]
            loss = self._loss(self.model(*self._batch(rows)), torch.from_numpy(self._problem.targets[rows]).to(self.device))
            if not torch.isfinite(loss):
                break
            for group in self.optimiser.param_groups:
                group["lr"] = float(self._rates[step + done + 1])
            self.optimiser.zero_grad(set_to_none=True)
            loss.backward()
            self.optimiser.step()
            total += loss.item() * len(rows)
            seen += len(rows)
            done += 1
        return done, total, seen

    def vectors(self, step: int) -> np.ndarray:
        """(M, N_entries) float32 material vectors now."""
        with torch.no_grad():
            return self.model.code(self.model.free).cpu().numpy()

    def predict(self, rows: np.ndarray) -> np.ndarray:
        """(.,) float32 scaled predictions for the measurements ``rows``."""
        if not len(rows):
            return np.empty(0, np.float32)
        with torch.no_grad():
            return self.model(*self._batch(rows)).cpu().numpy()

    def regressor(self) -> np.ndarray:
        """The flat regressor, in Layout's order (weights as inputs × outputs, unlike torch)."""
        parts = [p.detach().cpu().numpy().T.ravel() for p in self.model.regressor.parameters()]
        return np.concatenate(parts)

    def _load_regressor(self, flat: np.ndarray) -> None:
        offset = 0
        for parameter in self.model.regressor.parameters():
            size = parameter.numel()
            values = torch.from_numpy(flat[offset : offset + size].copy())
            parameter.copy_(values.reshape(parameter.shape[::-1]).permute(*range(parameter.ndim)[::-1]))
            offset += size

    def finite(self) -> bool:
        return all(bool(torch.isfinite(p).all()) for p in self.model.parameters())

    def state(self) -> dict[str, np.ndarray]:
        """Parameters and AdamW's moments, by name."""
        out = {}
        for name, parameter in self.model.named_parameters():
            moments = self.optimiser.state.get(parameter, {})
            out[name] = parameter.detach().cpu().numpy()
            for kind in ("exp_avg", "exp_avg_sq", "step"):
                if kind in moments:
                    out[f"{name}/{kind}"] = moments[kind].cpu().numpy()
        return out

    def restore(self, state: dict[str, np.ndarray]) -> None:
        """Take over a state; raises KeyError or RuntimeError where it does not fit the layout."""
        with torch.no_grad():
            for name, parameter in self.model.named_parameters():
                parameter.copy_(torch.from_numpy(state[name].copy()))
                if f"{name}/step" in state:
                    kinds = ("exp_avg", "exp_avg_sq", "step")
                    self.optimiser.state[parameter] = {
                        kind: torch.from_numpy(np.array(state[f"{name}/{kind}"])).to(self.device) for kind in kinds
                    }
