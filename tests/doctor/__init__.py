"""The doctor, measured against faults that are really made."""
