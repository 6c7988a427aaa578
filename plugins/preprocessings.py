"""Preprocessings: images changed before they are resized: `automask.space.protocols`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from automask import Float, preprocessing

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np

    from automask.data.preprocessing import TrainingPart


@preprocessing(fitted=False)
def none(rows: TrainingPart) -> Callable[[np.ndarray], np.ndarray] | None:
    """Images as they are.

    When to use: the default; a network sees more than a filter leaves.
    """
    return None


@dataclass(frozen=True)
class Crop:
    """The same part of every image, in shares of its width and height."""

    left: float
    top: float
    right: float
    bottom: float

    def __call__(self, image: np.ndarray) -> np.ndarray:
        height, width = image.shape[:2]
        left, top = (
            min(int(self.left * width), width - 1),
            min(int(self.top * height), height - 1),
        )
        right, bottom = (-int(-self.right * width // 1), -int(-self.bottom * height // 1))
        return image[top : max(bottom, top + 1), left : max(right, left + 1)]


@preprocessing(spread=Float(0.5, 3.0), fitted=True)
def position_crop(
    rows: TrainingPart, *, spread: float = 2.0
) -> Callable[[np.ndarray], np.ndarray] | None:
    """The part of the images where the object is in most of them.

    Each edge of the crop is the mean of that edge of the objects' boxes, `spread` standard deviations
    further out. Boxes are those of the table's columns, such as xmin, ymin, xmax and ymax; without them
    they are guessed from what stands out of 300 images, by the spectral residual.
    When to use: the object keeps to one place and much of the image is something else.
    Source: Hou and Zhang, Saliency detection: a spectral residual approach (2007).
    """
    import numpy as np

    boxes = rows.boxes
    if boxes is None:
        salient = [box for image in rows.images(300) if (box := _salient(image)) is not None]
        boxes = np.array(salient or [[0.0, 0.0, 1.0, 1.0]])
    outwards = np.array([-1, -1, 1, 1]) * spread
    edges = (boxes.mean(0) + outwards * boxes.std(0)).clip(0, 1)
    return Crop(*edges.round(4).tolist())


def _salient(image: np.ndarray) -> list[float] | None:
    """Left, top, right and bottom of what stands out, in shares; None where the image is flat."""
    import cv2
    import numpy as np

    side = 64
    gray = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    gray = cv2.resize(gray, (side, side), interpolation=cv2.INTER_AREA).astype(np.float64)
    gray -= gray.mean()
    if np.abs(gray).max() < 1:
        return None
    # Faded out towards the border: the transform would see edges where opposite sides meet.
    fade = np.sqrt(np.hanning(side))
    spectrum = np.fft.fft2(gray * np.outer(fade, fade))
    amplitude = np.log(np.abs(spectrum) + 1e-6)
    residual = amplitude - cv2.blur(amplitude, (3, 3))
    stands_out = np.abs(np.fft.ifft2(np.exp(residual + 1j * np.angle(spectrum)))) ** 2
    stands_out = cv2.GaussianBlur(stands_out, (0, 0), 2.5)
    # Three times the mean, as the authors do.
    weight = stands_out * (stands_out > min(3 * stands_out.mean(), 0.9 * stands_out.max()))
    middles = (np.arange(side) + 0.5) / side
    box = np.empty(4)
    for axis in (0, 1):
        share = weight.sum(axis) / weight.sum()
        mean = (share * middles).sum()
        # The half width of an even spread of this standard deviation.
        half = np.sqrt(3 * (share * (middles - mean) ** 2).sum())
        box[axis], box[axis + 2] = mean - half, mean + half
    return box.clip(0, 1).tolist()


@dataclass(frozen=True)
class Enhancement:
    """Factors of Pillow's enhancements, 1 for none, and the clip limit of CLAHE, 0 for none."""

    contrast: float
    sharpness: float
    brightness: float
    colour: float
    clahe: float

    def __call__(self, image: np.ndarray) -> np.ndarray:
        import numpy as np
        from PIL import Image, ImageEnhance

        if self.clahe:
            image = _equalised(image, self.clahe)
        picture = Image.fromarray(image)
        for kind, factor in (
            (ImageEnhance.Brightness, self.brightness),
            (ImageEnhance.Contrast, self.contrast),
            (ImageEnhance.Color, self.colour),
            (ImageEnhance.Sharpness, self.sharpness),
        ):
            if factor != 1:
                picture = kind(picture).enhance(factor)
        return np.asarray(picture)


@preprocessing(
    contrast=Float(0.8, 1.6),
    sharpness=Float(1.0, 3.0),
    brightness=Float(0.8, 1.3),
    colour=Float(0.5, 1.5),
    clahe=Float(0.0, 4.0),
    fitted=False,
)
def reveal_detail(
    rows: TrainingPart,
    *,
    contrast: float = 1.1,
    sharpness: float = 1.5,
    brightness: float = 1.0,
    colour: float = 1.0,
    clahe: float = 2.0,
) -> Callable[[np.ndarray], np.ndarray] | None:
    """Every image enhanced alike: local contrast, then brightness, contrast, colour and sharpness.

    `clahe` is the clip limit of contrast limited adaptive histogram equalisation of the lightness in
    eight by eight tiles, 0 for none; the others are factors, 1 for none.
    When to use: badly lit, hazy or soft images whose detail decides, such as X-rays or night shots.
    Source: Zuiderveld, Contrast limited adaptive histogram equalization (1994).
    """
    return Enhancement(contrast, sharpness, brightness, colour, clahe)


def _equalised(image: np.ndarray, limit: float) -> np.ndarray:
    import cv2

    height, width = image.shape[:2]
    lab = cv2.cvtColor(image, cv2.COLOR_RGB2LAB)
    tiles = cv2.createCLAHE(limit, (min(8, width), min(8, height)))
    lab[:, :, 0] = tiles.apply(lab[:, :, 0])
    return cv2.cvtColor(lab, cv2.COLOR_LAB2RGB)


@dataclass(frozen=True)
class Whitening:
    """White in place of a background whose colour is within `threshold` of the border's, in CIELAB.

    Nothing becomes white where that would be more than the share `most` of the image.
    """

    threshold: float
    most: float

    def __call__(self, image: np.ndarray) -> np.ndarray:
        background = _background(image, self.threshold)
        height, width = background.shape
        middle = background[height // 3 : height - height // 3, width // 3 : width - width // 3]
        if background.mean() > self.most or middle.mean() > 0.5:
            return image
        out = image.copy()
        out[background] = 255
        return out


@preprocessing(threshold=Float(8.0, 25.0), most=Float(0.5, 0.9), fitted=False)
def whiten_background(
    rows: TrainingPart, *, threshold: float = 12.0, most: float = 0.8
) -> Callable[[np.ndarray], np.ndarray] | None:
    """A background of one colour becomes white, whatever its colour was.

    Background is what is joined to the border and of the border's colour up to `threshold` in CIELAB;
    there is none where the border has no such colour. An image stays as it is where more than the
    share `most` of it would become white, or most of its middle: a dark face on black.
    When to use: portraits or products before plain backgrounds of different colours.
    """
    return Whitening(threshold, most)


def _background(image: np.ndarray, threshold: float) -> np.ndarray:
    """bool `[H, W]`: joined to the border and of its colour."""
    import cv2
    import numpy as np

    smooth = cv2.medianBlur(np.ascontiguousarray(image), 5).astype(np.float32) / 255
    lab = cv2.cvtColor(smooth, cv2.COLOR_RGB2LAB)
    border = np.median(np.concatenate([lab[0], lab[-1], lab[:, 0], lab[:, -1]]), axis=0)
    # Lamps and shadows change a background's lightness more than its hue, while in the dark nothing
    # but a little lightness tells hair from it.
    weight = np.array([0.5 if border[0] > 40 else 1.5, 1, 1], np.float32)
    distance = np.linalg.norm((lab - border) * weight, axis=2)
    alike = distance < threshold
    edge = np.concatenate([alike[0], alike[-1], alike[:, 0], alike[:, -1]])
    if edge.mean() < 2 / 3:
        return np.zeros(alike.shape, bool)
    _, parts = cv2.connectedComponents(alike.astype(np.uint8), connectivity=4)
    joined = np.unique(np.concatenate([parts[0], parts[-1], parts[:, 0], parts[:, -1]]))
    return alike & np.isin(parts, joined)
