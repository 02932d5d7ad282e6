"""Sphinx's settings for the documentation site; `build.py` writes the pages that it reads."""

import sys
from pathlib import Path

import nbmerge

sys.path.insert(0, str(Path(__file__).parent))  # mathml.py lies beside this file

project = "nbmerge"
author = "the nbmerge authors"
project_copyright = "the nbmerge authors"
release = version = nbmerge.__version__
extensions = ["myst_nb", "sphinx_design", "sphinx_copybutton", "mathml"]
html_math_renderer = "mathml"
exclude_patterns = ["_build"]
nitpicky = True

myst_enable_extensions = ["dollarmath", "colon_fence", "attrs_inline"]
myst_heading_anchors = 4
myst_links_external_new_tab = True

nb_execution_mode = "force"
nb_execution_timeout = 300
nb_execution_raise_on_error = True
nb_merge_streams = True
# Without a kernel a widget shows nothing; its picture and its text are in the same output.
nb_mime_priority_overrides = [("*", "application/vnd.jupyter.widget-view+json", None)]
nb_ipywidgets_js: dict[str, dict[str, str]] = {}
suppress_warnings = ["mystnb.unknown_mime_type"]

html_theme = "pydata_sphinx_theme"
html_title = "nbmerge"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_sidebars: dict[str, list[str]] = {"start": []}
html_context = {"default_mode": "auto"}  # unset, the theme reports an error
html_show_sourcelink = False
html_copy_source = False
html_theme_options = {
    "logo": {"text": "nbmerge"},
    "github_url": "https://github.com/nbmerge/nbmerge",
    "navbar_align": "left",
    "show_prev_next": True,
    "show_toc_level": 2,
    "navigation_with_keys": False,
    "footer_start": ["copyright"],
    "footer_end": ["sphinx-version"],
}
copybutton_exclude = ".linenos, .gp, .go"
