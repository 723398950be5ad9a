"""Loads: `closed.py` asks again once it is answered, `mixed.py` when its users do; `python -m bench.load` measures."""
