"""Ten competitions of Kaggle's, each redrawn small: the same files, folders, columns and cells.

Each function draws one into a folder; `LAYOUTS` has them by name. A class is a colour, so that tiny
networks learn it.
"""

import csv
import json
from pathlib import Path

import numpy as np
from PIL import Image

RANZCR = (
    "ETT - Abnormal",
    "ETT - Borderline",
    "ETT - Normal",
    "NGT - Abnormal",
    "NGT - Borderline",
    "NGT - Incompletely Imaged",
    "NGT - Normal",
    "CVC - Abnormal",
    "CVC - Borderline",
    "CVC - Normal",
    "Swan Ganz Catheter Present",
)
BREEDS = ("affenpinscher", "beagle", "chow", "golden_retriever", "pug", "yorkshire_terrier")
DISEASES = {
    0: "Cassava Bacterial Blight (CBB)",
    1: "Cassava Brown Streak Disease (CBSD)",
    2: "Cassava Green Mottle (CGM)",
    3: "Cassava Mosaic Disease (CMD)",
    4: "Healthy",
}
LEAVES = ("healthy", "scab", "frog_eye_leaf_spot", "rust", "scab frog_eye_leaf_spot")
TEST = 5


def picture(file, kind, seed, size=(32, 32)):
    """Noise about the colour of a kind."""
    rng = np.random.default_rng([kind, seed])
    colour = np.array([60 + 130 * (kind >> bit & 1) + 8 * (kind >> 3) for bit in range(3)])
    noise = rng.normal(0, 25, (size[1], size[0], 3))
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray((colour + noise).clip(0, 255).astype(np.uint8)).save(file)


def table(file, header, rows):
    with open(file, "w", newline="", encoding="utf-8") as opened:
        csv.writer(opened, lineterminator="\n").writerows([header, *rows])


def names(count, seed, digits=8):
    """Hexadecimal names such as competitions give their files."""
    rng = np.random.default_rng(seed)
    return ["".join(rng.choice(list("abcdef0123456789"), digits)) for _ in range(count)]


def dog_breed(folder: Path):
    kinds = [k % len(BREEDS) for k in range(4 * len(BREEDS))]
    train, test = names(len(kinds), 0, 32), names(TEST, 1, 32)
    for seed, (name, kind) in enumerate(zip(train, kinds, strict=True)):
        picture(folder / f"train/{name}.jpg", kind, seed)
    for seed, name in enumerate(test):
        picture(folder / f"test/{name}.jpg", seed % len(BREEDS), 900 + seed)
    table(
        folder / "labels.csv",
        ["id", "breed"],
        [(name, BREEDS[kind]) for name, kind in zip(train, kinds, strict=True)],
    )
    share = repr(1 / len(BREEDS))
    table(
        folder / "sample_submission.csv",
        ["id", *BREEDS],
        [(name, *[share] * len(BREEDS)) for name in test],
    )


def aptos(folder: Path):
    kinds = [k % 5 for k in range(30)]
    train, test = names(len(kinds), 2, 12), names(TEST, 3, 12)
    for seed, (name, kind) in enumerate(zip(train, kinds, strict=True)):
        picture(folder / f"train_images/{name}.png", kind, seed)
    for seed, name in enumerate(test):
        picture(folder / f"test_images/{name}.png", seed % 5, 900 + seed)
    table(folder / "train.csv", ["id_code", "diagnosis"], zip(train, kinds, strict=True))
    table(folder / "test.csv", ["id_code"], [(name,) for name in test])
    table(folder / "sample_submission.csv", ["id_code", "diagnosis"], [(name, 0) for name in test])


def plant_pathology_2020(folder: Path):
    columns = ("healthy", "multiple_diseases", "rust", "scab")
    kinds = [k % 4 for k in range(24)]
    for index, kind in enumerate(kinds):
        picture(folder / f"images/Train_{index}.jpg", kind, index)
    for index in range(TEST):
        picture(folder / f"images/Test_{index}.jpg", index % 4, 900 + index)
    rows = [(f"Train_{i}", *(int(k == kind) for k in range(4))) for i, kind in enumerate(kinds)]
    table(folder / "train.csv", ["image_id", *columns], rows)
    table(folder / "test.csv", ["image_id"], [(f"Test_{i}",) for i in range(TEST)])
    table(
        folder / "sample_submission.csv",
        ["image_id", *columns],
        [(f"Test_{i}", *[0.25] * 4) for i in range(TEST)],
    )


def plant_pathology_2021(folder: Path):
    kinds = [k % len(LEAVES) for k in range(30)]
    train, test = names(len(kinds), 4, 16), names(TEST, 5, 16)
    for seed, (name, kind) in enumerate(zip(train, kinds, strict=True)):
        picture(folder / f"train_images/{name}.jpg", kind, seed)
    for seed, name in enumerate(test):
        picture(folder / f"test_images/{name}.jpg", seed % len(LEAVES), 900 + seed)
    table(
        folder / "train.csv",
        ["image", "labels"],
        [(f"{name}.jpg", LEAVES[kind]) for name, kind in zip(train, kinds, strict=True)],
    )
    table(
        folder / "sample_submission.csv",
        ["image", "labels"],
        [(f"{name}.jpg", "healthy") for name in test],
    )


def cassava(folder: Path):
    kinds = [k % 5 for k in range(30)]
    for index, kind in enumerate(kinds):
        picture(folder / f"train_images/{1000015157 + 7919 * index}.jpg", kind, index)
    picture(folder / "test_images/2216849948.jpg", 4, 900)
    rows = [(f"{1000015157 + 7919 * index}.jpg", kind) for index, kind in enumerate(kinds)]
    table(folder / "train.csv", ["image_id", "label"], rows)
    table(folder / "sample_submission.csv", ["image_id", "label"], [("2216849948.jpg", 4)])
    (folder / "label_num_to_disease_map.json").write_text(json.dumps(DISEASES))


def state_farm(folder: Path):
    rows = []
    for index in range(40):
        kind, file = index % 10, f"img_{100 + 37 * index}.jpg"
        picture(folder / f"imgs/train/c{kind}/{file}", kind, index)
        rows.append((f"p{index // 10:03}", f"c{kind}", file))
    test = [f"img_{index + 1}.jpg" for index in range(TEST)]
    for index, file in enumerate(test):
        picture(folder / f"imgs/test/{file}", index, 900 + index)
    columns = [f"c{kind}" for kind in range(10)]
    table(folder / "driver_imgs_list.csv", ["subject", "classname", "img"], rows)
    table(
        folder / "sample_submission.csv",
        ["img", *columns],
        [(file, *[0.1] * 10) for file in test],
    )


def histopathologic(folder: Path):
    kinds = [k % 2 for k in range(24)]
    train, test = names(len(kinds), 6, 40), names(TEST, 7, 40)
    for seed, (name, kind) in enumerate(zip(train, kinds, strict=True)):
        picture(folder / f"train/{name}.tif", 3 * kind, seed)
    for seed, name in enumerate(test):
        picture(folder / f"test/{name}.tif", 3 * (seed % 2), 900 + seed)
    table(folder / "train_labels.csv", ["id", "label"], zip(train, kinds, strict=True))
    table(folder / "sample_submission.csv", ["id", "label"], [(name, 0) for name in test])


def ranzcr(folder: Path):
    rows, test = [], [f"1.2.826.0.1.3680043.8.498.{4670 + index}" for index in range(TEST)]
    for index in range(33):
        uid, first = f"1.2.826.0.1.3680043.8.498.{2697 + 11 * index}", index % len(RANZCR)
        second = (first + 3) % len(RANZCR)
        picture(folder / f"train/{uid}.jpg", first, index)
        labels = [int(k in (first, second if index % 2 else first)) for k in range(len(RANZCR))]
        rows.append((uid, *labels, f"{'ec89415d1':.8}{index // 2}"))
    for index, uid in enumerate(test):
        picture(folder / f"test/{uid}.jpg", index, 900 + index)
    table(folder / "train.csv", ["StudyInstanceUID", *RANZCR, "PatientID"], rows)
    table(
        folder / "train_annotations.csv",
        ["StudyInstanceUID", "label", "data"],
        [(rows[0][0], "CVC - Normal", "[[1487, 1279], [1477, 1168]]")],
    )
    table(
        folder / "sample_submission.csv",
        ["StudyInstanceUID", *RANZCR],
        [(uid, *[0] * len(RANZCR)) for uid in test],
    )


def humpback(folder: Path):
    whales = ["new_whale", "w_1287fbc", "w_23a388d", "w_9b5109b", "w_9c506f6", "w_0369a5c", "w_f54"]
    kinds = [k % len(whales) for k in range(4 * len(whales))]
    train, test = names(len(kinds), 8, 8), names(TEST, 9, 8)
    for seed, (name, kind) in enumerate(zip(train, kinds, strict=True)):
        picture(folder / f"train/{name}.jpg", kind, seed)
    for seed, name in enumerate(test):
        picture(folder / f"test/{name}.jpg", seed, 900 + seed)
    table(
        folder / "train.csv",
        ["Image", "Id"],
        [(f"{name}.jpg", whales[kind]) for name, kind in zip(train, kinds, strict=True)],
    )
    guess = "new_whale w_23a388d w_9b5109b w_9c506f6 w_0369a5c"
    table(
        folder / "sample_submission.csv",
        ["Image", "Id"],
        [(f"{name}.jpg", guess) for name in test],
    )


def digit_recognizer(folder: Path):
    rng = np.random.default_rng(10)
    pixels = [f"pixel{index}" for index in range(784)]

    def digit(kind):
        image = rng.integers(0, 30, (28, 28))
        image[4 + 2 * kind : 6 + 2 * kind, 4:24] = 250
        return image.ravel().tolist()

    kinds = [k % 10 for k in range(40)]
    table(folder / "train.csv", ["label", *pixels], [(kind, *digit(kind)) for kind in kinds])
    table(folder / "test.csv", pixels, [digit(index) for index in range(TEST)])
    table(
        folder / "sample_submission.csv",
        ["ImageId", "Label"],
        [(index + 1, 0) for index in range(TEST)],
    )


LAYOUTS = {
    draw.__name__: draw
    for draw in (
        dog_breed,
        aptos,
        plant_pathology_2020,
        plant_pathology_2021,
        cassava,
        state_farm,
        histopathologic,
        ranzcr,
        humpback,
        digit_recognizer,
    )
}
