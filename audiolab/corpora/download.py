"""Files from the network: whole and right or not at all, and archives unpacked without harm.

Connections break, stall, and end early; servers move, lie about lengths, and answer with a page to log in on.
Archives may hold paths that lead elsewhere, links, or a flood of zeros. None of it may leave anything behind
that looks like data.
"""

import errno
import gzip
import hashlib
import http.client
import re
import shutil
import stat
import struct
import tarfile
import time
import urllib.error
import urllib.parse
import urllib.request
import zipfile
import zlib
from contextlib import contextmanager
from pathlib import PurePosixPath

from ..corpus import CorpusError

TIMEOUT = 30                                # seconds without a byte after which a connection counts as dead
TRIES = 5                                   # failures in a row before giving up
PAUSE = 1.0                                 # seconds before the second try, twice as many before each further one
CHUNK = 2**16                               # bytes read at a time
PROGRESS = 2**20                            # bytes more than ever before, after which failures count from 0 again


# ---------------------------------------------------------------------------------------- downloading


class _Interrupted(Exception):
    """The connection failed in a way that may pass."""


class _Unreachable(_Interrupted):
    """There was no connection at all."""


def download(url, path, *, limit, size=None, sha256=None):
    """Download a file, going on where an earlier call or a broken connection stopped.

    What arrives gathers in ``<path>.part``, which takes its name when all is there and right.

    Parameters
    ----------
    url : str
    path : pathlib.Path
    limit : int
        Bytes beyond which the download is given up.
    size : int, optional
        Bytes that the file has, where known.
    sha256 : str, optional
        What its SHA-256 is, where known.

    Raises
    ------
    CorpusError
        If there is no network, the server refuses or keeps failing, or the file is not the one expected.
    """
    part = path.with_name(f"{path.name}.part")
    path.parent.mkdir(parents=True, exist_ok=True)
    furthest, failures = _size(part), 0
    while True:
        try:
            _receive(url, part, limit, size)
            break
        except _Interrupted as error:
            arrived = _size(part)
            failures = 0 if arrived >= furthest + PROGRESS else failures + 1
            furthest = max(furthest, arrived)
            if failures == TRIES or (isinstance(error, _Unreachable) and not arrived):
                kept = f" The {megabytes(arrived)} that arrived are kept." if arrived else ""
                raise CorpusError(
                    f"{path.name!r} cannot be downloaded from {_host(url)} ({error}): check the network and call "
                    f"again, or let AUDIOLAB_MIRROR name a folder that holds it.{kept}"
                ) from None
            time.sleep(PAUSE * 2 ** (failures - 1) if failures else 0)
    if sha256 and sha256_of(part) != sha256:
        part.unlink()
        raise CorpusError(f"{path.name!r} from {_host(url)} is not the file that was published (its SHA-256 differs) "
                          "and was thrown away: call again; if it stays so, the source has changed.")
    part.replace(path)


def _receive(url, part, limit, size):
    """Append to `part` what it lacks, in one connection."""
    from tqdm.auto import tqdm

    have = _size(part)
    if size and have >= size:
        if have > size:
            part.unlink()
            raise _Interrupted("more had arrived than the file holds")
        return
    headers = {"User-Agent": "audiolab", **({"Range": f"bytes={have}-"} if have else {})}
    with _network(url, part):
        response = urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=TIMEOUT)
    with response:
        kind = response.headers.get_content_type()
        if kind == "text/html":
            raise CorpusError(f"{_host(url)} answers with a web page instead of {part.stem!r}: if this network asks "
                              "you to log in, do so in a browser and call again.")
        start = have if response.status == 206 else 0                           # 200: it sends all, from the beginning
        if start and not response.headers.get("Content-Range", "").startswith(f"bytes {start}-"):
            part.unlink()
            raise _Interrupted("it sends another part of the file than was asked for")
        total = None if response.length is None else start + response.length
        if size and total not in (None, size):
            raise CorpusError(f"{part.stem!r} at {_host(url)} has {total} bytes and should have {size}: the source has "
                              "changed.")
        if max(total or 0, size or 0) > limit:
            raise CorpusError(f"{part.stem!r} at {_host(url)} has {megabytes(total)}, far more than expected: the "
                              "source has changed.")
        bar = tqdm(desc=part.stem, total=total, initial=start, unit="B", unit_scale=True, delay=1)
        with part.open("ab" if start else "wb") as file, bar:
            arrived = start
            while True:
                with _network(url, part):
                    chunk = response.read1(CHUNK)
                if not chunk:
                    break
                arrived += len(chunk)
                if arrived > limit:
                    raise CorpusError(f"{part.stem!r} at {_host(url)} does not end where expected: the source has "
                                      "changed.")
                file.write(chunk)
                bar.update(len(chunk))
    if arrived < (total or size or 0):
        raise _Interrupted(f"the connection ended after {megabytes(arrived)} of {megabytes(total or size)}")


@contextmanager
def _network(url, part):
    """Tell what may pass from what will not."""
    try:
        yield
    except urllib.error.HTTPError as error:
        if error.code == 416:                                                   # nothing lies beyond what we have
            part.unlink(missing_ok=True)
        if error.code in (408, 416, 429) or error.code >= 500:
            raise _Interrupted(f"it answers {error.code} {error.reason}") from None
        raise CorpusError(f"{_host(url)} answers {error.code} {error.reason} for {part.stem!r}: the address {url} is "
                          "no longer valid; a newer version of the course may know another.") from None
    except TimeoutError:
        raise _Interrupted(f"nothing came for {TIMEOUT} s") from None
    except urllib.error.URLError as error:
        if isinstance(error.reason, TimeoutError):
            raise _Interrupted(f"no answer for {TIMEOUT} s") from None
        raise _Unreachable(getattr(error.reason, "strerror", None) or error.reason) from None
    except (OSError, http.client.HTTPException, ValueError) as error:          # ValueError: a damaged chunk's length
        raise _Interrupted(getattr(error, "strerror", None) or type(error).__name__) from None


def sha256_of(path):
    """SHA-256 of a file, as sha256sum writes it."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def megabytes(n):
    """A number of bytes, to read."""
    return f"{n / 1e6:,.0f} MB" if n >= 1e6 else f"{n / 1e3:,.0f} kB"


def _size(path):
    return path.stat().st_size if path.exists() else 0


def _host(url):
    return urllib.parse.urlsplit(url).netloc


# ---------------------------------------------------------------------------------------- unpacking


def unpack(archive, folder, wanted, *, top=0, max_bytes, max_entries):
    """Unpack the files of an archive that are wanted, and refuse one that could do harm.

    Parameters
    ----------
    archive : pathlib.Path
        A .zip or a .tar.gz.
    folder : pathlib.Path
    wanted : callable
        ``wanted(path)`` is true for those to unpack.
    top : int
        Outer folders of each path to leave out.
    max_bytes, max_entries : int
        Most that all entries may hold, wanted or not, and how many there may be.

    Raises
    ------
    CorpusError
        If the archive is damaged, exceeds these limits, or holds a path that leads out of the folder, a link,
        a device, or one path twice. What was unpacked before stays in the folder.
    """
    from tqdm.auto import tqdm

    number = total = 0
    seen = set()
    with _damage(archive):
        for name, kind, size, opened in tqdm(_members(archive), "Unpacking", unit="file", delay=1):
            number, total = number + 1, total + size
            if number > max_entries or total > max_bytes:
                raise CorpusError(f"{archive.name!r} holds far more than expected ({number} entries, "
                                  f"{megabytes(total)} so far): it is not unpacked.")
            parts = PurePosixPath(name).parts
            if name.startswith("/") or ".." in parts or re.search(r"[\\:\0]", name):
                raise CorpusError(f"{archive.name!r} holds {name!r}, which may lead out of the folder: it is not "
                                  "unpacked.")
            if kind not in ("file", "folder"):
                raise CorpusError(f"{archive.name!r} holds {name!r}, a link or a device: it is not unpacked.")
            path = "/".join(parts[top:])
            if kind == "folder" or not wanted(path):
                continue
            if path.casefold() in seen:
                raise CorpusError(f"{archive.name!r} holds {name!r} twice: it is not unpacked.")
            seen.add(path.casefold())
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            with opened() as source, (folder / path).open("xb") as file:
                shutil.copyfileobj(source, file, CHUNK)                         # both formats end it at `size`


def _members(archive):
    """Of each entry: its name, "file", "folder" or "other", its size in bytes, and a function that opens it."""
    if archive.suffix == ".zip":
        with zipfile.ZipFile(archive) as opened:
            for member in opened.infolist():
                mode = stat.S_IFMT(member.external_attr >> 16)                  # 0 where no Unix made the archive
                plain = "folder" if member.is_dir() else "file"
                kind = plain if mode in (0, stat.S_IFREG, stat.S_IFDIR) else "other"
                yield member.filename, kind, member.file_size, lambda member=member: opened.open(member)
    else:
        with gzip.open(archive) as stream, tarfile.open(fileobj=stream, mode="r|") as opened:
            for member in opened:
                kind = "file" if member.isreg() else "folder" if member.isdir() else "other"
                yield member.name, kind, member.size, lambda member=member: opened.extractfile(member)


@contextmanager
def _damage(archive):
    """Say of a damaged archive that it is one."""
    try:
        yield
    except (zipfile.BadZipFile, tarfile.TarError, gzip.BadGzipFile, zlib.error, struct.error, EOFError, OSError,
            ValueError, NotImplementedError, RuntimeError) as error:            # the last two: odd or secret coding
        if isinstance(error, CorpusError) or (isinstance(error, OSError) and error.errno not in (None, errno.EINVAL)):
            raise                                       # the disk's; to seek before the beginning is the archive's
        reason = " ".join(str(error).split()) or type(error).__name__
        raise CorpusError(f"{archive.name!r} is damaged ({reason}): it was thrown away, call again.") from None
