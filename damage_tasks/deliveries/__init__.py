"""Sends events about inspections to SNS, SQS, EventBridge and webhooks."""
