"""Several processes, started by torchrun, on one run; and several machines, of a Dask cluster, on its clips."""

import contextlib
import datetime
import os

from .config import PlanError


class Team:
    """The processes of a run: this one alone, or those that ``torchrun`` has started.

    The first leads: it alone reads and writes what is kept, and the others wait for it. Training takes all of them.

    Attributes
    ----------
    rank, size : int
    lead : bool

    Taught in: notebooks/15_capstone.ipynb, "Can many machines help?"
    """

    def __init__(self):
        self.rank, self.size = (int(os.environ.get(name, alone)) for name, alone in (("RANK", 0), ("WORLD_SIZE", 1)))
        self.lead = self.rank == 0
        if self.size > 1:
            import torch
            from accelerate import Accelerator, InitProcessGroupKwargs

            patient = InitProcessGroupKwargs(timeout=datetime.timedelta(days=1))        # the others wait for the first
            Accelerator(cpu=not torch.accelerator.is_available(), kwargs_handlers=[patient])

    @classmethod
    def alone(cls):
        """A team of this process, for what the others do not take part in."""
        team = cls.__new__(cls)
        team.rank, team.size, team.lead = 0, 1, True
        return team

    def once(self, work):
        """Have the first process do it; all get what it returns, or the exception that it raises."""
        if self.size == 1:
            return work()
        from accelerate.utils import broadcast_object_list

        outcome = (None, None)
        if self.lead:
            try:
                outcome = work(), None
            except Exception as error:
                outcome = None, error
        [(value, error)] = broadcast_object_list([outcome])
        if error is not None:
            raise error
        return value


@contextlib.contextmanager
def device(name):
    """Train where the plan wants to.

    Parameters
    ----------
    name : {"auto", "cpu", "cuda"}

    Raises
    ------
    PlanError
        If a GPU is asked for where there is none.
    """
    import torch
    from accelerate.state import AcceleratorState

    if name == "cuda" and not torch.cuda.is_available():
        raise PlanError("device: cuda is asked for, and PyTorch finds no such GPU here: write auto or cpu.")
    if name != "cpu" or not torch.accelerator.is_available():
        yield
        return
    before = os.environ.get("ACCELERATE_USE_CPU")
    os.environ["ACCELERATE_USE_CPU"] = "true"
    AcceleratorState._reset_state(reset_partial_state=True)     # or it would keep the device of an earlier training
    try:
        yield
    finally:
        AcceleratorState._reset_state(reset_partial_state=True)
        if before is None:
            del os.environ["ACCELERATE_USE_CPU"]
        else:
            os.environ["ACCELERATE_USE_CPU"] = before


@contextlib.contextmanager
def workers(plan):
    """Who reads and pictures the clips: gives `n_jobs` for `preprocess.run` and `features.extract`.

    Raises
    ------
    PlanError
        If there is no Dask here, or no scheduler at the address.

    Taught in: notebooks/15_capstone.ipynb, "Can many machines help?"
    """
    if not plan.cluster:
        yield plan.jobs
        return
    import joblib

    try:
        from distributed import Client
    except ImportError:
        raise PlanError("cluster: Dask is not installed here: pip install 'audiolab[cluster]'.") from None
    try:
        client = Client(plan.cluster, timeout=10)
    except OSError:
        raise PlanError(f"cluster: no Dask scheduler answers at {plan.cluster}: is it running, and may this machine "
                        "reach it?") from None
    with client, joblib.parallel_config("dask"):
        yield None
