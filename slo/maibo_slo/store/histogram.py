"""STUB (owner: store helper). The decimal log-linear histogram of DESIGN.md section 2.

EDGES_NS: NDArray[int64], shape (1921,), ascending: 1_000 ns (1 us) ... 10**15 ns (10**12 us), 160 a decade.
BINS = 1922: bin 0 is (0, 1 us]; bin i is (EDGES_NS[i-1], EDGES_NS[i]]; bin 1921 is > 10**12 us.
bin_of(duration_ns: NDArray[int64] | int) -> NDArray[uint16] | int        numpy.searchsorted(side="left"); integers only
on_grid(threshold_us: int) -> bool ; nearest_on_grid(threshold_us) -> (below_us, above_us)
last_bin_within(threshold_us: int) -> int          the bin b such that "bin <= b" is exactly "duration <= threshold"; ValueError when off the grid
class Histogram(counts: NDArray[uint64] (BINS,)):  frozen; .total -> int; .quantile(q) -> float | None (us; nearest rank, i.e. numpy
    method="inverted_cdf"; harmonic middle of the bin: |error| <= 1.235 %; None when empty); .within(threshold_us) -> int; .__add__; 
    from_durations_ns(array); from_bins(bins, n); 
"""
