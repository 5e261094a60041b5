import pytest

from benchmarks.measures.billing import PROVIDER_SECONDS, model


def test_cpu_time_stretches_as_memory_shrinks_and_waiting_does_not() -> None:
    quarter, *_, whole = model(cold_cpu_seconds=0.4, warm_cpu_seconds=0.03, largest_peak_bytes=1)

    assert whole["warm_seconds"] == pytest.approx(PROVIDER_SECONDS + 0.03)
    assert quarter["warm_seconds"] == pytest.approx(PROVIDER_SECONDS + 0.03 * 1769 / 256)
    assert quarter["cold_seconds"] == pytest.approx(PROVIDER_SECONDS + 0.4 * 1769 / 256)


def test_what_is_billed_is_memory_times_time() -> None:
    for row in model(0.4, 0.03, 1):
        assert row["warm_gb_seconds"] == pytest.approx(row["warm_seconds"] * row["memory_mb"] / 1024)


def test_the_largest_picture_fits_only_with_room_to_spare() -> None:
    fits = {row["memory_mb"]: row["largest_picture_fits"] for row in model(0.4, 0.03, 200 * 1024 * 1024)}

    assert fits == {256: False, 512: True, 1024: True, 1769: True}
