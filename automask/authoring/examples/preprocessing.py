"""A preprocessing of mine; try it with: automask plugins check plugins/my_preprocessing.py"""

from dataclasses import dataclass

from automask import Float, preprocessing


@dataclass(frozen=True)
class Brightness:
    """Moves an image's mean towards `mean`, by a share of the way."""

    mean: float
    share: float

    def __call__(self, image):
        moved = image + self.share * (self.mean - image.mean())
        return moved.clip(0, 255).round().astype(image.dtype)


@preprocessing(share=Float(0.2, 1.0), fitted=True)
def my_preprocessing(rows, *, share=0.5):
    """Every image about as bright as those of the training part are in the mean.

    When to use: pictures of other cameras or times of the day in train than in test.
    """
    # A few hundred tell it; rows are those of a fold's training part, never those that are scored.
    means = [float(image.mean()) for image in rows.images(300)]
    return Brightness(sum(means) / len(means), share)
