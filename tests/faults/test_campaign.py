"""A share of the campaign: in CI each kind of fault on each storage, elsewhere two runs; campaign.py runs for hours."""

from __future__ import annotations

import itertools
import math
import os
from collections import Counter

import pytest

from tests.faults.campaign import campaign, kinds_on, of_every_kind, plan_of, plans_of
from tests.faults.kinds import FAULTS

RUNS = int(os.environ.get("STUDY_CAMPAIGN_RUNS", "0" if os.environ.get("CI") else "2"))  # 0: each kind of fault
SEED = int(os.environ.get("STUDY_CAMPAIGN_SEED", "0"))
STORAGES = ["sqlite", "postgresql"]

pytestmark = pytest.mark.skipif(os.uname().sysname != "Linux", reason="LD_PRELOAD and /proc are Linux's")


def test_a_seed_gives_the_same_plan_and_the_seeds_give_every_fault():
    plans = [plan_of(seed, "postgresql") for seed in range(200)]
    assert plans == [plan_of(seed, "postgresql") for seed in range(200)]
    assert {name for plan in plans for name, _, _ in plan.faults} == set(FAULTS)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_the_share_in_ci_has_each_kind_of_fault_on_each_storage_in_few_runs(seed):
    plans = list(of_every_kind(seed, STORAGES))
    for storage in STORAGES:
        here = [plan for plan in plans if plan.storage == storage]
        assert set().union(*(plan.kinds() for plan in here)) == set(kinds_on(storage))
        assert len(here) <= 6
    assert {name for name, count in Counter(kind for plan in plans for kind in plan.kinds()).items() if count < 2} <= {
        "J connections dropped"
    }


@pytest.mark.slow
def test_a_share_of_the_campaign_finds_nothing(capfd):
    plans = itertools.islice(plans_of(SEED, STORAGES), RUNS) if RUNS else of_every_kind(SEED, STORAGES)
    found = campaign(plans, math.inf, f"{' and '.join(STORAGES)}, seed {SEED}")
    assert found == 0, capfd.readouterr().out
