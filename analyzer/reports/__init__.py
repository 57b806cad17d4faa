"""The weekly cost report: a ledger of versions, and files that all show the same statement."""

from analyzer.reports.document import FORMATS, Document
from analyzer.reports.ledger import Report, build_report, close_weeks

__all__ = ["FORMATS", "Document", "Report", "build_report", "close_weeks"]
