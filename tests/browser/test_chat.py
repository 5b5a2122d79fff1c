"""The chat: streamed, stopped, branched, found again, and nothing in it that acts."""

from __future__ import annotations

import json
import shutil
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from selenium.webdriver.common.keys import Keys

from tests.browser.chat_page import ADDS, ChatPage, chat_daemon
from tests.browser.chromium import PHONE, WIDE, Chromium
from tests.browser.console_process import console
from tests.integration.conftest import smollm2  # noqa: F401 - a fixture
from tests.integration.daemon_process import DaemonProcess
from tests.native import standin

KEPT = """
const done = arguments[arguments.length - 1];
const asked = indexedDB.open("rkd-chat");
asked.onsuccess = () => {
  const all = asked.result.transaction("turns").objectStore("turns").getAll();
  all.onsuccess = () => {
    done(all.result.filter(one => one.turn.role === "assistant").map(one => one.turn.text).join());
    asked.result.close();
  };
};
"""
"""Text of the answers that the browser keeps."""
SLOW = "[[answer=count;tokens=3000;token_us=20000]]"
"""A minute of it: tests stop it, none waits for its end."""


def words(page: ChatPage) -> list[str]:
    """Return the words of the one answer that is shown."""
    (answer,) = page.answers()
    return answer.split()


@pytest.fixture(scope="module")
def daemon(
    tmp_path_factory: pytest.TempPathFactory,
    smollm2: Path,  # noqa: F811
) -> Iterator[DaemonProcess]:
    """A daemon with SmolLM2, and with models that say what they are told."""
    made = chat_daemon(tmp_path_factory.mktemp("chat"))
    for name, modelfile in (("smol", "PARAMETER num_predict 32\n"), ("story", "")):
        (made.models / name).mkdir()
        shutil.copy(smollm2, made.models / name)
        said = f"FROM ./{smollm2.name}\n{modelfile}"
        (made.models / name / "Modelfile").write_text(said, encoding="utf-8")
    with made:
        yield made


@pytest.fixture
def page(signed_in: Chromium) -> ChatPage:
    """The chat page, asking the parrot."""
    return ChatPage(signed_in)


class TestSmol:
    """With a model that has something to say."""

    @pytest.fixture
    def page(self, signed_in: Chromium) -> ChatPage:
        """The chat page, asking SmolLM2."""
        return ChatPage(signed_in, "smol")

    def test_an_answer_streams_and_has_its_figures(self, page: ChatPage) -> None:
        """First token, rate, tokens, where it ran, how it ended; the conversation has its name."""
        page.say("What is the capital of France?")
        page.ended()

        (answer,) = page.answers()
        figures = page.browser.find(".chat-figures summary").text
        assert answer.strip()
        for one in ("first token", "tokens/s", "tokens", "CPU"):
            assert one in figures
        assert "ended" in figures or "max_tokens" in figures
        assert (
            page.browser.find(".chat-open[aria-current]").text == "What is the capital of France?"
        )

    def test_an_answer_is_stopped_and_goes_on(self, page: ChatPage) -> None:
        """What has come stays, and the model goes on from its last word."""
        page.choose("story")
        page.say("Write a long story about a river that never ends.")
        page.browser.wait(lambda: len("".join(page.answers())) > 40, "some of it")
        page.browser.click(".chat-stop")
        page.ended()
        (begun,) = page.answers()
        page.browser.wait_text("stopped")
        page.press("Go on from here")
        page.browser.wait(lambda: len("".join(page.answers())) > len(begun), "more of it")
        page.browser.script("document.activeElement.blur()")
        page.browser.find("body").send_keys(Keys.ESCAPE)
        page.ended()

        assert page.answers()[0].split()[:5] == begun.split()[:5]
        assert len(page.answers()[0]) > len(begun)


class TestTurns:
    """Again, edit, branches, remove."""

    def test_a_question_is_edited_and_both_ways_stay(self, page: ChatPage) -> None:
        """Previous and next lead through the branches, each with its own answer."""
        page.say("first words")
        page.ended()
        page.press("Edit", "user")
        field = page.browser.find(".chat-edit")
        field.clear()
        field.send_keys("second words", Keys.CONTROL, Keys.ENTER)
        page.browser.wait(lambda: page.typed() == ["second words"], "the other question")
        page.ended()

        assert "second words" in page.answers()[0]
        assert page.browser.find(".chat-branches").text == "2/2"

        page.press("Previous branch", "user")
        page.browser.wait(lambda: page.typed() == ["first words"], "the first question")

        assert "first words" in page.answers()[0]

    def test_an_answer_is_made_again_beside_the_old(self, page: ChatPage) -> None:
        """It is a branch of its own."""
        page.say("words")
        page.ended()
        page.press("Answer again")
        page.browser.wait(lambda: page.browser.all(".chat-assistant .chat-branches"), "a branch")
        page.ended()

        assert page.browser.find(".chat-assistant .chat-branches").text == "2/2"

    def test_a_turn_is_removed_with_all_behind_it(self, page: ChatPage) -> None:
        """After a question; and a reload does not bring it back."""
        page.say("one")
        page.ended()
        page.say("two")
        page.ended(2)
        page.press("Remove", "user")
        page.browser.click_named("Yes")
        page.browser.wait(lambda: page.typed() == ["one"], "one turn left")
        page.open()
        page.browser.wait(lambda: page.typed() == ["one"], "one turn left")

        assert len(page.answers()) == 1

    def test_what_was_sent_comes_back_with_arrow_up(self, page: ChatPage) -> None:
        """In the empty field, the last first."""
        for text in ("one", "two"):
            page.say(text)
        page.ended(2)
        field = page.browser.find(".chat-field")
        field.send_keys(Keys.ARROW_UP, Keys.ARROW_UP)

        assert field.get_property("value") == "one"

        field.send_keys(Keys.ARROW_DOWN)

        assert field.get_property("value") == "two"

    def test_functions_are_called_and_their_results_sent(self, page: ChatPage) -> None:
        """The call is shown, what is typed as its result goes back, and the model answers."""
        page.choose("caller")
        page.browser.click_named("How to ask")
        page.browser.find(".chat-panel-json textarea").send_keys(ADDS)
        page.browser.click_named("Use these")
        page.browser.wait(lambda: not page.browser.all(".chat-panel"), "the dialog to close")
        page.say("What is 3 and 4?")
        page.browser.wait_text("Calls add")
        page.browser.type(".chat-call textarea", "7")
        page.press("Send the results")
        page.browser.wait_text("It is seven.")


class TestFoundAgain:
    """What a reload, another tab or a dead daemon leave."""

    def test_a_reload_finds_the_running_answer(self, page: ChatPage) -> None:
        """The console went on with it, and the page shows all of it."""
        page.say(SLOW)
        page.browser.wait(lambda: len("".join(page.answers())) > 40, "some of it")
        page.open()
        page.browser.find(".chat-running")
        page.browser.wait(page.answers, "what had come")
        before = len(words(page))
        page.browser.wait(lambda: len(words(page)) > before, "more of it")
        page.browser.click(".chat-stop")
        page.ended()

        assert set(words(page)) == {"tok"}
        assert len(words(page)) > before > 0

    def test_an_answer_that_ended_while_nobody_looked_is_there(self, page: ChatPage) -> None:
        """It waited in the console."""
        page.say("[[answer=count;tokens=100;token_us=20000]]")
        page.browser.wait(lambda: "".join(page.answers()), "some of it")
        page.browser.open("/operations")
        page.browser.wait_text("Operations")
        page.open()
        page.ended()

        assert words(page) == ["tok"] * 100

    def test_an_answer_goes_on_behind_another_conversation(self, page: ChatPage) -> None:
        """It is marked in the list while it is made, and found when it is opened."""
        page.say(SLOW)
        page.browser.wait(lambda: "".join(page.answers()), "some of it")
        page.fresh()
        page.browser.find(".chat-works")
        page.browser.click(".chat-open")
        page.browser.find(".chat-running")
        page.browser.click(".chat-stop")
        page.ended()
        page.browser.wait(lambda: not page.browser.all(".chat-works"), "the mark to go")

        assert set(words(page)) == {"tok"}

    def test_a_second_tab_shows_the_same(self, page: ChatPage) -> None:
        """While it is written, and what is asked in one appears in the other."""
        driver = page.browser.driver
        first = driver.current_window_handle
        page.say("hello")
        page.ended()
        driver.switch_to.new_window("tab")
        page.browser.size(WIDE)
        try:
            page.open()
            page.browser.click(".chat-open")
            page.browser.wait(lambda: page.typed() == ["hello"], "the same")
            page.say("from the second")
            page.ended(2)
            driver.switch_to.window(first)
            page.ended(2)

            assert page.typed() == ["hello", "from the second"]
        finally:
            driver.switch_to.window(driver.window_handles[-1])
            driver.close()
            driver.switch_to.window(first)

    def test_a_daemon_that_dies_is_told_and_asked_again(
        self, page: ChatPage, daemon: DaemonProcess
    ) -> None:
        """What had come stays, with why it ended; when it is back, the answer is made again."""
        page.say(SLOW)
        page.browser.wait(lambda: len("".join(page.answers())) > 40, "some of it")
        daemon.kill()
        page.browser.find(".chat-failure")
        (begun,) = page.answers()
        page.browser.wait(lambda: page.browser.find(".rkd-banner").is_displayed(), "the banner")
        page.browser.wait(
            lambda: page.browser.script(
                "return document.documentElement.scrollHeight <= innerHeight"
            ),
            "the page to make room for the banner",
        )
        daemon.start()
        page.browser.wait_text("The daemon is back.")
        page.press("Answer again")
        page.browser.wait(lambda: page.browser.all(".chat-assistant .chat-branches"), "a branch")
        page.browser.wait(lambda: len(words(page)) > 10, "some of it")
        page.browser.click(".chat-stop")
        page.ended()

        assert begun.split()[:2] == ["tok", "tok"]
        assert page.browser.all(".chat-failure") == []

    def test_a_console_that_is_started_anew_asks_who_it_is(
        self, chrome: Chromium, daemon: DaemonProcess, tmp_path: Path
    ) -> None:
        """The page leads to the form and back; what had come is there, and what was typed."""
        with socket.create_server(("127.0.0.1", 0)) as free:
            listen = {"RKD_CONSOLE_LISTEN": f"127.0.0.1:{free.getsockname()[1]}"}
        with console(daemon.environment, tmp_path, listen) as url:
            chrome.fresh(url)
            chrome.sign_in()
            page = ChatPage(chrome)
            page.say(SLOW)
            chrome.wait(
                lambda: chrome.driver.execute_async_script(KEPT).count("tok") > 10,
                "some of it kept",
            )
            chrome.find(".chat-field").send_keys("typed meanwhile")
        with console(daemon.environment, tmp_path, listen):
            chrome.wait(lambda: chrome.path == "/signin", "the form")
            chrome.click("#without")
            chrome.wait(lambda: chrome.path == "/chat", "the page")
            page.ended()

            assert page.answers()[0].count("tok") > 10
            assert chrome.find(".chat-field").get_property("value") == "typed meanwhile"
            chrome.wait_text("Go on from here")
        chrome.complaints()

    def test_conversations_are_exported_and_imported(self, page: ChatPage) -> None:
        """Into a browser that knows nothing, with their branches; twice is two conversations."""
        page.say("keep me")
        page.ended()
        page.press("Answer again")
        page.browser.wait(lambda: page.browser.all(".chat-branches"), "a branch")
        page.ended()
        page.browser.click_named("Export all conversations")
        file = page.browser.wait(
            lambda: next(iter(page.browser.downloads.glob("rkd-chat-*.json")), None), "the file"
        )
        saved = json.loads(file.read_text(encoding="utf-8"))
        page.browser.driver.execute_cdp_cmd(
            "Storage.clearDataForOrigin",
            {"origin": page.browser.url, "storageTypes": "indexeddb,local_storage"},
        )
        page.browser.script("sessionStorage.clear()")
        page.open()
        for count in (1, 2):
            page.browser.find(".chat-shelf input[type=file]").send_keys(str(file))
            page.browser.wait(lambda n=count: len(page.browser.all(".chat-open")) == n, "it")
        file.unlink()
        page.browser.click(".chat-open")
        page.browser.wait(lambda: page.typed() == ["keep me"], "the conversation")

        assert page.browser.find(".chat-branches").text == "2/2"
        assert (saved["format"], saved["version"], len(saved["conversations"])) == (
            "rkd-chat",
            1,
            1,
        )

    def test_a_file_that_is_none_is_refused(self, page: ChatPage, tmp_path: Path) -> None:
        """In a sentence, and nothing is kept."""
        file = tmp_path / "x.json"
        file.write_text('{"format": "rkd-chat", "version": 9, "conversations": []}')
        page.browser.find(".chat-shelf input[type=file]").send_keys(str(file))
        page.browser.wait_text("its version is 9")

        assert page.browser.all(".chat-open") == []


class TestOutside:
    """What models say and people attach."""

    def test_a_hostile_answer_is_text(self, page: ChatPage) -> None:
        """Scripts, pictures, links to scripts, what turns text round: all of it is read."""
        hostile = (
            r"<script>window.owned = 1</script>\n\n<img src=x onerror=window.owned=1>\n\n"
            r"[click](javascript:window.owned=1) ![p](http://127.0.0.1:9/p.png)\n\n"
            r"\xe2\x80\xaegnihton\n\n```<b>\n</code></pre><script>window.owned = 1</script>\n```"
        )
        page.say(f"[[answer={hostile}]]")
        page.ended()

        (answer,) = page.answers()
        assert "<script>window.owned = 1</script>" in answer
        assert "⟨202E⟩gnihton" in answer
        assert page.browser.script("return window.owned") is None
        assert page.browser.all(".chat-turn script, .chat-turn img, .chat-turn [onerror]") == []
        assert page.browser.all(".chat-turn a[href^=javascript]") == []

        page.open()
        page.ended()

        assert page.answers() == [answer]
        assert page.browser.script("return window.owned") is None

    def test_reasoning_is_folded(self, page: ChatPage) -> None:
        """Apart from the answer, and text as well."""
        page.choose("thinker")
        page.say("why?")
        page.ended()

        thought = page.browser.find(".chat-assistant .chat-reasoning")
        assert thought.get_property("open") is False
        assert "because <b>" in thought.get_property("textContent")
        assert words(page) == ["That", "is", "why."]

    def test_a_megabyte_is_drawn_and_the_page_lives(self, page: ChatPage) -> None:
        """In bounded pieces, the last of them at the end; what is typed meanwhile is there."""
        page.say("[[answer=count;tokens=262144;piece=512]]")
        page.browser.find(".chat-field").send_keys("meanwhile")
        page.ended()

        assert len(words(page)) == 262_144
        assert page.browser.find(".chat-field").get_property("value") == "meanwhile"
        pieces = page.browser.script("return document.querySelectorAll('.chat-block').length")
        assert 100 < pieces < 300

    def test_who_reads_above_is_left_there(self, page: ChatPage) -> None:
        """The answer grows below; a button leads to its end."""
        lines = r"line\n\n" * 400
        page.say(f"[[answer={lines};piece=3;token_us=60000]]")
        scroller = "document.querySelector('.chat-scroll')"
        page.browser.wait(
            lambda: page.browser.script(f"return {scroller}.scrollTop") > 100, "it to grow"
        )
        page.browser.script(f"{scroller}.scrollTop = 10")
        before = page.browser.script(f"return {scroller}.scrollHeight")
        page.browser.wait(
            lambda: page.browser.script(f"return {scroller}.scrollHeight") > before + 100, "more"
        )

        assert page.browser.script(f"return {scroller}.scrollTop") == 10

        page.browser.click_named("To the end")
        page.browser.click(".chat-stop")
        page.ended()
        page.browser.wait(
            lambda: page.browser.script(
                f"const s = {scroller}; return s.scrollHeight - s.scrollTop - s.clientHeight < 5"
            ),
            "the end",
        )

    def test_files_become_text(self, page: ChatPage, tmp_path: Path) -> None:
        """A text, and a PDF; long words that are pasted, too."""
        from tests.console.chat.pdfs import pdf  # noqa: PLC0415 - a program of another folder

        (tmp_path / "notes.txt").write_text("remember the milk")
        (tmp_path / "paper.pdf").write_bytes(pdf(["Abstract"]))
        page.attach(tmp_path / "notes.txt", tmp_path / "paper.pdf")
        page.browser.script(
            "const data = new DataTransfer(); data.setData('text/plain', 'x'.repeat(5000));"
            "document.querySelector('.chat-field').dispatchEvent("
            "new ClipboardEvent('paste', {clipboardData: data, bubbles: true, cancelable: true}))"
        )
        page.browser.wait(
            lambda: len(page.browser.all(".chat-chip:not([aria-busy])")) == 3, "what was pasted"
        )
        page.say("Sum up.")
        page.ended()

        (answer,) = page.answers()
        assert "File notes.txt:" in answer
        assert "remember the milk" in answer
        assert "Abstract" in answer
        assert len(page.browser.all(".chat-user .chat-file")) == 3

    def test_a_model_that_is_blind_says_why(self, page: ChatPage, tmp_path: Path) -> None:
        """Before anything is sent."""
        from tests.pictures import png  # noqa: PLC0415 - a program of another folder

        (tmp_path / "red.png").write_bytes(png())
        page.browser.find(".chat-composer input[multiple]").send_keys(str(tmp_path / "red.png"))
        page.browser.wait_text("parrot sees no pictures")

        assert page.browser.all(".chat-chip") == []

    def test_a_picture_is_seen_and_kept(self, page: ChatPage, tmp_path: Path) -> None:
        """It is shown with its turn, and is there after a reload to be asked about again."""
        from tests.pictures import png  # noqa: PLC0415 - a program of another folder

        (tmp_path / "red.png").write_bytes(png())
        page.choose("eye")
        page.browser.click_named("How to ask")
        page.browser.find("input[aria-label=max_tokens]").send_keys("4")
        page.browser.click_named("Use these")
        page.browser.wait(lambda: not page.browser.all(".chat-panel"), "the dialog to close")
        page.attach(tmp_path / "red.png")
        page.say("What is this?")
        page.ended()
        shown = "return document.querySelector('.chat-user img')?.naturalWidth"
        page.browser.wait(lambda: page.browser.script(shown) == 56, "the picture")
        page.open()
        page.browser.wait(lambda: page.browser.script(shown) == 56, "the picture again")
        page.press("Answer again")
        page.browser.wait(lambda: page.browser.all(".chat-assistant .chat-branches"), "a branch")
        page.ended()

        assert page.browser.all(".chat-failure") == []


class TestPage:
    """The page itself."""

    def test_two_models_answer_side_by_side(self, page: ChatPage) -> None:
        """Each in its lane, on the same question; then one alone again."""
        page.browser.click_named("Two models side by side")
        page.browser.wait(lambda: len(page.browser.all(".chat-lane")) == 2, "two lanes")
        page.choose("smol", 1)
        page.say("What is the capital of France?")
        page.ended(2)

        parrot, smol = page.answers()
        assert "capital of France?" in parrot
        assert smol.strip()
        assert [one.text for one in page.browser.all(".chat-model")] == ["parrot", "smol"]

        page.browser.click_named("Two models side by side")
        page.browser.wait(lambda: len(page.browser.all(".chat-lane")) == 1, "one lane")

    def test_shortcuts_have_a_sheet(self, page: ChatPage) -> None:
        """By their own shortcut, too."""
        page.browser.find(".chat-field").send_keys(Keys.ALT, "/")
        page.browser.find("dialog[open]")
        page.browser.wait_text("Stop the answer")

    def test_copying_works_without_https(self, page: ChatPage) -> None:
        """The old way, where the browser gives no clipboard."""
        page.browser.script(
            "Object.defineProperty(window, 'isSecureContext', {value: false});"
            "document.addEventListener('copy', () => window.copied = document.activeElement.value)"
        )
        page.say(r"[[answer=text\n\n```\nx = 1\n```]]")
        page.ended()
        page.press("Copy the code")
        page.browser.wait(lambda: page.browser.script("return window.copied") == "x = 1", "code")
        page.press("Copy")
        page.browser.wait(
            lambda: page.browser.script("return window.copied") == "text\n\n```\nx = 1\n```", "text"
        )

    def test_a_phone_has_it_all(self, page: ChatPage) -> None:
        """Nothing is wider than the phone, and the field stands at its lower end."""
        page.browser.size(PHONE)
        page.open()
        page.say(f"[[answer={'x' * 300} `{'y' * 300}`]]")
        page.ended()

        assert page.browser.script("return document.documentElement.scrollWidth") <= PHONE[0]
        field = "document.querySelector('.chat-composer').getBoundingClientRect()"
        assert PHONE[1] - 40 < page.browser.script(f"return {field}.bottom") <= PHONE[1]

        width, height = PHONE
        page.browser.size((width, height - 300))  # what a keyboard leaves
        page.browser.wait(
            lambda: 0 < page.browser.script(f"return {field}.bottom") <= height - 300, "the field"
        )

        assert page.browser.script(f"return {field}.top") > 200

        page.browser.size(PHONE)
        page.browser.click_named("Conversations")
        page.browser.click(".chat-shelf .chat-fresh")
        page.browser.wait(lambda: not page.browser.all(".chat-turn"), "an empty conversation")

    def test_nothing_serious_is_found(self, page: ChatPage) -> None:
        """By axe: the page, its dialog, the sheet, two lanes, light and dark."""
        page.say(
            r"[[answer=# T\n\ntext `c` [l](http://x.y)\n\n```py\nx\n```\n\n|a|b|\n|-|-|\n|c|d|]]"
        )
        page.ended()
        page.browser.click(".chat-figures summary")
        for look in ("light", "dark"):
            page.browser.script(f"document.cookie = 'rkd_dark={look}; path=/; samesite=strict'")
            page.open()
            page.ended()

            assert page.browser.serious() == []

            page.browser.click_named("How to ask")
            page.browser.find(".chat-panel-grid")

            assert page.browser.serious() == []

            page.browser.click_named("Use these")
            page.browser.wait(lambda: not page.browser.all(".chat-panel"), "the dialog to close")
            page.browser.find(".chat-field").send_keys(Keys.ALT, "/")
            page.browser.find("dialog[open]")

            assert page.browser.serious() == []

            page.browser.find("dialog[open]").send_keys(Keys.ESCAPE)


STORY = (
    r"Rivers carry **about 40,000 km³** of water to the sea each year. The longest ones:\n\n"
    r"| river | length |\n|---|---|\n| Nile | 6,650 km |\n| Amazon | 6,400 km |\n\n"
    r"A function that sorts them:\n\n```python\ndef longest(rivers: dict[str, int]) -> list[str]:\n"
    r"    # By length, the longest first.\n"
    r"    return sorted(rivers, key=rivers.__getitem__, reverse=True)\n```\n\n"
    r"- lengths are those of the main stem\n- figures differ by source"
)


class TestPictures:
    """The page as the docs show it; they are looked at by people."""

    def test_the_page_is_shown_in_four_ways(self, page: ChatPage, daemon: DaemonProcess) -> None:
        """Light and dark, wide and on a phone; two lanes and the dialog once."""
        home = daemon.models / "parrot"
        standin.weights(home / "m.rkllm", answer=STORY, token_us=50_000)
        page.say("Which rivers are the longest? Show me how to sort them in Python.")
        page.ended()
        for look in ("light", "dark"):
            page.browser.script(f"document.cookie = 'rkd_dark={look}; path=/; samesite=strict'")
            for size, said in ((WIDE, "wide"), (PHONE, "phone")):
                page.browser.size(size)
                page.open()
                page.ended()
                page.browser.picture(f"chat-{look}-{said}")
