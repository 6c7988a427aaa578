"""A model as one file for other runtimes gives what the model does."""

import json
import shutil

import numpy as np
import pytest
import torch
from PIL import Image, ImageOps

import automask
from automask.data.images import shrink
from automask.errors import UserError
from automask.plugins import resizes
from automask.plugins._blends import QuantileMean, RankMean, Stacked, Vote, WeightedMean
from automask.prediction import graph_files, graph_resizes
from automask.prediction.blending import Blending
from automask.prediction.graph_blends import BLENDS, BlendGraph
from automask.prediction.graph_resizes import RESIZES, Shrink, make_square
from automask.target import MULTI, ORDERED, SINGLE, Number
from helpers.commands import automask as command
from helpers.commands import refused
from helpers.competition import COLOURS
from helpers.models import train_all
from helpers.recipes import recipe

onnxruntime = pytest.importorskip("onnxruntime")
pytest.importorskip("onnxscript")

#: Whole networks and heads alone, decoded at one size and shrunk to others, in two ways.
PLAIN = [
    recipe(),
    recipe(freeze=("head_only", {}), head=("factored", {}), image_size=24),
    recipe(resize=("crop", {}), image_size=40),
]


@pytest.fixture(scope="module")
def study(template, tmp_path_factory):
    folder = tmp_path_factory.mktemp("plain") / "project"
    shutil.copytree(template, folder)
    return train_all(folder, *PLAIN, space="space.toml", folds=3)


@pytest.fixture(scope="module")
def files(study, tmp_path_factory):
    """A model's folder and its files, and what came of writing them."""
    folder = tmp_path_factory.mktemp("files")
    made = study.export(
        folder / "model",
        method="mean",
        tta="flip",
        onnx=folder / "m.onnx",
        torch=folder / "m.pt2",
        int8=folder / "m8.onnx",
    )
    return folder, made


def decoded(file):
    """The two lines of docs/prediction.md."""
    image = ImageOps.exif_transpose(Image.open(file)).convert("RGB")
    return np.asarray(image)[None]


def run(file, pixels):
    session = onnxruntime.InferenceSession(file)
    return session.run(None, {"images": pixels})


def draw_images(folder):
    """Images of other shapes, a grey one, and one that a camera held sideways."""
    rng = np.random.default_rng(0)
    names = []
    for index, (height, width) in enumerate([(32, 40), (90, 61), (7, 130), (1, 1), (200, 333)]):
        low = Image.fromarray(rng.integers(0, 256, (5, 4, 3), np.uint8))
        names.append(folder / f"{index}.png")
        low.resize((width, height), Image.Resampling.BICUBIC).save(names[-1])
    low.convert("L").resize((50, 80)).save(folder / "grey.png")
    exif = Image.Exif()
    exif[0x0112] = 6
    low.resize((50, 80)).save(folder / "sideways.png", exif=exif)
    return [*names, folder / "grey.png", folder / "sideways.png"]


def test_onnx_gives_what_the_model_does_on_images_of_every_kind(files, tmp_path):
    folder, made = files
    assert made.agreement.difference < 1e-4 and made.agreement.same == made.agreement.rows > 10
    images = draw_images(tmp_path)
    model = automask.load_model(folder / "model")
    expected = model.probabilities(images)
    found = np.concatenate([run(folder / "m.onnx", decoded(image))[0] for image in images])
    # A level of 255 in some pixels of a square is all that the resize of its own costs.
    np.testing.assert_allclose(found, expected, atol=0.01)
    assert (found.argmax(1) == expected.argmax(1)).all()
    assert decoded(images[-1]).shape == (1, 50, 80, 3)


def test_given_the_same_large_squares_it_is_what_the_model_says(files):
    folder, _ = files
    pixels = np.random.default_rng(0).integers(0, 256, (5, 40, 40, 3), np.uint8)
    expected = automask.load_model(folder / "model").probabilities(list(pixels))
    np.testing.assert_allclose(run(folder / "m.onnx", pixels)[0], expected, atol=2e-5)
    one_by_one = np.concatenate([run(folder / "m.onnx", pixels[i : i + 1])[0] for i in range(5)])
    np.testing.assert_allclose(one_by_one, expected, atol=2e-5)


def test_the_file_says_what_it_answers(files):
    folder, _ = files
    for name in ("m.onnx", "m8.onnx"):
        session = onnxruntime.InferenceSession(folder / name)
        facts = session.get_modelmeta().custom_metadata_map
        assert json.loads(facts["classes"]) == list(COLOURS) and facts["target"] == "single"
        assert json.loads(facts["draft"]) == 52
        assert [output.name for output in session.get_outputs()] == ["probabilities"]
        assert session.get_inputs()[0].type == "tensor(uint8)"


def test_a_torch_that_cant_write_it_is_named(monkeypatch):
    monkeypatch.setattr(torch, "__version__", "2.6.0+cpu")
    with pytest.raises(UserError, match=r"newer torch than 2\.6\.0.*--torch FILE"):
        graph_files.require_onnx()


def test_torchs_format_gives_the_same(files):
    folder, _ = files
    pixels = np.random.default_rng(1).integers(0, 256, (3, 33, 57, 3), np.uint8)
    program = torch.export.load(folder / "m.pt2").module()
    found = program(torch.from_numpy(pixels)).detach().numpy()
    np.testing.assert_allclose(found, run(folder / "m.onnx", pixels)[0], atol=1e-4)


def test_eight_bits_are_scored_on_rows_that_set_no_range(files, study):
    folder, made = files
    assert made.quantised.rows == 15 and made.quantised.metric == "macro_f1"
    assert 0 <= made.quantised.score <= 1 and 0 <= made.quantised.study <= 1
    pixels = np.random.default_rng(1).integers(0, 256, (3, 33, 57, 3), np.uint8)
    plain, small = (run(folder / name, pixels)[0] for name in ("m.onnx", "m8.onnx"))
    assert 1e-6 < np.abs(plain - small).max() < 0.2
    np.testing.assert_allclose(small.sum(1), 1, atol=1e-5)
    content = (folder / "m8.onnx").read_bytes()
    assert len(content) < 0.6 * (folder / "m.onnx").stat().st_size


@pytest.mark.parametrize("shape", [(100, 100), (128, 96), (64, 64), (90, 120), (300, 200)])
def test_pixels_are_the_same_in_whichever_order_a_runtime_adds(monkeypatch, shape):
    images = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (2, *shape, 3), np.uint8))
    plain, apply = make_square(images, "pad", 96), graph_resizes._apply
    exact = lambda *tables: apply(*(table.double() for table in tables))  # noqa: E731
    monkeypatch.setattr(graph_resizes, "_apply", exact)
    assert torch.equal(make_square(images, "pad", 96).float(), plain)


@pytest.mark.parametrize("name", RESIZES)
@pytest.mark.parametrize("shape", [(40, 32), (300, 200), (7, 500), (1, 1), (64, 64), (481, 640)])
def test_resizes_are_trainings_to_a_level(name, shape):
    low = np.random.default_rng(0).integers(0, 256, (8, 8, 3), np.uint8)
    image = np.asarray(Image.fromarray(low).resize(shape[::-1], Image.Resampling.BICUBIC))
    square = getattr(resizes, name)(image, 64)
    own = make_square(torch.from_numpy(image.copy())[None], name, 64)
    assert np.abs(own[0].numpy() - square).max() <= 1


@pytest.mark.parametrize(
    ("large", "size"), [(96, s) for s in (24, 32, 48, 64, 72)] + [(64, 63), (128, 96), (256, 224)]
)
def test_smaller_squares_are_trainings_to_the_last_level(large, size):
    square = np.random.default_rng(0).integers(0, 256, (large, large, 3), np.uint8)
    small = Shrink(large, size)(torch.from_numpy(square).float()[None])[0].numpy()
    np.testing.assert_array_equal(small, shrink(square, size))


def probabilities(target, members=3, rows=40, classes=4):
    """As networks give them: what ranks are taken among is exact in float32."""
    draws = np.random.default_rng(0).normal(0, 2, (members, rows, classes))
    if target is MULTI:
        return (1 / (1 + np.exp(-draws))).astype(np.float32)
    return (np.exp(draws) / np.exp(draws).sum(2, keepdims=True)).astype(np.float32)


def blend_cases():
    rng = np.random.default_rng(1)
    weights, biases = np.array([0.5, 0.3, 0.2]), rng.normal(0, 1, 4)
    several = np.sort(probabilities(SINGLE).reshape(3, -1)).astype(np.float64)
    labels = np.sort(probabilities(MULTI).reshape(3, -1)).astype(np.float64)
    coefficients = rng.normal(0, 1, (3, 12))
    yield "mean", WeightedMean(weights), SINGLE, biases, 1.7
    yield "grades", WeightedMean(weights), ORDERED, np.array([0.6, 1.4, 2.7]), None
    yield "labels", WeightedMean(weights), MULTI, biases, None
    yield "ranks", RankMean(several), SINGLE, None, 0.5
    yield "quantiles", QuantileMean(labels), MULTI, biases, None
    yield "votes", Vote(weights, SINGLE), SINGLE, None, 1.3
    yield "label votes", Vote(weights, MULTI), MULTI, None, None
    stacked = Stacked(coefficients, rng.normal(0, 1, 3), np.array([0, 1, 3]), 1.5)
    yield "stack", stacked, SINGLE, biases, 1.2
    two = Stacked(coefficients[:1], rng.normal(0, 1, 1), np.array([1, 2]), 1.5)
    yield "stack of two", two, SINGLE, None, None


@pytest.mark.parametrize("case", blend_cases(), ids=lambda case: case[0])
def test_blends_shifts_and_temperatures_are_numpys(case):
    _, blend, target, shift, temperature = case
    members = probabilities(target)
    blending = Blending(blend, target, shift, temperature)
    kind = f"{type(blend).__module__}:{type(blend).__qualname__}"
    found = BlendGraph(blending, kind)(torch.from_numpy(members)).numpy()
    np.testing.assert_allclose(found, blending(members.astype(np.float64)), atol=1e-5)


def test_every_blend_there_is_has_been_tried():
    kinds = {f"{type(b).__module__}:{type(b).__qualname__}" for _, b, *_ in blend_cases()}
    assert kinds == set(BLENDS)


def test_a_number_goes_through_as_it_is():
    target = Number(50.0, 10.0)
    blending = Blending(WeightedMean(np.array([0.5, 0.5])), target, None, None)
    members = np.array([[[51.0]], [[61.0]]], np.float32)
    kind = "automask.plugins._blends:WeightedMean"
    assert BlendGraph(blending, kind)(torch.from_numpy(members)).item() == 56


def test_what_a_graph_cant_hold_is_a_sentence(trained, tmp_path):
    made = command(trained.folder, "export", "--onnx", tmp_path / "m.onnx", "--member", "0")
    refused(made, "can't hold the preprocessing 'position_crop'", "--member")
    assert not list(tmp_path.iterdir())
    whole = command(trained.folder, "export", "--onnx", tmp_path / "m.onnx", "--member", "1")
    assert whole.returncode == 0, whole.stderr
    assert "it gives what torch does" in whole.stdout and (tmp_path / "m.onnx").is_file()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "name a folder MODEL, or --onnx, --torch or --int8 FILE"),
        (["--onnx", "none/m.onnx"], "give a file in a folder that is there"),
        (["--int8", "."], "give a file in a folder that is there"),
    ],
)
def test_where_nothing_can_be_written(trained, arguments, words):
    refused(command(trained.folder, "export", *arguments), words)


def test_without_the_extra_a_sentence_says_what_to_install(study, tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "onnxscript", None)
    with pytest.raises(automask.UserError, match=r"pip install 'automask\[onnx\]'"):
        study.export(onnx=tmp_path / "m.onnx")


def test_a_blend_of_ones_own_is_a_sentence():
    blending = Blending(lambda members: members[0], SINGLE, None, None)
    with pytest.raises(automask.UserError, match="can't hold the blend mine:Mine"):
        BlendGraph(blending, "mine:Mine")
