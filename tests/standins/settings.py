"""The project's settings with work of the tests' own: tasks, a clock that is off, and doorbells that ring too often.

`STANDIN_CLOCK_SECONDS` is by how much the clock of the process is off, `STANDIN_RINGS` how often a doorbell rings.
"""

from config.settings import *  # noqa: F403
from config.settings import INSTALLED_APPS as _INSTALLED_APPS

INSTALLED_APPS = [*_INSTALLED_APPS, "tests.standins.jobs"]
