"""What is counted when pictures get lost."""

from benchmarks.measures.losses import FAULTS, KEPT_BY_PROVIDER, ONE_IN, Outcome, count, prompts
from local.openai_stand_in.faults import CATALOGUE
from local.openai_stand_in.ledger import prompt_key


def ledger(**billed: int) -> dict[str, dict[str, int]]:
    return {prompt_key(prompt): {"requests": 1, "billed": pictures} for prompt, pictures in billed.items()}


def test_a_picture_in_the_bucket_is_obtainable() -> None:
    counts = count([Outcome("a", None, "a.png", None)], ledger(a=1), {"a.png"})

    assert counts["obtainable"] == 1
    assert counts["lost"] == counts["bought_twice"] == counts["kept_by_provider"] == 0


def test_a_link_to_nothing_is_a_picture_lost() -> None:
    assert count([Outcome("a", None, "a.png", None)], ledger(a=1), set())["lost"] == 1


def test_a_picture_that_was_billed_and_answered_with_an_error_is_lost() -> None:
    counts = count([Outcome("a", "server_error", None, "ClientError")], ledger(a=1), set())

    assert (counts["lost"], counts["foreign_error"], counts["named_error"]) == (1, 1, 0)


def test_a_picture_that_the_provider_cut_off_is_not_lost_by_the_function() -> None:
    counts = count([Outcome("a", "closed_after_billing", None, "OutcomeUnknownError")], ledger(a=1), set())

    assert (counts["kept_by_provider"], counts["lost"], counts["named_error"]) == (1, 0, 1)


def test_a_second_purchase_is_counted_though_the_caller_got_a_picture() -> None:
    counts = count([Outcome("a", "closed_after_billing", "a.png", None)], ledger(a=3), {"a.png"})

    assert (counts["bought_twice"], counts["paid_for_nothing"], counts["billed"]) == (1, 2, 3)


def test_what_was_never_billed_is_no_loss() -> None:
    counts = count([Outcome("a", "server_error", None, "ProviderUnavailableError")], ledger(a=0), set())

    assert counts["lost"] == counts["kept_by_provider"] == 0


def test_one_request_in_twenty_meets_a_fault_and_every_fault_is_met_as_often() -> None:
    met = [fault for _, fault in prompts(ONE_IN * len(FAULTS) * 3) if fault]

    assert {fault: met.count(fault) for fault in FAULTS} == dict.fromkeys(FAULTS, 3)


def test_the_faults_bill_as_the_counting_believes() -> None:
    assert {fault for fault in FAULTS if CATALOGUE[fault].bills} == set(KEPT_BY_PROVIDER)
