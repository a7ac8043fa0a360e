"""What a bundle holds: the facts as a tree opened branch by branch, its texts, and a search through all of it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import ClassVar

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container
from textual.message import Message
from textual.widgets import DataTable, Input, Static, Tree
from textual.widgets.tree import TreeNode

from remote_assist.technician.fact_search import MAX_HITS, FactHit
from remote_assist.tui.focus import may_take_focus
from remote_assist.tui.jobs import facts as jobs
from remote_assist.tui.messages import FactsFound, JobFailed
from remote_assist.tui.theme import ACCENT, FAINT
from remote_assist.tui.widgets.evidence import pointer_steps
from remote_assist.tui.widgets.lines import keys_line
from remote_assist.tui.widgets.table import FitTable, Row
from remote_assist.tui.widgets.text import joined, shown
from remote_assist.tui.words import size
from remote_assist.tui.work import Work

MAX_CHILDREN = 500
"""Most entries drawn of one branch; the rest is counted."""

MAX_VALUE_CHARS = 400
MAX_WORD = 200


@dataclass(frozen=True, slots=True)
class BundleText:
    """A text beside the facts, as a leaf of the tree."""

    name: str
    content: str


class FactsPane(Container):
    """A tree of facts and texts; while a search is shown, the places found instead."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("slash", "ask_word", "search", key_display="/"),
        Binding("escape,backspace", "tree", "tree", key_display="esc", show=False),
    ]

    @dataclass
    class TextChosen(Message):
        """Show this text of the bundle."""

        name: str
        content: str

    def __init__(self, work: Work, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._work = work
        self._facts: Mapping[str, object] = {}
        self._found: list[FactHit] = []

    def compose(self) -> ComposeResult:
        yield Static(joined("No bundle yet.\n\n", keys_line(("d", "take a first look"))), classes="empty")
        yield Tree[object](Text("facts", end=""))
        yield Static(id="found", classes="quiet")
        yield FitTable(("where", "value"), flexible=1, id="hits")
        yield Input(id="fact-word", max_length=MAX_WORD, placeholder="search names and values")

    def on_mount(self) -> None:
        tree = self._tree
        tree.show_root = False
        tree.guide_depth = 3
        for part in (tree, self.query_one("#found"), self.query_one(FitTable), self.query_one(Input)):
            part.display = False

    def show_facts(self, facts: Mapping[str, object], texts: Mapping[str, str]) -> None:
        """Replace the tree."""
        tree = self._tree
        tree.clear()
        self._facts = facts
        tree.root.data = facts
        _grow(tree.root)
        if texts:
            branch = tree.root.add(joined(("texts", "bold"), (f"  [{len(texts)}]", FAINT)), data=None, expand=True)
            for name, content in list(texts.items())[:MAX_CHILDREN]:
                label = joined(shown(name, ACCENT, max_chars=120), (f"  {size(len(content))}", FAINT))
                branch.add_leaf(label, data=BundleText(name, content))
        tree.root.expand()
        self.query_one(".empty").display = False
        self._show_hits(shown_now=False)

    def reveal(self, collector: str, pointer: str) -> None:
        """Open the branches down to a fact, as far as they exist, and put the cursor there."""
        self.action_tree()
        node = self._tree.root
        for step in [collector, *pointer_steps(pointer)]:
            names = [name for name, _ in _entries(node.data)][:MAX_CHILDREN]
            if step not in names or not node.allow_expand:
                break
            if not node.children:
                _grow(node)
            node.expand()
            node = node.children[names.index(step)]
        node.expand()
        self.call_after_refresh(self._tree.move_cursor, node)

    def focus_list(self) -> None:
        shown_now = self.query_one(FitTable) if self.query_one(FitTable).display else self._tree
        if shown_now.display:
            self.screen.set_focus(shown_now)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """In the tree itself these keys are others'."""
        searching = self.query_one("#hits").display or self.query_one(Input).display
        return super().check_action(action, parameters) if searching or action != "tree" else False

    def action_ask_word(self) -> None:
        if self._facts:
            self.query_one(Input).display = True
            self.query_one(Input).focus()

    def action_tree(self) -> None:
        """The tree again."""
        if self._tree.root.data is not None:
            self.query_one(Input).display = False
            self._show_hits(shown_now=False)
            self._tree.focus()

    @on(Input.Submitted, "#fact-word")
    def look_up(self, submitted: Input.Submitted) -> None:
        submitted.stop()
        self.query_one(Input).display = False
        jobs.look_up(self._work, self, self._facts, submitted.value)

    @on(FactsFound)
    def show_found(self, found: FactsFound) -> None:
        self._found = list(found.hits)
        more = ", the first ones" if len(self._found) >= MAX_HITS else ""
        words = f"  {len(self._found)} found{more}   enter shows it in the tree, esc back to the tree"
        self.query_one("#found", Static).update(joined(shown(found.word, "bold", max_chars=80), (words, FAINT)))
        self.query_one(FitTable).show_rows([hit_row(str(at), hit) for at, hit in enumerate(self._found)])
        self._show_hits(shown_now=True)
        if may_take_focus(self):
            self.query_one(FitTable).focus()

    @on(JobFailed)
    def show_failure(self, failed: JobFailed) -> None:
        failed.stop()
        self.notify(shown(failed.problem.sentence, max_chars=300).plain, severity="error", markup=False)

    @on(DataTable.RowSelected, "#hits")
    def reveal_chosen(self, event: DataTable.RowSelected) -> None:
        event.stop()
        if (key := self.query_one(FitTable).selected) is not None:
            hit = self._found[int(key)]
            self.reveal(hit.collector, hit.pointer)

    @on(Tree.NodeSelected)
    def open_text(self, event: Tree.NodeSelected[object]) -> None:
        if isinstance(event.node.data, BundleText):
            self.post_message(self.TextChosen(event.node.data.name, event.node.data.content))

    def on_tree_node_expanded(self, event: Tree.NodeExpanded[object]) -> None:
        if not event.node.children:
            _grow(event.node)

    def _show_hits(self, *, shown_now: bool) -> None:
        self.query_one("#found").display = self.query_one(FitTable).display = shown_now
        self._tree.display = not shown_now

    @property
    def _tree(self) -> Tree[object]:
        return self.query_one(Tree)


def hit_row(key: str, hit: FactHit) -> Row:
    """`listening_ports#/0/port   80`"""
    where = joined(shown(hit.collector, ACCENT, max_chars=80), shown(f"#{hit.pointer}", FAINT, max_chars=200))
    return Row(key, (where, shown(hit.value, max_chars=MAX_VALUE_CHARS)))


def _grow(node: TreeNode[object]) -> None:
    for count, (name, value) in enumerate(_entries(node.data)):
        if count == MAX_CHILDREN:
            node.add_leaf(Text("… more entries are in the bundle", FAINT, end=""))
            return
        if isinstance(value, Mapping | list | tuple) and value:
            node.add(joined(shown(name, ACCENT, max_chars=120), (f"  {_measure(value)}", FAINT)), data=value)
        else:
            node.add_leaf(joined(shown(name, ACCENT, max_chars=120), "  ", _leaf(value)))


def _entries(value: object) -> Iterator[tuple[str, object]]:
    if isinstance(value, Mapping):
        yield from ((str(name), item) for name, item in value.items())
    elif isinstance(value, list | tuple):
        yield from ((str(number), item) for number, item in enumerate(value))


def _measure(value: Mapping[object, object] | list[object] | tuple[object, ...]) -> str:
    if isinstance(value, list | tuple):
        return f"[{len(value)}]"
    name = value.get("name") or value.get("id")
    return str(shown(name, max_chars=60)) if isinstance(name, str) else f"{{{len(value)}}}"


def _leaf(value: object) -> Text:
    if isinstance(value, Mapping | list | tuple):
        return Text("empty", FAINT, end="")
    if value is None:
        return Text("unknown", FAINT, end="")
    if isinstance(value, bool):
        return Text("yes" if value else "no", end="")
    return shown(value if isinstance(value, str | bytes) else str(value), max_chars=MAX_VALUE_CHARS)
