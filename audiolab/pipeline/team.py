"""Several processes, started by torchrun, on one run; and several machines, of a Dask cluster, on its clips."""

import contextlib
import datetime
import os

from tqdm.auto import tqdm

from .config import PlanError


class Team:
    """The processes of a run: this one alone, or those that ``torchrun`` has started.

    The first leads: it alone does what cannot be divided, and speaks, while the others wait for it. Folds are divided.

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

            if torch.cuda.is_available():
                torch.cuda.set_device(int(os.environ["LOCAL_RANK"]) % torch.cuda.device_count())
            if not torch.distributed.is_initialized():          # to talk only: each trains by itself
                patient = datetime.timedelta(days=1)            # the others wait for the first
                torch.distributed.init_process_group("gloo", timeout=patient)

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
        import torch

        outcome = [_outcome(work) if self.lead else None]
        torch.distributed.broadcast_object_list(outcome)
        [(value, error)] = outcome
        if error is not None:
            raise error
        return value

    def share(self, work, n, what=""):
        """Do ``work(k)`` for each k below n, each process every `size`-th; all get all that it returned, in order.

        Raises
        ------
        Exception
            In all of them what it raised in one, when the others are through with their part.
        """
        mine = tqdm(range(self.rank, n, self.size), what, delay=2, disable=not self.lead)
        if self.size == 1:
            return [work(k) for k in mine]
        import torch

        outcomes = [None] * self.size
        torch.distributed.all_gather_object(outcomes, _outcome(lambda: [work(k) for k in mine]))
        for _, error in outcomes:
            if error is not None:
                raise error
        return [outcomes[k % self.size][0][k // self.size] for k in range(n)]


def _outcome(work):
    """What it returns, and the exception that it raises: one of them is None."""
    try:
        return work(), None
    except Exception as error:
        return None, error


def kind(name):
    """What ``device: auto`` comes to on this machine: a kind of device that PyTorch knows, such as cpu."""
    import torch

    return torch.accelerator.current_accelerator().type if name != "cpu" and torch.accelerator.is_available() else "cpu"


@contextlib.contextmanager
def device(name):
    """Train where the plan wants to, each process by itself.

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
    told = {"LOCAL_RANK": None, "WORLD_SIZE": None}             # by these Accelerate would join the processes
    told |= {"ACCELERATE_USE_CPU": "true"} if name == "cpu" else {}
    before = {key: os.environ.get(key) for key in told}
    AcceleratorState._reset_state(reset_partial_state=True)     # or it would keep the device of an earlier training
    _tell(told)
    try:
        yield
    finally:
        AcceleratorState._reset_state(reset_partial_state=True)
        _tell(before)


def _tell(variables):
    """Set environment variables; None takes one away."""
    for key, value in variables.items():
        os.environ.pop(key, None)
        if value is not None:
            os.environ[key] = value


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
