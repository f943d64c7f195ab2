"""How good a model is, and against what: baselines, paired comparisons, diagnosis."""
