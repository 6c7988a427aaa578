"""The augmentation of that name: its pipelines, what is searched of them, and what is refused."""

import json
import re
from dataclasses import replace

import albumentations as A
import numpy as np
import pytest
import torch
import yaml
from albumentations.core.serialization import serialize_enum

from automask.errors import UserError
from automask.space import recipe_file, registry, space_file
from automask.space.distance import GowerDistance, parameters
from automask.space.ranges import Categorical, Float, Int, draw
from automask.space.recipe import Recipe
from automask.study.adaptation import has_open_flips, without_flips
from automask.training import image_transforms
from automask.training.augmentation_pipelines import SHIPPED, Pipeline
from automask.training.batches import Inputs
from helpers.commands import automask, refused

registry.load()

MINE = A.Compose(
    [
        A.OneOf([A.GaussianBlur(p=1.0), A.CLAHE(p=1.0)], p=0.8),
        A.RandomResizedCrop(size=(224, 224), scale=(0.4, 1.0), p=1.0),
        A.HorizontalFlip(p=0.5),
    ]
)


def images(count=6, size=48):
    """Smooth uint8 images `[n, S, S, 3]`, no two alike and none like its mirror image."""
    rng = np.random.default_rng(0)
    waves = rng.uniform(0.05, 0.2, (count, 2, 1, 1, 3))
    y, x = np.mgrid[:size, :size][..., None]
    return (127 + 90 * np.sin(waves[:, 0] * x + waves[:, 1] * y + 1)).astype(np.uint8)


def plugin(size=48, **params):
    return registry.get("augmentation", "albumentations").function(size, **params)


def drawn(transform, table, seed=0):
    inputs = Inputs(table, transform, torch.device("cpu"), np.random.default_rng(seed))
    return np.concatenate(
        [inputs(rows).numpy() for rows in np.array_split(np.arange(len(table)), 3)]
    )


def read(text, name="a space"):
    """The space with that table of the augmentation."""
    head = '[backbone.timm]\nmodel = "test_resnet"\n[augmentation.albumentations]\n'
    return space_file.parse(head + text, name, adapts=False)


def ranges(text):
    return read(text).competitors["augmentation"]["albumentations"]


def refusal(text):
    with pytest.raises(UserError) as caught:
        read(text)
    return str(caught.value)


@pytest.mark.parametrize("flip", [False, True])
@pytest.mark.parametrize("size", [16, 48, 96])
@pytest.mark.parametrize("name", SHIPPED)
def test_a_shipped_pipeline_gives_images_of_the_same_shape_that_the_seed_decides(name, size, flip):
    table = images(12, size)
    before = table.copy()
    first = drawn(plugin(size, pipeline=name, flip=flip), table)
    assert first.shape == table.shape and first.dtype == np.uint8
    assert (first != table).any((1, 2, 3)).sum() >= 8
    again = plugin(size, pipeline=name, flip=flip)
    drawn(again, table, seed=1)
    assert (drawn(again, table) == first).all(), "whatever it drew before"
    assert (drawn(again, table, seed=1) != first).any()
    assert (table == before).all()


def test_transforms_draw_apart_from_each_other():
    table = np.full((64, 32, 32, 3), 100, np.uint8)
    table[:, :, :8] = 200
    params = {"InvertImg.p": 0.5, "HorizontalFlip.p": 0.5}
    out = drawn(plugin(32, pipeline="InvertImg, HorizontalFlip", **params), table)
    inverted, mirrored = out.max((1, 2, 3)) < 200, out[:, 0, 0, 0] == out[:, 0, 16, 0]
    for one in (False, True):
        for other in (False, True):
            assert ((inverted == one) & (mirrored == other)).sum() >= 6


@pytest.mark.parametrize("name", [*SHIPPED, "NoOp"])
def test_flip_mirrors_half_of_the_images_and_nothing_else_does(name):
    table = images(40)
    nothing = [{**node, "p": 0.0} for node in SHIPPED.get(name, ())]
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(SHIPPED, name, nothing)
        straight = drawn(plugin(pipeline=name), table)
        out = drawn(plugin(pipeline=name, flip=True), table)
    assert (straight == table).all()
    mirrored = (out == table[:, :, ::-1]).all((1, 2, 3))
    assert (mirrored | (out == table).all((1, 2, 3))).all()
    assert 10 <= mirrored.sum() <= 30
    assert not {"HorizontalFlip", "VerticalFlip", "D4", "Transpose"} & {
        node[image_transforms.CLASS] for node in SHIPPED.get(name, ())
    }


def test_full_has_the_shipped_ones_and_flips_only_where_these_keep_the_class():
    full = space_file.load("full")
    own = full.competitors["augmentation"]["albumentations"]
    assert own["pipeline"].choices == tuple(SHIPPED)
    only = {"albumentations": own}
    flipped = replace(full, competitors={**full.competitors, "augmentation": only})
    assert has_open_flips(flipped)
    fixed = without_flips(flipped).competitors["augmentation"]["albumentations"]
    assert fixed["flip"] == Categorical(False)


@pytest.mark.parametrize("form", ["json", "yaml"])
def test_a_saved_file_is_a_pipeline_at_the_size_of_the_network(form, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    A.save(MINE, f"mine.{form}", data_format=form)
    (text,) = ranges(f'pipeline = "mine.{form}"')["pipeline"].choices
    assert re.fullmatch(rf"mine\.{form}#[0-9a-f]{{12}}", text)
    table = images()
    out = drawn(plugin(pipeline=text), table)
    assert out.shape == table.shape and (out != table).any((1, 2, 3)).all()
    compose = plugin(pipeline=text).compose.transforms[0]
    assert [type(t).__name__ for t in compose.transforms[0].transforms] == ["GaussianBlur", "CLAHE"]
    assert compose.transforms[1].scale == (0.4, 1.0) and compose.transforms[1].size == (48, 48)


def test_a_file_that_has_changed_is_another_recipe_and_refused_under_the_old_name(
    tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    A.save(MINE, "mine.json")
    before = read('pipeline = "mine.json"')
    made = before.default()[0]
    (tmp_path / "recipe.toml").write_text(recipe_file.recipe_toml(made))
    assert recipe_file.read_recipe(tmp_path / "recipe.toml").hash == made.hash
    A.save(A.HorizontalFlip(p=1.0), "mine.json")
    after = read('pipeline = "mine.json"')
    assert after.fingerprint != before.fingerprint
    assert after.default()[0].hash != made.hash
    old = made["augmentation"].params
    with pytest.raises(UserError, match=r"mine.json has changed since the recipe was made"):
        plugin(**old)
    with pytest.raises(UserError, match=r"mine.json has changed since the recipe was made"):
        recipe_file.read_recipe(tmp_path / "recipe.toml")
    (tmp_path / "mine.json").unlink()
    with pytest.raises(UserError, match=r"mine.json: no such file"):
        plugin(**old)


OWN = """
pipeline = ["strong", "RandomResizedCrop,CLAHE", "CLAHE"]
flip = false

[augmentation.albumentations.RandomResizedCrop]
scale = [[0.3, 1.0], [0.6, 1.0]]

[augmentation.albumentations.CLAHE]
p = { low = 0, high = 1 }
clip_limit = [2.0, [1.0, 6.0]]
"""


def test_transforms_and_their_parameters_are_searched():
    found = ranges(OWN)
    assert found["pipeline"] == Categorical("strong", "RandomResizedCrop, CLAHE", "CLAHE")
    assert found["RandomResizedCrop.scale"] == Categorical("[0.3, 1.0]", "[0.6, 1.0]")
    assert found["CLAHE.p"] == Float(0.0, 1.0), "of a parameter that is no whole number"
    assert found["CLAHE.clip_limit"] == Categorical(2.0, "[1.0, 6.0]")
    steps = 'pipeline = "Posterize"\nPosterize.num_bits = { low = 3, high = 6 }'
    assert ranges(steps)["Posterize.num_bits"] == Int(3, 6)


def test_what_a_pipeline_does_not_list_is_not_drawn_for_it():
    own = read(OWN)
    given = {}
    for choice in own.competitors["augmentation"]["albumentations"]["pipeline"].choices:
        name = "augmentation.albumentations.pipeline"
        made, free = own.nearest({name: choice})
        given[choice] = {key for key in made["augmentation"].params if "." in key}
        assert {key for key in free if "CLAHE" in key} == {
            f"augmentation.albumentations.{key}" for key in given[choice] if "CLAHE" in key
        }
    assert given == {
        "strong": set(),
        "RandomResizedCrop, CLAHE": {"RandomResizedCrop.scale", "CLAHE.p", "CLAHE.clip_limit"},
        "CLAHE": {"CLAHE.p", "CLAHE.clip_limit"},
    }


def test_recipes_survive_json_and_toml_and_have_places(tmp_path):
    own = read(OWN)
    rng = np.random.default_rng(0)
    made, rows = [], []
    for number in range(12):
        recipe = own.sample(
            lambda name, range_: (
                draw(range_, rng) if name.startswith("augmentation") else range_.corners()[0]
            )
        )
        file = tmp_path / f"{number}.toml"
        file.write_text(recipe_file.recipe_toml(recipe))
        assert recipe_file.read_recipe(file).hash == recipe.hash
        assert Recipe.from_dict(json.loads(json.dumps(recipe.to_dict()))).hash == recipe.hash
        assert own.nearest(recipe.values())[0].hash == recipe.hash
        assert isinstance(plugin(**recipe["augmentation"].params), Pipeline)
        made.append(recipe)
        rows.append(parameters(own, recipe))
    places = GowerDistance(rows)
    distances = np.array([places.distances(row) for row in rows])
    assert (np.diag(distances) == 0).all() and (distances == distances.T).all()
    assert len({recipe.hash for recipe in made}) > 6


def test_parameters_reach_their_transforms():
    params = {"RandomResizedCrop.scale": "[0.3, 0.5]", "CLAHE.p": 0.25, "CLAHE.clip_limit": 2.0}
    crop, clahe = plugin(pipeline="RandomResizedCrop, CLAHE", **params).compose.transforms
    assert crop.scale == (0.3, 0.5) and crop.size == (48, 48)
    assert clahe.p == 0.25 and clahe.clip_limit == (1.0, 2.0)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ('pipeline = "strng"', "there is no pipeline or transform 'strng': did you mean 'strong'?"),
        ('pipeline = "CLAH, Blur"', "has no transform 'CLAH': did you mean 'CLAHE'?"),
        ('pipeline = "MaskDropout"', "MaskDropout needs masks, and there are images alone"),
        ('pipeline = "BBoxSafeRandomCrop"', "BBoxSafeRandomCrop needs boxes"),
        ('pipeline = "Pad3D"', "Pad3D needs volumes"),
        ('pipeline = "Normalize"', "leave it out: automask normalises itself"),
        ('pipeline = "Blur, ToTensorV2"', "ToTensorV2 makes no uint8 image"),
        ('pipeline = "RandomScale"', "and the network's images keep their shape; leave it out"),
        (
            'pipeline = "CenterCrop"\nCenterCrop = { height = 160, width = 160 }',
            "CenterCrop makes 160×160×3 of an image of 224×224×3",
        ),
        ('pipeline = "RandomCrop"', "RandomCrop needs a value for height"),
        (
            'pipeline = "CLAHE"\nCLAHE.clip_limits = 2',
            "CLAHE.clip_limits: CLAHE has no parameter 'clip_limits': did you mean 'clip_limit'?",
        ),
        ('pipeline = "CLAHE"\nCLAHE.p = { low = 0.5, high = 2 }', "CLAHE refuses p = 2.0"),
        ('pipeline = "CLAHE"\nCLAHE.p = [0.5, "often"]', "CLAHE refuses p = 'often'"),
        ('pipeline = "CLAHE"\nCLAHE.p = { low = 0.5 }', "is written {low = …, high = …}"),
        ('pipeline = "CLAHE"\nCLAHE.p = { low = 0.9, high = 0.1 }', "upside down"),
        ('pipeline = "CLAHE"\nCLAHE.p = []', "an empty list"),
        (
            'pipeline = "RandomResizedCrop"\nRandomResizedCrop.scale = [0.5, 1.0]',
            "a pair is written [[low, high]]",
        ),
        ('pipeline = "CLAHE"\nBlur.p = 0.5', "Blur: no pipeline lists that transform"),
        ('pipeline = "strong"\nCLAHE.p = 0.5', "CLAHE: no pipeline lists that transform"),
        ('pipeline = "CLAHE"\nflp = true', "flp: unknown: did you mean 'flip'?"),
        ('pipeline = "none.json"', "none.json: no such file"),
        ("flip = false", "pipeline: is open text"),
    ],
)
def test_what_is_wrong_is_told_in_a_sentence(text, sentence, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert sentence in refusal(text)
    assert "augmentation.albumentations." in refusal(text)


def written(transform):
    return json.dumps({"__version__": A.__version__, "transform": transform})


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("{", "mine.json: isn't JSON"),
        ("[1, 2]", "mine.json: isn't a pipeline that albumentations.save wrote"),
        (written({"__class_fullname__": "Hue", "p": 1}), "no transform 'Hue'"),
        (
            written({"__class_fullname__": "Blur", "p": 1, "blur_limits": 3}),
            "Blur has no parameter 'blur_limits': did you mean 'blur_limit'?",
        ),
        (
            written({"__class_fullname__": "All", "p": 1, "transforms": []}),
            "'All' can't hold transforms here",
        ),
        (
            written({"__class_fullname__": "Compose", "transforms": [3]}),
            "mine.json: has 3 where a transform is to be",
        ),
        (
            json.dumps(A.Compose([A.OneOf([A.Blur(), A.Normalize()])]).to_dict()),
            "Normalize makes no uint8 image",
        ),
        (json.dumps(A.Compose([A.PadIfNeeded(300, 300)]).to_dict()), "PadIfNeeded makes 300×300×3"),
        (
            json.dumps(A.Compose([A.Blur()], bbox_params=A.BboxParams("coco")).to_dict()),
            "Compose needs boxes or keypoints",
        ),
    ],
)
def test_what_is_wrong_with_a_file_is_told_too(content, sentence, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.json").write_text(content)
    assert sentence in refusal('pipeline = ["strong", "mine.json"]')
    if content != "{":
        (tmp_path / "mine.yaml").write_text(yaml.safe_dump(json.loads(content)))
        text = refusal('pipeline = ["strong", "mine.yaml"]')
        assert sentence.replace("mine.json", "mine.yaml") in text


def test_every_transform_for_images_alone_can_be_saved_and_goes_by_the_seed():
    table, names = images(3), []
    for name in image_transforms.names():
        try:
            image_transforms.check([{image_transforms.CLASS: name}])
        except ValueError as error:
            assert name in str(error)
            continue
        names.append(name)
        if name != "RandomResizedCrop":  # which asks for a size
            made = getattr(A, name)()
            image_transforms.check([serialize_enum(made.to_dict())["transform"]])
        first, second = (drawn(plugin(pipeline=name, **{f"{name}.p": 1.0}), table) for _ in "12")
        assert (first == second).all(), name
    assert len(names) > 70


def test_a_search_tries_them_and_a_bad_pipeline_ends_it_before_anything_trains(project):
    A.save(MINE, project / "mine.yaml", data_format="yaml")
    text = (project / "space.toml").read_text().replace("[augmentation.none]", "")
    text = text.replace("[augmentation.light]", "[augmentation.albumentations]")
    own = 'pipeline = ["Blur, CLAHE", "mine.yaml"]\nCLAHE.p = { low = 0.2, high = 0.8 }\n'
    (project / "own.toml").write_text(text + own)
    begin = ("search", "--space", "own.toml", "--folds", "2", "--workers", "1", "--study", "own")
    out = automask(project, *begin, "--trials", "2")
    assert out.returncode == 0, out.stderr
    shown = automask(project, "show", "1", "--toml", "again.toml", "--study", "own")
    assert shown.returncode == 0, shown.stderr
    again = ("train", "again.toml", "--study", "second", "--space", "own.toml", "--folds", "2")
    out = automask(project, *again)
    assert out.returncode == 0, out.stderr
    A.save(A.HorizontalFlip(p=1.0), project / "mine.yaml", data_format="yaml")
    out = automask(project, *begin, "--trials", "3")
    assert out.returncode == 0, out.stderr
    assert "the space has changed" in out.stdout + out.stderr
    (project / "own.toml").write_text(text + 'pipeline = "Blur, MaskDropout"\n')
    refused(automask(project, *begin, "--trials", "4"), "own.toml", "MaskDropout needs masks")
