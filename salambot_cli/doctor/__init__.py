"""Diagnosis: probes, one file a group, and the ordering of root causes."""
