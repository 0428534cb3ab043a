"""Nothing but `study report` needs the report."""

import subprocess
import sys

CODE = """
import pkgutil, sys
from importlib import import_module

class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name == "study.report" or name.startswith("study.report."):
            raise ModuleNotFoundError(f"no module named {name!r}", name=name)

sys.meta_path.insert(0, Blocked())
import study

names = [each.name for each in pkgutil.walk_packages(study.__path__, "study.", onerror=lambda name: None)]
names = [name for name in names if not name.startswith(("study.report", "study.__main__", "study.service.migrations."))]
for name in names:
    import_module(name)
print(len(names))
"""


def test_every_other_module_is_imported_without_the_report():
    done = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 90
