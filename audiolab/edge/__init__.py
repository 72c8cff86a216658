"""What a network costs on a device, and whether it still works there.

`costs` counts before anything runs, `timing` measures here, `devices` say what it would take elsewhere, `energy` turns
that into milliwatts and hours, `budget` compares and chooses. Once it is out, `telemetry` reports, and `drift` tells
when the world has changed.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submodules=["budget", "costs", "devices", "drift", "energy", "places", "published", "telemetry", "timing"],
    submod_attrs={
        "budget": ["choose", "compared", "front"],
        "costs": ["Costs", "count", "macs"],
        "devices": ["Device", "Simulated", "attainable", "device", "intensity", "simulate", "this_machine"],
        "drift": ["Detector", "ks", "mmd", "psi", "watch"],
        "energy": ["average_power", "battery_hours", "rapl"],
        "places": ["Place"],
        "published": ["calibrated"],
        "telemetry": ["Telemetry"],
        "timing": ["Timing", "timed"],
    },
)
