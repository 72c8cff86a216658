"""Published data sets arrive whole and right, or not at all: against a server that does all that servers do."""

import hashlib
import http.server
import io
import multiprocessing
import os
import re
import shutil
import socket
import stat
import subprocess
import sys
import tarfile
import threading
import time
import zipfile
from pathlib import Path

import numpy as np
import pytest

from audiolab import audio, synth
from audiolab.corpora import download, remote
from audiolab.corpus import Corpus, CorpusError

DATA = np.random.default_rng(0).bytes(300_000)
MIRROR = os.environ.get("AUDIOLAB_MIRROR")
mirrored = pytest.mark.skipif(not MIRROR, reason="AUDIOLAB_MIRROR is not set: it names a folder with the data sets")


def sha256(content):
    return hashlib.sha256(content).hexdigest()


# ---------------------------------------------------------------------------------------- a server


class Server(http.server.ThreadingHTTPServer):
    """Serves `DATA`, or what `files` holds, in the manner that the first part of the path names."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.asked, self.files, self.release = [], {}, threading.Event()

    def url(self, manner, name="clip.bin"):
        return f"http://127.0.0.1:{self.server_port}/{manner}/{name}"


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass

    def do_GET(self):
        _, manner, name = self.path.split("/", 2)
        asked = self.headers.get("Range")
        self.server.asked.append((name, asked))
        data = self.server.files.get(name, DATA)
        start = int(re.fullmatch(r"bytes=(\d+)-", asked)[1]) if asked and manner != "no-range" else 0
        self.close_connection = True
        getattr(self, manner.replace("-", "_"))(data, start)

    def answer(self, data, start, length=None, code=None, **headers):
        self.send_response(code or (206 if start else 200))
        if length is not False:
            self.send_header("Content-Length", str(len(data) - start if length is None else length))
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
        for key, value in {"Content_Type": "application/octet-stream", **headers}.items():
            self.send_header(key.replace("_", "-"), value)
        self.end_headers()

    def well(self, data, start):
        if start >= len(data):
            return self.send_error(416)
        self.answer(data, start)
        self.wfile.write(data[start:])

    no_range = well

    def truncates(self, data, start):
        self.answer(data, start)
        self.wfile.write(data[start : start + 100_000])

    def truncates_without_range(self, data, start):
        self.answer(data, 0)
        self.wfile.write(data[:100_000])

    def stalls(self, data, start):
        self.answer(data, start)
        self.wfile.write(data[start : start + 100_000])
        self.wfile.flush()
        if start + 100_000 < len(data):
            self.server.release.wait(5)

    def silent(self, data, start):
        self.server.release.wait(5)

    def promises_more(self, data, start):
        self.answer(data, start, length=len(data) - start + 1000)
        self.wfile.write(data[start:])

    def promises_less(self, data, start):
        self.answer(data, start, length=1000)
        self.wfile.write(data[start:])

    def promises_nothing(self, data, start):
        self.answer(data, start, length=False)
        self.wfile.write(data[start:])

    def endless(self, data, start):
        self.answer(data, start, length=False)
        try:
            while not self.server.release.is_set():
                self.wfile.write(data)
        except OSError:
            pass

    def huge(self, data, start):
        self.answer(data, start, length=10**13)

    def broken_chunks(self, data, start):
        self.answer(data, 0, length=False, Transfer_Encoding="chunked")
        self.wfile.write(b"ff\r\n" + data[:255] + b"\r\nnonsense\r\n")

    def other_range(self, data, start):
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", "1000")
        if start:
            self.send_header("Content-Range", f"bytes 5-1004/{len(data)}")
        self.end_headers()
        self.wfile.write(data[:1000])

    def page(self, data, start):
        self.answer(b"<html>Please log in</html>", 0, Content_Type="text/html; charset=utf-8")
        self.wfile.write(b"<html>Please log in</html>")

    def missing(self, data, start):
        self.send_error(404)

    def busy(self, data, start):
        if len(self.server.asked) < 3:
            return self.send_error(503)
        self.well(data, start)

    def down(self, data, start):
        self.send_error(500)

    def garbage(self, data, start):
        self.wfile.write(b"\x00\x01 this is not HTTP\r\n\r\n")

    def elsewhere(self, data, start):
        self.send_response(302)
        self.send_header("Location", "file:///etc/hostname")
        self.end_headers()


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setattr(download, "TIMEOUT", 0.3)
    monkeypatch.setattr(download, "PAUSE", 0.001)
    for proxy in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(proxy, raising=False)
    with Server() as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        yield server
        server.release.set()
        server.shutdown()


def get(server, manner, folder, **options):
    download.download(server.url(manner), folder / "clip.bin", **{"limit": 1_000_000, **options})
    return (folder / "clip.bin").read_bytes()


def one_line(call, *words):
    """The call raises one line of plain words."""
    with pytest.raises(CorpusError) as caught:
        call()
    message = str(caught.value)
    assert "\n" not in message and "Errno" not in message and "Traceback" not in message
    for word in words:
        assert word in message, message


# ---------------------------------------------------------------------------------------- downloading


@pytest.mark.parametrize("manner", ["well", "no-range", "truncates", "stalls", "promises-nothing", "busy"])
def test_a_file_arrives_whole(server, tmp_path, manner):
    assert get(server, manner, tmp_path, sha256=sha256(DATA)) == DATA
    assert os.listdir(tmp_path) == ["clip.bin"]


def test_a_broken_connection_goes_on_where_it_stopped(server, tmp_path):
    get(server, "truncates", tmp_path)
    assert [asked for _, asked in server.asked] == [None, "bytes=100000-", "bytes=200000-"]


def test_a_later_call_goes_on_where_the_first_stopped(server, tmp_path):
    (tmp_path / "clip.bin.part").write_bytes(DATA[:12_345])
    assert get(server, "well", tmp_path) == DATA
    assert server.asked == [("clip.bin", "bytes=12345-")]


def test_a_server_that_refuses_ranges_is_asked_for_all(server, tmp_path):
    (tmp_path / "clip.bin.part").write_bytes(DATA[:12_345])
    assert get(server, "no-range", tmp_path) == DATA


def test_a_part_that_is_complete_needs_no_network(server, tmp_path):
    (tmp_path / "clip.bin.part").write_bytes(DATA)
    assert get(server, "missing", tmp_path, size=len(DATA), sha256=sha256(DATA)) == DATA
    assert server.asked == []


@pytest.mark.parametrize("options", [{}, {"size": len(DATA)}])
def test_a_part_that_is_too_long_is_dropped(server, tmp_path, options):
    (tmp_path / "clip.bin.part").write_bytes(DATA + b"more")
    assert get(server, "well", tmp_path, **options) == DATA


def test_a_wrong_part_is_found_out_and_dropped(server, tmp_path):
    (tmp_path / "clip.bin.part").write_bytes(b"\0" * 5000)
    one_line(lambda: get(server, "well", tmp_path, sha256=sha256(DATA)), "SHA-256")
    assert os.listdir(tmp_path) == []
    assert get(server, "well", tmp_path, sha256=sha256(DATA)) == DATA


@pytest.mark.parametrize(
    "manner, words, options",
    [
        ("truncates-without-range", ["ended after", "100 kB of 300 kB", "check the network"], {}),
        ("promises-more", ["ended after"], {}),
        ("promises-more", ["301000 bytes and should have 300000"], {"size": 300_000}),
        ("promises-less", ["1000 bytes and should have 300000"], {"size": 300_000}),
        ("promises-less", ["SHA-256"], {"sha256": sha256(DATA)}),
        ("silent", ["nothing came", "0.3 s"], {}),
        ("endless", ["does not end"], {}),
        ("huge", ["far more than expected"], {}),
        ("broken-chunks", ["check the network"], {}),
        ("page", ["web page", "log in"], {}),
        ("missing", ["404 Not Found", "no longer valid"], {}),
        ("down", ["500"], {}),
        ("garbage", ["check the network"], {}),
        ("elsewhere", ["302"], {}),
        ("well", ["SHA-256", "thrown away"], {"sha256": sha256(b"other")}),
    ],
)
def test_what_cannot_arrive_is_said_in_a_line(server, tmp_path, manner, words, options):
    one_line(lambda: get(server, manner, tmp_path, **options), *words)
    assert not (tmp_path / "clip.bin").exists()
    assert len(server.asked) <= download.TRIES + 1


def test_a_server_that_sends_another_range_gets_nowhere(server, tmp_path):
    (tmp_path / "clip.bin.part").write_bytes(DATA[:100])
    with pytest.raises(CorpusError):
        get(server, "other-range", tmp_path, sha256=sha256(DATA))
    assert not (tmp_path / "clip.bin").exists()


def test_without_a_network_there_is_one_line_at_once(tmp_path):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}/clip.bin"
        before = time.monotonic()
        one_line(lambda: download.download(url, tmp_path / "clip.bin", limit=1000), "AUDIOLAB_MIRROR", "network")
    assert time.monotonic() - before < 1
    assert os.listdir(tmp_path) == []


def test_a_host_that_is_not_there_is_named(tmp_path):
    one_line(lambda: download.download("http://nowhere.invalid/a.zip", tmp_path / "a.zip", limit=1000),
             "nowhere.invalid", "AUDIOLAB_MIRROR")


# ---------------------------------------------------------------------------------------- unpacking


def zipped(entries):
    """A zip of names (or ZipInfos) and contents."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in entries:
            archive.writestr(name, content)
    return buffer.getvalue()


def tarred(entries):
    """A tar.gz of names (or TarInfos) and contents."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for name, content in entries:
            member = name if isinstance(name, tarfile.TarInfo) else tarfile.TarInfo(name)
            if member.isreg():
                member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


PACK = {".zip": zipped, ".tar.gz": tarred}


def unpack(folder, suffix, content, wanted=lambda path: True, **options):
    archive = folder / f"set{suffix}"
    archive.write_bytes(content)
    download.unpack(archive, folder / "out", wanted, **{"max_bytes": 10**6, "max_entries": 50, **options})
    return sorted(path.relative_to(folder / "out").as_posix() for path in (folder / "out").rglob("*") if path.is_file())


@pytest.mark.parametrize("suffix", PACK)
def test_the_files_that_are_wanted_are_unpacked(tmp_path, suffix):
    content = PACK[suffix]([("./top/a/one.wav", DATA), ("top/b.txt", b"text"), ("top/setup.py", b"no")])
    assert unpack(tmp_path, suffix, content, lambda path: not path.endswith(".py"), top=1) == ["a/one.wav", "b.txt"]
    assert (tmp_path / "out/a/one.wav").read_bytes() == DATA


@pytest.mark.parametrize("suffix", PACK)
@pytest.mark.parametrize("name", ["../out.wav", "a/../../out.wav", "/tmp/out.wav", "a\\..\\..\\out.wav", "C:/out.wav",
                                  "C:out.wav", "..", "a.wav:stream"])
def test_a_path_that_leads_out_is_refused(tmp_path, suffix, name):
    content = PACK[suffix]([("fine.wav", b"fine"), (name, b"trick")])
    one_line(lambda: unpack(tmp_path, suffix, content), "lead out of the folder")
    assert {path.name for path in tmp_path.rglob("*")} <= {f"set{suffix}", "out", "fine.wav"}
    assert not Path("/tmp/out.wav").exists()


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE])
def test_a_link_or_device_in_a_tar_is_refused(tmp_path, kind):
    member = tarfile.TarInfo("a")
    member.type, member.linkname = kind, "/etc"
    one_line(lambda: unpack(tmp_path, ".tar.gz", tarred([(member, b""), ("a/passwd", b"x")])), "link or a device")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("mode", [stat.S_IFLNK, stat.S_IFCHR, stat.S_IFIFO])
def test_a_link_or_device_in_a_zip_is_refused(tmp_path, mode):
    member = zipfile.ZipInfo("a")
    member.external_attr = (mode | 0o777) << 16
    one_line(lambda: unpack(tmp_path, ".zip", zipped([(member, b"/etc"), ("a/passwd", b"x")])), "link or a device")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("suffix", PACK)
def test_a_bomb_is_refused(tmp_path, suffix):
    bomb = PACK[suffix]([("a.wav", b"fine"), ("zeros.wav", bytes(50_000_000))])
    assert len(bomb) < 100_000
    one_line(lambda: unpack(tmp_path, suffix, bomb), "far more than expected", "50 MB")
    one_line(lambda: unpack(tmp_path, suffix, bomb, lambda path: False), "far more than expected")     # unwanted, too
    assert sum(path.stat().st_size for path in (tmp_path / "out").rglob("*")) < 1000
    many = PACK[suffix]([(f"{i}.wav", b"") for i in range(60)])
    one_line(lambda: unpack(tmp_path, suffix, many), "51 entries")


def test_a_zip_that_lies_about_a_size_is_refused(tmp_path):
    content = zipped([("zeros.wav", bytes(5_000_000))])
    lying = content.replace((5_000_000).to_bytes(4, "little"), (1000).to_bytes(4, "little"))
    one_line(lambda: unpack(tmp_path, ".zip", lying), "damaged")
    assert (tmp_path / "out/zeros.wav").stat().st_size <= 1000


@pytest.mark.parametrize("suffix", PACK)
def test_one_path_twice_is_refused(tmp_path, suffix):
    with pytest.warns(UserWarning) if suffix == ".zip" else open(os.devnull):
        content = PACK[suffix]([("a.wav", b"first"), ("a.wav", b"second")])
    one_line(lambda: unpack(tmp_path, suffix, content), "twice")


@pytest.mark.parametrize("suffix", PACK)
def test_a_damaged_archive_is_called_so_wherever_the_damage_is(tmp_path, suffix):
    rng = np.random.default_rng(1)
    content = PACK[suffix]([(f"{i}.wav", DATA[1000 * i : 1000 * i + 800]) for i in range(6)])
    for trial in range(150):
        damaged = bytearray(content)
        if trial < 50:
            damaged = damaged[: rng.integers(len(content))]
        else:
            for place in rng.integers(len(content), size=20):
                damaged[place] ^= rng.integers(1, 256)
        shutil.rmtree(tmp_path / "out", ignore_errors=True)
        try:                                            # damage to what is not read (dates, flags) may pass
            unpack(tmp_path, suffix, bytes(damaged))
        except CorpusError as error:
            assert "\n" not in str(error)


# ---------------------------------------------------------------------------------------- a data set


@pytest.fixture
def small(server, tmp_path, monkeypatch):
    """A data set of three tones on the server, as an archive with hashes."""
    monkeypatch.setenv("AUDIOLAB_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("AUDIOLAB_MIRROR", raising=False)
    published = tmp_path / "published" / "small"
    for hz in (220, 440, 880):
        audio.save(published / f"tones/{hz}.wav", synth.tone(hz, 1, 8000), 8000)
    contents = {path: (published / path).read_bytes() for path in remote._paths(published, "*/*.wav")}
    server.files["small.zip"] = zipped([(f"small-1/{path}", content) for path, content in contents.items()])
    server.files.update({f"small-1/{path}": content for path, content in contents.items()})
    manifest = {path: sha256(content) for path, content in contents.items()}
    monkeypatch.setattr(remote, "_manifest", lambda name: manifest)

    def define(manner="well", name="small.zip", **options):
        settings = {"title": "Tones", "url": server.url(manner, name), "size": 100_000, "count": 3, "top": 1,
                    "table": tones, "licence": "CC0", "citation": "us", **options}
        monkeypatch.setitem(remote.DATASETS, "small", remote.DataSet(**settings))
        return remote.DATASETS["small"]

    define.server, define.manifest, define.published = server, manifest, published
    define()
    return define


def tones(folder):
    for path in remote._paths(folder, "tones/*.wav"):
        yield {"path": path, "label": Path(path).stem, "split": "train"}


def raw():
    return {path.name for path in remote.paths.data("raw").iterdir() if path.name != ".small.lock"}


@pytest.mark.parametrize("name", ["small.zip", "small-1"])
def test_a_data_set_becomes_a_corpus(small, name):
    small(name=name)
    corpus = remote.load("small")
    assert isinstance(corpus.check(), Corpus) and len(corpus.split("train")) == 3
    assert list(corpus.table) == ["path", "label", "split", "duration", "sr", "licence"]
    assert set(corpus.table.licence) == {"CC0"} and set(corpus.table.duration) == {1.0}
    assert corpus.about == {"desc": "Tones", "source": remote.DATASETS["small"].url, "licence": "CC0", "citation": "us"}
    assert raw() == {"small"}
    asked = len(small.server.asked)
    remote.load("small")
    remote.check("small")
    assert len(small.server.asked) == asked                                     # from disk


@pytest.mark.parametrize("name", ["small.zip", "small-1"])
def test_a_wrong_hash_leaves_nothing(small, name):
    small(name=name)
    small.manifest["tones/440.wav"] = sha256(b"other")
    with pytest.raises(CorpusError, match=r"440\.wav|SHA-256"):
        remote.load("small")
    assert raw() == {".small.making"}
    assert not list(remote.paths.data("raw").rglob("*.zip"))                    # the bad archive is gone
    small.manifest["tones/440.wav"] = sha256((small.published / "tones/440.wav").read_bytes())
    assert len(remote.load("small")) == 3


def test_without_hashes_a_clip_that_is_missing_or_broken_is_found(small, monkeypatch):
    monkeypatch.setattr(remote, "_manifest", lambda name: {})
    small(keep=r"tones/.+\.wav", count=4)
    with pytest.raises(CorpusError, match="has 3 clips and should have 4"):
        remote.load("small")
    small(keep=r"tones/.+\.wav")
    good = small.server.files["small.zip"]
    small.server.files["small.zip"] = zipped([(f"s/tones/{i}.wav", DATA[:500 * i]) for i in range(3)])
    with pytest.raises(CorpusError, match="3 clips of 'small' cannot be read") as caught:
        remote.load("small")
    assert len(caught.value.problems) == 3 and str(remote.paths.root()) not in str(caught.value)
    assert raw() == {".small.making"}
    small.server.files["small.zip"] = good
    assert len(remote.load("small")) == 3


@pytest.mark.parametrize("manner", ["truncates-without-range", "promises-less", "page", "missing"])
def test_a_data_set_that_cannot_arrive_is_said_in_a_line(small, manner):
    small.server.files["small.zip"] = zipped([("small-1/tones/220.wav", DATA)])
    small(manner, size=500_000)
    one_line(lambda: remote.load("small"))
    assert raw() == {".small.making"}


def test_an_archive_with_tricks_leaves_nothing_outside(small, tmp_path):
    small.server.files["small.zip"] = zipped([("small-1/../../../../trick.wav", b"trick")])
    one_line(lambda: remote.load("small"), "lead out of the folder")
    assert raw() == {".small.making"} and not list(tmp_path.rglob("trick.wav"))


def test_the_mirror_is_tried_first(small, monkeypatch):
    monkeypatch.setenv("AUDIOLAB_MIRROR", str(small.published.parent))
    assert len(remote.load("small")) == 3
    assert small.server.asked == []


def test_a_mirror_without_the_data_set_is_passed_over(small, monkeypatch, tmp_path):
    monkeypatch.setenv("AUDIOLAB_MIRROR", str(tmp_path))
    assert len(remote.load("small")) == 3
    assert small.server.asked


def test_a_damaged_mirror_is_named(small, monkeypatch, tmp_path):
    monkeypatch.setenv("AUDIOLAB_MIRROR", str(small.published.parent))
    (small.published / "tones/220.wav").write_bytes(b"changed")
    (small.published / "tones/440.wav").unlink()
    with pytest.raises(CorpusError, match="2 of 3 files") as caught:
        remote.load("small")
    assert caught.value.problems == ["'tones/220.wav' has another content (its SHA-256 differs)",
                                     "'tones/440.wav' is missing"]
    monkeypatch.setenv("AUDIOLAB_MIRROR", str(tmp_path / "nowhere"))
    one_line(lambda: remote.load("small"), "AUDIOLAB_MIRROR", "no folder")


def test_what_was_changed_later_is_found_by_check(small):
    remote.load("small")
    (remote.paths.data("raw", "small") / "tones/880.wav").write_bytes(b"changed")
    with pytest.raises(CorpusError, match=r"880\.wav"):
        remote.check("small")


def test_a_full_disk_is_said_before_and_during(small, monkeypatch):
    free = shutil.disk_usage
    monkeypatch.setattr(remote.shutil, "disk_usage", lambda path: free(path)._replace(free=1000))
    one_line(lambda: remote.load("small"), "make room")
    monkeypatch.setattr(remote.shutil, "disk_usage", free)

    def full(*args):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(download.shutil, "copyfileobj", full)
        one_line(lambda: remote.load("small"), "No space left")
    assert raw() == {".small.making"}
    asked = len(small.server.asked)
    assert len(remote.load("small")) == 3 and len(small.server.asked) == asked  # what had arrived was good


def test_another_version_or_another_folder_is_not_mistaken(small):
    remote.load("small")
    small(name="other.zip")
    one_line(lambda: remote.load("small"), "another version")
    shutil.rmtree(remote.paths.data("raw", "small"))
    remote.paths.data("raw", "small").mkdir()
    (remote.paths.data("raw", "small") / "mine.wav").write_bytes(b"mine")
    one_line(lambda: remote.load("small"), "something else")
    assert (remote.paths.data("raw", "small") / "mine.wav").read_bytes() == b"mine"


def test_unknown_names_are_answered_with_those_there_are():
    one_line(lambda: remote.fetch("fssd"), "fsdd", "nottingham")
    one_line(lambda: remote.load("jsb-chorales"), "fsdd")
    one_line(lambda: remote.jsb("8th"), "quarter")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
def test_two_processes_at_once_download_once(small):
    context = multiprocessing.get_context("fork")                               # they inherit the small data set
    both = [context.Process(target=remote.load, args=["small"]) for _ in range(2)]
    for process in both:
        process.start()
    for process in both:
        process.join(30)
    assert [process.exitcode for process in both] == [0, 0]
    assert len(small.server.asked) == 1 and len(remote.load("small")) == 3


KILLED = """
import sys
from audiolab.corpora import remote
name, url, manifest = sys.argv[1:]
remote._manifest = lambda name: dict(line.split() for line in manifest.split(","))
remote.DATASETS[name] = remote.DataSet("Tones", url, 1_000_000, 3, "CC0", "us", top=1)
print(remote.fetch(name))
"""


def test_killed_in_the_middle_the_next_process_goes_on(server, tmp_path):
    server.files["small.zip"] = zipped([(f"small-1/{i}.wav", DATA[100_000 * i :][:100_000]) for i in range(3)])
    manifest = ",".join(f"{i}.wav {sha256(DATA[100_000 * i :][:100_000])}" for i in range(3))
    environment = {**os.environ, "AUDIOLAB_HOME": str(tmp_path), "AUDIOLAB_MIRROR": ""}
    part = tmp_path / "data/raw/.small.making/small.zip.part"

    def start(manner):
        arguments = [sys.executable, "-c", KILLED, "small", server.url(manner, "small.zip"), manifest]
        return subprocess.Popen(arguments, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    first = start("stalls")
    deadline = time.monotonic() + 30
    while not (part.exists() and part.stat().st_size) and time.monotonic() < deadline:
        time.sleep(0.05)
    first.kill()
    first.communicate()
    arrived = part.stat().st_size
    assert arrived and not (tmp_path / "data/raw/small").exists()
    second = start("well")
    out, err = second.communicate(timeout=60)
    assert second.returncode == 0, err
    assert server.asked[-1] == ("small.zip", f"bytes={arrived}-")
    assert sorted(os.listdir(out.strip())) == ["0.wav", "1.wav", "2.wav", "corpus.json"]
    assert os.listdir(tmp_path / "data/raw") and not part.parent.exists()


# ---------------------------------------------------------------------------------------- the table of data sets


def test_every_source_is_pinned_and_described():
    for name, dataset in remote.DATASETS.items():
        assert dataset.url.startswith("https://")
        assert re.search(r"/[0-9a-f]{40}(\.zip|/|$)", dataset.url) or dataset.sha256, name
        assert dataset.licence and dataset.citation and dataset.title
        manifest = remote._manifest(name)
        assert manifest or dataset.keep, name
        assert all(re.fullmatch("[0-9a-f]{64}", digest) for digest in manifest.values())
        assert bool(dataset.packed) == bool(dataset.sha256)


def test_a_table_of_each_archive_reads_its_layout(tmp_path):
    """Layouts that are on no mirror, in small."""
    files = {
        "esc50/meta/esc50.csv": "filename,fold,target,category,esc10,src_file,take\n"
                                "1-100032-A-0.wav,1,0,dog,True,100032,A\n1-100038-A-14.wav,1,14,chirping_birds,False,100038,A\n",
        "speech-commands/validation_list.txt": "yes/0a_nohash_0.wav\n",
        "speech-commands/testing_list.txt": "yes/0b_nohash_1.wav\nno/0b_nohash_0.wav\n",
        "speech-commands/yes/0a_nohash_0.wav": "", "speech-commands/yes/0b_nohash_1.wav": "",
        "speech-commands/yes/0c_nohash_0.wav": "", "speech-commands/_background_noise_/pink_noise.wav": "",
        "librispeech-dev-clean/dev-clean/84/121123/84-121123.trans.txt": "84-121123-0000 GO DO YOU HEAR\n",
    }  # fmt: skip
    for path, text in files.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)
    rows = {name: list(remote.DATASETS[name].table(tmp_path / name))
            for name in ("esc50", "speech-commands", "librispeech-dev-clean")}
    assert [(row["label"], row["fold"], row["group"], row["licence"]) for row in rows["esc50"]] == [
        ("dog", 1, "100032", "CC BY 3.0"), ("chirping_birds", 1, "100038", "CC BY-NC 3.0")]
    assert {row["path"]: (row["label"], row["group"], row["split"]) for row in rows["speech-commands"]} == {
        "_background_noise_/pink_noise.wav": ("", "", ""), "yes/0a_nohash_0.wav": ("yes", "0a", "validation"),
        "yes/0b_nohash_1.wav": ("yes", "0b", "test"), "yes/0c_nohash_0.wav": ("yes", "0c", "train")}
    assert rows["librispeech-dev-clean"] == [{
        "path": "dev-clean/84/121123/84-121123-0000.flac", "text": "GO DO YOU HEAR", "group": "84",
        "split": "validation", "chapter": "121123"}]
    for name, kept in [("esc50", "audio/1-100032-A-0.wav"), ("esc50", "meta/esc50.csv"), ("esc50", "LICENSE"),
                       ("speech-commands", "yes/0a_nohash_0.wav"), ("speech-commands", "testing_list.txt"),
                       ("librispeech-dev-clean", "dev-clean/84/121123/84-121123-0000.flac"),
                       ("librispeech-dev-clean", "dev-clean/84/121123/84-121123.trans.txt")]:
        assert re.fullmatch(remote.DATASETS[name].keep, kept)


# ---------------------------------------------------------------------------------------- the mirror


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("AUDIOLAB_HOME", str(tmp_path))


@mirrored
def test_fsdd_loads_with_its_official_split(home):
    corpus = remote.load("fsdd").check()
    assert len(corpus) == 3000 and len(corpus.labels) == 10 and set(corpus.table.sr) == {8000}
    test, train = corpus.split("test"), corpus.split("train")
    assert (len(train), len(test)) == (2700, 300) and set(test.table["take"]) == set(range(5))
    assert set(test.table.groupby(["label", "speaker"]).size()) == {5}
    remote.check("fsdd")
    before = time.monotonic()
    remote.load("fsdd")
    assert time.monotonic() - before < 1                                        # the second call reads from disk


@mirrored
def test_librosa_examples_load_with_a_licence_each(home):
    corpus = remote.load("librosa-examples").check()
    assert len(corpus) == 28 and len(corpus.labels) == 14 and corpus.table.hq.sum() == 14
    assert set(corpus.table.licence) == {"public domain", "CC BY 3.0", "CC BY 4.0", "CC BY-NC 3.0", "CC BY-NC 4.0"}


@mirrored
@pytest.mark.parametrize("grid, steps, low, high", [("quarter", 4725, 43, 96), ("16th", 18900, 36, 81)])
def test_chorales_come_with_their_split(home, grid, steps, low, high):
    chorales = remote.jsb(grid)
    assert {name: len(part) for name, part in chorales.items()} == {"train": 229, "validation": 76, "test": 77}
    assert sum(map(len, chorales["test"])) == steps
    pitches = {pitch for part in chorales.values() for chorale in part for step in chorale for pitch in step}
    assert (min(pitches), max(pitches)) == (low, high) and {type(pitch) for pitch in pitches} == {int}
    remote.check("jsb-chorales")


@mirrored
def test_nottingham_comes_tune_by_tune(home):
    tunes = remote.nottingham()
    assert len(tunes) == remote.DATASETS["nottingham"].count == 1034
    assert tunes.group.nunique() == 14 and not tunes.duplicated(["group", "number"]).any()
    assert tunes.abc.str.match("X:").all() and (tunes.abc.str.count(r"(?m)^X:") == 1).all()
    assert tunes.abc.str.contains(r"(?m)^K:").all() and (tunes.title != "").all()
