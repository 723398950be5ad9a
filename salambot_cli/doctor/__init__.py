"""Diagnosis: probes, one file a group, and the ordering of root causes."""

from salambot_cli.doctor.diagnose import diagnose, diagnosis, hints, preflight, quick_check
from salambot_cli.doctor.probes import PROBES
from salambot_cli.doctor.report import Report

__all__ = ["PROBES", "Report", "diagnose", "diagnosis", "hints", "preflight", "quick_check"]
