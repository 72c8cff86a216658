"""What a model in use reports about itself, in the text format that Prometheus and its kin collect."""

import contextlib
import secrets
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pandas as pd
import psutil
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Gauge, Histogram, generate_latest

BUCKETS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)   # seconds


class Telemetry:
    """Counters, gauges and a histogram of one model.

    It has a registry of its own, so that two models in a process do not mix, and so that nothing is reported that
    nobody asked for.

    Parameters
    ----------
    model : str
        Its name, a label of every figure.

    Attributes
    ----------
    url, token : str or None
        While it is served.

    Examples
    --------
    >>> telemetry = Telemetry("keywords")
    >>> with telemetry.inference():
    ...     pass
    >>> telemetry.value("inference_seconds_count")
    1.0

    Taught in: notebooks/10_edge_profiling.ipynb, "Does it still work out there?"
    """

    def __init__(self, model):
        self.registry, self.url, self.token = CollectorRegistry(), None, None
        self._labels = {"model": model}
        self._latency = self._new(Histogram, "inference_seconds", "Time of one inference", buckets=BUCKETS)
        self._memory = self._new(Gauge, "memory_bytes", "Resident memory of the process")
        self._right = self._new(Counter, "right", "Answers that turned out to be right")
        self._wrong = self._new(Counter, "wrong", "Answers that turned out to be wrong")
        self._drift = self._new(Gauge, "drift", "How far the sound is from what the model was trained with")
        self._alarms, self._alarmed = self._new(Counter, "drift_alarms", "Times that it went too far"), False

    def _new(self, kind, name, text, **options):
        return kind(name, text, list(self._labels), registry=self.registry, **options).labels(**self._labels)

    @contextlib.contextmanager
    def inference(self):
        """Measure the block as one inference, also where it fails, and the memory after it."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self._latency.observe(time.perf_counter() - start)
            self._memory.set(psutil.Process().memory_info().rss)

    def answer(self, right):
        """Count an answer, once somebody has said whether it was right."""
        (self._right if right else self._wrong).inc()

    def drift(self, value, alarm):
        """Report how far the sound has drifted, and whether there is an alarm: one that lasts is counted once."""
        self._drift.set(value)
        if alarm and not self._alarmed:
            self._alarms.inc()
        self._alarmed = bool(alarm)

    def value(self, name):
        """A figure by its name in `text`, such as ``right_total``: float."""
        value = self.registry.get_sample_value(name, self._labels)
        if value is None:
            table = self.table()
            names = table.name[[labels == self._labels for labels in table.labels]]
            raise ValueError(f"No figure is called {name!r}. There are: {', '.join(names)}.")
        return value

    def counts(self):
        """Inferences so far that took at most as long as each of `BUCKETS`, and all of them: np.ndarray."""
        edges = [{**self._labels, "le": str(edge)} for edge in BUCKETS]
        return np.array([*(self.registry.get_sample_value("inference_seconds_bucket", edge) for edge in edges),
                         self.value("inference_seconds_count")])

    def quantile(self, q, since=0):
        """A quantile of the latency from the histogram, as Prometheus finds it: linear within a bucket.

        Parameters
        ----------
        q : float
            0 to 1.
        since : np.ndarray, optional
            What `counts` said at some earlier time: of the inferences after it alone.

        Returns
        -------
        float
            Seconds; NaN where too few were made for one to be slower (a 0.99 takes 100, as `Timing.percentile` has it),
            the last bucket's edge for what lies beyond it.

        Raises
        ------
        ValueError
            If `q` is not between 0 and 1.
        """
        if not 0 <= q <= 1:
            raise ValueError(f"A quantile is one of 0 to 1, as 0.99 for the 99th percentile, not {q:g}.")
        *counts, total = self.counts() - since
        if total == 0 or (q < 1 and total * (1 - q) < 1 - 1e-9):
            return float("nan")
        below, low = 0.0, 0.0
        for edge, reached in zip(BUCKETS, counts, strict=True):
            if reached >= q * total:
                return low + (edge - low) * (q * total - below) / max(reached - below, 1)
            below, low = reached, edge
        return BUCKETS[-1]

    def table(self):
        """All figures: pandas.DataFrame with `name`, `labels` and `value`."""
        return pd.DataFrame([{"name": sample.name, "labels": sample.labels, "value": sample.value}
                             for metric in self.registry.collect() for sample in metric.samples])

    def text(self):
        """All figures in Prometheus' text exposition format: str."""
        return generate_latest(self.registry).decode()

    @contextlib.contextmanager
    def serve(self, port=0):
        """Answer ``GET /metrics`` while the block runs, to this machine alone and to who knows the token.

        Parameters
        ----------
        port : int
            0 for any that is free.

        Yields
        ------
        Telemetry
            With `url` and `token`: ask with the header ``Authorization: Bearer <token>``.

        Raises
        ------
        ValueError
            If there is no such port, or it is served already.
        OSError
            If the port is taken, or not for everybody.

        Taught in: notebooks/10_edge_profiling.ipynb, "Does it still work out there?"
        """
        if self.url:
            raise ValueError(f"It is served already, at {self.url}: one address is enough.")
        if not 0 <= port <= 65535:
            raise ValueError(f"Ports are numbered from 1 to 65535, and 0 is any that is free: there is no {port}.")
        token = secrets.token_urlsafe(24)
        try:
            server = ThreadingHTTPServer(("127.0.0.1", port), _handler(self, token))
        except OSError as error:
            raise OSError(f"Port {port} cannot be had ({error.strerror}): name another, or 0 for any that is free."
                          ) from None
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        self.url, self.token = f"http://127.0.0.1:{server.server_port}/metrics", token
        try:
            yield self
        finally:
            self.url = self.token = None
            server.shutdown()
            server.server_close()
            thread.join()


def _handler(telemetry, token):
    """What answers a request."""
    class Handler(BaseHTTPRequestHandler):
        timeout = 5                                             # seconds for who connects and says nothing

        def do_GET(self):
            said = self.headers.get("Authorization", "")
            if not secrets.compare_digest(said.encode(), f"Bearer {token}".encode()):
                self._reply(401, b"Ask with the header Authorization: Bearer <token>.\n", "text/plain")
            elif self.path != "/metrics":
                self._reply(404, b"There is /metrics alone.\n", "text/plain")
            else:
                self._reply(200, telemetry.text().encode(), CONTENT_TYPE_LATEST)

        def _reply(self, status, body, kind):
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            if status == 401:
                self.send_header("WWW-Authenticate", "Bearer")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):                              # the notebook is no log
            pass

    return Handler
