"""One prompt, one picture: ordered, waited for, seen, and never bought twice."""

import re
import subprocess
from datetime import UTC, datetime

import pytest
import requests
from playwright.sync_api import expect

from local.openai_stand_in import StandIn
from tests.page.visit import Visit, looks_like

PROMPT = "Un gato astronauta en la luna"


def test_a_prompt_is_typed_and_its_picture_seen(visit: Visit, stand_in: StandIn) -> None:
    visit.order(PROMPT)
    picture = visit.see_picture(PROMPT)
    assert picture.evaluate("(image) => [image.complete, image.naturalWidth, image.naturalHeight]") == [
        True,
        1024,
        1024,
    ]
    link = visit.page.get_by_role("link", name="Open the picture").get_attribute("href")
    assert link
    assert looks_like(picture, link)
    expect(visit.badge("bought now")).to_be_visible()
    expect(visit.badge("gpt-image-2.6-flare")).to_be_visible()
    expect(visit.badge("USD")).to_have_text(re.compile(r"^0\.\d{4} USD$"))
    assert stand_in.ledger()["billed"] == 1


def test_the_link_opens_the_picture(visit: Visit) -> None:
    visit.order(PROMPT)
    visit.see_picture(PROMPT)
    with visit.page.expect_popup() as opened:
        visit.page.get_by_role("link", name="Open the picture").click()
    opened.value.wait_for_load_state()
    assert opened.value.evaluate("document.contentType") == "image/png"


def test_the_time_that_the_link_has_left_is_told_and_a_fresh_link_got(visit: Visit) -> None:
    visit.page.clock.install()
    visit.open()
    visit.order(PROMPT)
    visit.see_picture(PROMPT)
    time_left = visit.page.locator("#link-time")
    expect(time_left).to_have_text(re.compile(r"^works for another (59:\d\d|1:00:00)$"))
    visit.page.clock.fast_forward("01:00:01")
    expect(time_left).to_have_text("has expired")
    visit.page.clock.set_system_time(datetime.now(UTC))
    visit.page.get_by_role("button", name="Fresh link").click()
    expect(time_left).to_have_text(re.compile("^works for another "))
    visit.see_picture(PROMPT)


def test_a_slow_one_is_waited_for(visit: Visit, stand_in: StandIn) -> None:
    stand_in.latency = 3
    visit.order(PROMPT, wait=1)
    expect(visit.page.locator("#doing")).to_have_text(re.compile("^Ordered. The API waits up to 1 s"))
    expect(visit.page.locator("#doing")).to_have_text(re.compile("^Not ready yet: .* Looking again every 3 s.$"))
    expect(visit.page.get_by_role("status")).to_have_text(re.compile("^Not ready yet"))
    expect(visit.page.get_by_role("timer")).to_have_text(re.compile(r"^[1-9]\d* s$"))
    visit.see_picture(PROMPT)
    steps = visit.page.locator("#wire li").all_inner_texts()
    assert re.fullmatch(r"POST /clients/1/images 202 after \d\.\d s", steps[0])
    assert re.fullmatch(r"GET /clients/1/images/[0-9a-f-]{36} 200 after \d\.\d s", steps[-1])
    expect(visit.badge("found by GET")).to_be_visible()
    assert stand_in.ledger()["billed"] == 1


def test_who_stops_waiting_finds_the_picture_by_its_key(visit: Visit, stand_in: StandIn) -> None:
    stand_in.latency = 1
    visit.order(PROMPT)
    visit.page.get_by_role("button", name="Stop waiting").click()
    expect(visit.page.get_by_text("Stopped waiting.").first).to_be_visible()
    visit.submit()
    visit.see_picture(PROMPT)
    assert stand_in.ledger()["billed"] == 1


def test_a_reload_amid_the_wait_loses_nothing(visit: Visit, stand_in: StandIn) -> None:
    stand_in.latency = 1
    visit.order(PROMPT)
    expect(visit.page.get_by_role("timer")).to_be_visible()
    key = visit.key()
    visit.open()
    assert visit.key() == key
    visit.submit()
    visit.see_picture(PROMPT)
    assert stand_in.ledger()["billed"] == 1


def test_the_same_key_again_shows_the_replay(visit: Visit, stand_in: StandIn) -> None:
    visit.order(PROMPT)
    visit.see_picture(PROMPT)
    first = visit.ordered_keys()
    visit.page.get_by_role("button", name="Same key again").click()
    expect(visit.badge("replayed: nothing was bought")).to_be_visible()
    assert visit.ordered_keys() == first
    assert visit.key() not in first
    assert stand_in.ledger()["billed"] == 1


def test_another_order_gets_another_key(visit: Visit, stand_in: StandIn) -> None:
    stand_in.script("moderation_blocked")
    visit.order(PROMPT)
    visit.see_problem("ContentRejectedError")
    assert len(visit.take_complaints()) == 1
    assert visit.ordered_keys() == [visit.key()]
    visit.order("Un faro")
    visit.see_picture("Un faro")
    assert stand_in.ledger()["billed"] == 1


@pytest.mark.parametrize(
    "prompt",
    [
        "it's \"quoted\" twice: '' and '\\''",
        "$HOME, `id`, $(id), \\$, \\n and !!",
        "two\nlines, and\ttabs\n",
        "ñandú 🐈 <img src=x onerror=alert(1)> &amp;",
        "-dash @file %41 #",
    ],
)
def test_the_curl_line_does_the_same(visit: Visit, prompt: str, stand_in: StandIn) -> None:
    visit.order(prompt)
    visit.see_picture(prompt)
    assert visit.page.locator("#caption").text_content() == prompt
    visit.page.get_by_role("button", name="Copy the curl command").click()
    expect(visit.page.get_by_role("status")).to_have_text("Copied.")
    line = visit.page.evaluate("navigator.clipboard.readText()")
    told = subprocess.run(
        ["sh", "-c", f"curl() {{ printf '%s\\0' \"$@\"; }}\n{line}"], check=True, capture_output=True, timeout=30
    )
    words = told.stdout.decode().split("\0")[:-1]
    options = dict.fromkeys(words[2::2])
    assert list(options) == ["--header", "--data-raw"]
    headers = dict(value.split(": ", 1) for name, value in zip(words[2::2], words[3::2], strict=True) if "h" in name)
    response = requests.post(words[1], data=words[-1].encode(), headers=headers, timeout=60)
    assert response.json()["_meta_"]["prompt"] == prompt
    assert response.json()["_meta_"]["replayed"] is True
    assert stand_in.ledger()["billed"] == 1


def test_the_answer_is_there_as_json(visit: Visit) -> None:
    visit.order(PROMPT)
    visit.see_picture(PROMPT)
    visit.page.get_by_text("The answer", exact=True).click()
    visit.page.get_by_role("button", name="Copy the answer").click()
    expect(visit.page.get_by_role("status")).to_have_text("Copied.")
    answer = visit.page.evaluate("navigator.clipboard.readText().then(JSON.parse)")
    assert answer["_meta_"]["prompt"] == PROMPT
    assert set(answer["data"]) == {"imageUrl", "urlPath", "localPath"}
