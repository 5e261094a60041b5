"""Calls that interleave at random keep the budget, and a reservation that two callers share breaks it."""

import pytest

from generate_image.aws.ledger import Ledger, Reservation
from generate_image.budget import Budget
from generate_image.functions.generate_image import PARTS, Parts
from generate_image.money import MicroUsd
from generate_image.record import Record
from tests.proof.interleavings import Interleaving

SEEDS = 400


def violations(seeds: int, parts: Parts = PARTS) -> dict[int, set[str]]:
    """Return the broken promises by seed."""
    found = {seed: Interleaving(seed, parts).run() for seed in range(seeds)}
    return {seed: broken for seed, broken in found.items() if broken}


@pytest.mark.parametrize("seeds", [SEEDS, pytest.param(50 * SEEDS, marks=pytest.mark.slow)])
def test_interleaved_calls_keep_the_budget(seeds: int) -> None:
    assert violations(seeds) == {}


class ShareReservations(Budget):
    """Replaces the reservation of another caller, which may still buy."""

    def _with_reservation(self, ledger: Ledger, new: Record, reservation: Reservation, limit: MicroUsd) -> Ledger:
        others = {name: found for name, found in ledger.open.items() if name != new.image_id}
        return super()._with_reservation(ledger._replace(open=others), new, reservation, limit)


def test_shared_reservation_is_detected() -> None:
    assert violations(SEEDS, Parts(budget=ShareReservations))
