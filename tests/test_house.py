"""The house's rules, held by script: format, lint, types, layers, sizes, names, spelling of knobs, public faces."""

import ast
import re
import subprocess
import sys
from collections import Counter
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

import study
from study import Recipe

REPOSITORY = Path(__file__).parents[1]
SOURCE = REPOSITORY / "src" / "study"
MODULES = sorted(SOURCE.rglob("*.py"))
OUR_CODE = sorted(
    file for folder in ("src", "studies", "tests", "benchmarks", "docs") for file in (REPOSITORY / folder).rglob("*.py")
)
TREES = {file: ast.parse(file.read_text()) for file in MODULES}
SCRIPTS = Path(sys.executable).parent

# A broad except is right where a person's own code runs, and where nothing may end the process but a sentence.
BROAD_EXCEPTS = {
    "cli/__init__.py": 1,  # the one place that turns what nobody expected into a line and an exit code
    "engine/checkpoint.py": 1,  # torch.load raises whatever the bytes lead it to
    "engine/models.py": 1,  # a network may be a person's own, and is tried on a batch
    "engine/own.py": 1,  # an import path runs a person's code
    "imports.py": 2,  # a study file and an import path run a person's code
    "executors/worker.py": 3,  # a training may raise anything; its trial fails, the search goes on; a call likewise
    "sampling/space.py": 1,  # a search space is a person's code
    "service/conductor.py": 1,  # the queue outlives a database that is away
    "background.py": 3,  # what a server's library raises must not reach the training; a failed search still says a line
    "waiting.py": 1,  # what a thread has raised is raised again where it is waited for
}
# Ordinary words as well as knobs: of these only `recipe.WORD` counts as a spelling.
WORDS = {
    "augment", "dataset", "epochs", "hidden", "init", "loss", "lr", "metric", "model", "momentum", "optimizer",
    "patience", "precision", "sampling", "schedule", "seed", "steps", "weights",
}  # fmt: skip
# Not the engine's alone: which data is meant, how long a dry run is and how large its epoch, whether any is held out.
SETTLED = {
    ("dataset", "data/counts.py"),
    ("dataset", "running/preflight.py"),
    ("dataset", "running/dry_run.py"),
    ("batch_size", "running/dry_run.py"),
    ("epochs", "running/dry_run.py"),
    ("steps", "running/dry_run.py"),
    ("train_size", "running/dry_run.py"),
    ("train_size", "data/counts.py"),
    ("val_fraction", "data/counts.py"),
    ("val_fraction", "questions/judging.py"),
    ("val_fraction", "record/family.py"),
    ("val_fraction", "running/dry_run.py"),
}
MAIN = "from study.cli import main; main()"
HEAVY = {"torch", "optuna", "mlflow", "pandas", "numpy", "sklearn", "sqlalchemy", "matplotlib"}
MACHINE = re.compile(
    r"/(work|root|home/\w+|Users/\w+)/|pypi[.]org|pythonhosted[.]org|npmjs[.]|anaconda[.]org|crates[.]io|"
    r"download[.]pytorch[.]org|proxy[.]golang[.]org"
)


def inside(file):
    return file.relative_to(SOURCE).as_posix()


def run(*command):
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_code_is_formatted():
    run(sys.executable, "-m", "ruff", "format", "--check", ".")


def test_the_linter_has_nothing_to_say():
    run(sys.executable, "-m", "ruff", "check", "--no-cache", ".")


@pytest.mark.slow
def test_the_types_fit():
    run(sys.executable, "-m", "pyright", "--pythonpath", sys.executable)


def test_every_import_goes_down_and_each_library_has_its_room():
    run(str(SCRIPTS / "lint-imports"), "--no-cache", "--no-logo")


def test_every_module_says_why_it_exists():
    assert [inside(file) for file, tree in TREES.items() if not ast.get_docstring(tree)] == []


def test_no_benchmark_has_the_name_of_a_package():
    """A script's folder comes first on the path: `mlflow.py` there would be what its neighbours import as mlflow."""
    names = {file.stem for file in (REPOSITORY / "benchmarks").glob("*.py")}
    assert not names & {*packages_distributions(), *sys.stdlib_module_names}


def test_no_file_is_longer_than_350_lines():
    lengths = {file: len(file.read_text().splitlines()) for file in OUR_CODE}
    assert {str(file): length for file, length in lengths.items() if length > 350} == {}


def test_no_function_is_longer_than_60_lines():
    """Its signature apart: a command's is the table of its options."""
    functions = [
        (f"{inside(file)}:{node.name}", node.end_lineno - node.body[0].lineno + 2)
        for file, tree in TREES.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef)
    ]
    assert [function for function in functions if function[1] > 60] == []


def test_no_file_has_a_name_that_says_nothing():
    nothing = re.compile(r"util|helper|common|base|manager|misc")
    assert [inside(file) for file in MODULES if nothing.search(file.stem)] == []


def spelt(tree):
    """Every name, attribute, argument, keyword and whole string; `recipe.NAME` where it is read of a recipe."""
    for node in ast.walk(tree):
        match node:
            case ast.Attribute(value=ast.Name(id=owner) | ast.Attribute(attr=owner), attr=name):
                yield f"recipe.{name}" if owner.endswith("recipe") else name
            case ast.Name(id=name) | ast.Attribute(attr=name) | ast.arg(arg=name) | ast.keyword(arg=str(name)):
                yield name
            case ast.Constant(value=str(name)):
                yield name


@pytest.mark.parametrize("knob", Recipe.model_fields)
def test_a_knob_is_spelt_in_the_recipe_and_in_one_module_of_the_engine(knob):
    ways = {f"recipe.{knob}"} if knob in WORDS else {knob, f"recipe.{knob}"}
    rooms = {inside(file) for file, tree in TREES.items() if ways & set(spelt(tree))} - {"recipe.py", "knob_rules.py"}
    rooms -= {room for name, room in SETTLED if name == knob}
    assert len(rooms) <= 1, f"one module of the engine reads {knob}, not these: {sorted(rooms)}"
    assert all(room.startswith("engine/") for room in rooms)


def test_nothing_prints_but_the_command_line():
    printing = [
        inside(file)
        for file, tree in TREES.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print"
    ]
    assert [file for file in printing if not file.startswith(("cli/", "terminal/"))] == []


def is_broad(handler):
    kinds = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
    return any(kind is None or getattr(kind, "id", "") in {"Exception", "BaseException"} for kind in kinds)


def test_broad_excepts_are_where_they_belong():
    found = Counter(
        inside(file)
        for file, tree in TREES.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.ExceptHandler) and is_broad(node)
    )
    assert found == BROAD_EXCEPTS


def test_nothing_is_left_unfinished():
    unfinished = re.compile(r"\bTODO\b|\bFIXME\b|\bXXX\b|NotImplementedError")
    assert [inside(file) for file in MODULES if unfinished.search(file.read_text())] == []


def test_the_public_names_are_these():
    assert study.__all__ == [
        "Client", "Epoch", "Published", "Recipe", "Study", "StudyError", "Variant", "ablate", "best", "check",
        "compare", "compare_over_data", "confirm", "doctor", "export", "import_data", "importance", "list_data",
        "list_studies", "load", "models", "new", "plan", "predict", "promote", "pruning", "register", "remove",
        "remove_data", "rollback", "run", "show", "side_by_side", "sync", "verify_data", "write_report",
    ]  # fmt: skip
    assert all(getattr(study, name) for name in study.__all__)
    assert dir(study) == study.__all__


def test_no_public_name_is_that_of_a_module():
    """Importing a module makes it an attribute of the package, in place of what had its name."""
    rooms = {each.stem for each in SOURCE.iterdir()} - {"__init__", "__main__"}
    assert rooms & set(study.__all__) == set()


def test_a_name_that_is_not_public_is_refused():
    with pytest.raises(AttributeError, match="no attribute 'Trainer'"):
        study.Trainer  # noqa: B018 - asking is the test


def test_the_knobs_are_these():
    known = (
        "dataset train_size val_fraction split_seed normalize pixel_range augment_flip augment_crop augment_rotate "
        "augment_cutout augment batch_size sampling model hidden activation init init_scale weights freeze "
        "batch_norm dropout_conv dropout_dense dropout_at_test loss huber_delta class_weight label_smoothing l1 l2 "
        "grad_clip optimizer lr lr_factors momentum dampening nesterov beta1 beta2 eps amsgrad momentum_decay rho "
        "alpha centered lr_decay initial_accumulator_value weight_decay l1_epochs l2_epochs weight_decay_epochs "
        "schedule schedule_interval warmup_epochs gamma step_size t_max eta_min t_0 t_mult max_lr step_size_up "
        "cycle_mode cycle_momentum total_steps pct_start patience epochs steps seed precision model_args "
        "augment_args activation_args loss_args optimizer_args schedule_args metric metric_args"
    )
    assert " ".join(Recipe.model_fields) == known, (
        f"in recipe.py or in this list alone: {Recipe.model_fields.keys() ^ {*known.split()}}; "
        "the order is that of the fields in recipe.py"
    )


@pytest.mark.parametrize(
    ("code", "arguments"),
    [
        ("import study", []),
        ("from study import *", []),
        *[(MAIN, given) for given in (["--help"], ["-h"], ["run", "-h"], ["--version"])],
    ],
)
def test_neither_the_import_nor_the_help_loads_anything_heavy(code, arguments):
    """What keeps them fast; benchmarks/startup.py measures it."""
    code = f"import atexit, sys; atexit.register(lambda: sys.stderr.write(' '.join(sys.modules))); {code}"
    done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=True)
    loaded = {name.partition(".")[0] for name in done.stderr.split()}
    assert "study" in loaded
    assert HEAVY & loaded == set()


def tracked_files():
    if not (REPOSITORY / ".git").exists():
        pytest.skip("not a git checkout")
    done = subprocess.run(["git", "ls-files", "-z"], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    return [Path(name) for name in done.stdout.split("\0") if name and (REPOSITORY / name).is_file()]


def test_no_file_names_a_machine_or_a_registry():
    texts = {file: (REPOSITORY / file).read_text(errors="replace") for file in tracked_files()}
    found = {str(file): match.group() for file, text in texts.items() if (match := MACHINE.search(text))}
    assert found == {}


def test_no_data_and_no_results_are_kept_in_git():
    kinds = {".db", ".pt", ".safetensors", ".npy", ".npz", ".xz", ".gz", ".log", ".lock"}
    assert [str(file) for file in tracked_files() if file.suffix in kinds] == []
