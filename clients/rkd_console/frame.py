"""The common frame: navigation, language, dark and light, who is signed in, who is gone."""

from __future__ import annotations

from nicegui import ui

from rkd_console.asked import DARK, LANGUAGE
from rkd_console.elements import named, words
from rkd_console.feed import Change
from rkd_console.pages import PAGES
from rkd_console.pages.stock import bell
from rkd_console.texts import NAMES
from rkd_console.visit import Visit

ICONS = {
    "board": "memory",
    "models": "inventory_2",
    "hub": "cloud_download",
    "chat": "chat",
    "operations": "task",
    "access": "key",
}


def build(visit: Visit, name: str) -> ui.element:
    """Build the frame of the page called *name* and return the place of its content."""
    words("a", visit.text("shell.skip"), "rkd-skip").props('href="#content"')
    with ui.element("header").classes("rkd-header"):
        menu = ui.button(icon="menu").props('flat round dense aria-expanded="false"')
        named(menu, visit.text("shell.menu")).classes("rkd-menu").on(
            "click", js_handler="(event) => rkdMenu(event.currentTarget)"
        )
        words("h1", visit.text(f"shell.nav.{name}"), "rkd-title")
        ui.space()
        _choices(visit)
    _banner(visit)
    bell.ring(visit)
    with ui.element("div").classes("rkd-shell"):
        _navigation(visit, name)
        return ui.element("main").props('id="content" tabindex="-1"').classes("rkd-main")


def _navigation(visit: Visit, name: str) -> None:
    with named(ui.element("nav").classes("rkd-nav"), visit.text("shell.menu")):
        for page in PAGES:
            if not visit.may(page.role):
                continue
            link = ui.element("a").props(f'href="{page.path}"').classes("rkd-link")
            if page.name == name:
                link.props('aria-current="page"')
            with link:
                ui.icon(ICONS[page.name]).props('aria-hidden="true"')
                words("span", visit.text(f"shell.nav.{page.name}"))


def _choices(visit: Visit) -> None:
    with ui.button(icon="settings").props("flat round dense") as button:
        named(button, visit.text("shell.settings"))
        with ui.menu().props("auto-close"):
            for language, said in NAMES.items():
                _choice(said, LANGUAGE, language, chosen=visit.language == language)
            ui.separator()
            now = {True: "dark", False: "light", None: "auto"}[visit.asked.dark]
            for look in ("auto", "light", "dark"):
                said = visit.text(f"shell.appearance.{look}")
                _choice(said, DARK, look, chosen=look == now)
            ui.separator()
            said = ui.menu_item(visit.text("shell.role", role=visit.role.word))
            said.props('role="menuitem" aria-disabled="true"')
            out = ui.menu_item(visit.text("shell.sign_out")).props('role="menuitem"')
            out.on("click", js_handler="() => rkdSignOut()")


def _choice(said: str, cookie: str, value: str, *, chosen: bool) -> None:
    item = ui.menu_item(said)
    item.props(f'role="menuitemradio" aria-checked="{str(chosen).lower()}"')
    item.on("click", js_handler=f"() => rkdChoose('{cookie}', '{value}')")
    if chosen:
        item.classes("rkd-chosen")


def _banner(visit: Visit) -> None:
    with ui.element("div").props('role="status" aria-live="polite"'):
        banner = words("div", visit.text("shell.gone"), "rkd-banner")
    banner.set_visibility(visit.feed.is_gone)

    def told(change: Change) -> None:
        if change == "gone":
            banner.set_visibility(True)
        elif change == "back":
            banner.set_visibility(False)
            ui.notify(visit.text("shell.back"), type="positive")

    visit.listen(told)
