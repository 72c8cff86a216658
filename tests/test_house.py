"""The house keeps its own rules: docstrings lead to lessons, files agree with each other, imports stay light."""

import importlib
import inspect
import json
import pkgutil
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import audiolab

ROOT = Path(__file__).parents[1]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
TAUGHT = re.compile(r'Taught in: notebooks/(\w+)\.ipynb, "([^"]+)"')


def modules():
    return [importlib.import_module(m.name) for m in pkgutil.walk_packages(audiolab.__path__, "audiolab.")]


def taught():
    for module in modules():
        for _, thing in inspect.getmembers(module, lambda o: inspect.isfunction(o) or inspect.isclass(o)):
            if thing.__module__ == module.__name__ and (found := TAUGHT.search(inspect.getdoc(thing) or "")):
                yield pytest.param(*found.groups(), id=f"{module.__name__}.{thing.__name__}")


@pytest.mark.parametrize("chapter, heading", list(taught()))
def test_docstrings_lead_to_a_section_that_exists(chapter, heading):
    twin = (ROOT / "notebooks" / "text" / f"{chapter}.md").read_text(encoding="utf-8")
    assert f"\n## {heading}\n" in twin


def test_every_docstring_that_names_a_lesson_names_its_section():
    for module in modules():
        text = Path(module.__file__).read_text(encoding="utf-8")
        assert text.count("Taught in: ") == len(TAUGHT.findall(text)), module.__name__


def test_every_public_function_has_a_docstring():
    missing = [
        f"{m.__name__}.{name}"
        for m in modules()
        for name, f in inspect.getmembers(m, inspect.isfunction)
        if f.__module__ == m.__name__ and not name.startswith("_") and not inspect.getdoc(f)
        and not re.search(r"checks\.c\d\d_", m.__name__)       # there the names and the messages say it
    ]
    assert missing == []


def test_environment_yml_installs_this_package():
    text = (ROOT / "environment.yml").read_text(encoding="utf-8")
    assert re.search(r"^ +- --editable \.$", text, re.M)
    low = tuple(map(int, re.search(r">=(\d+)\.(\d+)", PYPROJECT["project"]["requires-python"]).groups()))
    assert tuple(map(int, re.search(r"python=(\d+)\.(\d+)", text).groups())) >= low
    named = set(re.findall(r"^  - ([\w-]+)", text, re.M))
    assert named == {"conda-forge", "python", "pip"}             # everything else comes from pyproject.toml


def test_the_lock_holds_every_dependency_with_hashes_and_no_address():
    lock = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    pins = dict(re.findall(r"^([a-z0-9-]+)==([^ \\;]+)", lock, re.M))
    wanted = PYPROJECT["project"]["dependencies"] + PYPROJECT["dependency-groups"]["dev"]
    for requirement in wanted:
        name = re.match(r"[\w-]+", requirement)[0].replace("_", "-").lower()
        assert name in pins, f"{name} is not in requirements.lock: run `make lock`"
    assert not re.search(r"https?://|file:|--index|--find-links", lock)
    assert lock.count("--hash=sha256:") > len(pins)


def test_citation_and_package_agree_on_the_version():
    version = PYPROJECT["project"]["version"]
    assert f"\nversion: {version}\n" in (ROOT / "CITATION.cff").read_text(encoding="utf-8")


def test_the_kernel_is_named_for_the_course():
    assert json.loads((ROOT / "kernel" / "kernel.json").read_text())["display_name"] == "audiolab"
    from jupyter_client.kernelspec import KernelSpecManager

    assert "audiolab" in KernelSpecManager().find_kernel_specs()


def test_import_loads_nothing_heavy():
    heavy = {"numpy", "scipy", "matplotlib", "IPython", "music21", "soundfile"}
    code = f"import sys, audiolab; print({heavy} & set(sys.modules))"
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert printed.strip() == "set()"


