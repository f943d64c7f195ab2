"""MatRep in the browser: ``streamlit run app.py``. Navigation only; each page is a file below pages/."""

from __future__ import annotations

import logging

from matrep_ui.page import navigation

logging.basicConfig(format="%(asctime)s %(levelname)s %(name)s %(message)s")
navigation().run()
