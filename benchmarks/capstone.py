"""The capstone on this machine: three seeds, two processes, two workers: `python -m benchmarks.capstone` (15 minutes).

It writes CAPSTONE.md. Runs gather under data/runs/pipeline, named bench-…, and are removed first, or their times would
be those of opening a file.
"""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from tqdm import tqdm

from audiolab import pipeline, recipes
from audiolab.corpora import scenes
from audiolab.paths import replacing
from audiolab.pipeline.stages import STAGES
from benchmarks.timing import table

ROOT = Path(__file__).absolute().parents[1]
SEEDS = (0, 1, 2)
CLIPS = 480                                 # for Dask: forty would be over before a worker has begun
TORCHRUN = ["-m", "torch.distributed.run", "--master_addr", "127.0.0.1", "--rdzv_backend", "c10d", "--rdzv_endpoint",
            "127.0.0.1:0", "--nproc_per_node"]


def fresh(**settings):
    """A plan of which nothing is done."""
    plan = pipeline.load({"name": "bench", **settings})
    if pipeline.folder(plan).is_dir():
        pipeline.clear(plan)
    return plan


def seeds():
    """The default run of each seed: its figures, and its seconds by stage."""
    return {seed: pipeline.run(fresh(name=f"bench-{seed}", seed=seed)) for seed in tqdm(SEEDS, "seeds")}


def by_torchrun(processes, network):
    """Seconds of the stage `train`, and macro-F1, of so many processes."""
    plan = fresh(name=f"bench-torchrun-{processes}", network=network, denoise="never")
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "plan.yaml")
        file.write_text(json.dumps({"name": plan.name, "network": network, "denoise": "never"}), "utf-8")
        command = [sys.executable, *TORCHRUN, str(processes), "-m", "audiolab", "pipeline", "run", str(file), "--until",
                   "evaluate"]
        done = subprocess.run(command, capture_output=True, text=True, env=os.environ | {"OMP_NUM_THREADS": "1"})
    if done.returncode not in (0, 1) or "Report:" not in done.stdout:
        raise RuntimeError(done.stderr[-2000:])
    found = pipeline.shown(plan)
    return found["train"].seconds, found["evaluate"]["macro_f1"]


def by_dask(workers):
    """Seconds of the stage `preprocess` for many clips, on so many workers that have done something before."""
    from distributed import Client, LocalCluster

    corpus = str(scenes.events(CLIPS, n_jobs=2).root)
    with LocalCluster(n_workers=workers, threads_per_worker=1, host="127.0.0.1", dashboard_address=None) as cluster:
        with Client(cluster) as client:
            client.run(_warm)
        plan = fresh(name=f"bench-dask-{workers}", corpus=corpus, cluster=cluster.scheduler_address)
        return pipeline.run(plan, until="preprocess")["preprocess"].seconds


def _warm():
    """Load what a worker will need."""
    import numpy as np

    from audiolab import features, preprocess

    features.log_mel(preprocess.resample(np.ones(8000, np.float32), 8000, 16000), 16000)


def report(runs, torchrun, dask):
    """The page."""
    figures = [[seed, f"{run['evaluate']['macro_f1']:.3f}",
                f"{run['evaluate']['low']:.2f} to {run['evaluate']['high']:.2f}",
                f"{run['denoise']['gain']:+.3f} ({run['denoise']['low']:+.2f} to {run['denoise']['high']:+.2f})",
                f"{run['int8']['points_lost']:.2f}", run["int8"]["changed"],
                *(f"{run['profile']['ms'][board]['p99']:.0f}" for board in ("Raspberry Pi 4", "Raspberry Pi 5")),
                run["stream"]["differ"], f"{run['stream']['p99']:.1f}"] for seed, run in runs.items()]
    times = [[stage, *(f"{run[stage].seconds:.1f}" for run in runs.values())] for stage in STAGES]
    times.append(["all", *(f"{sum(result.seconds for result in run.values()):.0f}" for run in runs.values())])
    trained = [[network, *(f"{seconds:.1f}" for seconds, _ in found), f"{found[0][0] / found[1][0]:.2f}",
                " and ".join(f"{score:.3f}" for _, score in found)] for network, found in torchrun.items()]
    return "\n\n".join([
        "# Capstone",
        f"Measured by `python -m benchmarks.capstone` on {recipes.naming.machine()}. Seconds vary by a factor of two, "
        "and more, on a busy machine.",
        "## Forty clips, three seeds",
        "The default plan of `audiolab pipeline`. Interval: bootstrap over clips. Points of INT8 are of macro-F1, over "
        "ten versions of each clip; p99 are milliseconds for a second of sound, on boards that are simulated, and of "
        "the stream on this machine.",
        table(["seed", "macro-F1", "95 % interval", "gain by cleaning", "INT8: points lost", "of 40 answers changed",
               "Pi 4, p99", "Pi 5, p99", "stream: decisions unlike", "stream, p99"], figures),
        "## Seconds by stage",
        "`denoise` trains ten networks, five on each kind of clips; `train` finds those of the kind that was chosen "
        "and adds one.",
        table(["stage", *(f"seed {seed}" for seed in runs)], times),
        "## Two processes by torchrun",
        "The stage `train`: five folds and a last network, three trainings for each of two processes. The score must "
        "be the same, for each network is trained by one of them.",
        table(["network", "one process, s", "two, s", "speed-up", "macro-F1"], trained),
        "## Two workers of a Dask cluster",
        f"The stage `preprocess` of {CLIPS} clips: read, resampled, cut, written, pictured, and all that the leader "
        "does alone besides.",
        table(["one worker, s", "two, s", "speed-up"],
              [[*(f"{seconds:.1f}" for seconds in dask), f"{dask[0] / dask[1]:.2f}"]]),
    ]) + "\n"


def main():
    runs = seeds()
    torchrun = {network: [by_torchrun(n, network) for n in (1, 2)] for network in tqdm(("cnn", "crnn"), "torchrun")}
    dask = [by_dask(n) for n in tqdm((1, 2), "dask")]
    with replacing(ROOT / "benchmarks" / "CAPSTONE.md") as tmp:
        tmp.write_text(report(runs, torchrun, dask), encoding="utf-8")


if __name__ == "__main__":
    main()
