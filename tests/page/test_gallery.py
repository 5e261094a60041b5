"""The last pictures of a client, asked for again whenever the page is opened."""

from playwright.sync_api import Locator, expect

from local.account import BUCKET, Account
from tests.page.visit import Visit

PROMPTS = ("Un faro", "Un bosque")


def frames(visit: Visit) -> Locator:
    return visit.page.get_by_role("region", name="The last pictures of client").get_by_role("img")


def order_all(visit: Visit) -> None:
    for number, prompt in enumerate(PROMPTS, 1):
        visit.order(prompt)
        visit.see_picture(prompt)
        expect(frames(visit)).to_have_count(number)


def test_the_last_pictures_are_there_after_a_reload(visit: Visit) -> None:
    order_all(visit)
    visit.open()
    expect(frames(visit)).to_have_count(2)
    assert [frame.get_attribute("alt") for frame in frames(visit).all()] == ["Un bosque", "Un faro"]
    visit.page.wait_for_function("[...document.querySelectorAll('#frames img')].every((i) => i.naturalWidth === 1024)")


def test_a_picture_that_is_picked_is_shown_again(visit: Visit) -> None:
    order_all(visit)
    visit.page.get_by_role("button", name="Un faro").click()
    visit.see_picture("Un faro")
    expect(visit.badge("found by GET")).to_be_visible()
    expect(visit.page.get_by_role("button", name="Same key again")).to_be_hidden()
    assert visit.page.locator("#curl").inner_text().startswith(f"curl --include '{visit.url}/clients/1/images/")


def test_a_picture_that_is_gone_is_dropped(visit: Visit, account: Account) -> None:
    order_all(visit)
    s3 = account.session().client("s3", endpoint_url=account.endpoint)
    gone = visit.page.evaluate("JSON.parse(localStorage.getItem('generate-image.pictures'))[1][0]")
    for suffix in ("png", "json"):
        s3.delete_object(Bucket=BUCKET, Key=f"temporal/cli_1/{gone}.{suffix}")
    visit.open()
    expect(frames(visit)).to_have_count(1)
    [complaint] = visit.take_complaints()
    assert "status of 404" in complaint
    visit.open()
    expect(frames(visit)).to_have_count(1)


def test_each_client_has_its_own(visit: Visit) -> None:
    order_all(visit)
    visit.field("Client").fill("constructor")
    visit.field("Client").blur()
    expect(frames(visit)).to_have_count(0)
    visit.order("Una casa")
    visit.see_picture("Una casa")
    expect(frames(visit)).to_have_count(1)
