"""What the site needs beyond Sphinx: formulas without JavaScript, texts for pictures, ways between code and lesson."""

import hashlib
import inspect
import re
from base64 import b64decode
from html import unescape
from pathlib import Path

import nbformat
from docutils import nodes
from docutils.utils.math import MathError
from docutils.utils.math.latex2mathml import tex2mathml
from sphinx.util import logging

import audiolab
from tools.book import TAUGHT

LOG = logging.getLogger(__name__)
_FUNCTION = r"\\(?:log|ln|exp|sin|cos|tan|arg|max|min|operatorname\{\w+\})(?![A-Za-z])(?:_(?:\{[^{}]*\}|\w))?"
_DOT = r'</span><span class="o">\.</span><span class="n[a-z]*">'
_IN_CODE = re.compile(rf'<span class="n">al(?:{_DOT}\w+)+</span>')
_IN_PROSE = re.compile(r'(<code class="docutils literal notranslate"><span class="pre">)(al(?:\.\w+)+)')


def setup(app):
    app.add_config_value("repository", "", "html", str)
    app.add_config_value("jupyterhub", "", "html", str)
    app.add_html_math_renderer("mathml", (inline_formula, None), (formula, None))
    app.connect("config-inited", buttons)
    app.connect("autodoc-process-docstring", link_to_lesson, priority=400)      # before napoleon reads the sections
    app.connect("autodoc-skip-member", skip_fields)
    app.connect("doctree-read", describe_pictures)
    app.connect("html-page-context", link_to_reference)
    app.connect("html-page-context", name_the_toggles, priority=900)                         # after the theme
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def buttons(app, config):
    """Ways to run a chapter elsewhere, if the course has an address."""
    if not config.repository:
        return
    config.html_theme_options |= {
        "repository_url": config.repository,
        "repository_branch": "main",
        "use_repository_button": True,
        "launch_buttons": {
            "notebook_interface": "jupyterlab",
            "binderhub_url": "https://mybinder.org",
            "colab_url": "https://colab.research.google.com",
            "jupyterhub_url": config.jupyterhub,
        },
    }


# ---- formulas -------------------------------------------------------------------------------------

def inline_formula(translator, node):
    """A formula in a line, in pieces, so that the line may end before an equals sign."""
    translator.body.append(" ".join(mathml(piece, node) for piece in at_equals(node.astext())))
    raise nodes.SkipNode


def formula(translator, node):
    """A formula on a line of its own, which can be scrolled from the keyboard where it is too wide."""
    translator.body.append('<div class="formula" tabindex="0" role="group" aria-label="formula">'
                           f"{mathml(node.astext(), node, as_block=True)}</div>\n")
    raise nodes.SkipNode


def mathml(tex, node, as_block=False):
    """A formula as MathML, which browsers draw without help. What cannot be translated is a warning, so it fails."""
    tex = re.sub(r"\\dots\b", r"\\ldots", tex)
    tex = re.sub(r"(\\[dt]?frac)\s*([0-9A-Za-z])", r"\1{\2}", tex)                   # \tfrac12 is \tfrac{1}{2}
    tex = re.sub(r"(\\[dt]?frac\{[^{}]*\})\s*([0-9A-Za-z])", r"\1{\2}", tex)
    tex = re.sub(rf"(?<=[\w)\]}}])\s*(?={_FUNCTION})", r"\\, ", tex)                  # spaces that TeX puts by itself
    tex = re.sub(rf"({_FUNCTION})\s*(?=[0-9A-Za-z]|\\(?!,|bigl|Bigl|left))", r"\1\\, ", tex)
    try:
        return tex2mathml(tex, as_block=as_block)
    except MathError as e:
        LOG.warning("formula %r: %s", tex, e, location=node)
        return ""


def at_equals(tex):
    """Split a formula before each equals sign that is in no bracket."""
    depth, starts = 0, [0]
    for k, sign in enumerate(tex):
        depth += (sign in "([{") - (sign in ")]}")
        if sign == "=" and depth == 0 and k > 0:
            starts.append(k)
    return [tex[start:stop].strip() for start, stop in zip(starts, [*starts[1:], None], strict=True)]


# ---- pictures -------------------------------------------------------------------------------------

def describe_pictures(app, doctree):
    """Give the pictures of a notebook the text that their outputs carry; MyST-NB keeps only their size."""
    path = Path(app.env.doc2path(app.env.docname))
    if path.suffix != ".ipynb":
        return
    texts = {}
    for cell in nbformat.read(path, 4).cells:
        for output in cell.get("outputs", ()):
            for kind in {"image/png", "image/jpeg"} & set(output.get("data", ())):
                name = hashlib.sha256(b64decode(output.data[kind])).hexdigest()
                texts[name] = output.metadata.get(kind, {}).get("alt")
    for image in doctree.findall(nodes.image):
        if text := texts.get(Path(image["uri"]).stem):
            image["alt"] = text


# ---- between code and lesson ----------------------------------------------------------------------

def skip_fields(app, what, name, member, skip, options):
    """The fields of a named tuple stand in its docstring."""
    return True if type(member).__name__ == "_tuplegetter" else None


def link_to_lesson(app, what, name, obj, options, lines):
    """Let the last line of a docstring lead to the section that it names."""
    for k, line in enumerate(lines):
        if match := TAUGHT.match(line):
            section = f":ref:`{match[1][:2]}: {match[2]} <notebooks/{match[1]}:{match[2]}>`"
            lines[k:k + 1] = ["", "Taught in", "---------", section, ""]


def link_to_reference(app, page, template, context, doctree):
    """Let every `al.…` of a page, in code and in prose, lead to the reference."""
    objects = app.env.domains.python_domain.objects

    def address(dotted):
        if entry := objects.get(full_name(dotted)):
            return f'{app.builder.get_relative_uri(page, entry.docname)}#{entry.node_id}'
        return None

    def in_code(match):
        to = address(unescape(re.sub(r"<[^>]+>", "", match[0])))
        return f'<a class="reference-code" href="{to}">{match[0]}</a>' if to else match[0]

    def in_prose(match):
        to = address(match[2])
        return f'{match[1]}<a class="reference-code" href="{to}">{match[2]}</a>' if to else match[0]

    if "body" in context:
        context["body"] = _IN_PROSE.sub(in_prose, _IN_CODE.sub(in_code, context["body"]))


def full_name(dotted):
    """The name under which the reference has what a chapter calls `al.…`; None if the package has no such thing."""
    thing = audiolab
    for part in dotted.split(".")[1:]:
        try:
            thing = getattr(thing, part)
        except AttributeError:
            return None
    if inspect.ismodule(thing):
        return thing.__name__
    return f"{thing.__module__}.{thing.__qualname__}" if hasattr(thing, "__qualname__") else None


def name_the_toggles(app, page, template, context, doctree):
    """Say to those who do not see it what opens a part of the navigation; the theme leaves it without a name."""
    navigation = context.get("generate_toctree_html")

    def named(*args, **options):
        return str(navigation(*args, **options)).replace("<summary>", '<summary aria-label="its pages">')

    if navigation:
        context["generate_toctree_html"] = named
