"""Facts of the last bundle as a tree, opened branch by branch so that a large bundle costs nothing unseen."""

from collections.abc import Iterator, Mapping

from rich.text import Text
from textual.app import ComposeResult
from textual.containers import Container
from textual.widgets import Static, Tree
from textual.widgets.tree import TreeNode

from remote_assist.tui.theme import ACCENT, FAINT
from remote_assist.tui.widgets.evidence import pointer_steps
from remote_assist.tui.widgets.lines import keys_line
from remote_assist.tui.widgets.text import joined, shown

MAX_CHILDREN = 500
"""Most entries drawn of one branch; the rest is counted."""

MAX_VALUE_CHARS = 400


class FactsPane(Container):
    """Shows a mapping of facts."""

    def compose(self) -> ComposeResult:
        yield Static(joined("No bundle yet.\n\n", keys_line(("d", "take a first look"))), classes="empty")
        yield Tree[object](Text("facts", end=""))

    def on_mount(self) -> None:
        tree = self._tree
        tree.show_root = False
        tree.guide_depth = 3
        tree.display = False

    def show_facts(self, facts: Mapping[str, object]) -> None:
        """Replace the tree."""
        tree = self._tree
        tree.clear()
        tree.root.data = facts
        _grow(tree.root)
        tree.root.expand()
        tree.display = True
        self.query_one(Static).display = False

    def reveal(self, collector: str, pointer: str) -> None:
        """Open the branches down to a fact, as far as they exist, and put the cursor there."""
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
        if self._tree.display:
            self._tree.focus()

    def on_tree_node_expanded(self, event: Tree.NodeExpanded[object]) -> None:
        if not event.node.children:
            _grow(event.node)

    @property
    def _tree(self) -> Tree[object]:
        return self.query_one(Tree)


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
