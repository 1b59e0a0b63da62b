from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from thcore.builtin.declaration import Version, declaration

SETUPTOOLS = '[build-system]\nrequires = ["setuptools>=61"]\nbuild-backend = "setuptools.build_meta"\n'
PROJECT = '[project]\nname = "product"\nversion = "1"\n'
PBR = "import setuptools\n\nsetuptools.setup(setup_requires=['pbr>=2.0.0'], pbr=True)\n"
HATCH = '[build-system]\nrequires = ["hatchling", "hatch-vcs"]\nbuild-backend = "hatchling.build"\n'
DYNAMIC = '[project]\nname = "product"\ndynamic = ["version"]\n'


def tree(path: Path, files: Mapping[str, str]) -> Path:
    for name, text in files.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_text(text)
    return path


SETUP_PY = "from setuptools import find_packages, setup\nsetup(name='p', version='1', packages=find_packages())\n"
SCM = '[build-system]\nrequires = ["setuptools", "setuptools_scm[toml]>=6"]\n'
FLIT = '[build-system]\nrequires = ["flit_core"]\nbuild-backend = "flit_core.buildapi"\n'
PBR_BUILD = '[build-system]\nrequires = ["pbr>=6.1.1"]\nbuild-backend = "pbr.build"\n'


@pytest.mark.parametrize(
    ("files", "version"),
    [
        ({"pyproject.toml": SETUPTOOLS + PROJECT}, Version.DECLARED),
        ({"pyproject.toml": PROJECT}, Version.DECLARED),
        ({"pyproject.toml": PROJECT, "setup.py": "from setuptools import setup\nsetup()\n"}, Version.DECLARED),
        ({"setup.cfg": "[metadata]\nversion = 1\n[options]\npackages = find:\n"}, Version.DECLARED),
        ({"setup.py": SETUP_PY}, Version.DECLARED),
        ({"pyproject.toml": FLIT + PROJECT}, Version.DECLARED),
        ({"setup.py": PBR, "setup.cfg": "[metadata]\nname = nova\n[files]\npackages =\n    nova\n"}, Version.COUNT),
        ({"pyproject.toml": PBR_BUILD + DYNAMIC}, Version.COUNT),
        ({"pyproject.toml": SCM + DYNAMIC}, Version.COMMIT),
        ({"pyproject.toml": HATCH + DYNAMIC + '[tool.hatch.version]\nsource = "vcs"\n'}, Version.COMMIT),
    ],
)
def test_a_project_that_only_declares_is_known_by_its_declarations(
    tmp_path: Path, files: Mapping[str, str], version: Version
) -> None:
    found = declaration(tree(tmp_path, {**files, "product/__init__.py": ""}))

    assert found is not None
    assert found.version is version


@pytest.mark.parametrize(
    "files",
    [
        {"pyproject.toml": '[build-system]\nrequires = []\nbuild-backend = "own"\nbackend-path = ["."]\n' + PROJECT},
        {"pyproject.toml": '[build-system]\nrequires = ["mesonpy"]\nbuild-backend = "mesonpy"\n' + PROJECT},
        {"pyproject.toml": '[build-system]\nrequires = ["setuptools @ file:///x"]\n' + PROJECT},
        {"pyproject.toml": SETUPTOOLS + DYNAMIC + '[tool.setuptools.dynamic]\nversion = {attr = "product.VERSION"}\n'},
        {"pyproject.toml": SETUPTOOLS + PROJECT + '[tool.setuptools.cmdclass]\nbuild_py = "own.Build"\n'},
        {"pyproject.toml": SETUPTOOLS + PROJECT + '[[tool.setuptools.ext-modules]]\nname = "x"\nsources = ["x.c"]\n'},
        {"pyproject.toml": SETUPTOOLS + PROJECT + '[tool.setuptools.packages.find]\nwhere = ["a/b"]\n'},
        {"pyproject.toml": SETUPTOOLS + PROJECT + '[tool.setuptools.dynamic]\nreadme = {file = ["a/README"]}\n'},
        {"pyproject.toml": SETUPTOOLS + DYNAMIC},
        {"pyproject.toml": HATCH + PROJECT + "[tool.hatch.build.hooks.custom]\n"},
        {"pyproject.toml": HATCH + DYNAMIC + '[tool.hatch.version]\nsource = "code"\npath = "x.py"\n'},
        {"pyproject.toml": FLIT + '[project]\nname = "product"\nversion = "1"\ndynamic = ["description"]\n'},
        {"pyproject.toml": SETUPTOOLS + PROJECT, "setuptools/__init__.py": ""},
        {"pyproject.toml": SETUPTOOLS + PROJECT, "calendar/__init__.py": ""},
        {"pyproject.toml": SETUPTOOLS + PROJECT, "other.egg-info/entry_points.txt": ""},
        {
            "setup.py": "import setuptools\nsetuptools.setup("
            "version='1', setup_requires=['cffi'], cffi_modules=['b.py'])\n"
        },
        {"pyproject.toml": HATCH + PROJECT + '[tool.hatch.build.targets.wheel.force-include]\n"a/b" = "b.pth"\n'},
        {"pyproject.toml": "no TOML"},
        {"setup.py": "import setuptools\nfrom product import VERSION\nsetuptools.setup(version=VERSION)\n"},
        {"setup.py": "import setuptools\nsetuptools.setup(version=open('VERSION').read())\n"},
        {"setup.py": "import setuptools\nopen('x', 'w')\nsetuptools.setup(version='1')\n"},
        {"setup.py": "import setuptools\nsetuptools.setup(**{})\n"},
        {"setup.py": "print 'no Python 3'\n"},
        {"setup.py": PBR, "setup.cfg": "[global]\nsetup-hooks = product.hook\n"},
        {"setup.cfg": "[metadata]\nversion = attr: product.VERSION\n"},
        {"setup.cfg": "[metadata]\nversion = file: a/b/VERSION\n"},
        {"setup.cfg": "[metadata]\nversion = 1\n[options]\npackage_dir =\n    = a/b\n"},
        {"setup.cfg": "no sections"},
    ],
)
def test_a_project_whose_code_has_a_say_is_built_each_time(tmp_path: Path, files: Mapping[str, str]) -> None:
    assert declaration(tree(tmp_path, {**files, "product/__init__.py": ""})) is None


@pytest.mark.parametrize(
    ("change", "other"),
    [
        ({"product/migrations/0002.py": "x = 1"}, False),
        ({"product/__init__.py": "x = 1"}, False),
        ({"pyproject.toml": SETUPTOOLS + PROJECT + '[project.scripts]\nproduct = "product:main"\n'}, True),
        ({"requirements.txt": "alembic"}, True),
        ({"other/__init__.py": ""}, True),
        ({"single.py": ""}, True),
        ({"product/part/__init__.py": ""}, True),
    ],
)
def test_only_what_decides_makes_another_declaration(tmp_path: Path, change: Mapping[str, str], other: bool) -> None:
    files = {"pyproject.toml": SETUPTOOLS + PROJECT, "product/__init__.py": "", "product/migrations/0001.py": ""}
    before = declaration(tree(tmp_path, files))

    after = declaration(tree(tmp_path, change))

    assert before is not None
    assert (after != before) == other


def test_a_declaration_behind_a_link_counts(tmp_path: Path) -> None:
    files = {"deep/down/pyproject.toml": SETUPTOOLS + PROJECT}
    (tmp_path / "pyproject.toml").symlink_to("deep/down/pyproject.toml")
    before = declaration(tree(tmp_path, files))

    (tmp_path / "deep/down/pyproject.toml").write_text(SETUPTOOLS + PROJECT + '[project.scripts]\na = "b:c"\n')

    assert before is not None
    assert declaration(tmp_path) not in {None, before}
