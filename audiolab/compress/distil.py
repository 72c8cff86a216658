"""A small network that learns from a large one."""

import torch
from torch.nn.functional import cross_entropy, kl_div


def distillation_loss(output, y, temperature=4.0, soft=0.9):
    """What a student has yet to learn from its teacher's answers and from the labels.

    ``soft T² KL(softmax(t / T) ‖ softmax(o / T)) + (1 - soft) CE(o, label)`` with the logits o of the student and t of
    the teacher. A temperature T above 1 brings out what the teacher holds to be nearly right: which wrong names are
    alike. T² makes up for gradients that shrink with T.

    Parameters
    ----------
    output : torch.Tensor, shape [batch, n_classes]
        Logits of the student.
    y : tuple or torch.Tensor
        Labels [batch] and logits of the teacher [batch, n_classes]; or labels alone, as of validation clips, for which
        it is the cross entropy.
    temperature : float
        Above 0.
    soft : float
        0 to 1: how much the teacher counts.

    Returns
    -------
    torch.Tensor, one number

    Raises
    ------
    ValueError
        If `temperature` or `soft` is none of the above.

    References
    ----------
    Hinton, Vinyals and Dean, "Distilling the knowledge in a neural network", 2015.

    Taught in: notebooks/09_quantization.ipynb, "Can a small network learn from a large one?"
    """
    if not (temperature > 0 and 0 <= soft <= 1):
        raise ValueError(f"temperature={temperature}, soft={soft}: the one is above 0, the other from 0 to 1.")
    if torch.is_tensor(y):
        return cross_entropy(output, y)
    labels, told = y
    apart = kl_div((output / temperature).log_softmax(dim=1), (told / temperature).log_softmax(dim=1),
                   reduction="batchmean", log_target=True)
    return soft * temperature**2 * apart + (1 - soft) * cross_entropy(output, labels)


def taught_by(teacher, augment=None):
    """``augment`` of `audiolab.training.fit` for a student: beside each label stands what the teacher says of the clip.

    The teacher hears the clip as the student does, changed by chance; so it can say something new in every epoch.

    Parameters
    ----------
    teacher : torch.nn.Module
    augment : callable, optional
        Changes the clips first.

    Returns
    -------
    callable
        ``(x, labels, generator)`` to ``x, (labels, logits)``, as `distillation_loss` takes them.

    Taught in: notebooks/09_quantization.ipynb, "Can a small network learn from a large one?"
    """
    def change(x, y, generator):
        if augment:
            x, y = augment(x, y, generator)
        with torch.no_grad():
            return x, (y, teacher.eval().to(x.device)(x))

    return change
