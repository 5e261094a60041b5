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


def test_picture_appears_with_its_facts(visit: Visit, stand_in: StandIn) -> None:
    key = visit.key()
    visit.send(PROMPT)
    picture = visit.see_picture(PROMPT)
    assert picture.evaluate("(image) => [image.naturalWidth, image.naturalHeight]") == [1024, 1024]
    expect(visit.fact("Origin")).to_have_text("bought now")
    expect(visit.fact("Key")).to_have_text(key)
    expect(visit.fact("Model")).to_have_text("gpt-image-2.6-flare")
    expect(visit.fact("Price")).to_have_text(re.compile(r"^0\.\d{4} USD$"))
    expect(visit.fact("Provider's request id")).to_have_text(re.compile("^req_"))
    expect(visit.kept()).to_have_text([re.compile("ready$")])
    with visit.page.expect_popup() as opened:
        visit.page.get_by_role("link", name="Open the picture").click()
    opened.value.wait_for_load_state()
    assert opened.value.evaluate("document.contentType") == "image/png"
    assert stand_in.ledger()["billed"] == 1


def test_options_decide_the_picture(visit: Visit) -> None:
    visit.page.get_by_text("Options of the picture").click()
    visit.page.get_by_label("Format").select_option("webp")
    visit.page.get_by_label("Compression").fill("60")
    visit.page.get_by_label("Size").fill("1536x1024")
    visit.send(PROMPT)
    picture = visit.see_picture(PROMPT)
    assert picture.evaluate("(image) => [image.naturalWidth, image.naturalHeight]") == [1536, 1024]
    expect(visit.fact("Type")).to_have_text("image/webp")
    expect(visit.fact("Options")).to_have_text("size 1536x1024, output_format webp, output_compression 60")


def test_link_shows_its_time_and_is_renewed(visit: Visit) -> None:
    visit.page.clock.install()
    visit.open()
    visit.send(PROMPT)
    visit.see_picture(PROMPT)
    time_left = visit.page.locator("#link-time")
    expect(time_left).to_have_text(re.compile(r"^link works for (59:\d\d|1:00:00)$"))
    visit.page.clock.fast_forward("01:00:01")
    expect(time_left).to_have_text("link has expired")
    visit.page.clock.set_system_time(datetime.now(UTC))
    visit.page.get_by_role("button", name="Fresh link").click()
    expect(time_left).to_have_text(re.compile("^link works for "))
    expect(visit.fact("Origin")).to_have_text("bought before, read again")


def test_slow_picture_is_polled(visit: Visit, drawing: Event, stand_in: StandIn) -> None:
    visit.send(PROMPT, wait=0)
    expect(visit.page.get_by_role("status")).to_have_text(re.compile("^Not ready yet: .* Next look in 3 s.$"))
    expect(visit.page.get_by_role("timer")).to_have_text(re.compile(r"^[1-9]\d* s$"))
    drawing.set()
    visit.see_picture(PROMPT)
    steps = visit.page.locator("#wire li").all_inner_texts()
    assert re.fullmatch(r"POST /clients/1/images 202 after \d\.\d s", steps[0])
    assert re.fullmatch(r"GET /clients/1/images/[0-9a-f-]{36} 200 after \d\.\d s", steps[-1])
    expect(visit.fact("Origin")).to_have_text("bought now")
    assert stand_in.ledger()["billed"] == 1


@pytest.mark.parametrize("wait", [0, 25])
def test_new_tab_resumes_the_request_of_a_closed_one(
    visit: Visit, open_page: Callable[[], Visit], drawing: Event, stand_in: StandIn, wait: int
) -> None:
    key = visit.key()
    visit.send(PROMPT, wait=wait)
    visit.see_waiting()
    visit.page.close()
    other = open_page()
    other.see_waiting()
    assert other.key() == key
    drawing.set()
    other.see_picture(PROMPT)
    expect(other.fact("Key")).to_have_text(key)
    assert stand_in.ledger()["billed"] == 1


def test_request_in_the_list_becomes_ready_by_itself(visit: Visit, drawing: Event, stand_in: StandIn) -> None:
    visit.send(PROMPT)
    visit.see_waiting().click()
    expect(visit.page.get_by_text("Stopped waiting.").first).to_be_visible()
    expect(visit.kept()).to_have_text([re.compile("in progress$")])
    drawing.set()
    expect(visit.kept()).to_have_text([re.compile("ready$")])
    visit.kept().click()
    visit.see_picture(PROMPT)
    assert stand_in.ledger()["billed"] == 1


def test_picture_that_is_gone_leaves_the_list(visit: Visit) -> None:
    visit.page.evaluate(
        """localStorage.setItem("generate-image.requests", JSON.stringify([{
        prompt: "x", client: "1", credential: "c", key: "k", wait: 0, more: "", status: "open",
        imageId: "00000000-0000-5000-8000-000000000000"}]))"""
    )
    visit.open()
    visit.see_problem("ImageNotFoundError")
    expect(visit.kept()).to_have_count(0)
    assert len(visit.take_complaints()) == 1


def test_changed_request_gets_a_new_key(visit: Visit, stand_in: StandIn) -> None:
    visit.send("[moderation_blocked]")
    visit.see_problem("ContentRejectedError")
    first = visit.sent_keys()
    visit.send(PROMPT)
    visit.see_picture(PROMPT)
    assert visit.sent_keys() != first
    assert stand_in.ledger()["billed"] == 1
    assert len(visit.take_complaints()) == 1


def test_double_click_sends_once(visit: Visit, stand_in: StandIn) -> None:
    visit.page.get_by_role("button", name=SUBMIT).dblclick()
    visit.see_picture(PROMPT)
    expect(visit.page.locator("#wire li")).to_have_count(1)
    assert stand_in.ledger()["billed"] == 1


def test_other_fields_of_the_event_are_sent(visit: Visit) -> None:
    visit.page.get_by_text("More fields of the event").click()
    event = {"nextModule": "siguiente-nodo", "data": {"prompt_image": "Un faro", "pedido": {"numero": 4711}}}
    visit.field("JSON").fill(json.dumps(event))
    visit.send("")
    visit.see_picture("Un faro")
    response = json.loads(visit.page.locator("#json").text_content() or "")
    assert response["nextModule"] == "siguiente-nodo"
    assert response["data"]["pedido"] == {"numero": 4711}


def test_curl_command_does_the_same(visit: Visit, stand_in: StandIn) -> None:
    prompt = 'It\'s "here" $HOME `id` \\ !\nnew line — niño 🌊'
    visit.send(prompt)
    visit.see_picture(prompt)
    visit.page.get_by_role("button", name="Copy the curl command").click()
    expect(visit.page.get_by_role("status")).to_have_text("Copied.")
    command = visit.page.evaluate("navigator.clipboard.readText()")
    completed = subprocess.run(["sh", "-c", command], capture_output=True, timeout=60, check=True)
    head, _, body = completed.stdout.decode().replace("\r\n", "\n").partition("\n\n")
    assert head.startswith("HTTP/1.1 200")
    assert json.loads(body)["_meta_"]["prompt"] == prompt
    assert json.loads(body)["_meta_"]["replayed"] is True
    assert stand_in.ledger()["billed"] == 1
