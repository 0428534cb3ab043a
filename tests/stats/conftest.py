"""Real accuracies: models of scikit-learn on its digits, another split and another start for every seed."""

import warnings

import numpy as np
import pytest


def model(kind, seed):
    from sklearn.linear_model import LogisticRegression
    from sklearn.neural_network import MLPClassifier

    if kind == "logistic":
        return LogisticRegression(max_iter=30)
    return MLPClassifier((64,), learning_rate_init=0.01, batch_size=32, max_iter=12, random_state=seed)


def accuracies_of(kind, seeds, examples):
    """Accuracy on 1,000 test images for each seed."""
    from sklearn.datasets import load_digits
    from sklearn.exceptions import ConvergenceWarning
    from threadpoolctl import threadpool_limits

    images, labels = load_digits(return_X_y=True)
    found = []
    with threadpool_limits(1), warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # so few iterations are meant
        for seed in range(seeds):
            order = np.random.default_rng(seed).permutation(len(labels))
            train, test = order[:examples], order[-1000:]
            fitted = model(kind, seed).fit(images[train] / 16, labels[train])
            found.append(fitted.score(images[test] / 16, labels[test]))
    return np.array(found)


@pytest.fixture(scope="session", params=["logistic", pytest.param("network", marks=pytest.mark.slow)])
def accuracies(request):
    """Shape (200,): 300 training images; a step of 0.001."""
    return accuracies_of(request.param, 200, 300)


@pytest.fixture(scope="session")
def good_and_worse():
    """Shapes (5,), (5,): the same five seeds with 300 and with 100 training images."""
    return accuracies_of("logistic", 5, 300), accuracies_of("logistic", 5, 100)
