"""How a network is run: by how many threads."""

import contextlib

import torch


@contextlib.contextmanager
def threads(n):
    """Within the block PyTorch computes with so many threads; afterwards with as many as before.

    It holds for the thread of Python that says it: what PyTorch was told in one does not hold in the next.

    Parameters
    ----------
    n : int
        At least 1. One for what is too little to be shared, or a second thread waits, and keeps a core busy with it.

    Taught in: notebooks/10_edge_profiling.ipynb, "What breaks"
    """
    before = torch.get_num_threads()
    torch.set_num_threads(n)
    try:
        yield
    finally:
        torch.set_num_threads(before)
