"""URLs of jobs, queues and schedules, below /v1/."""

from django.urls import path, register_converter

from apps.core.endpoints import endpoint
from apps.jobs import jobs, queues, schedules, steps, streaming, working
from apps.jobs.fields import QUEUE_PATTERN


class QueueConverter:
    """The name of a queue in a path; the platform's own, too, which are read and never filled from outside."""

    regex = QUEUE_PATTERN

    def to_python(self, value: str) -> str:
        return value

    def to_url(self, value: str) -> str:
        return value


register_converter(QueueConverter, "queue")

_JOB = "jobs/<job:job_id>"
_QUEUE = "queues/<queue:queue>"
_SCHEDULE = "schedules/<sch:schedule_id>"

urlpatterns = [
    path("jobs", endpoint(GET=jobs.list_jobs, POST=jobs.enqueue_job)),
    path("jobs/batch", endpoint(POST=jobs.enqueue_jobs)),
    path("jobs/redrive", endpoint(POST=jobs.redrive_jobs, status=200)),
    path(_JOB, endpoint(GET=jobs.get_job)),
    path(f"{_JOB}/attempts", endpoint(GET=jobs.list_attempts)),
    path(f"{_JOB}/cancel", endpoint(POST=jobs.cancel_job, status=200)),
    path(f"{_JOB}/retry", endpoint(POST=jobs.retry_job, status=200)),
    path(f"{_JOB}/heartbeat", endpoint(POST=working.heartbeat, status=200)),
    path(f"{_JOB}/complete", endpoint(POST=working.complete_job, status=200)),
    path(f"{_JOB}/fail", endpoint(POST=working.fail_job, status=200)),
    path(f"{_JOB}/wait", endpoint(POST=steps.wait, status=200)),
    path(f"{_JOB}/stream", endpoint(POST=streaming.stream_job)),
    path(f"{_JOB}/steps", endpoint(GET=steps.list_steps)),
    path(f"{_JOB}/steps/<str:name>", endpoint(PUT=steps.save_step)),
    path("queues", endpoint(GET=queues.list_queues, POST=queues.create_queue)),
    path(_QUEUE, endpoint(GET=queues.get_queue, PATCH=queues.update_queue, DELETE=queues.delete_queue)),
    path(f"{_QUEUE}/pause", endpoint(POST=queues.pause_queue, status=200)),
    path(f"{_QUEUE}/resume", endpoint(POST=queues.resume_queue, status=200)),
    path(f"{_QUEUE}/rotate", endpoint(POST=queues.rotate_queue, status=200)),
    path(f"{_QUEUE}/claims", endpoint(POST=working.claim_jobs, status=200)),
    path("schedules", endpoint(GET=schedules.list_schedules, POST=schedules.create_schedule)),
    path(
        _SCHEDULE,
        endpoint(
            GET=schedules.get_schedule, PATCH=schedules.update_schedule, DELETE=schedules.delete_schedule
        ),
    ),
    path(f"{_SCHEDULE}/pause", endpoint(POST=schedules.pause_schedule, status=200)),
    path(f"{_SCHEDULE}/resume", endpoint(POST=schedules.resume_schedule, status=200)),
    path(f"{_SCHEDULE}/run", endpoint(POST=schedules.run_schedule)),
    path(f"{_SCHEDULE}/firings", endpoint(GET=schedules.list_firings)),
]
