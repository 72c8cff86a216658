"""Settings of the web site. `make book` gathers its pages in a folder of their own and calls Sphinx with these."""

import sys
from pathlib import Path

HERE = Path(__file__).absolute().parent
sys.path[:0] = [str(HERE), str(HERE.parent)]

from tools import book  # noqa: E402

# The one setting: `Repository` in [project.urls] of pyproject.toml. While there is none, no button leads there.
# `JupyterHub` beside it adds a button for a hub with nbgitpuller.
repository = book.addresses(HERE.parent).get("Repository", "")
jupyterhub = book.addresses(HERE.parent).get("JupyterHub", "")

project = "audiolab"
author = "The audiolab authors"
copyright = f"{author}. Text and figures CC BY 4.0, code MIT"
language = "en"
extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx.ext.autosectionlabel", "course"]
exclude_patterns = ["README.md"]                # the home page and the next include it

nb_execution_mode = "off"
nb_ipywidgets_js = {}                           # a widget has left its picture; live ones would need a network
myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 3
myst_update_mathjax = False
html_math_renderer = "mathml"                   # of course.py: formulas that browsers draw by themselves

autosectionlabel_prefix_document = True
autosectionlabel_maxdepth = 2
autodoc_typehints = "none"
autodoc_inherit_docstrings = False        # what PyTorch says of its own methods is not ours
add_module_names = False
napoleon_google_docstring = False
napoleon_custom_sections = ["Taught in"]
napoleon_use_param = napoleon_use_rtype = False         # the types are prose
default_role = "literal"                        # `x` in a docstring is a name

html_context = {"default_mode": "auto"}         # light or dark as the reader's system is
html_theme = "sphinx_book_theme"
html_title = "audiolab"
html_favicon = html_logo = "static/logo.svg"
html_static_path = ["static"]
html_css_files = ["course.css"]
html_copy_source = False                        # the notebooks to work with are in the repository
html_show_sourcelink = False
html_theme_options = {
    "use_download_button": False,
    "use_fullscreen_button": False,
    "navbar_persistent": [],                    # the search stands in the sidebar already
    "collapse_navigation": True,
    "show_toc_level": 2,
    "pygments_light_style": "a11y-high-contrast-light",
    "pygments_dark_style": "a11y-high-contrast-dark",
    "logo": {"text": "audiolab", "alt_text": "audiolab, home"},
}
