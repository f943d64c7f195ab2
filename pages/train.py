"""Placeholder until the page is built."""

from matrep_ui.page import start_page

start_page("Train", "This page is being built.")
