"""Who watches a thread record and walk: the Wengert table (trace.py, its words notation.py, its picture drawing.py), and the
line that made the first NaN (anomaly.py).  `fastad.trace` and `fastad.detect_anomaly` lead here."""
