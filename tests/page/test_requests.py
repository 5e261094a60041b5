"""One prompt, one picture: sent, waited for, shown, and never bought twice."""

import json
import re
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime
from threading import Event

import pytest
from playwright.sync_api import expect

from local.openai_stand_in import StandIn
from tests.page.visit import SUBMIT, Visit

pytestmark = pytest.mark.slow
PROMPT = "Un gato astronauta en la luna"
GONE = "00000000-0000-5000-8000-000000000000"


def test_double_click_buys_one_picture_with_its_facts(visit: Visit, stand_in: StandIn) -> None:
    key = visit.key()
    visit.page.get_by_role("button", name=SUBMIT).dblclick()
    visit.see_picture(PROMPT)
    visit.see_fact("Origin", "bought now")
    visit.see_fact("Key", key)
    visit.see_fact("Model", "gpt-image-2.6-flare")
    visit.see_fact("Price", "0.0132 USD")
    visit.see_fact("Provider's request id", re.compile("^req_"))
    visit.see_kept("ready")
    with visit.page.expect_popup() as opened:
        visit.page.get_by_role("link", name="Open the picture").click()
    opened.value.wait_for_load_state()
    assert opened.value.evaluate("document.contentType") == "image/png"
    expect(visit.page.locator("#wire li")).to_have_count(1)
    assert stand_in.ledger()["requests"] == 1


def test_options_and_fields_of_the_event_are_sent(visit: Visit) -> None:
    visit.unfold("Options of the picture", "More fields of the event")
    visit.field("Quality").select_option("low")
    visit.field("Format").select_option("webp")
    visit.field("Compression").fill("60")
    visit.field("Size").fill("1536x1024")
    event = {"nextModule": "siguiente-nodo", "data": {"prompt_image": "Un faro", "pedido": {"numero": 4711}}}
    visit.field("JSON").fill(json.dumps(event))
    visit.send("")
    visit.see_picture("Un faro", width=1536)
    visit.unfold("Response body")
    visit.see_fact("Type", "image/webp")
    visit.see_fact("Options", "quality low, size 1536x1024, output_format webp, output_compression 60")
    response = json.loads(visit.page.locator("#json").inner_text())
    assert (response["nextModule"], response["data"]["pedido"]) == ("siguiente-nodo", {"numero": 4711})


def test_link_shows_its_time_and_is_renewed(visit: Visit) -> None:
    visit.page.clock.install()
    visit.open()
    visit.send(PROMPT)
    time_left = visit.page.locator("#link-time")
    expect(time_left).to_have_text("link works for 60 min")
    visit.page.clock.fast_forward("01:00:01")
    expect(time_left).to_have_text("link has expired")
    visit.page.clock.set_system_time(datetime.now(UTC))
    visit.press(f"{PROMPT} ready")
    expect(time_left).to_have_text("link works for 60 min")
    visit.see_fact("Origin", "bought before, read again")


@pytest.mark.parametrize(("wait", "first"), [(0, "POST /clients/1/images 202"), (25, "POST /clients/1/images …")])
def test_open_request_is_followed_in_every_tab(
    visit: Visit, open_page: Callable[[], Visit], drawing: Event, stand_in: StandIn, wait: int, first: str
) -> None:
    key = visit.key()
    visit.send(PROMPT, wait=wait)
    expect(visit.page.locator("#wire")).to_contain_text(first)
    expect(visit.page.get_by_role("timer")).to_have_text(re.compile(r"^[1-9]\d* s$"))
    visit.press("Stop waiting")
    expect(visit.page.get_by_role("status")).to_have_text(re.compile("^Stopped waiting."))
    visit.see_kept("in progress")

    other = open_page()
    expect(other.page.get_by_role("status")).to_have_text(re.compile("^Not ready yet: .* Next look in 3 s.$"))
    assert other.key() == key
    drawing.set()
    other.see_picture(PROMPT)
    other.see_fact("Key", key)
    other.see_fact("Origin", "bought now")
    last = other.page.locator("#wire li").last.inner_text()
    assert re.fullmatch(r"GET /clients/1/images/[0-9a-f-]{36} 200 after \d\.\d s", last)

    visit.see_kept("ready")
    visit.press(f"{PROMPT} ready")
    visit.see_picture(PROMPT)
    assert stand_in.ledger()["billed"] == 1


def test_picture_that_is_gone_leaves_the_list(visit: Visit) -> None:
    request = {"client_id": "1", "idempotency_key": "k", "status": "open", "imageId": GONE}
    visit.page.evaluate("text => localStorage.setItem('generate-image', text)", json.dumps([request]))
    visit.open()
    visit.see_problem("ImageNotFoundError", "404")
    visit.see_kept()


def test_curl_command_does_the_same(visit: Visit, stand_in: StandIn) -> None:
    prompt = 'It\'s "here" $HOME `id` \\ !\nnew line — niño 🌊'
    visit.send(prompt)
    visit.see_picture(prompt)
    visit.press("Copy the curl command")
    expect(visit.page.get_by_role("status")).to_have_text("Copied.")
    command = visit.page.evaluate("navigator.clipboard.readText()")
    completed = subprocess.run(["sh", "-c", command], capture_output=True, timeout=60, check=True)
    head, _, body = completed.stdout.decode().replace("\r\n", "\n").partition("\n\n")
    assert head.startswith("HTTP/1.1 200")
    assert (json.loads(body)["_meta_"]["prompt"], json.loads(body)["_meta_"]["replayed"]) == (prompt, True)
    assert stand_in.ledger()["billed"] == 1
