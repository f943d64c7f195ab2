"""What MatRep claims about its speed and its recipe, measured: ``python -m benchmarks engine`` and ``recipe``."""
