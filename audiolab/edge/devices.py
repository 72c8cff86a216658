"""Devices that are not on this desk: what they have, and how long a network would take on them.

Every figure of a `Device` was published by somebody, who stands in its `sources`. Two roads lead from here to there. A
microcontroller computes what it is told and nothing else, so that multiply-accumulates by a rate give its time
(`Device.seconds`). A small computer runs the same code as this one, only slower: `simulate` runs it here, in a process
of its own with one thread, and scales the times. A quota of processor time would not do: it lets a process run at full
speed and then stops it.
"""

from dataclasses import dataclass

import numpy as np

from .published import RESULTS, calibrated
from .timing import Timing, timed


@dataclass(frozen=True)
class Device:
    """What a device has.

    Attributes
    ----------
    name, processor : str
    macs_per_second : float
        Multiply-accumulates that one core really does: of single-precision numbers, on a microcontroller of 8-bit ones.
    bytes_per_second : float or None
        That one core reads and writes in main memory together. None where memory is no slower than the processor.
    ram, flash : float or None
        Bytes for what changes, and for weights and program. None: a card or a disk.
    watts, idle_watts : float
        Of the whole board with one core at work, and with none.
    sources : tuple of str

    Taught in: notebooks/10_edge_profiling.ipynb, "What does a device have?"
    """

    name: str
    processor: str
    macs_per_second: float
    bytes_per_second: float | None
    ram: float
    flash: float | None
    watts: float
    idle_watts: float
    sources: tuple = ()

    def seconds(self, macs):
        """Time for so many multiply-accumulates, if nothing else takes any.

        Taught in: notebooks/10_edge_profiling.ipynb, "What would it take elsewhere?"
        """
        return macs / self.macs_per_second

    def joules(self, seconds):
        """Energy of so many seconds of work.

        Taught in: notebooks/10_edge_profiling.ipynb, "How long does a battery last?"
        """
        return seconds * self.watts


_BENCHMARK = "https://github.com/geerlingguy/top500-benchmark"
_MEMORY = "https://github.com/ThomasKaiser/sbc-bench/blob/master/results/reviews/"
_TINY = "https://github.com/mlcommons/tiny_results_"

# High-Performance Linpack solves equations in double precision on four cores: twice as many singles go through a
# register and a multiply-accumulate is two operations, so that Gflops / 4 are a core's multiply-accumulates of singles.
# A copy reads and writes: its rate counts twice. A core at work draws a quarter of what four do above an idle board.
_BOARDS = {
    "Raspberry Pi 4": Device(
        "Raspberry Pi 4", "Cortex-A72, 1.8 GHz, 4 cores", 11.889e9 / 4, 2 * 2514.6e6, 4e9, None,
        3.0 + (7.2 - 3.0) / 4, 3.0,
        (f"{_BENCHMARK}#results: 11.889 Gflops at 7.2 W, all cores", f"{_MEMORY}RPi-4B-Rev1.1.md: memcpy 2514.6 MB/s",
         "https://github.com/raspberrypi/documentation, power-supplies.adoc: 0.6 A at 5 V when idle")),
    "Raspberry Pi 5": Device(
        "Raspberry Pi 5", "Cortex-A76, 2.4 GHz, 4 cores", 30.249e9 / 4, 2 * 4447.8e6, 8e9, None,
        3.3 + (11.0 - 3.3) / 4, 3.3,
        (f"{_BENCHMARK}#results: 30.249 Gflops at 11 W, all cores", f"{_MEMORY}RPi-5B-Rev1.0.md: memcpy 4447.8 MB/s",
         "https://github.com/iiab/iiab/issues/4050: 0.65 A at 5.1 V when idle")),
}
_CONTROLLERS = {                    # asleep they draw microwatts, which MLPerf Tiny does not measure: counted as 0
    "NUCLEO-L4R5ZI": ("Cortex-M4, 120 MHz, TensorFlow Lite Micro 2.3.1, reference kernels, 1.8 V", 640e3, 2e6,
                      (f"{_TINY}v0.5/tree/main/closed/reference: Nucleo_L4R5ZI_System_Description.json, results of "
                       "three tasks",)),
    "NUCLEO-H7A3ZI": ("Cortex-M7, 280 MHz, X-CUBE-AI 8.0, the vendor's kernels, 3.0 V", 1.19e6, 2e6,
                      (f"{_TINY}v1.1/tree/main/closed/Krai: NUCLEO-H7A3ZI-Q_X-CUBE-AI-8.0.json, results of three "
                       "tasks",)),
}
NAMES = (*_BOARDS, *_CONTROLLERS)


def device(name):
    """A device by its name.

    The microcontrollers are fitted to published times and energies of three networks of MLPerf Tiny: `calibrated`.

    Parameters
    ----------
    name : {"Raspberry Pi 4", "Raspberry Pi 5", "NUCLEO-L4R5ZI", "NUCLEO-H7A3ZI"}

    Returns
    -------
    Device

    Raises
    ------
    ValueError
        If it is not known.

    Examples
    --------
    >>> round(device("Raspberry Pi 5").watts, 1)
    5.2

    Taught in: notebooks/10_edge_profiling.ipynb, "What does a device have?"
    """
    if name in _BOARDS:
        return _BOARDS[name]
    if name not in RESULTS:
        raise ValueError(f"There are no figures for {name!r}. There are some for {', '.join(NAMES)}.")
    processor, ram, flash, sources = _CONTROLLERS[name]
    rate, watts, _ = calibrated(name)
    return Device(name, processor, rate, None, ram, flash, watts, 0.0, sources)


# ---------------------------------------------------------------------------------------- the roofline


def intensity(macs, bytes_moved):
    """Arithmetic intensity: multiply-accumulates for each byte that goes from memory to the processor or back.

    Parameters
    ----------
    macs, bytes_moved : float or np.ndarray
        Of a layer, or of a network: weights, and what goes in and comes out.

    Returns
    -------
    float or np.ndarray

    Taught in: notebooks/10_edge_profiling.ipynb, "What does a network cost?"
    """
    return macs / bytes_moved


def attainable(device, intensity):
    """The roofline: the rate that a device can reach, ``min(peak, bandwidth · intensity)``.

    Below the ridge, at ``peak / bandwidth`` multiply-accumulates per byte, the processor waits for memory.

    Parameters
    ----------
    device : Device
    intensity : float or np.ndarray
        Multiply-accumulates per byte.

    Returns
    -------
    float or np.ndarray
        Multiply-accumulates per second.

    Raises
    ------
    ValueError
        If the device has no bandwidth of its own.

    References
    ----------
    Williams, Waterman and Patterson, "Roofline: an insightful visual performance model for multicore architectures",
    2009.

    Taught in: notebooks/10_edge_profiling.ipynb, "What does a network cost?"
    """
    if device.bytes_per_second is None:
        raise ValueError(f"{device.name} has no memory that is slower than its processor, so that its roof is flat: "
                         "device.macs_per_second.")
    return np.minimum(device.macs_per_second, device.bytes_per_second * np.asarray(intensity, dtype=float))


def this_machine():
    """One core of this machine as a `Device`: its rates measured now, power and memory unknown (NaN).

    The rate is that of a product of two matrices of 1024² singles, the bandwidth that of a copy of 256 MB, each the
    best of several by the clock of the processor.

    Returns
    -------
    Device

    Taught in: notebooks/10_edge_profiling.ipynb, "What does a network cost?"
    """
    import torch

    a, b, out = torch.ones(3, 1024, 1024).unbind()
    x, y = torch.ones(2, 2**26).unbind()                        # 256 MB each: larger than any cache but the largest
    product = timed(lambda: torch.mm(a, b, out=out), repeats=10, warm_up=2).cpu.min()
    copy = timed(lambda: y.copy_(x), repeats=5, warm_up=2).cpu.min()
    return Device("this machine", "one core", 1024**3 / product, 2 * 4 * x.numel() / copy, np.nan, None, np.nan, np.nan,
                  ("measured now",))


# ---------------------------------------------------------------------------------------- simulation

# One thread, and where the processor is of Intel's kind vectors of 128 bits, as wide as NEON's: with 512 bits products
# would gain far more than all the rest, and no single ratio would fit both.
_LIKE_A_SMALL_COMPUTER = {
    "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "ATEN_CPU_CAPABILITY": "default",
    "ONEDNN_MAX_CPU_ISA": "SSE41", "MKL_ENABLE_INSTRUCTIONS": "SSE4_2", "OPENBLAS_CORETYPE": "Nehalem"}


@dataclass(frozen=True)
class Simulated:
    """Times on a simulated device.

    Attributes
    ----------
    timing : Timing
        As the device would take: processor time here, times `ratio`, of the first call as of all others. So its
        percentiles are of processor time: for a disk, or another process, nobody waited.
    ratio : float
        How many times slower a core of the device is than one of this machine.
    here : Timing
        As measured on this machine, in the same process.
    device, host : Device

    Taught in: notebooks/10_edge_profiling.ipynb, "What would it take elsewhere?"
    """

    timing: Timing
    ratio: float
    here: Timing
    device: Device
    host: Device

    def on(self, device):
        """The same calls on another device, from the same measurement.

        Taught in: notebooks/10_edge_profiling.ipynb, "What would it take elsewhere?"
        """
        _require_computer(device)
        return _scaled(device, self.here, self.host)


def simulate(device, call, repeats=200, warm_up=10):
    """How long a call would take on one core of a small computer.

    A new process, with one thread, makes the calls here. Their processor time is scaled by the ratio of what both
    machines do in a second, be it products or bytes, whichever is the worse: which of the two a call waits for is not
    known beforehand. What other processes take from this machine is left out, for they do not run on the device.

    Parameters
    ----------
    device : Device
        With a bandwidth: a Raspberry Pi. What a microcontroller takes is `Device.seconds`.
    call : callable
        Without arguments. It is sent to the process with all that it uses, so that its first call there is a cold one.
    repeats, warm_up : int
        As for `timed`.

    Returns
    -------
    Simulated

    Raises
    ------
    ValueError
        If the device has no bandwidth: it does not run the same code.

    Notes
    -----
    It is an estimate. Vectors of another width, smaller caches and heat may make a single network twice as slow or as
    fast as it says.

    Taught in: notebooks/10_edge_profiling.ipynb, "What would it take elsewhere?"
    """
    from loky import ProcessPoolExecutor

    _require_computer(device)
    pool = ProcessPoolExecutor(max_workers=1, env=_LIKE_A_SMALL_COMPUTER)
    try:
        here, host = pool.submit(_measured, call, repeats, warm_up).result()
    finally:
        pool.shutdown(kill_workers=True)
    return _scaled(device, here, host)


def _require_computer(device):
    if device.bytes_per_second is None:
        raise ValueError(f"A {device.name} does not run Python: its time is device.seconds(macs).")


def _scaled(device, here, host):
    """Times here as they would be on a device."""
    ratio = max(host.macs_per_second / device.macs_per_second, host.bytes_per_second / device.bytes_per_second)
    timing = Timing(here.first_cpu * ratio, here.cpu * ratio, here.cpu * ratio, 1, here.first_cpu * ratio)
    return Simulated(timing, ratio, here, device, host)


def _measured(call, repeats, warm_up):
    """In the other process: the call, and what the machine can do."""
    return timed(call, repeats, warm_up, threads=1), this_machine()
