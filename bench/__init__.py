"""Side-by-side measurements, run by hand and by `make bench`: medians and ratios of one run, never asserted."""
