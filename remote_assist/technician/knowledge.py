"""The known issues of this machine's catalog as articles to read: what each says, when it holds, what would fix it."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Article:
    """A known issue or a fix. `kind`: issue or fix; `severity`: of an issue its own, of a fix its risk."""

    id: str
    kind: str
    title: str
    severity: str
    category: str
    lines: tuple[str, ...]


def articles() -> tuple[Article, ...]:
    """Everything known, issues before fixes, each by name. The packs installed here are part of it."""
    from remote_assist.diagnostics.catalog_explain import explain  # both load the catalog's readers
    from remote_assist.technician.evidence import catalog

    known = catalog()
    issues = [
        Article(one.id, "issue", one.title, one.severity, one.category, tuple(explain(one, known)))
        for _, one in sorted(known.issues.items())
    ]
    fixes = [
        Article(one.id, "fix", one.title, one.risk.level, "", tuple(explain(one, known)))
        for _, one in sorted(known.fixes.items())
    ]
    return (*issues, *fixes)
