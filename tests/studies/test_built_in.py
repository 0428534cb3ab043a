"""The built-in studies: their recipes fit networks and data, their figures are those that were published."""

import math

import pytest

from study import load
from study.engine import check
from study.engine.data import open_data
from study.engine.models import build
from study.sampling.space import probe
from study.study_files import folders

STUDIES = (
    "activations", "ann_optimizers", "cifar_tricks", "init", "mnist_cnn", "mnist_optimizers", "regularization",
    "schedules",
)  # fmt: skip
ON_MNIST = tuple(name for name in STUDIES if name not in {"cifar_tricks", "schedules"})

# In percent, as the documents print them; what no document prints has no figure.
PUBLISHED = {
    "activations": {"sigmoid": 87.20, "relu": 92.00, "tanh": 91.57, "leaky_relu": 91.88, "softmax": 11.35},
    "ann_optimizers": {"gd": 94.33, "sgd": 94.52, "adam": 93.65, "adagrad": 95.54},
    "cifar_tricks": {},
    "init": {},
    "mnist_cnn": {"logistic": 92.78, "cnn": 99.12, "cnn_torch_as_published": 97.27},
    "mnist_optimizers": {
        "sgd": 95.78, "momentum": 97.69, "nesterov": 97.58, "adam": 97.20, "adagrad": 95.51, "adadelta": 97.45,
        "adamax": 96.58, "rmsprop": 97.1,
    },
    "regularization": {
        "none": 93.05, "l1": 92.16, "l2": 95.34, "dropout": 93.60, "batch_norm": 95.19, "l1_as_published": 92.16,
        "l2_as_published": 95.34, "batch_norm_as_published": 95.19,
    },
    "schedules": {
        "step": 95.61, "cyclic": 97.37, "one_cycle": 96.49, "sgdr": 82.46, "step_as_published": 95.61,
        "cyclic_as_published": 97.37, "one_cycle_as_published": 96.49, "sgdr_as_published": 82.46,
    },
}  # fmt: skip
SETTINGS = {
    "activations": {"hidden": (100,), "optimizer": "sgd", "lr": 0.01, "batch_size": 100, "epochs": 10},
    "ann_optimizers": {"hidden": (128,), "lr": 0.01, "batch_size": 64, "epochs": 10, "pixel_range": "symmetric"},
    "init": {"hidden": (256, 128), "optimizer": "sgd", "lr": 0.01, "batch_size": 128, "epochs": 10},
    "mnist_cnn": {"optimizer": "adam", "lr": 1e-3, "eps": 1e-7, "batch_size": 100, "epochs": 20, "dropout_dense": 0.5},
    "mnist_optimizers": {"hidden": (100,), "optimizer": "sgd", "lr": 0.1, "batch_size": 100, "steps": 3000},
    "regularization": {"hidden": (256, 128), "optimizer": "sgd", "lr": 0.01, "batch_size": 128, "epochs": 10},
    "schedules": {
        "dataset": "breast_cancer", "hidden": (64, 32), "dropout_dense": 0.5, "loss": "bce", "optimizer": "adam",
        "lr": 1e-3, "batch_size": 32, "epochs": 10,
    },
}  # fmt: skip
RATES = {
    "sgd": 0.1, "momentum": 0.1, "nesterov": 0.1, "adam": 1e-3, "adagrad": 1e-2, "adadelta": 1.0, "adamax": 2e-3,
    "rmsprop": 1e-2,
}  # fmt: skip


@pytest.fixture(scope="session")
def made_once(tmp_path_factory):
    return tmp_path_factory.mktemp("packs")


@pytest.fixture
def packs(monkeypatch, made_once):
    """Data sets are unpacked once for all tests of this file."""
    monkeypatch.setenv("STUDY_CACHE", str(made_once))


def test_these_studies_come_with_the_program():
    assert sorted(file.stem for file in folders()[-1].glob("[!_]*.py")) == list(STUDIES)


@pytest.mark.parametrize("name", STUDIES)
def test_a_study_loads_under_its_name_and_its_space_samples_valid_recipes(name):
    study = load(name)
    assert study.name == name
    assert len(set(map(str, probe(study).recipes))) > 100


@pytest.mark.parametrize("name", STUDIES)
def test_the_published_figures_are_those_of_the_documents(name):
    study = load(name)
    figures = {variant: published.value for variant, published in study.published.items()}
    assert figures == {variant: pytest.approx(percent / 100) for variant, percent in PUBLISHED[name].items()}
    assert all(published.source for published in study.published.values())


@pytest.mark.parametrize("name", SETTINGS)
def test_the_settings_are_those_of_the_document(name):
    assert load(name).recipe.model_dump(include=set(SETTINGS[name])) == SETTINGS[name]


@pytest.mark.parametrize("name", STUDIES)
def test_only_the_literal_protocols_are_named_and_marked_as_published(name):
    study = load(name)
    named = {variant for variant in study.variants if variant.endswith("_as_published")}
    assert named == study.variants.keys() - study.fair_variants.keys()


@pytest.mark.parametrize("name", SETTINGS)
def test_a_comparison_trains_on_all_examples_as_the_document_does(name):
    study = load(name)
    assert study.recipe_for(study.final).val_fraction == 0.0


def finals(study):
    for overrides in study.variants.values():
        yield study.recipe_for({**study.final, **overrides})


@pytest.mark.parametrize("name", ON_MNIST)
def test_every_variant_fits_mnist(packs, mnist, name):
    for recipe in finals(load(name)):
        check(recipe)


def test_every_schedule_fits_the_breast_cancer_data(packs):
    for recipe in finals(load("schedules")):
        check(recipe)


def test_the_networks_of_the_worksheet_have_as_many_parameters_as_it_counts():
    study = load("mnist_cnn")
    counted = {"logistic": 7_850, "cnn": 5_994, "cnn_torch_as_published": 5_994}
    for variant, parameters in counted.items():
        model = build(study.recipe_for(study.variants[variant]), (1, 28, 28), 10)
        assert sum(each.numel() for each in model.parameters()) == parameters


def test_optimizers_run_at_the_documents_rates():
    study = load("mnist_optimizers")
    assert {name: study.recipe_for(study.variants[name]).lr for name in RATES} == RATES


def test_gradient_descent_and_sgd_are_one_recipe_in_their_document():
    study = load("ann_optimizers")
    assert study.recipe_for(study.variants["gd"]) == study.recipe_for(study.variants["sgd"])


def test_the_breast_cancer_split_is_the_documents(packs):
    data = open_data(load("schedules").recipe_for({"val_fraction": 0.0}), "cpu")
    assert len(data.train) == 455
    assert math.ceil(len(data.train) / 32) == 15  # batches: one_cycle counts twice as many intervals
    assert load("schedules").variants["one_cycle"]["total_steps"] == 30
