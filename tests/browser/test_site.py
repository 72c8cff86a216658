"""The web site that `make book` built, as a reader has it."""

import functools
import http.server
import threading
from pathlib import Path
from urllib.parse import unquote, urldefrag

import pytest
from axe_playwright_python.sync_playwright import Axe
from lab import plays
from playwright.sync_api import expect

SITE = Path(__file__).parents[2] / "book" / "_build" / "html"
PAGES = sorted(path.relative_to(SITE).as_posix() for path in SITE.rglob("*.html") if "_static" not in path.parts)
# `preload` would fetch style sheets anew, some from wrong addresses. In the dark, colours alone are others.
AXE = {"preload": False, "resultTypes": ["violations"]}
RULES = {"light": AXE, "dark": AXE | {"runOnly": ["color-contrast"]}}
# What a page at an address of its own says of itself: where it leads, and where one can arrive in it.
LINKS = "() => [[...document.links].map(a => a.href), [...document.querySelectorAll('[id]')].map(e => e.id)]"


def test_the_site_is_there():
    assert "index.html" in PAGES, "there is no site in book/_build/html: run `make book`"


@pytest.fixture(scope="session")
def site():
    """The site's address on this machine."""
    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *arguments):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=SITE)) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


def test_every_link_within_the_site_is_alive(site, browser, visit):
    page = visit(browser)
    leads, anchors = {}, {}
    for name in PAGES:
        page.goto(site + name)
        leads[site + name], anchors[site + name] = page.evaluate(LINKS)
    dead = []
    for name, links in leads.items():
        for link in filter(lambda link: link.startswith(site), links):
            whole, anchor = urldefrag(link)
            whole += "index.html" * whole.endswith("/")
            if whole in anchors:
                alive = not anchor or unquote(anchor) in anchors[whole]
            else:
                alive = (SITE / unquote(whole.removeprefix(site))).is_file()
            if not alive:
                dead.append(f"{name}: {link}")
    assert not dead, "\n".join(dead)


@pytest.fixture(scope="session")
def pictures(tmp_path_factory):
    return tmp_path_factory.mktemp("site")


@pytest.mark.parametrize("name", PAGES)
def test_a_page_can_be_read_by_everybody(site, browser, visit, pictures, name):
    page = visit(browser, site + name)
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        expect(page.locator("html")).to_have_attribute("data-theme", scheme)
        for wide, high in ((400, 800), (1400, 900)):
            page.set_viewport_size({"width": wide, "height": high})
            page.screenshot(animations="disabled", path=pictures / f"{name.replace('/', '-')}-{wide}-{scheme}.png")
            needed = page.evaluate("() => document.documentElement.scrollWidth")
            assert needed <= wide, f"{name} needs {needed} px of {wide}"
        grave = [f"{one['id']} ({one['impact']}): {one['help']}: {node['html']}\n{node.get('failureSummary')}"
                 for one in Axe().run(page, options=RULES[scheme]).response["violations"]
                 if one["impact"] in ("serious", "critical") for node in one["nodes"]]
        assert not grave, f"{name}, {scheme}:\n" + "\n".join(grave)


@pytest.mark.parametrize("chapter", [name for name in PAGES if name.startswith("notebooks/")])
def test_players_play(site, browser, visit, chapter):
    page = visit(browser, site + chapter)
    players = page.locator("audio")
    assert players.count() >= 3
    for player in (players.first, players.last):
        assert plays(player) > 0


def test_search_finds_a_section(site, browser, visit):
    page = visit(browser, site + "index.html")
    page.get_by_role("button", name="Search").first.click()
    page.get_by_role("searchbox").fill("aliasing")
    page.keyboard.press("Enter")
    page.wait_for_url("**/search.html?q=aliasing*")
    found = page.locator("#search-results a", has_text="01 Fundamentals").first
    expect(found).to_be_visible()
    found.click()
    page.wait_for_url("**/notebooks/01_fundamentals.html*")


def test_one_reads_on_and_back_from_chapter_to_chapter(site, browser, visit):
    page = visit(browser, site + "notebooks/00_start_here.html")
    page.locator("a.right-next").click()
    page.wait_for_url("**/notebooks/01_fundamentals.html")
    page.locator("a.left-prev").click()
    page.wait_for_url("**/notebooks/00_start_here.html")
