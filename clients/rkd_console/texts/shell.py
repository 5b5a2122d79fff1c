"""Texts of the frame, signing in, the board, operations and access."""

from __future__ import annotations

from typing import Final

TEXTS: Final[dict[str, tuple[str, str, str]]] = {
    "shell.title": ("rkd console", "Console rkd", "rkd 控制台"),
    "shell.skip": ("Skip to the content", "Aller au contenu", "跳到正文"),
    "shell.menu": ("Menu", "Menu", "菜单"),
    "shell.settings": ("Language and appearance", "Langue et apparence", "语言和外观"),
    "shell.appearance.auto": ("As the system", "Comme le système", "跟随系统"),
    "shell.appearance.light": ("Light", "Clair", "浅色"),
    "shell.appearance.dark": ("Dark", "Sombre", "深色"),
    "shell.sign_out": ("Sign out", "Se déconnecter", "退出登录"),
    "shell.role": ("Role: {role}", "Rôle : {role}", "角色：{role}"),
    "shell.gone": (
        "The daemon does not answer. This page goes on by itself when it is back.",
        "Le démon ne répond pas. Cette page reprendra d’elle-même à son retour.",
        "守护进程没有响应。恢复后本页会自动继续。",
    ),
    "shell.back": ("The daemon is back.", "Le démon est de retour.", "守护进程已恢复。"),
    "shell.nav.board": ("Board", "Carte", "主板"),
    "shell.nav.models": ("Models", "Modèles", "模型"),
    "shell.nav.hub": ("Hub", "Hub", "Hub"),
    "shell.nav.chat": ("Chat", "Discussion", "对话"),
    "shell.nav.operations": ("Operations", "Opérations", "操作"),
    "shell.nav.access": ("Access", "Accès", "访问"),
    "shell.empty": ("Nothing here yet.", "Rien ici pour l’instant.", "这里还没有内容。"),
    "signin.title": ("Sign in", "Connexion", "登录"),
    "signin.token": ("Access token", "Jeton d’accès", "访问令牌"),
    "signin.hint": (
        "Make one on the board: rkctl token create --role manage",
        "Créez-en un sur la carte : rkctl token create --role manage",
        "在板子上创建：rkctl token create --role manage",
    ),
    "signin.open": (
        "This board has no tokens: everybody on this machine may use it.",
        "Cette carte n’a pas de jeton : chacun sur cette machine peut l’utiliser.",
        "此板没有令牌：本机上的任何人都可以使用。",
    ),
    "signin.without": ("Go on without a token", "Continuer sans jeton", "不使用令牌继续"),
    "signin.go": ("Sign in", "Se connecter", "登录"),
}
