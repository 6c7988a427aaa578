"""Images of more than 8 bits, of many bands, or of medicine, as their files have them."""

from __future__ import annotations

import io
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import numpy as np

from automask.data.depth import Depth
from automask.data.file_kinds import describe_content
from automask.errors import UserError

if TYPE_CHECKING:
    from PIL.ImageFile import ImageFile

#: TIFF's tags.
BITS, WHITE_IS_ZERO, BANDS, PLANAR, FORMAT = 258, 262, 277, 284, 339
SIGNED = 2
#: What HEIC files begin with, after four bytes.
HEIC = (b"ftypheic", b"ftypheix", b"ftyphevc", b"ftypmif1")
#: Pillow's modes of one deep band.
ONE_BAND = ("I", "F", "I;16", "I;16B", "I;16L", "I;16N")


@dataclass(frozen=True)
class DeepImage:
    """Pixels `[H, W]` or `[H, W, bands]` as a file has them, of a `kind` by which they are scaled.

    `window` are the values that the file itself calls black and white; `opacity` [H, W] from 0 to 1;
    a `negative` has white where the lowest values are.
    """

    pixels: np.ndarray
    kind: str
    window: tuple[float, float] | None = None
    opacity: np.ndarray | None = None
    negative: bool = False

    @property
    def extra_bands(self) -> int:
        """How many bands it has where some are left out, else 0."""
        bands = 1 if self.pixels.ndim == 2 else self.pixels.shape[2]
        return bands if bands > 3 else 0

    def rgb(self, depth: Depth) -> np.ndarray:
        """uint8 `[H, W, 3]`: one or two bands as grey, the first three of others, over white."""
        scale = depth if self.window is None else Depth({self.kind: self.window})
        pixels = np.atleast_3d(scale.scale(self.pixels, self.kind))
        pixels = pixels[..., :3] if pixels.shape[2] > 2 else pixels[..., [0, 0, 0]]
        if self.negative:
            pixels = 255 - pixels
        if self.opacity is not None:
            pixels = 255 - self.opacity[..., None] * (255.0 - pixels)
        return np.ascontiguousarray(pixels, np.uint8)


def is_deep(file: ImageFile) -> bool:
    """Has what Pillow opened more bits a band than it would give, or bands laid out as it can't read?"""
    if file.mode in ONE_BAND:
        return True
    tags = getattr(file, "tag_v2", {})
    if max(tags.get(BITS, (8,))) > 8 or SIGNED in tags.get(FORMAT, ()):
        return True
    # A PNG's tile is read by the name of its pixels' layout.
    return any(isinstance(tile[3], str) and ";16" in tile[3] for tile in file.tile)


def band_count(file: ImageFile) -> int:
    """How many bands a TIFF says that it has; 1 of other files."""
    return int(getattr(file, "tag_v2", {}).get(BANDS, 1))


def extra_bands(file: ImageFile) -> int:
    """The bands of a TIFF that has some beside red, green, blue and transparency, else 0."""
    bands = band_count(file)
    return bands if bands > 3 and file.mode not in ("RGBA", "CMYK") else 0


def from_pillow(file: ImageFile, content: bytes) -> DeepImage:
    """The pixels of a file that `is_deep`, of that content."""
    tags = getattr(file, "tag_v2", {})
    if file.mode in ONE_BAND and band_count(file) == 1:
        pixels = np.asarray(file)
    elif file.mode in ("LA", "RGB", "RGBA") and band_count(file) < 5 and tags.get(PLANAR, 1) == 1:
        pixels = _interleaved(content)
    else:
        pixels = _any_tiff(content)
    opacity = None
    clear = file.info.get("transparency")
    if clear is not None:
        opacity = np.any(np.atleast_3d(pixels) != np.atleast_1d(clear), axis=2).astype(float)
    elif file.mode in ("RGBA", "LA") and pixels.ndim == 3 and pixels.shape[2] in (2, 4):
        opacity = pixels[..., -1] / np.iinfo(pixels.dtype).max
        pixels = pixels[..., :-1]
    negative = tags.get(WHITE_IS_ZERO) == 0
    return DeepImage(pixels, pixels.dtype.name, opacity=opacity, negative=negative)


def from_content(content: bytes) -> DeepImage:
    """The pixels of a file that Pillow doesn't know; raises `UserError` where nobody does."""
    # The oldest have no preamble, and begin with the first of their elements.
    if content[128:132] == b"DICM" or (
        content[:2] in (b"\2\0", b"\x08\0") and content[3:4] == b"\0"
    ):
        return read_dicom(content)
    if content[:4] in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"):
        pixels = _any_tiff(content)
        return DeepImage(pixels, pixels.dtype.name)
    if content[4:12] in HEIC and find_spec("pillow_heif") is None:
        raise UserError("HEIC is read by pillow-heif: pip install pillow-heif")
    raise UserError(describe_content(content))


def _interleaved(content: bytes) -> np.ndarray:
    """`[H, W, 3 or 4]` of a PNG or TIFF whose colours lie pixel by pixel."""
    import cv2

    # Its complaints would stand between our lines.
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
    pixels = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_UNCHANGED)
    if pixels is None or pixels.ndim != 3:
        raise UserError("its deep colours can't be read")
    return pixels[..., [2, 1, 0, 3][: pixels.shape[2]]]


def _any_tiff(content: bytes) -> np.ndarray:
    """`[H, W]` or `[H, W, bands]` of a TIFF's first page."""
    try:
        import tifffile
    except ImportError:
        raise UserError("a TIFF of its kind is read by tifffile: pip install tifffile") from None
    with tifffile.TiffFile(io.BytesIO(content)) as file:
        page: Any = file.pages[0]
        pixels, axes = page.asarray(), page.axes
    return np.moveaxis(pixels, 0, -1) if axes == "SYX" else pixels


def read_dicom(content: bytes) -> DeepImage:
    """The first frame of a DICOM file, with the window that it names, if any."""
    try:
        import pydicom
    except ImportError:
        raise UserError("DICOM is read by pydicom: pip install pydicom") from None
    from pydicom.pixels import processing
    from pydicom.pixels.utils import pixel_array

    file = pydicom.dcmread(io.BytesIO(content), force=True)
    frame = pixel_array(file, index=0)
    if file.PhotometricInterpretation == "PALETTE COLOR":
        frame = processing.apply_color_lut(frame, file)
    if frame.ndim == 3:
        return DeepImage(frame, frame.dtype.name)
    values = processing.apply_modality_lut(frame, file)
    window = None
    try:
        pixels = processing.apply_voi_lut(values, file)
    except (AttributeError, NotImplementedError, TypeError, ValueError):
        # A width of 0, or half a window: the pixels are fine.
        return DeepImage(values, "DICOM", negative=file.PhotometricInterpretation == "MONOCHROME1")
    if file.get("VOILUTSequence"):
        window = 0.0, 2.0 ** file.VOILUTSequence[0].LUTDescriptor[2]
    elif pixels is not values:
        # Its ends are what it makes of the least and of the most.
        low, high = processing.apply_voi_lut(np.array([-1e9, 1e9]), file).tolist()
        window = low, high
    negative = file.PhotometricInterpretation == "MONOCHROME1"
    return DeepImage(pixels, "DICOM", window, negative=negative)


def dicom_suffixes() -> frozenset[str]:
    """The endings of DICOM files, where pydicom is installed."""
    return frozenset((".dcm", ".dicom")) if find_spec("pydicom") else frozenset()
