from benchmarks.ratios import quartiles, ratio_of_medians


def test_the_ratio_is_that_of_the_medians_whatever_the_outliers() -> None:
    ratio = ratio_of_medians([1.0, 2.0, 100.0], [4.0, 4.0, 4.0])

    assert ratio.value == 0.5
    assert ratio.low <= 0.5 <= ratio.high


def test_series_that_do_not_vary_leave_no_doubt() -> None:
    ratio = ratio_of_medians([3.0] * 5, [2.0] * 5)

    assert (ratio.low, ratio.value, ratio.high) == (1.5, 1.5, 1.5)


def test_the_interval_widens_with_the_spread() -> None:
    narrow = ratio_of_medians([9.0, 10.0, 11.0] * 5, [10.0] * 15)
    wide = ratio_of_medians([5.0, 10.0, 15.0] * 5, [10.0] * 15)

    assert wide.high - wide.low > narrow.high - narrow.low > 0


def test_quartiles() -> None:
    assert quartiles([1.0, 2.0, 3.0, 4.0, 5.0]) == (2.0, 3.0, 4.0)
