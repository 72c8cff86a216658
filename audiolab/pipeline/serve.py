"""A small server for this machine alone: the report page, and an answer for each recording that is sent to it."""

import hmac
import json
import secrets
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import numpy as np

from .. import audio, features
from .. import preprocess as preparing
from .config import PlanError
from .listen import cleaned, probabilities
from .runs import folder, shown
from .stages import SR, loudest

LARGEST = 20_000_000                        # bytes of a recording: three minutes of stereo, and more
LONGEST = 300                               # seconds
PATIENCE = 20                               # seconds that a request may take to arrive


class Detector:
    """A finished run that answers: a recording in, a probability for each class out.

    Parameters
    ----------
    source : str, os.PathLike, dict or Plan, optional
        As `audiolab.pipeline.load` takes it.

    Raises
    ------
    PlanError
        If the run is not finished.

    Taught in: notebooks/15_capstone.ipynb, "Does it keep up with the world?"
    """

    def __init__(self, source=None):
        from ..compress import Runner

        done = shown(source)
        if missing := {"denoise", "int8"} & set(done.missing):
            raise PlanError(f"Nothing can be served before {' and '.join(sorted(missing))} are done: run the plan "
                            "first.")
        self.plan, self.labels = done.plan, done["denoise"]["labels"]
        self.sr, self.clean = done["denoise"]["sr"], done["denoise"]["used"]
        self.run = Runner(done["int8"].folder / "model-int8.onnx")

    def __call__(self, content):
        """Probabilities by class, of the loudest moment of a recording.

        Parameters
        ----------
        content : bytes
            Of a WAV, FLAC, OGG or MP3 file.

        Returns
        -------
        dict of str to float

        Raises
        ------
        AudioError
            If it is none, or too long.
        """
        if audio.info(content).duration > LONGEST:
            raise audio.AudioError(f"The recording is longer than {LONGEST} seconds: send a part of it.")
        y, sr = audio.load(content, mono=True)
        if sr < 1000:
            raise audio.AudioError(f"A rate of {sr} Hz is too low for these sounds.")
        y = preparing.remove_dc(preparing.resample(y, sr, self.sr if not self.plan.preprocess else SR))
        y, _, _ = loudest(y, self.sr, self.plan.seconds)
        y = cleaned(y, self.sr) if self.clean else y
        found = probabilities(self.run, features.log_mel(y.astype(np.float32), self.sr)[None])[0]
        return {label: round(float(p), 4) for label, p in zip(self.labels, found, strict=True)}


def server(source=None, port=0):
    """A server on this machine, which answers whoever knows the token in its address.

    Parameters
    ----------
    source : str, os.PathLike, dict or Plan, optional
        As `audiolab.pipeline.load` takes it, of a finished run.
    port : int
        0 for any that is free.

    Returns
    -------
    server : http.server.ThreadingHTTPServer
        ``server.serve_forever()`` answers until ``server.shutdown()``, or Ctrl+C.
    address : str
        GET shows the report page; POST of a recording, as it is, answers ``{"alarm": 0.97, "other": 0.03}``.

    Raises
    ------
    PlanError
        If the run is not finished, or the port is taken.

    Taught in: notebooks/15_capstone.ipynb, "Does it keep up with the world?"
    """
    detector, token = Detector(source), secrets.token_urlsafe(16)
    page = folder(detector.plan) / "report.html"

    class Handler(_Handler):
        pass

    Handler.detector, Handler.token, Handler.page = detector, token, page
    try:
        http = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    except OSError as error:
        raise PlanError(f"Port {port} of this machine cannot be used ({error.strerror}): choose another.") from None
    http.daemon_threads = True
    return http, f"http://127.0.0.1:{http.server_port}/?token={token}"


class _Handler(BaseHTTPRequestHandler):
    """What is asked and answered. `detector`, `token` and `page` are those of the server."""

    timeout = PATIENCE
    server_version, sys_version = "audiolab", ""

    def do_GET(self):
        if self._refused():
            return
        try:
            self._answer(200, self.page.read_bytes(), "text/html; charset=utf-8")
        except OSError:
            self._says(404, "There is no report yet: run the plan.")

    def do_POST(self):
        if self._refused():
            return
        length = self.headers.get("Content-Length", "")
        if not length.isdecimal() or not int(length):
            self._says(411, "Send a recording, and its length with it.")
        elif int(length) > LARGEST:
            self._says(413, f"The recording has {int(length):,} bytes, at most {LARGEST:,} are taken: send a part of "
                            "it.")
        else:
            self._predict(int(length))

    def _predict(self, length):
        try:
            content = self.rfile.read(length)
        except TimeoutError:
            content = b""
        if len(content) < length:
            self._says(400, f"Only {len(content)} of {length} bytes arrived: send it again.")
            return
        try:
            found = self.detector(content)
        except ValueError as error:                             # an AudioError: it is no sound
            self._says(400, " ".join(str(error).split()))
            return
        self._answer(200, json.dumps(found).encode(), "application/json")

    def _refused(self):
        given = parse_qs(urlsplit(self.path).query).get("token", [""])[0]
        if hmac.compare_digest(given.encode(), self.token.encode()):
            return False
        self._says(403, "The address lacks its token: copy the whole of what was printed.")
        return True

    def _says(self, status, text):
        self.close_connection = True                            # what was sent besides is not read
        self._answer(status, json.dumps({"error": text}).encode(), "application/json")

    def _answer(self, status, content, kind):
        try:
            self.send_response(status)
            for name, value in (("Content-Type", kind), ("Content-Length", str(len(content))),
                                ("Referrer-Policy", "no-referrer"), ("Cache-Control", "no-store"),
                                ("X-Content-Type-Options", "nosniff")):
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)
        except OSError:                                         # who asked is gone
            self.close_connection = True

    def log_message(self, *_):
        """Nothing: the token would stand in it."""
