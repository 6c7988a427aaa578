import numpy as np

from automask.authoring.examples.resize import my_resize


def test_keeps_the_middle_and_no_more():
    image = np.zeros((40, 100, 3), np.uint8)
    image[:, 30:70] = 255
    assert (my_resize(image, 20) == 255).all()
