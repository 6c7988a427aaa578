"""A test-time augmentation of mine; try it with: automask plugins check plugins/my_tta.py"""

from automask import Float, tta


@tta(strength=Float(0.05, 0.3), mirrors=False)
def my_tta(images, *, strength=0.15):
    """Images darker, as they are, and brighter.

    When to use: test images of other light than train's, for three times the time.
    """
    return [images * (1 - strength), images, (images * (1 + strength)).clamp(max=255)]
