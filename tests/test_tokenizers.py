"""BERT's tokenizer and the cache of files, on a small vocabulary and a server of our own."""

import http.server
import threading
from pathlib import Path

import pytest

from hetu_jax.tokenizers import BertTokenizer, utils
from hetu_jax.tokenizers.bert_tokenizer import (
    BasicTokenizer,
    WordpieceTokenizer,
    convert_to_unicode,
    load_vocab,
    whitespace_tokenize,
)

TOKENS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "the", "play", "##ing", "##ed", "un", "##aff", "##able", ",",
          "!", "河", "图", "cafe", "run", "##n"]  # fmt: skip


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "vocab.txt").write_text("\n".join(TOKENS) + "\n", encoding="utf-8")
    return tmp_path


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("The  playing,\tunaffable!", ["the", "playing", ",", "unaffable", "!"]),
        ("河图v1是", ["河", "图", "v1", "是"]),
        ("CAFÉ naïve Å", ["cafe", "naive", "a"]),
        ("[CLS] Don't [MASK]", ["[CLS]", "don", "'", "t", "[MASK]"]),
        ("[CLS]x", ["[", "cls", "]", "x"]),
        ("a\u00a0b\u200bc\0d\ufffd\u2028e", ["a", "bcd", "e"]),
        ("a\ue000b\u0378c\ud800d", ["abcd"]),
        ("$5^2~`…«x»", ["$", "5", "^", "2", "~", "`", "…", "«", "x", "»"]),
        ("", []),
        (" \n", []),
        ("ひらがな 한국어", ["ひらかな", "한국어"]),
    ],
)
def test_words(text, words):
    if "한" in text:  # accents are taken off by decomposition, which takes hangul apart too
        import unicodedata

        words = [unicodedata.normalize("NFD", w) for w in words]
    assert BasicTokenizer().tokenize(text) == words


def test_case_and_accents_can_be_kept():
    assert BasicTokenizer(do_lower_case=False).tokenize("CAFÉ, Å") == ["CAFÉ", ",", "Å"]
    assert BasicTokenizer(never_split=("<s>",)).tokenize("<s> [CLS]") == ["<s>", "[", "cls", "]"]
    assert BasicTokenizer().tokenize("café".encode() + b"\xff") == ["cafe"]


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        ("playing played play", ["play", "##ing", "play", "##ed", "play"]),
        ("unaffable", ["un", "##aff", "##able"]),
        ("runn running", ["run", "##n", "run", "##n", "##ing"]),
        ("unknown", ["[UNK]"]),
        ("play" + "ing" * 40, ["[UNK]"]),
    ],
)
def test_longest_pieces(text, pieces):
    assert WordpieceTokenizer(set(TOKENS)).tokenize(text) == pieces


def test_numbers_and_back(folder):
    tokenizer = BertTokenizer(folder / "vocab.txt")
    tokens = tokenizer.tokenize("[CLS] The playing, 河图 Café! zebra [SEP]")
    assert tokens == ["[CLS]", "the", "play", "##ing", ",", "河", "图", "cafe", "!", "[UNK]", "[SEP]"]
    ids = tokenizer.convert_tokens_to_ids(tokens)
    assert ids == [2, 5, 6, 7, 12, 14, 15, 16, 13, 1, 3]
    assert tokenizer.convert_ids_to_tokens(ids) == tokens
    assert BertTokenizer(folder / "vocab.txt", never_split=("<s>",)).tokenize("<s> run") == ["[UNK]", "run"]
    assert tokenizer.max_len == 10**12
    with pytest.raises(KeyError):
        tokenizer.convert_tokens_to_ids(["zebra"])
    with pytest.raises(ValueError, match="3 tokens are more than the model's 2"):
        BertTokenizer(folder / "vocab.txt", max_len=2).convert_tokens_to_ids(["the"] * 3)
    with pytest.raises(ValueError, match="one token a line"):
        BertTokenizer(folder / "missing.txt")


def test_of_a_folder_or_a_file_or_a_name(folder, tmp_path):
    assert BertTokenizer.from_pretrained(folder).vocab["the"] == 5
    assert BertTokenizer.from_pretrained(str(folder / "vocab.txt"), do_lower_case=False).tokenize("The") == ["[UNK]"]
    with pytest.raises(ValueError, match=r"put the model's vocab.txt .*bert-base-chinese.vocab.txt"):
        BertTokenizer.from_pretrained("bert-base-chinese", cache_dir=tmp_path)
    with pytest.raises(ValueError, match="of one of bert-base-uncased"):
        BertTokenizer.from_pretrained("no-such-model", cache_dir=tmp_path)
    named = tmp_path / "bert-base-chinese"
    named.mkdir()
    (named / "vocab.txt").write_text("河\n", encoding="utf-8")
    assert BertTokenizer.from_pretrained("bert-base-chinese", cache_dir=tmp_path).max_len == 512
    assert BertTokenizer.from_pretrained(named, max_len=8).max_len == 8


def test_small_helpers(folder):
    assert load_vocab(folder / "vocab.txt")["##n"] == len(TOKENS) - 1
    assert whitespace_tokenize(" a  b ") == ["a", "b"] and convert_to_unicode(b"\xe5\x9b\xbe") == "图"
    assert utils.read_set_from_file(folder / "vocab.txt") == set(TOKENS)
    assert utils.get_file_extension("a/B.TXT") == ".txt"
    assert utils.get_file_extension("a/B.TXT", dot=False, lower=False) == "TXT"


@pytest.fixture
def server():
    class Handler(http.server.BaseHTTPRequestHandler):
        etag = "one"

        def do_HEAD(self):
            self.send_response(200)
            self.send_header("ETag", Handler.etag)
            self.end_headers()

        def do_GET(self):
            self.do_HEAD()
            self.wfile.write(b"version " + Handler.etag.encode())

        def log_message(self, *args):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        thread = threading.Thread(target=running.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{running.server_port}/vocab.txt", Handler, running
        running.shutdown()
        thread.join()


def test_files_are_downloaded_once(server, tmp_path, monkeypatch):
    url, handler, _ = server
    first = utils.cached_path(url, tmp_path)
    assert Path(first).read_text() == "version one"
    assert utils.filename_to_url(first.rsplit("/", 1)[1], tmp_path) == (url, "one")
    assert utils.get_from_cache(url, tmp_path) == first
    handler.etag = "two"
    second = utils.cached_path(url, tmp_path)
    assert second != first and Path(second).read_text() == "version two"
    monkeypatch.setenv("HETU_JAX_OFFLINE", "1")
    assert utils.cached_path(url, tmp_path) in (first, second)
    with pytest.raises(OSError, match="has no copy of it"):
        utils.cached_path(url + "x", tmp_path)
    with pytest.raises(OSError, match="has no copy of it"):
        utils.cached_path("s3://bucket/key", tmp_path)


def test_paths_and_addresses(folder):
    path = str(folder / "vocab.txt")
    assert utils.cached_path(path) == path
    with pytest.raises(FileNotFoundError):
        utils.cached_path(path + "x")
    with pytest.raises(ValueError, match="neither a path nor an address"):
        utils.cached_path("ftp://host/file")
    with pytest.raises(FileNotFoundError, match="the cache has no file"):
        utils.filename_to_url("abc", folder)
    assert utils.web_address("s3://bucket/a/b.txt") == "https://bucket.s3.amazonaws.com/a/b.txt"
    with pytest.raises(ValueError, match="no bucket or no key"):
        utils.split_s3_path("s3://bucket")
    assert utils.url_to_filename("u") != utils.url_to_filename("u", "e")
