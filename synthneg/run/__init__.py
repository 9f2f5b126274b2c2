"""A run's folder and its books."""

from synthneg.run.folder import COMPARED as COMPARED
from synthneg.run.folder import REPORT as REPORT
from synthneg.run.folder import TRIALS as TRIALS
from synthneg.run.folder import Run as Run
