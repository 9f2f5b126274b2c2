"""Docstrings of installed packages as passages."""

import re
import sys
import time

import pytest

from synthneg.config import CorpusConfig
from synthneg.corpus.prose import prose
from synthneg.corpus.read import read
from synthneg.errors import CorpusError

DOCSTRING = """norm(x, y=(1, 2),
     out=None) -> float

Return the norm of `x`, see :func:`numpy.linalg.norm`.

The **norm** is *not* ``max(x)``, as shown in [1]_ and [2]_, but
:math:`\\sqrt{x}` wrapped
on three lines [3]_.

.. versionadded:: 1.2
   In which something changed.

   More about it.

.. note:: Mind the gap
   between the two.

.. math::

    a = b

====  ====
in    out
====  ====
1     2
====  ====

Parameters
----------
x : array
    The values.

Notes
-----
The sum is compensated::

    for value in x: add(value)

>>> norm(3)
3

Examples
--------
An example follows.
"""


def test_prose_is_what_is_left_of_a_docstring():
    """Signature, tables, parameters, doctests, code, directives, citations and markup go; sentences stay."""
    assert prose(DOCSTRING).split("\n\n") == [
        "Return the norm of x, see numpy.linalg.norm.",
        "The norm is not max(x), as shown in the literature, but \\sqrt{x} wrapped on three lines.",
        "Mind the gap between the two.",
        "The sum is compensated:",
    ]


def test_prose_of_a_title_with_an_overline():
    """A heading between two lines is a heading, and its section is left out."""
    assert prose("Summary.\n\n=======\nDetails\n=======\n\nLong story.") == "Summary."


@pytest.mark.slow
def test_docstrings_of_three_packages_read_as_prose():
    """numpy, scipy and scikit-learn give over a thousand passages in 10 s of CPU, without traces of markup."""
    config = CorpusConfig(path="docstrings:numpy,scipy,sklearn")
    started = time.process_time()
    raws = list(read(config))
    assert time.process_time() - started < 10
    assert len(raws) > 1000
    assert [r.id for r in raws] == [r.id for r in read(config)]
    assert {r.title for r in raws} >= {
        "scipy.stats.ttest_ind",
        "numpy.mean",
        "sklearn.cluster.KMeans",
    }
    marks = re.compile(r">>>|:\w+:`|\]_|\n[ .]|-{4}|={4}|Parameters\b\s*$", re.MULTILINE)
    assert [r.id for r in raws if marks.search(r.text)] == []
    assert min(len(r.text.split()) for r in raws) >= 40


def test_an_object_comes_once_under_its_shortest_public_name():
    """A function that several modules show is one passage, and nothing private is one."""
    ids = [r.id for r in read(CorpusConfig(path="docstrings:scipy"))]
    assert "scipy.stats.ttest_ind" in ids
    assert not any(re.search(r"\._|\btests?\b", id) for id in ids)
    assert len(set(ids)) == len(ids)
    # scipy.stats.stats and scipy.fftpack show functions of others, too.
    assert [id for id in ids if id.endswith(".ttest_ind")] == ["scipy.stats.ttest_ind"]
    assert [id for id in ids if id.endswith(".KDTree")] == ["scipy.spatial.KDTree"]


def test_a_package_made_for_this_test_is_read_as_expected(tmp_path, monkeypatch):
    """Of a small package, the public and documented are read, with warnings and boilerplate left out."""
    words = "It says what there is to say in some forty words. " * 5
    functions = "".join(
        f"def f{n}():\n    '''Number {n}. {words}\n\n    Read f{n} in the guide.\n    '''\n\n"
        for n in range(6)
    )
    package = tmp_path / "plantedpackage"
    (package / "tests").mkdir(parents=True)
    (package / "__init__.py").write_text(
        "import warnings\nwarnings.warn('old')\nfrom plantedpackage.deep import f0\n"
        f"def short():\n    '''Too few words.'''\n\ndef _private():\n    '''{words}'''\n\nx = 3\n"
    )
    (package / "deep.py").write_text(functions)
    (package / "needs_more.py").write_text("import no_such_package_at_all\n")
    (package / "tests" / "__init__.py").write_text("raise SystemExit\n")
    monkeypatch.syspath_prepend(tmp_path)
    raws = list(read(CorpusConfig(path="docstrings:plantedpackage")))
    assert [r.id for r in raws] == [
        *(f"plantedpackage.deep.f{n}" for n in range(1, 6)),
        "plantedpackage.f0",
    ]
    assert raws[-1].text == f"Number 0. {words}".strip()
    for name in [name for name in sys.modules if name.startswith("plantedpackage")]:
        del sys.modules[name]


@pytest.mark.parametrize("package", ["no_such_package_at_all", "", "os.path"])
def test_a_package_that_is_not_installed_is_refused(package):
    """A package that cannot be found is refused by name before any is imported."""
    path = f"docstrings:json,{package}"
    with pytest.raises(CorpusError) as caught:
        list(read(CorpusConfig(path=path)))
    assert str(caught.value) == (
        f"{path}: expected installed packages, but {package!r} is not; install it or leave it out"
    )
