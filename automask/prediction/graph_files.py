"""A model's graph as files of other runtimes: torch.export's, ONNX, and ONNX in 8 bits."""

from __future__ import annotations

import json
import logging
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from automask.errors import UserError
from automask.prediction.contents import Contents
from automask.prediction.graph import FOLDS, INPUT, OUTPUT, Graph, facts
from automask.storage.files import atomic_write, check_place

if TYPE_CHECKING:
    from torch.export import ExportedProgram

#: Images that the graph is drawn up by; numbers that are in no network's shape.
EXAMPLE = (2, 37, 53, 3)
#: What is rounded to 8 bits: products with weights, and none with the image's own shape.
QUANTISED = ("Conv", "Gemm", "MatMul")
#: What a file of protocol buffers may have.
MOST = 2**31 - 2**20


def require_onnx() -> None:
    """Raise `UserError` where what writes and runs ONNX isn't installed, or can't write such graphs."""
    if torch.__version__.startswith("2.6."):
        raise UserError(
            f"--onnx and --int8 need a newer torch than {torch.__version__}, whose exporter can't write "
            "such graphs; --torch FILE and the folder don't"
        )
    try:
        import onnx
        import onnxruntime
        import onnxscript  # noqa: F401
    except ImportError as error:
        raise UserError(
            f"--onnx and --int8 need: pip install 'automask[onnx]' ({error})"
        ) from error
    del onnx, onnxruntime


def draw(graph: Graph) -> ExportedProgram:
    """The graph as torch.export has it, of any number of images of any shape.

    Raises `UserError` where a plugin's code can't be taken apart.
    """
    dynamic = torch.export.Dim.DYNAMIC
    example = (torch.zeros(EXAMPLE, dtype=torch.uint8),)
    try:
        with _quiet(), torch.no_grad():
            return torch.export.export(
                graph, example, dynamic_shapes={INPUT: {0: dynamic, 1: dynamic, 2: dynamic}}
            )
    except Exception as error:  # torch.export raises nearly everything.
        raise UserError(f"torch.export can't draw this model: {_first_line(error)}") from error


def write_torch(graph: Graph, file: Path) -> None:
    """Write it in torch.export's format."""
    program = draw(graph)
    with whole(file) as beside, open(beside, "wb") as opened:
        torch.export.save(program, opened)


def write_onnx(graph: Graph, contents: Contents, file: Path) -> None:
    """Write it as ONNX, everything in the one file."""
    model = _as_onnx(graph)
    _describe(model, contents)
    file.write_bytes(_serialised(model))


def write_int8(
    graph: Graph, contents: Contents, images: Iterable[np.ndarray], folder: Path
) -> Path:
    """Write it as ONNX in 8 bits, with ranges of activations as on these images `[H, W, 3]`; the file,
    which gives folds too."""
    from onnxruntime.quantization import CalibrationDataReader, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    feeds = ({INPUT: image[None]} for image in images)

    class Images(CalibrationDataReader):  # type: ignore[misc]
        def get_next(self) -> dict[str, np.ndarray] | None:
            return next(feeds, None)

    plain, merged, small = (folder / f"{name}.onnx" for name in ("plain", "merged", "int8"))
    plain.write_bytes(_serialised(_as_onnx(graph)))
    with _quiet():
        # Merges normalisation into convolutions, which are quantised together then.
        quant_pre_process(plain, merged, skip_symbolic_shape=True)
        quantize_static(
            merged,
            small,
            Images(),
            op_types_to_quantize=list(QUANTISED),
            per_channel=True,
            extra_options={"MatMulConstBOnly": True},
        )
    return small


def without_folds(source: Path, contents: Contents, file: Path) -> None:
    """Write such a file again, with nothing but the answers."""
    import onnx

    model = onnx.load(source)
    del model.graph.output[1:]
    _describe(model, contents)
    with whole(file) as beside:
        beside.write_bytes(_serialised(model))


class Runner:
    """A file of ONNX, run by onnxruntime on this machine's processor."""

    def __init__(self, file: Path) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        # Threads that wait would take the cores from whatever else runs here.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        self.session = onnxruntime.InferenceSession(
            str(file), options, providers=["CPUExecutionProvider"]
        )

    def run(self, image: np.ndarray, output: str = OUTPUT) -> np.ndarray:
        """One of its outputs of one image uint8 `[H, W, 3]`."""
        result: np.ndarray = self.session.run([output], {INPUT: image[None]})[0]
        return result


def _as_onnx(graph: Graph) -> Any:
    program = draw(graph)
    names = [OUTPUT, FOLDS] if graph.folds else [OUTPUT]
    try:
        with _quiet():
            made = torch.onnx.export(
                program, dynamo=True, input_names=[INPUT], output_names=names, verbose=False
            )
    except Exception as error:  # Whatever the exporter's parts raise.
        raise UserError(f"ONNX can't hold this model: {_first_line(error)}; --torch may") from error
    assert made is not None
    return made.model_proto


def _serialised(model: Any) -> bytes:
    if (size := model.ByteSize()) > MOST:
        raise UserError(
            f"the networks have {size / 2**30:.1f} GiB, and a file of ONNX may have 2: export fewer "
            "(--top, --member or --size)"
        )
    content: bytes = model.SerializeToString()
    return content


def _describe(model: Any, contents: Contents) -> None:
    del model.metadata_props[:]
    for key, value in facts(contents).items():
        entry = model.metadata_props.add()
        entry.key, entry.value = key, value if isinstance(value, str) else json.dumps(value)


@contextmanager
def whole(file: Path) -> Iterator[Path]:
    """A path to write to, which becomes the file once it is whole."""
    check_place(file)
    try:
        with atomic_write(file) as beside:
            yield beside
    except OSError as error:
        raise UserError(f"{file}: can't be written: {error.strerror or error}") from error


@contextmanager
def _quiet() -> Iterator[None]:
    """Without what exporters say of their own insides."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)


def _first_line(error: Exception) -> str:
    cause: BaseException = error
    while cause.__cause__ is not None:
        cause = cause.__cause__
    lines = str(cause).strip().splitlines() or [type(cause).__name__]
    return lines[0]
