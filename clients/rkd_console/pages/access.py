"""Tokens: who may do what. One is made and shown once; one is revoked."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from nicegui import ui
from rkd_client.errors import RkdError
from rkd_client.v1.access import AccessToken

from rkd.access.role import Role
from rkd_console.elements import Rows, card, named, words
from rkd_console.safe import shown
from rkd_console.visit import Visit

MOST: Final = 200
DAY_S: Final = 86_400.0
ENDS: Final = {"never": None, "day": DAY_S, "month": 30 * DAY_S, "year": 365 * DAY_S}
ROLES: Final = (Role.READ, Role.GENERATE, Role.MANAGE, Role.ADMIN)


def build(visit: Visit) -> None:
    """Build the page."""
    if not visit.may(Role.ADMIN):
        with card(visit.text("access.title")):
            words("p", visit.text("access.forbidden", role=visit.role.word))
        return
    Access(visit)


class Access:
    """The form for a new token, and the list."""

    def __init__(self, visit: Visit) -> None:
        self._visit = visit
        with card(visit.text("access.new")):
            self._warning = words("p", visit.text("access.first"), "rkd-warn")
            self._warning.set_visibility(not visit.session.has_token)
            self._form()
            self._made = ui.element("div").props('role="status"')
        with card(visit.text("access.title")):
            self._none = words("p", visit.text("access.none"), "rkd-soft")
            self._rows = Rows(ui.element("div"), self._row, most=MOST)
            self._more = words("p", "", "rkd-soft")
        visit.task(self._list())

    def _form(self) -> None:
        text = self._visit.text
        roles = {role.word: text(f"access.role.{role.word}") for role in ROLES}
        ends = {key: text(f"access.ends.{key}") for key in ENDS}
        # Where nobody needed one until now, the first one is of who makes it: he needs it himself.
        first = Role.GENERATE if self._visit.session.has_token else Role.ADMIN
        with ui.element("div").classes("rkd-form"):
            self._name = ui.input(text("access.name")).props("dense outlined maxlength=64")
            self._role = ui.select(roles, value=first.word, label=text("access.role"))
            self._ends = ui.select(ends, value="never", label=text("access.ends"))
            for one in (self._name, self._role, self._ends):
                one.props("dense outlined").classes("rkd-grow")
            ui.button(text("access.make"), on_click=self._begin).props("no-caps unelevated")

    def _begin(self) -> None:
        self._visit.task(self._make())

    async def _make(self) -> None:
        made = await self._visit.client.create_token(
            str(self._name.value or ""),
            role=self._role.value,
            lifetime_s=ENDS[str(self._ends.value)],
        )
        self._name.value = ""
        self._show(made.text)
        if not self._visit.session.has_token:
            # From now on nobody gets in without one, and he has this one.
            await self._visit.adopt(made.text)
            self._warning.text = self._visit.text("access.closed")
        if self._visit.may(Role.ADMIN):
            await self._list()

    def _show(self, token: str) -> None:
        self._made.clear()
        with self._made, ui.element("div").classes("rkd-once"):
            words("p", self._visit.text("access.once"), "rkd-strong")
            with ui.element("div").classes("rkd-line"):
                words("code", token, "rkd-foreign rkd-token")
                copy = ui.button(icon="content_copy").props("flat round dense")
                named(copy, self._visit.text("access.copy"))
                copy.on("click", js_handler="(event) => rkdCopyBefore(event.currentTarget)")

    async def _list(self) -> None:
        answer = await self._visit.client.tokens()
        self._none.set_visibility(not answer.tokens)
        listed = sorted(answer.tokens, key=lambda one: (one.name.casefold(), one.id))
        more = self._rows.show((one.id, one) for one in listed)
        self._more.text = self._visit.text("board.more", count=more) if more > 0 else ""

    def _row(self) -> Callable[[AccessToken], None]:
        held: list[AccessToken] = []
        with ui.element("div").classes("rkd-line"):
            with ui.element("div"):
                name = words("div", "", "rkd-strong rkd-foreign")
                detail = words("div", "", "rkd-soft rkd-small rkd-foreign")
            button = ui.button(icon="delete", on_click=lambda: self._ask(held[0]))
            button.props("flat round dense")

        def show(one: AccessToken) -> None:
            held[:] = [one]
            name.text = shown(one.name, 80)
            named(button, self._visit.text("access.revoke", name=shown(one.name, 80)))
            detail.text = " · ".join(self._details(one))

        return show

    def _details(self, one: AccessToken) -> list[str]:
        text = self._visit.text
        known = one.role in {role.word for role in ROLES}
        told = [text(f"access.role.{one.role}") if known else shown(one.role, 20), one.id]
        if one.created:
            told.append(text("access.created", when=f"{one.created.astimezone():%Y-%m-%d}"))
        if one.expires:
            told.append(text("access.expires", when=f"{one.expires.astimezone():%Y-%m-%d %H:%M}"))
        return told

    def _ask(self, one: AccessToken) -> None:
        text = self._visit.text
        with ui.dialog() as dialog, ui.element("div").classes("rkd-card rkd-dialog"):
            named(dialog, text("access.revoke", name=shown(one.name, 80)))
            words("p", text("access.sure", name=shown(one.name, 80)))
            with ui.element("div").classes("rkd-line"):
                ui.button(text("access.keep"), on_click=dialog.close).props("flat no-caps")
                revoke = ui.button(text("access.do"), color="negative")
                revoke.props("no-caps unelevated")
                revoke.on_click(lambda: (dialog.close(), self._visit.task(self._revoke(one.id))))
        dialog.on("hide", dialog.delete)
        dialog.open()

    async def _revoke(self, token_id: str) -> None:
        await self._visit.client.revoke_token(token_id)
        try:
            await self._list()
        except RkdError:
            ui.navigate.to("/signin")  # it was the token he came with
