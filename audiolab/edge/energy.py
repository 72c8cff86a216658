"""Energy of an inference, average power at a rate, and hours on a battery.

A figure of energy is worth as much as what it rests on. `rapl` is measured, by the processor itself. Where it cannot be
read, ``device.joules(seconds)`` is processor time by a power that somebody published, and stands or falls with it.
"""

import time
from pathlib import Path

RAPL = Path("/sys/class/powercap/intel-rapl:0")                 # the first processor's package


def average_power(joules, rate, seconds=0.0, idle=0.0):
    """Power of a device that works now and then and waits in between: ``rate · E + (1 - rate · t) · P_idle``.

    Parameters
    ----------
    joules : float
        Of one inference, with what the device draws anyway meanwhile.
    rate : float
        Inferences per second.
    seconds : float
        That one takes.
    idle : float
        Watts in between.

    Returns
    -------
    float
        Watts.

    Raises
    ------
    ValueError
        If there is no time for so many.

    Examples
    --------
    7,374 µJ once a second, asleep in between:

    >>> round(1000 * average_power(7374e-6, rate=1), 1)                     # mW
    7.4

    Taught in: notebooks/10_edge_profiling.ipynb, "How long does a battery last?"
    """
    if rate * seconds > 1:
        raise ValueError(f"{rate:g} inferences of {seconds:g} s do not fit into a second: it can do {1 / seconds:.3g}.")
    return rate * joules + (1 - rate * seconds) * idle


def battery_hours(watts, milliamp_hours, volts):
    """How long a battery lasts: ``capacity · voltage / power``.

    All of the capacity counts, at one voltage, and no converter: an upper limit. A small cell gives it only to those
    who ask for little at a time.

    Parameters
    ----------
    watts : float
        Average power, as `average_power` gives it.
    milliamp_hours, volts : float
        Of the battery, as printed on it: a CR2032 has about 225 mAh at 3 V.

    Returns
    -------
    float
        Hours.

    Raises
    ------
    ValueError
        If nothing is drawn, or nothing is in the battery.

    Taught in: notebooks/10_edge_profiling.ipynb, "How long does a battery last?"
    """
    if min(watts, milliamp_hours, volts) <= 0:
        raise ValueError("Power, capacity and voltage are above 0: nothing lasts for ever.")
    return milliamp_hours / 1000 * volts / watts


def rapl(call, repeats=100, folder=RAPL):
    """Energy of a call as the processor measures it: its running average power limit (RAPL) counts microjoules.

    It counts all cores and whatever else they do, and is renewed about every millisecond: many calls are measured as
    one, on a machine that is otherwise idle.

    Parameters
    ----------
    call : callable
    repeats : int
    folder : pathlib.Path
        Of Linux's powercap interface.

    Returns
    -------
    joules : float or None
        Of one call. None where there is no counter that may be read, as in most virtual machines, on other processors
        than Intel's and AMD's, and, since it can tell secrets (CVE-2020-8694), for everybody but the administrator.
    watts : float or None
        Meanwhile.

    Taught in: notebooks/10_edge_profiling.ipynb, "How long does a battery last?"
    """
    def read(name):
        return int((Path(folder) / name).read_text())

    try:
        whole, before = read("max_energy_range_uj"), read("energy_uj")
    except OSError:
        return None, None
    start = time.perf_counter()
    for _ in range(repeats):
        call()
    seconds = time.perf_counter() - start
    joules = (read("energy_uj") - before) % whole / 1e6         # the counter begins anew when it is full
    return joules / repeats, joules / seconds
