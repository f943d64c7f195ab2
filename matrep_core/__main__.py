"""``python -m matrep_core``: the command line."""

import sys

from matrep_core.cli import main

sys.exit(main())
