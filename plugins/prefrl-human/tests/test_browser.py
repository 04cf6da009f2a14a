"""People in a real browser, the content security policy on: by keyboard, mouse and touch, across reloads and without a network.

Small forms; `make soak-human` runs the long ones.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from importlib import resources
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from prefrl.store import DataSet, Store
from prefrl.types import Binary, Choice, Query, Tiers
from prefrl_human.place import Place

Start = Callable[[Place], Any]
Visit = Callable[..., Any]
Film = Callable[[Place, DataSet], None]
Terms = Callable[..., Place]
Ask = Callable[..., Query]


def saved(page: Any, n: int) -> None:
    """Wait until the page says that `n` questions are answered and nothing waits."""
    page.locator(f"#saved:not(.busy):not(.off)[data-answered='{n}']").wait_for(state="visible")


def answers(data: DataSet) -> list[Any]:
    return [preference for _, preference in data.current()]


def left_wins(preference: Any) -> Tiers:
    left, right = preference.shown_order
    return Tiers(((left,), (right,)))


@pytest.fixture
def page_of(serve: Start, visit: Visit, film: Film) -> Callable[..., Any]:
    def start(where: Place, data: DataSet, **more: Any) -> Any:
        film(where, data)
        return visit(serve(where), **more)

    return start


def test_a_session_by_keyboard_alone(page_of: Any, place: Terms, data: DataSet) -> None:
    page = page_of(place(instructions="Look at the feet."), data)
    assert page.locator("#help-dialog").is_visible()
    assert page.locator("#instructions").inner_text() == "Look at the feet."
    page.keyboard.press("Tab")
    page.keyboard.press("Escape")
    keys = ["ArrowLeft", "ArrowRight", "t", "ArrowUp", "s", "u"]
    for number, key in enumerate(keys[:4], 1):
        page.keyboard.press(key)
        saved(page, number)
    page.keyboard.press("s")
    page.locator("#skip-dialog").wait_for(state="visible")
    page.keyboard.press("1")
    saved(page, 5)
    page.keyboard.press("u")
    saved(page, 4)
    page.keyboard.press("n")
    page.keyboard.type("the left one falls")
    page.keyboard.press("Enter")
    page.keyboard.press("m")
    page.keyboard.press("ArrowRight")
    saved(page, 5)
    first, second, third, fourth, fifth = answers(data)
    assert first.answer == left_wins(first)
    assert second.answer == Tiers(left_wins(second).tiers[::-1])
    assert third.answer == fourth.answer == Tiers((tuple(third.shown_order),)) or len(third.answer.tiers) == 1
    assert (fifth.revision, fifth.rationale.text) == (2, "the left one falls")
    assert fifth.rationale.window is not None
    assert [p.revision for _, p in data.preferences() if p.query_id == fifth.query_id] == [0, 1, 2]
    skipped = next(p for _, p in data.preferences() if p.outcome == "skip")
    assert skipped.rationale.text == "I cannot tell"


def test_playback_by_keys(page_of: Any, place: Terms, data: DataSet) -> None:
    page = page_of(place(), data)
    rates = "() => [...document.querySelectorAll('.clips:not([hidden]) video')].map((v) => Math.round(v.playbackRate * 4) / 4)"
    page.keyboard.press(",")
    assert page.locator("#speed").inner_text() == "½×"
    page.keyboard.press(",")
    assert page.evaluate(rates) == [0.25, 0.25]
    page.keyboard.press(".")
    page.keyboard.press(" ")
    assert page.get_by_role("button", name="Play", exact=True).is_visible()
    paused = "() => [...document.querySelectorAll('.clips:not([hidden]) video')].every((v) => v.paused)"
    page.wait_for_timeout(300)
    assert page.evaluate(paused)
    page.keyboard.press("r")
    page.keyboard.press(" ")
    page.locator("#play[aria-label='Pause']").wait_for()
    assert data.current() == []


def test_a_ranking_by_mouse(page_of: Any, place: Terms, empty: DataSet, ask: Ask) -> None:
    empty.add_queries([ask(0, 4), ask(1, 4)])
    page = page_of(place(), empty)
    cards = page.locator(".clips:not([hidden]) .card")
    source, target = cards.nth(3).locator(".picture"), cards.nth(0).locator(".picture")
    source.hover()
    page.mouse.down()
    box = target.bounding_box()
    page.mouse.move(box["x"] + 60, box["y"] + 60, steps=8)
    page.mouse.up()
    letters = "() => [...document.querySelectorAll('.clips:not([hidden]) .card')].map((c) => c.dataset.letter).join('')"
    assert page.evaluate(letters) == "DABC"
    cards.nth(1).get_by_role("button", name="Move A down").click()
    assert page.evaluate(letters) == "DBAC"
    cards.nth(2).get_by_role("button", name="As good as the one before").click()
    page.get_by_role("button", name="Submit this order").click()
    saved(page, 1)
    (first,) = answers(empty)
    a, b, c, d = first.shown_order
    assert first.answer == Tiers(((d,), (b, a), (c,)))
    playing = "() => [...document.querySelectorAll('.clips:not([hidden]) video')].every((v) => !v.paused)"
    page.wait_for_timeout(300)
    assert page.evaluate(playing)


def test_a_ranking_by_keys(page_of: Any, place: Terms, empty: DataSet, ask: Ask) -> None:
    empty.add_queries([ask(0, 5), ask(1, 3)])
    page = page_of(place(), empty)
    for key in ("c", "e", "a", "t", "b", "Enter"):
        page.keyboard.press(key)
    saved(page, 1)
    (first,) = answers(empty)
    a, b, c, d, e = first.shown_order
    assert first.answer == Tiers(((c,), (e, a), (b,), (d,)))
    page.locator(".clips:not([hidden]) .card").first.wait_for()
    for key in ("ArrowRight", "Space", "ArrowRight", "Space"):  # to A, pick up, move, drop
        page.keyboard.press(key)
    assert page.locator("#announce").inner_text() in ("", "Clip A, position 2 of 3", "Clip A dropped at position 2")
    page.keyboard.press("Enter")
    saved(page, 2)
    second = answers(empty)[1]
    a, b, c = second.shown_order
    assert second.answer == Tiers(((b,), (a,), (c,)))


def test_best_of_several_and_thumbs(page_of: Any, place: Terms, empty: DataSet, ask: Ask) -> None:
    empty.add_queries([ask(0, 3), ask(1, 1), ask(2, 1)])
    page = page_of(place(ask="best"), empty)
    page.get_by_role("button", name="B is the best").click()
    saved(page, 1)
    page.get_by_role("button", name="Good", exact=False).first.click()
    saved(page, 2)
    page.keyboard.press("ArrowDown")
    saved(page, 3)
    best, good, bad = answers(empty)
    assert best.answer == Choice(best.shown_order[1])
    assert (good.answer, bad.answer) == (Binary((1.0,)), Binary((0.0,)))


def test_a_session_by_touch_on_a_narrow_screen(page_of: Any, place: Terms, empty: DataSet, ask: Ask) -> None:
    empty.add_queries([ask(0), ask(1, 3)])
    page = page_of(place(), empty, width=320, height=640, has_touch=True, is_mobile=True)
    assert page.evaluate("() => document.documentElement.scrollWidth") <= 320
    small = "() => [...document.querySelectorAll('button, input')].filter((b) => b.offsetParent && (b.offsetHeight < 44 || b.offsetWidth < 44)).map((b) => b.id || b.className)"
    assert page.evaluate(small) == []
    page.get_by_role("button", name="Right is better").tap()
    saved(page, 1)
    assert page.evaluate("() => document.documentElement.scrollWidth") <= 320
    assert page.evaluate(small) == []
    page.get_by_role("button", name="Place C 1st").tap()
    page.get_by_role("button", name="Place A 2nd").tap()
    page.get_by_role("button", name="Submit this order").tap()
    saved(page, 2)
    first, second = answers(empty)
    assert first.answer == Tiers(left_wins(first).tiers[::-1])
    a, b, c = second.shown_order
    assert second.answer == Tiers(((c,), (a,), (b,)))


def test_reloads_lose_nothing(page_of: Any, place: Terms, data: DataSet, long: bool, ask: Ask) -> None:
    steps = 20 if long else 4
    data.add_queries([ask(i) for i in range(100, 112)])
    page = page_of(place(), data)
    for number in range(1, steps + 1):
        page.keyboard.press("ArrowLeft" if number % 2 else "ArrowRight")
        if number % 3:
            saved(page, number)
        page.reload()  # also in the middle of saving
        page.locator("#tools").wait_for(state="visible")
        page.locator(f"#count:text('{number} of')").wait_for()
    page.keyboard.press("u")
    page.reload()
    page.locator("#tools").wait_for(state="visible")
    page.keyboard.press("t")
    saved(page, steps)
    found = answers(data)
    assert len(found) == steps
    assert found[-1].revision == 2
    expected = [left_wins(p) if number % 2 else Tiers(left_wins(p).tiers[::-1]) for number, p in enumerate(found, 1)]
    assert [p.answer for p in found[:-1]] == expected[:-1]


def test_without_a_network_answers_wait_and_then_go_in_order(
    page_of: Any, place: Terms, data: DataSet, long: bool
) -> None:
    seconds = 30 if long else 2
    page = page_of(place(), data)
    page.locator(".clips[hidden] video").nth(3).wait_for(state="attached")  # two more questions are ready
    page.context.set_offline(True)
    for key in ("ArrowLeft", "ArrowRight", "t"):
        page.keyboard.press(key)
        page.wait_for_timeout(200)
    page.locator("#saved.off").wait_for()
    assert "kept here" in page.locator("#saved").inner_text()
    page.wait_for_timeout(1000 * seconds)
    assert data.current() == []
    page.context.set_offline(False)
    saved(page, 3)
    page.locator("#tools").wait_for(state="visible")
    found = answers(data)
    assert [len(p.answer.tiers) for p in found] == [2, 2, 1]
    assert found[0].answer == left_wins(found[0])
    assert found[0].created < found[1].created < found[2].created < time.time() - seconds


def test_a_killed_server_comes_back_to_the_same_page(
    serve: Start, visit: Visit, film: Film, place: Terms, data: DataSet
) -> None:
    film(place(), data)
    server = serve(place())
    page = visit(server)
    page.keyboard.press("ArrowLeft")
    saved(page, 1)
    server.kill()
    page.keyboard.press("ArrowRight")
    page.locator("#saved.off").wait_for()
    server.start()
    saved(page, 2)
    assert len(answers(data)) == 2


SCRIPTS = "<img src=x onerror=alert(1)><script>alert(2)</script>\"'`${1}"


def test_text_is_text_everywhere(page_of: Any, place: Terms, store: Store) -> None:
    from dataclasses import replace

    from prefrl.types import Factor, Segment, Text

    env = replace(
        store.data_set("toy", _env()).env, task=SCRIPTS, factors={SCRIPTS: Factor(SCRIPTS, SCRIPTS, privileged=False)}
    )
    data = store.data_set(SCRIPTS, env)
    import numpy as np

    clips = [Segment.of(np.full((5, 3), i), np.zeros((4, 2)), factors={SCRIPTS: np.ones(4)}) for i in range(2)]
    data.add_queries([Query.of("x", 0, clips), Query.of("x", 1, [Text(SCRIPTS, SCRIPTS), Text("a", SCRIPTS)])])
    where = place(data_set=SCRIPTS, instructions=SCRIPTS, overlay=(SCRIPTS,))
    page = page_of(where, data)
    page.keyboard.press("Escape")
    for element in ("#data-set", "#task"):
        assert page.locator(element).inner_text() == SCRIPTS
    assert page.locator("#instructions").text_content() == SCRIPTS
    page.locator("#reason").fill(SCRIPTS)
    page.keyboard.press("Escape")
    page.keyboard.press("ArrowLeft")
    saved(page, 1)
    assert answers(data)[0].rationale.text == SCRIPTS
    assert SCRIPTS in page.locator(".clips:not([hidden]) .text").first.inner_text()
    page.locator("#reason").fill(SCRIPTS)
    page.keyboard.press("Escape")
    page.keyboard.press("s")
    page.locator("#skip-reasons button").first.click()
    saved(page, 2)
    assert page.locator("body img[src=x]").count() == 0


def _env() -> Any:
    from prefrl.types import EnvInfo

    return EnvInfo("Toy-v0", (3,), (2,), dt=0.05)


# --- in step, quick, for everybody -----------------------------------------------------------------------------------

SPREAD = """(seconds) => new Promise((done) => {
  const videos = [...document.querySelectorAll('.clips:not([hidden]) video')];
  const until = performance.now() + 1000 * seconds;
  let worst = 0, seen = 0, turns = 0, last = 0;
  const look = () => {
    const times = videos.map((v) => v.currentTime);
    if (Math.max(...times) < last - 0.3) turns += 1;
    last = Math.max(...times);
    if (videos.every((v) => !v.paused && !v.seeking)) { seen += 1; worst = Math.max(worst, Math.max(...times) - Math.min(...times)); }
    if (performance.now() < until) requestAnimationFrame(look); else done({ worst: 1000 * worst, seen, turns });
  };
  look();
})"""


def test_four_clips_play_in_step(page_of: Any, place: Terms, empty: DataSet, ask: Ask, long: bool) -> None:
    seconds = 60 if long else 4
    empty.add_queries([ask(0, 4)])
    page = page_of(place(), empty)
    page.wait_for_timeout(500)
    found = page.evaluate(SPREAD, seconds)
    assert found["seen"] > 5 * seconds
    assert found["turns"] >= seconds / 4  # they loop
    assert found["worst"] < (34 if long else 100)  # a frame, on a machine that does nothing else


TIMES = """() => {
  window.times = { saved: [], shown: [] };
  let pressed = 0;
  document.addEventListener('keydown', () => {
    pressed = performance.now();
    const before = document.querySelector('.clips:not([hidden])');
    const look = () => {
      const now = document.querySelector('.clips:not([hidden])');
      const there = now && now !== before && [...now.querySelectorAll('video')].every((v) => v.readyState >= 2);
      if (there) requestAnimationFrame(() => window.times.shown.push(performance.now() - pressed)); else requestAnimationFrame(look);
    };
    requestAnimationFrame(look);
  }, { capture: true });
  new MutationObserver(() => window.times.saved.push(performance.now() - pressed))
    .observe(document.getElementById('saved'), { attributeFilter: ['data-answered'] });
}"""


def test_an_answer_is_saved_and_the_next_question_there_at_once(
    page_of: Any, place: Terms, empty: DataSet, ask: Ask, long: bool
) -> None:
    """Gates of 100 ms and 200 ms belong to a machine that does nothing else: the small form has much more."""
    n, slack = (50, 1) if long else (6, 20)
    empty.add_queries([ask(i) for i in range(n + 3)])
    page = page_of(place(), empty)
    page.evaluate(TIMES)
    for number in range(1, n + 1):
        page.wait_for_timeout(600)
        page.keyboard.press("ArrowLeft")
        saved(page, number)
    page.wait_for_timeout(300)
    times = page.evaluate("() => window.times")
    shown, kept = sorted(times["shown"]), sorted(times["saved"])
    sys.stdout.write(
        f"saved p95 {kept[int(0.95 * len(kept))]:.0f} ms, shown p95 {shown[int(0.95 * len(shown))]:.0f} ms\n"
    )
    assert len(kept) == len(shown) == n
    assert kept[int(0.95 * len(kept))] < 100 * slack
    assert shown[int(0.95 * len(shown))] < 200 * slack


AXE = find_spec("axe_playwright_python")  # a package of Python that carries axe-core's one file
LOOKS = {
    "light": {"color_scheme": "light"}, "dark": {"color_scheme": "dark"},
    "zoom": {"color_scheme": "light", "width": 640, "height": 450, "device_scale_factor": 2},
}  # fmt: skip


def faults(page: Any) -> list[Any]:
    """Serious and critical ones, by axe-core."""
    page.evaluate((resources.files("axe_playwright_python") / "axe.min.js").read_text(encoding="utf-8"))
    found = page.evaluate(
        "() => axe.run(document, { runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'] })"
    )
    return [
        (fault["id"], [node["html"] for node in fault["nodes"]])
        for fault in found["violations"]
        if fault["impact"] in ("serious", "critical")
    ]


@pytest.mark.parametrize("look", LOOKS)
def test_axe_finds_nothing_serious(
    page_of: Any, place: Terms, empty: DataSet, ask: Ask, look: str, lacking: Callable[[str], None], long: bool
) -> None:
    if AXE is None:
        lacking("needs axe-core: pip install axe-playwright-python")
    kinds = [(ask(0), "ArrowLeft"), (ask(1, 4), "Enter"), (ask(2, 1), "ArrowUp"), (ask(3, 3, "choice"), "a")]
    shown = kinds if long else kinds[1:2] if look == "dark" else kinds[:1]
    empty.add_queries([query for query, _ in shown])
    page = page_of(place(instructions="Look at the feet."), empty, **LOOKS[look])
    assert not long or faults(page) == []  # the dialog
    page.keyboard.press("Escape")
    for number, (_, key) in enumerate(shown, 1):
        assert faults(page) == []
        page.keyboard.press(key)
        saved(page, number)
    page.locator("#waiting").wait_for(state="visible")
    assert not long or faults(page) == []


def test_reduced_motion_begins_with_a_pause(page_of: Any, place: Terms, data: DataSet) -> None:
    page = page_of(place(), data, reduced_motion="reduce")
    page.wait_for_timeout(500)
    assert page.locator("#play[aria-label='Play']").is_visible()
    assert page.evaluate("() => [...document.querySelectorAll('.clips:not([hidden]) video')].every((v) => v.paused)")
    page.keyboard.press(" ")
    page.wait_for_timeout(300)
    assert page.evaluate("() => [...document.querySelectorAll('.clips:not([hidden]) video')].some((v) => !v.paused)")


def test_the_page_asks_nobody_else() -> None:
    folder = Path(str(resources.files("prefrl_human"))) / "page"
    for file in folder.iterdir():
        text = file.read_text(encoding="utf-8").replace("http://www.w3.org/2000/svg", "")
        assert "http" not in text, file.name
        assert "innerHTML" not in text, file.name
