"""A finished run that answers: about a recording, about all alerts in a long one, and as a server on this machine."""

import hmac
import json
import secrets
import socket
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import numpy as np

from .. import audio, features
from .. import preprocess as preparing
from .config import PlanError
from .listen import HOP, alerts, cleaned, highpassed, offline, probabilities
from .runs import folder, shown
from .stages import SR

LARGEST = 20_000_000                        # bytes of a recording: three minutes of stereo, and more
LONGEST = 300                               # seconds
PATIENCE = 20                               # seconds that a request may take to arrive
LINGER = 2                                  # seconds in which what is refused is still taken, and thrown away


class Detector:
    """A finished run that answers: a recording in, a probability for each class out.

    Attributes
    ----------
    plan : Plan
    labels : list of str
        The first is watched for, from ``plan.threshold`` on.

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
        self.file = done["int8"].folder / "model-int8.onnx"
        self.run = Runner(self.file)

    def __call__(self, content):
        """Probabilities by class, of the window of a recording in which the class that is watched for is likeliest.

        Parameters
        ----------
        content : bytes
            Of a WAV, FLAC, OGG or MP3 file.

        Returns
        -------
        dict of str to float
            And under ``"at"`` the seconds at which that window begins.

        Raises
        ------
        AudioError
            If it is none, or too long.
        """
        if audio.info(content).duration > LONGEST:
            raise audio.AudioError(f"The recording is longer than {LONGEST} seconds: send a part of it.")
        y, n, hop = self._heard(content), round(self.plan.seconds * self.sr), round(HOP * self.sr)
        y = np.pad(y, (0, max(0, n - len(y))))
        begins = sorted({*range(0, len(y) - n + 1, hop), len(y) - n})           # the last window ends with the sound
        found = np.concatenate([self._said(y[begin : begin + n]) for begin in begins])
        best = int(found[:, 0].argmax())
        said = {"at": round(begins[best] / self.sr, 2)}
        return said | {label: round(float(p), 4) for label, p in zip(self.labels, found[best], strict=True)}

    def alerts(self, file):
        """When the class that is watched for is heard in a recording of any length, as a `Listener` would say it.

        Parameters
        ----------
        file : str or os.PathLike

        Returns
        -------
        list of (float, float, float)
            Seconds of the first and the last decision, and the highest probability in between.

        Raises
        ------
        AudioError
            If it is no recording, or too short for a decision.

        Taught in: notebooks/15_capstone.ipynb, "Does it keep up with the world?"
        """
        y, seconds = self._heard(file, highpass=False), self.plan.seconds
        if len(y) < (seconds + 0.1) * self.sr:
            raise audio.AudioError(f"The recording lasts {len(y) / self.sr:.1f} s: for a decision {seconds:g} s and a "
                                   "little more are needed.")
        p = offline(self.file, y, self.sr, seconds, self.clean, self.plan.preprocess)[:, 0]
        t = seconds + HOP * np.arange(len(p))
        return [(float(first), float(last), float(p[(t >= first) & (t <= last)].max()))
                for first, last in alerts(p, self.plan.threshold, seconds)]

    def _heard(self, content, highpass=True):
        """A recording as the clips of training were: their rate, one channel, and without what is below 20 Hz."""
        y, sr = audio.load(content, mono=True)
        if sr < 1000:
            raise audio.AudioError(f"A rate of {sr} Hz is too low for these sounds.")
        y = preparing.resample(y, sr, SR if self.plan.preprocess else self.sr)
        return highpassed(y, self.sr)[0] if highpass and self.plan.preprocess else y

    def _said(self, y):
        """Probabilities, shape [1, classes], of a window by itself."""
        y = cleaned(y, self.sr) if self.clean else y
        return probabilities(self.run, features.log_mel(y.astype(np.float32), self.sr)[None])


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
        GET shows the report page; POST of a recording, as it is, answers ``{"at": 1.5, "alarm": 0.97, "other":
        0.03}``: as `Detector` does.

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
            self._linger(int(length))
        else:
            self._predict(int(length))

    def _predict(self, length):
        content = self._received(length, PATIENCE)
        if len(content) < length:
            self._says(400, f"Only {len(content)} of {length} bytes arrived: send it again.")
            return
        try:
            found = self.detector(content)
        except ValueError as error:                             # an AudioError: it is no sound
            self._says(400, " ".join(str(error).split()))
            return
        self._answer(200, json.dumps(found).encode(), "application/json")

    def _received(self, length, patience):
        """So many bytes, or those that came in so many seconds: one deadline for all, however they trickle in."""
        parts, missing, until = [], length, time.monotonic() + patience
        try:
            while missing and (left := until - time.monotonic()) > 0:
                self.connection.settimeout(left)
                parts.append(self.rfile.read1(min(missing, 1 << 16)))
                missing -= len(parts[-1])
                if not parts[-1]:
                    break
        except OSError:                                         # too late, or who asked is gone
            pass
        return b"".join(parts)

    def _linger(self, length):
        """Take a little of what was refused: closed at once, many clients would see a broken line and no answer."""
        try:
            self.connection.shutdown(socket.SHUT_WR)
        except OSError:
            return
        until = time.monotonic() + LINGER
        while length > 0 and (left := until - time.monotonic()) > 0:
            if not (part := self._received(min(length, 1 << 16), left)):
                return
            length -= len(part)

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
