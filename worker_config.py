"""Celery's settings, under Celery's own names, from the validated environment.

``celery -A damage_tasks worker`` reads this module.  docs/adr/ gives the reasons for the values.
"""

from kombu.entity import Queue

from damage_tasks.lanes import URGENT
from damage_tasks.settings import get_settings
from damage_tasks.sqs.celery_message import PLAIN_JSON_TYPE
from damage_tasks.sqs.compact_message import CONTENT_TYPE_ATTRIBUTE
from damage_tasks.sqs.trace_headers import AWS_TRACE_HEADER, TRACE_HEADERS

_settings = get_settings()
_queues = _settings.queue_urls if _settings.queue_url else {"damage": ""}
_queue = next(iter(_queues))

# --- broker: SQS.  The URL contains no credentials: boto3 finds the pod's role, and
# AWS_ENDPOINT_URL can point to an emulator.
broker_url = "sqs://"
broker_transport = "damage_tasks.sqs.transport:Transport"
broker_transport_options = {
    "region": _settings.region,
    # With predefined queues, kombu never lists or creates queues. Without a queue URL, sending
    # and starting a worker raise `SettingsError`.
    "predefined_queues": {name: {"url": url} for name, url in _queues.items()},
    "urgent_queue": URGENT if _settings.urgent_queue_url else None,
    "fetch_message_attributes": {
        "MessageSystemAttributeNames": [
            "ApproximateReceiveCount",
            "MessageGroupId",
            "SentTimestamp",
            AWS_TRACE_HEADER,
        ],
        "MessageAttributeNames": [CONTENT_TYPE_ATTRIBUTE, *TRACE_HEADERS],
    },
    # kombu's asynchronous client times out after 20 s, so a poll must be shorter.
    "wait_time_seconds": 10,
    # Pause after an empty response; with 0, an endpoint without long polling would be polled in
    # a busy loop.
    "polling_interval": 1,
    "prefetch": _settings.prefetch_per_process,
    "refusal_patience": _settings.refusal_patience,
    # Does not affect polls, only calls that block a web request sending a photo or the worker's
    # main loop (ChangeMessageVisibility). They fail after about 5 seconds.
    "client-config": {
        "connect_timeout": 2,
        "read_timeout": 2.5,
        "retries": {"total_max_attempts": 2, "mode": "standard"},
    },
}
# botocore already retries.
task_publish_retry = False
broker_connection_retry_on_startup = True
task_default_queue = _queue
if _settings.urgent_queue_url:
    task_queues = [Queue(name, routing_key=name) for name in _queues]
task_create_missing_queues = False

# --- messages: JSON only, never pickle.  Callers send kombu's, `sqs.envelope` produces plain
task_serializer = "json"
result_serializer = "json"
accept_content = ["json", PLAIN_JSON_TYPE]

# --- results: the inspections table is the result backend
result_backend = "damage_tasks.results.celery_backend:InspectionBackend"

# --- at-least-once: a message is deleted only after its verdict is stored
task_acks_late = True
task_reject_on_worker_lost = True
task_acks_on_failure = False
task_acks_on_timeout = False
worker_prefetch_multiplier = _settings.prefetch_per_process

# --- limits
task_soft_time_limit = _settings.soft_time_limit
task_time_limit = _settings.time_limit

# --- worker
# Else `damage_tasks.worker.process_count` chooses the number when a worker starts.
worker_concurrency = None if _settings.concurrency == "auto" else _settings.concurrency
# With Celery's 4 s, every replacement process that needs longer to load its bundle would be killed
# again and again (celery/celery#1715).
worker_proc_alive_timeout = _settings.load_timeout
worker_max_tasks_per_child = _settings.max_photos_per_process
worker_max_memory_per_child = _settings.max_process_megabytes * 1024  # KiB
worker_hijack_root_logger = False
worker_redirect_stdouts = False
# What a remote-control command defers must not end the worker.
worker_consumer = "damage_tasks.worker.consumer:Consumer"
# Remote control and events need fanout, which SQS does not support, so they use the event bus.
worker_enable_remote_control = bool(_settings.event_bus_url)
worker_send_task_events = bool(_settings.event_bus_url)
