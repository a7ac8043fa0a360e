"""The reports there are, by name. docs/compliance.md says what each is evidence for; a test holds it to this list."""

from collections.abc import Callable

from remote_assist.audit.reports.incidents import incidents
from remote_assist.audit.reports.maintenance import maintenance_record
from remote_assist.audit.reports.people import access_list, consent_receipts, review_log
from remote_assist.audit.reports.report import Report
from remote_assist.audit.reports.trail import audit_trail, change_list, control_failures
from remote_assist.audit.whole_log import WholeLog

REPORTS: dict[str, Callable[[WholeLog], Report]] = {
    "maintenance-record": maintenance_record,
    "access-list": access_list,
    "consent-receipts": consent_receipts,
    "change-list": change_list,
    "audit-trail": audit_trail,
    "review-log": review_log,
    "control-failures": control_failures,
    "incidents": incidents,
}
