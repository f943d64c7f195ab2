"""What a training run is told: one frozen record, checked as a whole before anything is written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any

from matrep_core.errors import SettingRefused
from matrep_core.limits import Bound


def _number(default: float, sentence: str, low: float, high: float, *, whole: bool = True) -> Any:
    return field(default=default, metadata={"sentence": sentence, "bound": Bound(low, high, whole)})


def _choice(default: str, sentence: str, *choices: str) -> Any:
    return field(default=default, metadata={"sentence": sentence, "choices": choices})


@dataclass(frozen=True)
class TrainingSettings:
    """The settings of one run. Each field carries the sentence and the bound that pages and commands show."""

    property: str = field(default="", metadata={"sentence": "The measured property that the model learns to predict."})
    conditions: tuple[str, ...] = field(
        default=(), metadata={"sentence": "Numbers that the property was measured at; they become inputs of the model."}
    )
    also: tuple[str, ...] = field(
        default=(), metadata={"sentence": "Further properties that the same material vectors learn to predict; they only help the first."}
    )
    recipe: str = _choice("default", "Where the other settings start from.", "default", "report")

    n_entries: int = _number(10, "How many numbers describe one material.", 1, 256)
    code_activation: str = _choice(
        "tanh", "Bounds the material vector; identity leaves it free.", "tanh", "sigmoid", "identity"
    )
    start: float = _number(
        0.01, "Standard deviation of the random start of the free vectors; 0 starts all at one point.", 0, 1, whole=False
    )
    hidden_width: int = _number(128, "Neurons in each hidden layer of the regressor.", 1, 1024)
    layers: int = _number(4, "Layers of the regressor, the output layer included.", 2, 8)
    hidden_activation: str = _choice("tanh", "Activation of the hidden layers.", "tanh", "sigmoid", "relu")

    scale: str = _choice(
        "auto", "Scale on which the error counts; auto follows the property.", "auto", "linear", "sqrt", "log", "raw"
    )
    loss: str = _choice("absolute", "What training minimises.", "absolute", "huber", "squared")
    schedule: str = _choice("one-cycle", "How the learning rate moves over the steps.", "one-cycle", "constant")
    learning_rate: float = _number(0.012, "Highest learning rate of AdamW.", 1e-6, 1, whole=False)
    weight_decay: float = _number(0.01, "AdamW's decay of the regressor's weights.", 0, 1, whole=False)
    vector_decay: float = _number(0.0, "AdamW's decay of the free vectors.", 0, 1, whole=False)
    batch_size: int = _number(128, "Measurements in one step.", 1, 65_536)
    steps: int = _number(0, "Steps at most; 0 chooses 50 passes over the training formulas, 500 to 6,000 steps.", 0, 10_000_000)
    patience: float = _number(
        0.5, "Of one model alone: share of the steps that may pass without a better validation error before training stops; 1 never stops.",
        0.01, 1, whole=False,
    )  # fmt: skip
    members: int = _number(
        5, "Further models, each trained without one fold of the training formulas: they choose the step to keep and give "
        "predictions their interval; 0 trains one model alone.", 0, 20,
    )  # fmt: skip
    blend: str = _choice(
        "yes", "Whether trees and a kernel machine, weighed by their errors on the folds, predict beside the vectors.", "yes", "no"
    )
    validation_share: float = _number(
        0.2, "Of one model alone: share of the training formulas on which the best step is searched first; 0 keeps the last step.",
        0, 0.5, whole=False,
    )  # fmt: skip

    split: str = _choice("random", "Which formulas are kept for evaluation.", "random", "unseen", "graded", "grouped")
    group_by: str = field(default="", metadata={
        "sentence": "What the split grouped keeps together: formulas of the same materials (empty), near-duplicates, or equal values of a column."
    })  # fmt: skip
    train_share: float = _number(0.7, "Share of the formulas that train; the others evaluate.", 0.05, 0.95, whole=False)
    seed: int = _number(0, "Number that fixes the split, the start and the order of the formulas.", 0, 2**31 - 1)
    frames: int = _number(96, "How many steps keep a picture of all material vectors.", 2, 200)

    def checked(self) -> TrainingSettings:
        """Return self; raises SettingRefused at the first field that is out of its bound."""
        for each in fields(self):
            value = getattr(self, each.name)
            if "bound" in each.metadata:
                each.metadata["bound"].check(each.name, value)
            elif "choices" in each.metadata and value not in each.metadata["choices"]:
                raise SettingRefused(each.name, value, f"choose one of {', '.join(each.metadata['choices'])}.")
        if not isinstance(self.property, str) or not self.property:
            raise SettingRefused("property", self.property, "name the property to predict.")
        if not isinstance(self.conditions, tuple) or not all(isinstance(c, str) and c for c in self.conditions):
            raise SettingRefused("conditions", self.conditions, "give the names of conditions.")
        if len(set(self.conditions)) < len(self.conditions):
            raise SettingRefused("conditions", self.conditions, "name each condition once.")
        if not isinstance(self.also, tuple) or not all(isinstance(p, str) and p for p in self.also):
            raise SettingRefused("also", self.also, "give the names of properties.")
        if len({self.property, *self.also}) < 1 + len(self.also):
            raise SettingRefused("also", self.also, "name each further property once, and not the first one again.")
        if not isinstance(self.group_by, str):
            raise SettingRefused("group_by", self.group_by, "give the name of a column, or leave it empty.")
        if self.members == 1:
            raise SettingRefused("members", 1, "one fold has no others to train on; choose 0, or 2 to 20.")
        return self

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "conditions": list(self.conditions), "also": list(self.also)}

    def beside(self) -> int:
        """How many inputs the regressor has beside the mixture vector: the conditions, and which property is asked."""
        return len(self.conditions) + (1 + len(self.also) if self.also else 0)

    @classmethod
    def from_json(cls, stored: Mapping[str, Any], format: int) -> TrainingSettings:
        """The settings of a run on disk, written in run format ``format``; raises SettingRefused for an unknown or missing field."""
        stored = {**BEFORE.get(format, {}), **stored}
        known = {each.name for each in fields(cls)}
        for name in stored.keys() ^ known:
            raise SettingRefused(name, stored.get(name), "this version of MatRep expects exactly its own settings.")
        for name in ("conditions", "also"):
            if not isinstance(stored[name], list):
                raise SettingRefused(name, stored[name], "give a list of names.")
        return cls(**{**stored, "conditions": tuple(stored["conditions"]), "also": tuple(stored["also"])}).checked()


# What runs of older formats did without saying so.
BEFORE: dict[int, dict[str, Any]] = {1: {"members": 0, "blend": "no", "also": [], "group_by": ""}, 2: {"group_by": ""}}

# The research's own training: raw target, constant rate, batch 32, to the end, no step chosen afterwards. Hidden layers
# are ReLU: bounded ones cannot reach values of thousands at this rate, and end at one number for all formulas.
REPORT = {
    "recipe": "report", "scale": "raw", "hidden_activation": "relu", "schedule": "constant", "steps": 195_000, "patience": 1.0, "validation_share": 0.0,
    "members": 0, "blend": "no", "batch_size": 32, "learning_rate": 0.001,
}  # fmt: skip
RECIPES: dict[str, dict[str, Any]] = {"default": {"recipe": "default"}, "report": REPORT}


def from_recipe(recipe: str, **changes: Any) -> TrainingSettings:
    """The settings of a recipe with the user's changes; raises SettingRefused where they do not fit."""
    if recipe not in RECIPES:
        raise SettingRefused("recipe", recipe, f"choose one of {', '.join(RECIPES)}.")
    unknown = changes.keys() - {each.name for each in fields(TrainingSettings)}
    if unknown:
        name = sorted(unknown)[0]
        raise SettingRefused(name, changes[name], "there is no such setting.")
    return replace(TrainingSettings(**RECIPES[recipe]), **changes).checked()
