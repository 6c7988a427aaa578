"""A resize of mine; try it with: automask plugins check plugins/my_resize.py"""

from automask import Float, resize


@resize(share=Float(0.5, 1.0))
def my_resize(image, size, *, share=1.0):
    """The middle square of an image, or a share of its edge; what is outside is lost.

    When to use: things that stand in the middle of wide pictures.
    """
    import cv2

    height, width = image.shape[:2]
    edge = max(1, round(share * min(height, width)))
    top, left = (height - edge) // 2, (width - edge) // 2
    square = image[top : top + edge, left : left + edge]
    return cv2.resize(square, (size, size), interpolation=cv2.INTER_AREA)
