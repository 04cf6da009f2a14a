"""Sphinx: MyST pages in, Furo HTML out; option tables are read from the pydantic models while building."""

from __future__ import annotations

import sys
from importlib import metadata
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))  # option_tables.py, reference.py

project = "prefrl"
author = "prefrl contributors"
copyright = "2026, prefrl contributors"
version = release = metadata.version("prefrl")

extensions = ["myst_parser", "option_tables", "reference"]
myst_enable_extensions = ["deflist", "colon_fence"]
myst_heading_anchors = 3
exclude_patterns = ["_build", "results"]
nitpicky = True

html_theme = "furo"
html_title = "prefrl"
html_static_path = ["_static"]
html_css_files = ["prefrl.css"]
html_theme_options = {
    "light_css_variables": {"color-brand-primary": "#0b62c4", "color-brand-content": "#0b62c4"},
    "dark_css_variables": {"color-brand-primary": "#6cb2ff", "color-brand-content": "#6cb2ff"},
}
