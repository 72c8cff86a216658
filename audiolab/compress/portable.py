"""The way out of PyTorch: networks as ONNX files, run by ONNX Runtime, in float or with weights of 8 bits."""

import contextlib
import copy
import logging
import tempfile
import warnings
from pathlib import Path

import numpy as np
import torch
from torch import nn

from .. import paths
from .grids import quantise, weight_grid
from .ranges import NO_CLIPS, Observer


def export(model, file, *inputs, time=-1):
    """Write a network as an ONNX file that takes any number of clips, of any length.

    Parameters
    ----------
    model : torch.nn.Module
    file : str or os.PathLike
    *inputs : torch.Tensor or tuple of torch.Tensor
        What the network may be called with, for example; at least two clips, along the first axis of each tensor.
    time : int
        Axis of the length, in tensors of two axes or more.

    Returns
    -------
    int
        Bytes of the file.

    Raises
    ------
    ValueError
        If the network does something for which ONNX has no word, or has `Quantised` layers.

    Taught in: notebooks/09_quantization.ipynb, "How does it leave PyTorch?"
    """
    from .aware import Quantised  # it brings the training loop along

    if any(len(t) < 2 for t in _flat(inputs)):
        raise ValueError("Show it two clips at least: of one it could not be told that there may be more.")
    if any(isinstance(layer, Quantised) for layer in model.modules()):
        raise ValueError("Layers that round while they compute cannot be written as ONNX: use plain first.")
    model = copy.deepcopy(model).cpu().eval()
    for parent in list(model.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, nn.GRU):
                setattr(parent, name, OnnxGRU(child))
    with warnings.catch_warnings(), _quiet("torch.onnx"):
        warnings.simplefilter("ignore")
        try:
            proto = torch.onnx.export(
                model, inputs, dynamo=True, verbose=False, dynamic_shapes=_open_axes(inputs, time),
                custom_translation_table={torch.ops.audiolab.gru.default: _gru_in_onnx}).model_proto
        except torch.onnx.OnnxExporterError as error:
            cause = " ".join(str(error.__cause__ or error).split())[:300]
            raise ValueError(f"A {type(model).__name__} cannot be written as ONNX with any number of clips, of any "
                             f"length. Is axis {time} the one of the length? What it says: {cause}") from None
    for part in (*proto.graph.node, *proto.graph.input, *proto.graph.output, proto.graph, proto):
        del part.metadata_props[:]                              # where each node stood in our files: half of it all
    del proto.graph.value_info[:]
    return _write(proto, file)


class OnnxGRU(nn.Module):
    """A GRU as ONNX writes it: gates in the order update, reset, new, and both directions in one tensor.

    PyTorch's own way from `nn.GRU` to ONNX fails where the length is left open (2.14; its issue 126339).

    Parameters
    ----------
    gru : torch.nn.GRU
        With ``batch_first=True``.
    """

    def __init__(self, gru):
        super().__init__()
        if not (gru.batch_first and gru.bias):
            raise ValueError("A GRU goes into ONNX with biases and batch_first=True.")
        self.num_layers, self.hidden_size, self.layers = gru.num_layers, gru.hidden_size, nn.ParameterList()
        self.directions = 1 + gru.bidirectional
        for i in range(gru.num_layers):
            ends = [f"l{i}", f"l{i}_reverse"][: self.directions]
            W, R, b, c = (torch.stack([_gates(getattr(gru, f"{kind}_{end}").data) for end in ends])
                          for kind in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"))
            self.layers.append(nn.ParameterList([W, R, torch.cat([b, c], dim=1)]))

    def forward(self, x, state=None):                           # [batch, time, features]
        if state is None:
            state = x.new_zeros(self.directions * self.num_layers, x.shape[0], self.hidden_size)
        last = []
        for (W, R, B), h in zip(self.layers, state.split(self.directions), strict=True):
            x, h = gru(x, h, W, R, B)
            last.append(h)
        return x, torch.cat(last)


def _gates(t):
    """Gates in PyTorch's order, reset, update, new, to ONNX's, update, reset, new; and back."""
    first, second, new = t.chunk(3)
    return torch.cat([second, first, new])


@torch.library.custom_op("audiolab::gru", mutates_args=())
def gru(x: torch.Tensor, h: torch.Tensor, W: torch.Tensor, R: torch.Tensor, B: torch.Tensor) -> tuple[
        torch.Tensor, torch.Tensor]:
    """A layer of GRU with weights as ONNX has them: x [batch, time, features], h [directions, batch, hidden].

    Returns the states of all times, [batch, time, directions · hidden], and the last, like h.
    """
    own = [_gates(t) for w, r, b in zip(W, R, B, strict=True) for t in (w, r, *b.chunk(2))]
    return torch.gru(x, h, own, True, 1, 0.0, False, len(W) == 2, True)


@gru.register_fake
def _(x, h, W, R, B):
    return x.new_empty(*x.shape[:2], R.shape[0] * R.shape[2]), torch.empty_like(h)


def _gru_in_onnx(x, h, W, R, B):
    from onnxscript import opset18 as op

    directions, _, hidden = R.shape
    y, last = op.GRU(op.Transpose(x, perm=[1, 0, 2]), W, R, B, None, h, hidden_size=hidden, linear_before_reset=1,
                     direction="bidirectional" if directions == 2 else "forward")
    y = op.Transpose(y, perm=[2, 0, 1, 3])                      # [time, directions, batch, hidden] to batch first
    return op.Reshape(y, op.Constant(value_ints=[0, 0, -1])), last


def _open_axes(inputs, time):
    if isinstance(inputs, tuple):
        return tuple(_open_axes(one, time) for one in inputs)
    return {0: "batch", time % inputs.ndim: "time"} if inputs.ndim > 1 else {0: "batch"}


@contextlib.contextmanager
def _quiet(name):
    """A library that says much and nothing that a reader could act on."""
    log = logging.getLogger(name)
    level = log.level
    log.setLevel(logging.ERROR)
    try:
        yield
    finally:
        log.setLevel(level)


def _write(proto, file):
    with paths.replacing(file) as new:
        new.write_bytes(proto.SerializeToString())
    return Path(file).stat().st_size


class Runner:
    """A network that has left PyTorch, run by ONNX Runtime on the CPU.

    Parameters
    ----------
    file : str or os.PathLike
    threads : int
        On so many cores at most.

    Raises
    ------
    ValueError
        If that is no ONNX file, or `threads` is below 1; and in a call, if the inputs do not fit the network.

    Taught in: notebooks/09_quantization.ipynb, "How does it leave PyTorch?"
    """

    def __init__(self, file, threads=1):
        import onnxruntime

        if threads not in range(1, 1025):
            raise ValueError(f"threads={threads!r}: a whole number, 1 at least and 1024 at most.")
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads, options.log_severity_level = int(threads), 1, 4
        try:
            self.session = onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
        except Exception as error:                              # of a class for each kind of trouble
            raise ValueError(f"{str(file)!r} cannot be run: {' '.join(str(error).split())[:200]}") from None

    def __call__(self, *inputs):
        """The network's outputs, a tensor or a tuple of them, for inputs as `export` was given."""
        own, given = self.session.get_inputs(), _flat(inputs)
        try:
            feeds = {one.name: t.detach().cpu().numpy() for one, t in zip(own, given, strict=True)}
            found = tuple(map(torch.from_numpy, self.session.run(None, feeds)))
        except Exception as error:                              # of a class for each kind of trouble
            takes = ", ".join(f"{one.type} {one.shape}" for one in own)
            got = ", ".join(f"{t.dtype} {list(t.shape)}" if torch.is_tensor(t) else type(t).__name__ for t in given)
            raise ValueError(f"This network takes {takes}, and not {got or 'nothing'}. What it says: "
                             f"{' '.join(str(error).split())[:200]}") from None
        return found if len(found) > 1 else found[0]


def _flat(inputs):
    return [t for one in inputs for t in _flat(one)] if isinstance(inputs, tuple) else [inputs]


def parity(model, runner, *inputs):
    """How far a network and what was made of it are apart: the largest difference between any two outputs.

    Parameters
    ----------
    model : torch.nn.Module
    runner : Runner
    *inputs : torch.Tensor or tuple of torch.Tensor
        Best of another number and length than `export` was shown.

    Returns
    -------
    float

    Taught in: notebooks/09_quantization.ipynb, "How does it leave PyTorch?"
    """
    with torch.inference_mode():
        told = model.eval()(*inputs)
    found = runner(*inputs)
    told, found = (_flat(y if isinstance(y, tuple) else (y,)) for y in (told, found))
    return max((a - b).abs().max().item() for a, b in zip(told, found, strict=True))


def int8(file, out, clips=None, batch_size=32):
    """An ONNX file with weights of 8 bits, by ONNX Runtime's tools: of which layers depends on whether there are clips.

    Without clips `MatMul` and `LSTM` compute with whole numbers, and find the range of their inputs anew at each call:
    dynamic quantisation. With clips `Conv`, `Gemm` and `MatMul` do, in ranges read off the clips beforehand: static
    quantisation. There is no `GRU` of whole numbers; its weights are stored as such, and made float in every call.

    Parameters
    ----------
    file, out : str or os.PathLike
        From and to where.
    clips : torch.Tensor, shape [clips, …], optional
        From the training part.
    batch_size : int

    Returns
    -------
    int
        Bytes of `out`.

    Raises
    ------
    ValueError
        If the file cannot be run, was quantised already, or holds NaN; if the clips do not fit it, hold NaN, or are
        none, or the network takes more than clips; or if no weight of it became a whole number.

    Taught in: notebooks/09_quantization.ipynb, "How does it leave PyTorch?"
    """
    import onnx
    from onnxruntime import quantization
    from onnxruntime.quantization.shape_inference import quant_pre_process

    run = Runner(file)
    proto = onnx.load(file)
    if _has_whole_weights(proto):
        raise ValueError(f"{str(file)!r} was quantised already: give the file that export wrote.")
    if any(np.isnan(onnx.numpy_helper.to_array(t)).any() for t in proto.graph.initializer
           if t.data_type == t.FLOAT):
        raise ValueError(f"Among the weights in {str(file)!r} is NaN: export a network without.")
    if clips is not None:
        _check_clips(run, clips)
    with tempfile.TemporaryDirectory() as folder, _quiet(None):
        ready, done = Path(folder, "ready.onnx"), Path(folder, "done.onnx")
        quant_pre_process(str(file), str(ready), skip_symbolic_shape=True)
        options = {"per_channel": True, "weight_type": quantization.QuantType.QInt8}
        if clips is None:
            quantization.quantize_dynamic(ready, done, ["MatMul", "Gemm", "LSTM"], **options)
        else:
            batches = _Batches(run.session.get_inputs()[0].name, clips, batch_size)
            quantization.quantize_static(
                ready, done, batches, op_types_to_quantize=["Conv", "Relu", "MaxPool", "Gemm", "MatMul"],
                activation_type=quantization.QuantType.QInt8,
                extra_options={"OpTypesToExcludeOutputQuantization": ["Gemm", "MatMul"], "MatMulConstBOnly": True},
                **options)
        proto = onnx.load(done)
    _store_gru(proto)
    if not _has_whole_weights(proto):
        raise ValueError(f"No weight of {str(file)!r} became a whole number: {'with' if clips is None else 'without'} "
                         "clips other layers are quantised.")
    return _write(proto, out)


def _has_whole_weights(proto):
    """Whether there are tensors of int8 or uint8 that are no zero points, which have one axis at most."""
    return any(t.data_type in (t.INT8, t.UINT8) and len(t.dims) > 1 for t in proto.graph.initializer)


def _check_clips(run, clips):
    """Whether ranges can be read off these clips."""
    n = len(run.session.get_inputs())
    if n > 1:
        raise ValueError(f"Ranges are read off clips alone, and this network takes {n} inputs: quantise it without.")
    if not len(clips):
        raise ValueError(NO_CLIPS)
    Observer().see(clips)
    run(clips[:1])


class _Batches:
    """Clips as ONNX Runtime asks for them."""

    def __init__(self, name, clips, batch_size):
        self.feeds = ({name: batch.numpy()} for batch in clips.split(batch_size))

    def get_next(self):
        return next(self.feeds, None)


def _store_gru(proto):
    """Weights of each GRU as whole numbers on a grid for each row, with what makes them float again in front of it."""
    from onnx import helper, numpy_helper

    known, nodes = {own.name: own for own in proto.graph.initializer}, []
    for node in proto.graph.node:
        for i in (1, 2) if node.op_type == "GRU" else ():       # for what comes in, and for the state
            w = known[node.input[i]]
            name, whole = w.name, torch.from_numpy(numpy_helper.to_array(w).copy())     # [directions, 3 hidden, …]
            rows = whole.flatten(0, 1)
            where = weight_grid(rows)
            stored = {"whole": quantise(rows, where), "scale": where.scale[:, 0], "shape": torch.tensor(whole.shape)}
            proto.graph.initializer.extend(
                numpy_helper.from_array(t.numpy(), f"{name}.{part}") for part, t in stored.items())
            nodes += [
                helper.make_node("DequantizeLinear", [f"{name}.whole", f"{name}.scale"], [f"{name}.rows"], axis=0),
                helper.make_node("Reshape", [f"{name}.rows", f"{name}.shape"], [f"{name}.float"])]
            proto.graph.initializer.remove(w)
            node.input[i] = f"{name}.float"
    nodes += proto.graph.node
    del proto.graph.node[:]
    proto.graph.node.extend(nodes)
