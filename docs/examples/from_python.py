"""A search, its verdicts and its confirmed winner from Python; run again, it goes on where it was stopped."""

from study import Recipe, Study, ablate, compare, confirm, run

tricks = Study(
    name="from_python",
    recipe=Recipe(dataset="digits", model="mlp", hidden=(32,), optimizer="adam", lr=1e-3, epochs=3),
    space=lambda trial: {"lr": trial.suggest_float("lr", 1e-4, 1e-1, log=True)},
    variants={"baseline": {}, "norm_inputs": {"normalize": True}, "fast": {"lr": 1e-2}},
)

if __name__ == "__main__":  # workers are processes, which import this file
    found = run(tricks, trials=12)
    assert found.best is not None
    print(f"best of {found.finished}: {found.best.value:.4f} with {dict(found.best.overrides)}")

    for row in compare(tricks, seeds=5):
        print(row.variant, row.mean and row.mean.interval, row.comparison and row.comparison.verdict)

    confirmed = confirm(tricks, top=3, seeds=3)
    assert confirmed.score is not None
    assert confirmed.score.mean is not None
    print(f"score on the test split: {confirmed.score.mean.value:.4f}, luck of the search: {confirmed.optimism:.4f}")

    print("can be left out:", ablate(tricks, seeds=3).dropped)
