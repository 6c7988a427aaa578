"""Image files of every kind to pixels: modes, depths, bands, broken and odd files."""

import io
import struct
import sys
import warnings
import zlib

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageCms, PngImagePlugin

from automask.data import decoding, deep_images, depth_survey
from automask.data.decoding import decode, decode_partly, image_size, readable_suffixes
from automask.data.depth import EARLIER, Depth, fit_range
from automask.data.tables import Rows

RAMP = np.tile(np.linspace(0.1, 0.9, 48), (40, 1))
#: What the ramp is in 8 bits.
GREY = (RAMP * 255).astype(np.uint8)
COLOUR = np.dstack([GREY, GREY[:, ::-1], np.full_like(GREY, 90)])


def near(pixels, expected, by=2):
    """Are two images `[H, W]` or `[H, W, 3]` the same up to so many steps of 255?"""
    expected = np.broadcast_to(np.atleast_3d(expected), pixels.shape)
    return np.abs(pixels.astype(int) - expected.astype(int)).max() <= by


def write_png(file, pixels):
    cv2.imwrite(str(file), pixels if pixels.ndim == 2 else pixels[..., ::-1])


def with_chunk(content, kind, data, broken=False):
    """A PNG with one more chunk before its pixels, whose checksum may be wrong."""
    at = content.index(b"IDAT") - 4
    check = zlib.crc32(kind + data) ^ broken
    chunk = struct.pack(">I", len(data)) + kind + data + struct.pack(">I", check)
    return content[:at] + chunk + content[at:]


# Depths


@pytest.mark.parametrize("most", [255, 1023, 4095, 16383, 65535])
def test_whole_numbers_are_scaled_by_the_bits_that_they_fill(tmp_path, most):
    write_png(tmp_path / "a.png", (RAMP * most).astype(np.uint16))
    assert near(decode(tmp_path / "a.png"), GREY)
    Image.fromarray((RAMP * most).astype(np.int32)).save(tmp_path / "a.tif")
    assert near(decode(tmp_path / "a.tif"), GREY)


@pytest.mark.parametrize("most", [1.0, 255.0, 65535.0])
def test_floats_are_scaled_alike(tmp_path, most):
    Image.fromarray((RAMP * most).astype(np.float32)).save(tmp_path / "a.tif")
    assert near(decode(tmp_path / "a.tif"), GREY)


def test_values_in_a_corner_of_their_range_fill_it(tmp_path):
    # A thermal camera's, and what a scanner calls Hounsfield units.
    write_png(tmp_path / "warm.png", (29000 + RAMP * 2000).astype(np.uint16))
    Image.fromarray((RAMP * 2000 - 1000).astype(np.int32)).save(tmp_path / "ct.tif")
    for name in ("warm.png", "ct.tif"):
        pixels = decode(tmp_path / name)
        assert pixels.min() < 10 and pixels.max() > 245
        assert (np.diff(pixels[0, :, 0].astype(int)) >= 0).all()


def test_defects_and_what_is_no_number_decide_nothing(tmp_path):
    pixels = np.tile(RAMP, (3, 3)).astype(np.float32)
    pixels[0, :3] = 1e30, np.nan, np.inf
    Image.fromarray(pixels).save(tmp_path / "a.tif")
    made = decode(tmp_path / "a.tif")
    assert near(made[1:], np.tile(GREY, (3, 3))[1:])
    assert made[0, :3, 0].tolist() == [255, 0, 255]


def test_deep_colours_are_scaled_by_their_range(tmp_path):
    deep = (COLOUR.astype(np.uint16) << 4) + 8
    write_png(tmp_path / "a.png", deep)
    write_png(tmp_path / "full.png", COLOUR.astype(np.uint16) * 257)
    cv2.imwrite(str(tmp_path / "a.tif"), deep[..., ::-1])
    cv2.imwrite(str(tmp_path / "f.tif"), (COLOUR / 255).astype(np.float32)[..., ::-1])
    for name in ("a.png", "full.png", "a.tif", "f.tif"):
        assert near(decode(tmp_path / name), COLOUR), name


def test_deep_transparency_becomes_white(tmp_path):
    deep = (RAMP * 65535).astype(np.uint16)
    deep[:5] = 0
    write_png(tmp_path / "a.png", deep)
    content = with_chunk((tmp_path / "a.png").read_bytes(), b"tRNS", struct.pack(">H", 0))
    (tmp_path / "a.png").write_bytes(content)
    made = decode(tmp_path / "a.png")
    assert (made[:5] == 255).all() and near(made[5:], GREY[5:])
    alpha = np.full_like(deep, 65535)
    alpha[:5] = 0
    rgba = np.dstack([COLOUR.astype(np.uint16) * 257, alpha])
    cv2.imwrite(str(tmp_path / "b.png"), rgba[..., [2, 1, 0, 3]])
    made = decode(tmp_path / "b.png")
    assert (made[:5] == 255).all() and near(made[5:], COLOUR[5:])


@given(st.data())
def test_eight_bits_stay_what_they_are(data):
    # Whatever range a data set has.
    pixels = np.arange(256, dtype=np.uint8)
    ends = data.draw(st.tuples(st.floats(-9, 9, allow_subnormal=False), st.floats(10, 1e6)))
    assert (Depth({"uint8": ends}).scale(pixels, "uint8") == pixels).all()
    whole = pixels.astype(np.uint16)
    assert (Depth({"uint16": (0, 256)}).scale(whole, "uint16") == pixels).all()


@given(st.integers(0, 65535))
def test_studies_of_earlier_versions_see_the_upper_byte(value):
    assert EARLIER.scale(np.array([[value]], np.uint16), "uint16") == value >> 8
    assert EARLIER.key == Depth().key == ""


@given(
    st.lists(st.integers(-70000, 70000), min_size=1, max_size=40),
    st.sampled_from([np.int32, np.float32]),
)
def test_brighter_stays_brighter_in_any_range(values, kind):
    pixels = np.sort(np.array(values, kind))
    low, high = fit_range([pixels])
    made = Depth({"a": (low, high)}).scale(pixels, "a")
    assert low < high and (np.diff(made.astype(int)) >= 0).all()


def test_one_range_holds_for_a_data_set_and_is_a_sentence(tmp_path):
    paths = []
    for index, most in enumerate((300, 4095, 200)):
        paths.append(tmp_path / f"{index}.png")
        write_png(paths[-1], (RAMP * most).astype(np.uint16))
    Image.fromarray(COLOUR).save(tmp_path / "8.png")
    paths.append(tmp_path / "8.png")
    look = depth_survey.survey(_Data(paths[:2], paths[2:]))
    assert look.depth.ranges == {"uint16": (0.0, 4096.0)}
    assert look.notes == (
        "3 of 4 images have more than 8 bits: black to white is 0 to 4096 of uint16, in all",
    )
    assert Depth.read(look.depth.facts) == look.depth and look.depth.key
    assert decode(paths[0], depth=look.depth).max() < 20  # dark beside the other, and not by itself
    assert near(decode(paths[1], depth=look.depth), GREY)
    assert depth_survey.survey(_Data(paths[3:])) == depth_survey.DepthSurvey(Depth(), ())


class _Data:
    def __init__(self, train, test=()):
        self.train = Rows([p.name for p in train], list(train))
        self.test = Rows([p.name for p in test], list(test)) if test else None
        self.paths = [*train, *test]


# Bands


@pytest.mark.parametrize("planar", ["contig", "separate"])
@pytest.mark.parametrize("kind", [np.uint8, np.uint16, np.float32])
@pytest.mark.parametrize("bands", [2, 3, 4, 5, 8])
def test_of_many_bands_the_first_three_are_read(tmp_path, bands, kind, planar):
    tifffile = pytest.importorskip("tifffile")
    most = 1 if kind is np.float32 else np.iinfo(kind).max
    table = np.dstack([COLOUR, *[GREY] * 5])[..., :bands]
    pixels = (table / 255 * most).astype(kind)
    pixels = np.moveaxis(pixels, -1, 0) if planar == "separate" else pixels
    how = {"planarconfig": planar, "photometric": "rgb" if bands > 2 else "minisblack"}
    how["extrasamples"] = ["unspecified"] * (bands - (3 if bands > 2 else 1))
    tifffile.imwrite(tmp_path / "a.tif", pixels, **how)
    made = decode(tmp_path / "a.tif")
    assert near(made, COLOUR if bands > 2 else GREY)
    if bands > 3:
        (note,) = [
            n for n in depth_survey.survey(_Data([tmp_path / "a.tif"])).notes if "bands" in n
        ]
        assert "the first three" in note


def test_a_library_that_is_missing_is_a_sentence(tmp_path, monkeypatch):
    tifffile = pytest.importorskip("tifffile")
    pixels = np.zeros((8, 9, 9), np.float32)
    tifffile.imwrite(tmp_path / "a.tif", pixels, photometric="minisblack", planarconfig="separate")
    (tmp_path / "a.dcm").write_bytes(bytes(128) + b"DICM" + bytes(100))
    (tmp_path / "a.heic").write_bytes(b"\0\0\0\x18ftypheic" + bytes(50))
    for name in ("tifffile", "pydicom"):
        monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.setattr(deep_images, "find_spec", lambda name: None)
    assert ".dcm" not in readable_suffixes()
    for name, library in (
        ("a.tif", "tifffile"),
        ("a.dcm", "pydicom"),
        ("a.heic", "pillow-heif"),
    ):
        with pytest.raises(decoding.UserError, match=f"{name}: .*pip install {library}"):
            decode(tmp_path / name)


# DICOM


def write_dicom(file, pixels, preamble=True, **tags):
    pydicom = pytest.importorskip("pydicom")
    from pydicom.dataset import FileMetaDataset
    from pydicom.uid import ExplicitVRLittleEndian

    made = pydicom.Dataset()
    made.file_meta = FileMetaDataset()
    made.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    made.Rows, made.Columns = pixels.shape[:2]
    made.SamplesPerPixel = 1
    made.PhotometricInterpretation = "MONOCHROME2"
    made.BitsAllocated = made.BitsStored = 16
    made.HighBit = 15
    made.PixelRepresentation = int(np.issubdtype(pixels.dtype, np.signedinteger))
    for name, value in tags.items():
        setattr(made, name, value)
    made.PixelData = pixels.tobytes()
    made.preamble = bytes(128) if preamble else None
    made.save_as(file, enforce_file_format=False)


def test_dicom_is_seen_through_its_window(tmp_path):
    file = tmp_path / "a.dcm"
    units = (RAMP * 400 - 200).astype(np.int16)
    raw = (units + 1024).astype(np.int16)
    window = {"RescaleSlope": 1, "RescaleIntercept": -1024, "WindowCenter": 0, "WindowWidth": 401}
    write_dicom(file, raw, **window)
    assert near(decode(file), GREY, 3)
    # A narrower one.
    write_dicom(file, raw, **{**window, "WindowWidth": 101})
    made = decode(file)[0, :, 0].astype(int)
    assert made[units[0] < -50].max() <= 1 and made[units[0] > 50].min() >= 254
    write_dicom(file, raw, preamble=False, **window, PhotometricInterpretation="MONOCHROME1")
    assert near(decode(file), 255 - GREY, 3)
    assert image_size(file) == (48, 40)


def test_dicom_without_a_window_is_scaled_with_the_data_set(tmp_path):
    file = tmp_path / "a.dcm"
    write_dicom(file, (RAMP * 4095).astype(np.uint16))
    look = depth_survey.survey(_Data([file]))
    assert look.depth.ranges == {"DICOM": (0.0, 4096.0)}
    assert near(decode(file, depth=look.depth), GREY)


# Every mode of Pillow


def images():
    rgb = Image.fromarray(COLOUR)
    lab = ImageCms.createProfile("LAB")
    to_lab = ImageCms.buildTransform(ImageCms.createProfile("sRGB"), lab, "RGB", "LAB")
    yield "rgb.png", rgb, COLOUR, 0
    yield "grey.png", Image.fromarray(GREY), GREY, 0
    yield "bits.png", Image.fromarray(GREY > 99), (GREY > 99) * 255, 0
    yield "palette.png", rgb.quantize(256), COLOUR, 30
    yield "palette.gif", Image.fromarray(GREY).quantize(256), GREY, 3
    yield "cmyk.jpg", rgb.convert("CMYK"), COLOUR, 12
    yield "cmyk.tif", rgb.convert("CMYK"), COLOUR, 3
    yield "lab.tif", ImageCms.applyTransform(rgb, to_lab), COLOUR, 12
    yield "ycbcr.tif", rgb.convert("YCbCr"), COLOUR, 3
    yield "lossless.webp", rgb, COLOUR, 0
    yield "a.bmp", rgb, COLOUR, 0
    yield "a.ppm", rgb, COLOUR, 0
    yield "a.pgm", Image.fromarray(GREY), GREY, 0
    yield "a.jfif", rgb, COLOUR, 12
    yield "a.avif", rgb, COLOUR, 30
    yield "a.tga", rgb, COLOUR, 0
    half = np.dstack([COLOUR, np.full_like(GREY, 255)])
    half[:9, :, 3] = 0
    white = COLOUR.copy()
    white[:9] = 255
    yield "rgba.png", Image.fromarray(half), white, 0
    yield "rgba.tif", Image.fromarray(half), white, 0
    yield "la.png", Image.fromarray(half).convert("LA"), None, 0


@pytest.mark.parametrize(("name", "image", "expected", "by"), images(), ids=lambda v: str(v)[:12])
def test_every_mode_is_the_picture(tmp_path, name, image, expected, by):
    if name.endswith(".avif") and ".avif" not in readable_suffixes():
        pytest.skip("this Pillow has no AVIF")
    image.save(tmp_path / name, **({"lossless": True} if "webp" in name else {}))
    made = decode(tmp_path / name)
    assert made.dtype == np.uint8 and made.shape == (40, 48, 3)
    if expected is None:
        assert (made[:9] == 255).all() and made[9:].max() < 255
    else:
        assert near(made, expected, by)


def test_a_palette_with_a_transparent_colour_is_over_white(tmp_path):
    image = Image.new("P", (8, 8))
    image.putpalette([10, 20, 30, 200, 0, 0])
    image.paste(1, (0, 0, 8, 4))
    image.save(tmp_path / "a.png", transparency=0)
    made = decode(tmp_path / "a.png")
    assert (made[:4] == (200, 0, 0)).all() and (made[4:] == 255).all()


@pytest.mark.parametrize("name", ["a.gif", "a.webp", "a.png", "a.tif"])
def test_of_several_pictures_the_first_is_read(tmp_path, name):
    first, second = Image.new("RGB", (16, 16), "red"), Image.new("RGB", (16, 16), "blue")
    first.save(tmp_path / name, save_all=True, append_images=[second])
    assert near(decode(tmp_path / name), np.full((16, 16, 3), (255, 0, 0)), 3)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_images_are_upright(tmp_path, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    turn = {
        1: None,
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }[orientation]
    image = Image.fromarray(COLOUR)
    image = image if turn is None else image.transpose(turn)
    image.save(tmp_path / "a.png", exif=exif)
    assert near(decode(tmp_path / "a.png"), COLOUR, 0)
    assert image_size(tmp_path / "a.png") == (48, 40)


def test_heic_is_read_where_pillow_heif_is_installed(tmp_path):
    pillow_heif = pytest.importorskip("pillow_heif")
    assert ".heic" in readable_suffixes()
    try:
        pillow_heif.from_pillow(Image.fromarray(COLOUR)).save(tmp_path / "a.heic")
    except RuntimeError:
        pytest.skip("this pillow-heif can't write")
    assert near(decode(tmp_path / "a.heic"), COLOUR, 30)


def test_suffixes_are_those_of_pictures():
    suffixes = readable_suffixes()
    assert {".jpg", ".jfif", ".png", ".pgm", ".ppm", ".tif", ".webp", ".gif"} <= suffixes
    assert not {".pdf", ".mpg", ".eps", ".h5", ".csv", ".npy"} & suffixes


# Odd, broken and huge


def test_metadata_that_cannot_be_read_are_passed_over(tmp_path):
    content = io.BytesIO()
    Image.fromarray(COLOUR).save(content, "png")
    for index, (kind, data, broken) in enumerate(
        [(b"tEXt", b"a\0b", True), (b"iCCP", b"nonsense", True), (b"eXIf", b"nonsense", False)]
    ):
        file = tmp_path / f"{index}.png"
        file.write_bytes(with_chunk(content.getvalue(), kind, data, broken))
        assert near(decode(file), COLOUR, 0)
    info = PngImagePlugin.PngInfo()
    info.add_text("a", "x" * 2**21, zip=True)
    Image.fromarray(COLOUR).save(tmp_path / "long.png", pnginfo=info)
    assert near(decode(tmp_path / "long.png"), COLOUR, 0)
    Image.fromarray(COLOUR).save(
        tmp_path / "a.jpg", exif=b"Exif\0\0MM\0*\0\0\0\x08\xff\xff" + bytes(9)
    )
    Image.fromarray(COLOUR).save(tmp_path / "b.jpg", icc_profile=b"nonsense")
    for name in ("a.jpg", "b.jpg"):
        assert near(decode(tmp_path / name), COLOUR, 12)


@pytest.mark.parametrize("name", ["a.jpg", "progressive.jpg", "a.png", "a.bmp", "deep.png"])
def test_a_torn_file_is_read_as_far_as_it_goes(tmp_path, name):
    rng = np.random.default_rng(0)
    pixels = np.full((200, 200, 3), 40) + rng.integers(0, 9, (200, 200, 3))
    file = tmp_path / name
    if name == "deep.png":
        write_png(file, (pixels[..., 0] * 257).astype(np.uint16))
    else:
        how = {"progressive": True} if "prog" in name else {}
        Image.fromarray(pixels.astype(np.uint8)).save(file, **how)
    content = file.read_bytes()
    file.write_bytes(content[: len(content) * 2 // 3])
    with pytest.raises(decoding.UserError, match=name):
        decode(file)
    made, problem = decode_partly(file, depth=EARLIER)
    assert name in problem and made.shape == (200, 200, 3)
    # A BMP begins at its bottom.
    assert abs(float((made[::-1] if name == "a.bmp" else made)[:90].mean()) - 44) < 6


def test_what_is_no_image_is_named(tmp_path):
    for name, content in (("a.jpg", b"no image"), ("b.png", b""), ("c.tif", b"II*\0" + bytes(30))):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(decoding.UserError, match=f"{name}: can't be read as an image"):
            decode(tmp_path / name)
        assert decode_partly(tmp_path / name)[0] is None


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "it is empty"),
        (bytes(300), "nothing but zeros"),
        (b"<!DOCTYPE html><html>404</html>", "a web page"),
        (b"\n<svg xmlns='http://www.w3.org/2000/svg'/>", "an SVG drawing"),
        (b"version https://git-lfs.github.com/spec/v1\n", "git lfs pull"),
        (b'{"error": "AccessDenied"}', 'a text, beginning with \'{"error"'),
        (b"PK\3\4" + bytes(40), "a zip"),
        (b"\0\0\0\x18ftypisom" + bytes(40), "perhaps a video"),
        (b"\x93\x01\xff" * 9, "no image that automask knows"),
    ],
)
def test_what_a_file_is_instead_of_an_image(tmp_path, content, words):
    (tmp_path / "a.jpg").write_bytes(content)
    image, problem = decode_partly(tmp_path / "a.jpg")
    assert image is None and words in problem


@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
def test_a_tiff_whose_zero_is_white(tmp_path, kind):
    import tifffile

    pixels = (RAMP * np.iinfo(kind).max).astype(kind)
    tifffile.imwrite(tmp_path / "a.tif", pixels, photometric="miniswhite")
    assert near(decode(tmp_path / "a.tif"), 255 - GREY)


def test_eight_bits_with_a_sign(tmp_path):
    import tifffile

    tifffile.imwrite(tmp_path / "a.tif", (RAMP * 255 - 128).astype(np.int8))
    made = decode(tmp_path / "a.tif")[0, :, 0].astype(int)
    assert (np.diff(made) >= 0).all() and made[0] < 3 and made[-1] > 252


@pytest.mark.parametrize("window", [{"WindowCenter": 0, "WindowWidth": 0}, {"WindowWidth": 400}])
def test_a_dicom_window_that_says_nothing_is_passed_over(tmp_path, window):
    write_dicom(tmp_path / "a.dcm", (RAMP * 4095).astype(np.uint16), **window)
    assert near(decode(tmp_path / "a.dcm"), GREY)


def test_a_whole_file_has_no_problem(tmp_path):
    Image.fromarray(COLOUR).save(tmp_path / "a.png")
    made, problem = decode_partly(tmp_path / "a.png")
    assert problem == "" and near(made, COLOUR, 0)


def test_a_panorama_of_180_megapixels_is_read_without_a_word(tmp_path):
    Image.fromarray(np.full((9000, 20000), 77, np.uint8)).save(tmp_path / "a.jpg")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        made = decode(tmp_path / "a.jpg", 64)
        assert image_size(tmp_path / "a.jpg") == (20000, 9000)
    assert made.shape == (1125, 2500, 3) and (made == 77).all()


def test_a_glance_tells_of_deep_images_on_one_side(tmp_path):
    write_png(tmp_path / "deep.png", (RAMP * 65535).astype(np.uint16))
    write_png(tmp_path / "usual.png", GREY)
    deep, usual = tmp_path / "deep.png", tmp_path / "usual.png"
    assert depth_survey.glance(_Data([usual], [usual])) == []
    (both,) = depth_survey.glance(_Data([deep, usual], [deep]))
    assert "1 of 2 of train and 1 of 1 of test" in both and "read as they are" not in both
    (one,) = depth_survey.glance(_Data([deep, deep], [usual]))
    assert "2 of 2 of train and 0 of 1 of test" in one and "see that both show the same" in one
