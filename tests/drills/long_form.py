"""The long form of the drills, for which `make drills` says how many schedules are to be played.

The short one, in every test run, plays three and leaves out what takes minutes.
"""

from __future__ import annotations

import os

import pytest

LONG = "PHOTOCHROM_DRILLS" in os.environ
COUNT = int(os.environ.get("PHOTOCHROM_DRILLS", "3"))
FIRST = int(os.environ.get("PHOTOCHROM_DRILLS_FIRST", "0"))
LONG_ONLY = pytest.mark.skipif(not LONG, reason="of the long form: make drills")
