"""Image files to pixels."""

from __future__ import annotations

import functools
import io
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from automask.data import deep_images
from automask.data.deep_images import DeepImage
from automask.data.depth import Depth
from automask.errors import UserError

if TYPE_CHECKING:
    from PIL import Image
    from PIL.ImageFile import ImageFile

#: From so many pixels on an image is decoded alone, lest several together fill the memory, and at most
#: so many are decoded at all.
GIANT, MOST = 2**26, 2**31
#: The Pillow operation that sets an image upright, by its EXIF orientation.
UPRIGHT = {
    2: "FLIP_LEFT_RIGHT",
    3: "ROTATE_180",
    4: "FLIP_TOP_BOTTOM",
    5: "TRANSPOSE",
    6: "ROTATE_270",
    7: "TRANSVERSE",
    8: "ROTATE_90",
}
#: What Pillow opens, but no photograph, or only with another program.
NO_IMAGES = frozenset(
    (".bufr", ".emf", ".eps", ".grib", ".h5", ".hdf", ".mpeg", ".mpg", ".ps", ".wmf")
)
#: What stands for an image that can't be read.
GREY = np.full((8, 8, 3), 128, np.uint8)
#: A PNG's signature, and the chunks that its pixels need.
PNG, CRITICAL = b"\x89PNG\r\n\x1a\n", (b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND")
#: What a JPEG ends with; a decoder shows what it has when it comes to it.
JPEG_END = b"\xff\xd9"

_alone = threading.Lock()


def decode(path: Path, enough: int | None = None, depth: Depth = Depth()) -> np.ndarray:
    """An image file as uint8 RGB `[H, W, 3]`, upright by its EXIF orientation.

    Where `enough` pixels a side will do, a larger JPEG may come in a half, a quarter or an eighth of
    its size, but no smaller than that, which its decoder makes in less time. Transparent pixels become
    white, more than 8 bits are scaled as `depth` says, and of several pages the first is read, of more
    than four bands the first three. Metadata that can't be read are passed over. Raises `UserError`
    naming a file that can't be decoded to its end.
    """
    try:
        return _decode(path, enough, depth)
    except Exception as error:  # Pillow's decoders raise nearly everything.
        with _passed_over():
            if rest := _without_metadata(path):
                return _decode(rest, enough, depth)
        raise UserError(f"{path}: can't be read as an image: {error}") from error


def decode_partly(
    path: Path, enough: int | None = None, depth: Depth = Depth()
) -> tuple[np.ndarray | None, str]:
    """The same as far as the file can be read, or None where it can't be read at all.

    A sentence says what is wrong, and is empty where nothing is.
    """
    try:
        return decode(path, enough, depth), ""
    except UserError as error:
        problem = str(error)
    with _passed_over():
        content = io.BytesIO(path.read_bytes() + JPEG_END)
        return _decode(content, enough, depth, partly=True), problem
    return None, problem


def read_deep(path: Path) -> DeepImage | None:
    """The pixels of a file as it has them, where they are more than 8-bit ones.

    Raises whatever the libraries raise.
    """
    with _opened(path) as file:
        if file is None:
            return deep_images.from_content(path.read_bytes())
        return (
            deep_images.from_pillow(file, path.read_bytes()) if deep_images.is_deep(file) else None
        )


def read_header(path: Path) -> tuple[bool, int]:
    """Whether `read_deep` has something of a file, and how many bands it has where some are left
    out, else 0. A file that Pillow doesn't know may be deep.

    Raises whatever Pillow raises.
    """
    with _opened(path) as file:
        if file is None:
            return True, 0
        return deep_images.is_deep(file), deep_images.extra_bands(file)


def readable_suffixes() -> frozenset[str]:
    """The endings, in lower case and with their dot, of the images that can be read here."""
    pillow = _pillow()
    pillow.init()
    names = {
        suffix for suffix, kind in pillow.registered_extensions().items() if kind in pillow.OPEN
    }
    return frozenset(names) - NO_IMAGES | deep_images.dicom_suffixes()


def image_size(path: Path) -> tuple[int, int]:
    """Width and height in pixels, upright by its EXIF orientation; raises as `decode` does."""
    with _passed_over(), _opened(path) as file:
        if file is not None:
            width, height = file.size
            return (height, width) if _orientation(file) >= 5 else (width, height)
    height, width, _ = decode(path).shape
    return width, height


def longest_side(paths: Sequence[Path], sample: int = 200) -> int:
    """The median over (a sample of) the images of their longer side, in pixels."""
    sides = []
    for path in paths[:: max(1, len(paths) // sample)]:
        with _passed_over():
            sides.append(max(image_size(path)))
    return int(np.median(sides)) if sides else 0


@contextmanager
def _passed_over() -> Iterator[None]:
    """What fails inside is done without."""
    try:
        yield
    except Exception:
        return


@functools.cache
def _pillow() -> Any:
    """Pillow's module, which reads HEIC too where pillow-heif is installed, and however large."""
    from PIL import Image

    try:
        from pillow_heif import register_heif_opener
    except ImportError:
        pass
    else:
        register_heif_opener()
    # `MOST` is ours; Pillow's is below the panorama of a good camera.
    Image.MAX_IMAGE_PIXELS = None
    return Image


@contextmanager
def _opened(source: Path | io.BytesIO) -> Iterator[ImageFile | None]:
    """A file that Pillow knows, or None."""
    pillow = _pillow()
    try:
        file = pillow.open(source)
    except pillow.UnidentifiedImageError:
        yield None
        return
    with file:
        width, height = file.size
        if width * height > MOST:
            raise UserError(
                f"{width:,} x {height:,} pixels are more than {MOST:,}; make it smaller"
            )
        yield file


def _decode(
    source: Path | io.BytesIO, enough: int | None, depth: Depth, partly: bool = False
) -> np.ndarray:
    with _opened(source) as file:
        if file is None:
            return deep_images.from_content(_content(source)).rgb(depth)
        if enough:
            file.draft(None, (enough, enough))
        deep = deep_images.is_deep(file)
        with _alone if file.width * file.height > GIANT else nullcontext():
            # Deep bands Pillow can't read.
            if not deep or deep_images.band_count(file) == 1:
                _load(file, partly)
            image: Image.Image = file
            if deep:
                pixels = deep_images.from_pillow(file, _content(source)).rgb(depth)
                image = _pillow().fromarray(pixels)
            return _to_rgb(image, _orientation(file))


def to_rgb(image: Image.Image) -> np.ndarray:
    """An image that Pillow has opened as `decode` gives it; raises `UserError` where that can't be."""
    from PIL.ImageFile import ImageFile

    is_deep = deep_images.is_deep(image) if isinstance(image, ImageFile) else False
    if is_deep or image.mode in deep_images.ONE_BAND:
        raise UserError(
            f"an image of Pillow's mode {image.mode} has more than 8 bits: give the path of its file"
        )
    try:
        return _to_rgb(image, _orientation(image))
    except Exception as error:  # Pillow's decoders raise nearly everything.
        raise UserError(f"an image of Pillow's can't be read: {error}") from error


def _to_rgb(image: Image.Image, orientation: int) -> np.ndarray:
    if method := UPRIGHT.get(orientation):
        image = image.transpose(_pillow().Transpose[method])
    if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
        image = image.convert("RGBA")
        white = _pillow().new("RGBA", image.size, "white")
        image = _pillow().alpha_composite(white, image)
    return np.asarray(image.convert("RGB"))


def _load(file: ImageFile, partly: bool) -> None:
    try:
        file.load()
    except Exception:
        if not partly:
            raise
        # What came before the fault is there.
        file.tile = []


def _content(source: Path | io.BytesIO) -> bytes:
    return source.read_bytes() if isinstance(source, Path) else source.getvalue()


def _orientation(file: Image.Image) -> int:
    with _passed_over():
        return int(file.getexif().get(0x0112, 1))
    return 1


def _without_metadata(path: Path) -> io.BytesIO | None:
    """A PNG with nothing but what its pixels need; None of other files."""
    content = path.read_bytes()
    if not content.startswith(PNG):
        return None
    chunks, start = [PNG], len(PNG)
    while start < len(content):
        end = start + 12 + int.from_bytes(content[start : start + 4])
        if content[start + 4 : start + 8] in CRITICAL:
            chunks.append(content[start:end])
        start = end
    return io.BytesIO(b"".join(chunks))
