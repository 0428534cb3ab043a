"""The usual layouts of image folders come in, with and without a split for validation."""

import pytest
from PIL import Image

from study.data.images import import_images
from study.engine.data import open_data
from study.recipe import Recipe
from tests.data.pictures import encoded, folder_of, pets, zip_of

LAYOUTS = {
    "no split": lambda split, pet, name: f"{pet}/{split}-{name}",
    "no split, below": lambda split, pet, name: f"pets-1.0/{pet}/{split}-{name}",
    "other names": lambda split, pet, name: f"{'Training' if split == 'train' else 'Testing'}/{pet}/{name}",
    "deep": lambda split, pet, name: f"data/pets/{split}/{pet}/2024/{name}",
    "class first": lambda split, pet, name: f"{pet}/{split}/{name}",
}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("pack_up", [folder_of, zip_of])
def test_usual_layouts_come_in(tmp_path, layout, pack_up):
    parts = [(name.split("/"), content) for name, content in pets(train=8, test=2).items()]
    files = {LAYOUTS[layout](*names): content for names, content in parts}
    pack = import_images("pets", pack_up(files, tmp_path / "it"))
    assert (pack.classes, pack.train, pack.test) == (("cat", "dog"), 16, 4)


def test_pictures_for_validation_validate(tmp_path):
    files = pets(train=8)
    for number in range(3):
        files |= {
            f"valid/{pet}/{number}.png": encoded(Image.new("RGB", (6, 5), (200, 0, number))) for pet in ("cat", "dog")
        }
    pack = import_images("pets", folder_of(files, tmp_path / "pets"))
    assert (pack.train, pack.validation, pack.test) == (22, 6, 4)
    data = open_data(Recipe(dataset="pets", train_size=10), "cpu")
    assert (len(data.train), len(data.val)) == (10, 6)
    assert (data.val.x[data.val.rows][..., 0] == 200).all()
    assert data.train.rows.max() < 16
    everything = open_data(Recipe(dataset="pets", val_fraction=0), "cpu")
    assert (len(everything.train), len(everything.val)) == (22, 0)
