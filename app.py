"""MatRep in the browser: ``streamlit run app.py``. Navigation only; each page is a file below pages/."""

from __future__ import annotations

import logging

from matrep_core.threads import keep_to_one_thread
from matrep_ui.page import navigation

logging.basicConfig(format="%(asctime)s %(levelname)s %(name)s %(message)s")
keep_to_one_thread()
navigation().run()
