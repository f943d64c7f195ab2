"""MatRep in the browser: ``streamlit run app.py``. Navigation only; each page is a file below pages/."""

from __future__ import annotations

import logging

import streamlit as st

from matrep_ui.page import ABOUT, navigation

logging.basicConfig(format="%(asctime)s %(levelname)s %(name)s %(message)s")
st.set_page_config("MatRep", page_icon=":material/scatter_plot:", layout="wide", menu_items={"About": ABOUT})
navigation().run()
