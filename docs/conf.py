"""Sphinx's configuration. Build with ``make docs``; nothing is fetched from the network."""

from __future__ import annotations

import sys
from pathlib import Path

from thcore import __version__

sys.path.insert(0, str(Path(__file__).with_name("_ext")))

project = "thcore"
copyright = "the thcore authors"  # noqa: A001 - Sphinx's own name for it
release = version = __version__

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.graphviz",
    "thcore_reference",
    "inline_graphviz",
    "manual_pages",
]
exclude_patterns = ["_build", "examples"]
nitpicky = False
smartquotes = False

myst_enable_extensions = ["colon_fence", "deflist", "fieldlist"]
myst_heading_anchors = 3

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
autodoc_preserve_defaults = True
add_module_names = False
python_use_unqualified_type_names = True
maximum_signature_line_length = 90

graphviz_output_format = "svg"

linkcheck_timeout = 20
linkcheck_retries = 2
linkcheck_anchors = False
linkcheck_ignore = [r"[a-z]+\.schema\.json$"]  # made with the site; tests look whether they are there

man_pages = [
    ("command-line", "thcore", "run CI builds, and judge database migrations on real data", "", "1"),
    ("configuration", "thcore.yaml", "the configuration of thcore", "", "5"),
]
man_make_section_directory = False

html_theme = "furo"
html_title = f"thcore {version}"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_extra_path = ["_build/extra"]  # the schemas, made by the extension
html_copy_source = False
html_show_sphinx = False
html_theme_options = {
    "light_css_variables": {
        "color-brand-primary": "#0b6e6e",
        "color-brand-content": "#0b6e6e",
        "color-brand-visited": "#0b6e6e",
    },
    "dark_css_variables": {
        "color-brand-primary": "#5cc8c2",
        "color-brand-content": "#5cc8c2",
        "color-brand-visited": "#5cc8c2",
    },
    "navigation_with_keys": True,
}
