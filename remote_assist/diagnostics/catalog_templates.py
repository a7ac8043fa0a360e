"""What `kb new` writes: documents that lint and test at once, to be changed into one's own."""

TEMPLATES = {
    "issue": """apiVersion: remote-assist/v1
kind: KnownIssue
metadata: {id: ID, version: 1, title: What is wrong in a few words, severity: medium, category: disk}
platforms: [linux]
collect: [filesystems]
foreach: {item: f, in: filesystems}
outcomes:                      # the first whose `when` is true is the finding
  - fail: {when: f.used_pct >= 95.0, message: '{f.mount} is {f.used_pct} % full.'}
  - warn: {when: f.used_pct >= 85.0, message: '{f.mount} is {f.used_pct} % full.'}
  - pass: {message: '{f.mount} has room.'}
explanation: |
  What a technician can read to a customer: what it means, what it leads to, what to do first.
evidence: [filesystems]
tests:                         # at least: it fails, it passes, it cannot be said
  - {name: full, facts: {filesystems: [{mount: /, used_pct: 97.0}]}, expect: [fail]}
  - {name: soon full, facts: {filesystems: [{mount: /, used_pct: 90.0}]}, expect: [warn]}
  - {name: room, facts: {filesystems: [{mount: /, used_pct: 20.0}]}, expect: [pass]}
  - {name: facts are missing, facts: {}, expect: [unknown]}
""",
    "fix": """apiVersion: remote-assist/v1
kind: Fix
metadata: {id: ID, version: 1, title: What is done in a few words}
platforms: [linux]
parameters:
  unit: {type: unit, from: u.name, description: the service}   # `from`: how a finding fills it
elevation: required
consent: {text: 'Restart {params.unit}.'}                      # what the customer is asked
risk: {impact: '{params.unit} is away for a moment', downtime: short, reversible: full}
precheck:
  - when: services.exists(s, s.name == params.unit)
    says: '{params.unit} is a service here'
    message: '{params.unit} is no service here'
steps:
  - {name: restart it, service: {name: '{params.unit}', state: restarted}}
verify:
  - collect: [services]
    when: services.exists(s, s.name == params.unit && s.state == "active")
    says: '{params.unit} runs'
    retries: 5
    delay: 1s
rollback: auto
""",
    "collector": """apiVersion: remote-assist/v1
kind: Collector
metadata: {id: ID, version: 1, title: What is collected}
sensitivity: internal          # public | internal | pii | secret
limits: {timeout: 10s, max_bytes: 64KiB}
implementations:
  - os: linux
    command: {argv: [uptime, --pretty]}
    extract: {up: '^up (?P<up>.+)$'}
fields: {up: string}
""",
}
"""Kind → text with ID for the id."""


def new_document(kind: str, name: str) -> str:
    """A document of a kind under a name."""
    return TEMPLATES[kind].replace("ID", name, 1)
