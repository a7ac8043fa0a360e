"""WRITES DOWN: journal, verification, timelines, receipts, exports."""
