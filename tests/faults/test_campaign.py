"""A share of the campaign: ten minutes in CI, two runs elsewhere or STUDY_CAMPAIGN_RUNS; campaign.py runs for hours."""

from __future__ import annotations

import os

import pytest

from tests.faults.campaign import campaign, plan_of
from tests.faults.kinds import FAULTS

RUNS = int(os.environ.get("STUDY_CAMPAIGN_RUNS", "0" if os.environ.get("CI") else "2"))  # 0: as many as fit
SECONDS = 600.0 if os.environ.get("CI") else 3600.0
SEED = int(os.environ.get("STUDY_CAMPAIGN_SEED", "0"))

pytestmark = pytest.mark.skipif(os.uname().sysname != "Linux", reason="LD_PRELOAD and /proc are Linux's")


def test_a_seed_gives_the_same_plan_and_the_seeds_give_every_fault():
    plans = [plan_of(seed, "postgresql") for seed in range(200)]
    assert plans == [plan_of(seed, "postgresql") for seed in range(200)]
    assert {name for plan in plans for name, _, _ in plan.faults} == set(FAULTS)


@pytest.mark.slow
def test_a_share_of_the_campaign_finds_nothing(capfd):
    found = campaign(SECONDS, SEED, ["sqlite", "postgresql"], runs=RUNS or None)
    assert found == 0, capfd.readouterr().out
