"""The knowledge base: every known issue with why, conditions and fixes, and every fix with its steps."""

from typing import ClassVar

from textual import on

from remote_assist.technician.knowledge import Article
from remote_assist.tui.jobs import reading
from remote_assist.tui.messages import ArticlesRead
from remote_assist.tui.screens.browse import BrowseScreen, Item
from remote_assist.tui.theme import FAINT, FIX, SEVERITY
from remote_assist.tui.widgets.text import joined, shown


class KnowledgeScreen(BrowseScreen):
    """Read-only: what the catalog of this machine knows."""

    HEADING = "known issues and fixes"
    COLUMNS: ClassVar[tuple[str, ...]] = ("", "title", "name")
    FLEXIBLE, SPARE = 1, (2,)

    def action_load(self) -> None:
        reading.load_articles(self._work, self)

    @on(ArticlesRead)
    def show_articles(self, read: ArticlesRead) -> None:
        self.show_items([article_item(article) for article in read.articles])


def article_item(article: Article) -> Item:
    """One line of the knowledge base; a search looks in the whole text."""
    sign, colour = ("⚒", FIX) if article.kind == "fix" else SEVERITY.get(article.severity, ("?", FAINT))
    text = "\n".join(article.lines)
    return Item(
        f"{article.kind} {article.id}",
        (
            joined((f"{sign} ", colour), shown(article.severity, colour, max_chars=12)),
            shown(article.title, max_chars=200),
            shown(article.id, FAINT, max_chars=100),
        ),
        shown(text, lines=True, max_chars=20_000),
        words=text,
    )
