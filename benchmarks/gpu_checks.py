"""A part of gpu.py: the tests of tests/engine/test_cuda.py, a row each."""

from __future__ import annotations

import io
import unittest

from benchmarks import gpu_rows
from benchmarks.gpu_rows import say


class Rows(unittest.TestResult):
    """Says a row for each test."""

    def addSuccess(self, test: unittest.TestCase) -> None:  # noqa: N802 - unittest's name
        """Say that a test has passed."""
        super().addSuccess(test)
        self._say(test, "passed")

    def addSkip(self, test: unittest.TestCase, reason: str) -> None:  # noqa: N802 - as above
        """Say why a test was not run."""
        super().addSkip(test, reason)
        self._say(test, "not run", reason)

    def addFailure(self, test: unittest.TestCase, err: tuple) -> None:  # noqa: N802 - as above
        """Say what was not as it should be."""
        super().addFailure(test, err)
        self._say(test, "**failed**", f"{type(err[1]).__name__}: {err[1]}")

    def addError(self, test: unittest.TestCase, err: tuple) -> None:  # noqa: N802 - as above
        """Say what went wrong."""
        super().addError(test, err)
        self._say(test, "**error**", f"{type(err[1]).__name__}: {err[1]}")

    def addSubTest(self, test: unittest.TestCase, subtest: unittest.TestCase, err: tuple | None) -> None:  # noqa: N802 - as above
        """Say what of a part of a test was not as it should be."""
        super().addSubTest(test, subtest, err)
        if err:
            self._say(subtest, "**failed**", f"{type(err[1]).__name__}: {err[1]}")

    def _say(self, test: unittest.TestCase, found: str, note: str = "") -> None:
        name = test.id().rpartition("test_cuda.")[2].replace(".test_", ": ").replace("_", " ")
        say(f"test {name}", found, note=" ".join(note.split())[:300])


def main() -> None:
    """Run the tests."""
    asked = gpu_rows.arguments(__doc__)
    gpu_rows.say_device(asked.size.device)
    unittest.defaultTestLoader.loadTestsFromName("tests.engine.test_cuda").run(Rows(io.StringIO()))


if __name__ == "__main__":
    main()
