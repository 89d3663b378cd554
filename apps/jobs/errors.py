"""What is refused about jobs, queues and schedules."""

from apps.core.problems import Conflict, NotFound, ValidationFailed


class LeaseLost(Conflict):
    """The lease is over, or was never that of this job: somebody else may work on it by now."""

    code, title = "lease_lost", "The lease of that job is lost"
    advice = "Stop working on it and claim another; what you did may be done again by somebody else."


class JobNotOver(Conflict):
    """A job runs again when it ended without success, and not before."""

    code, title = "job_not_over", "The job has not ended, or it succeeded"
    advice = "Only a job that is dead, cancelled or expired runs again. Cancel it first, or enqueue another."


class JobKeyReused(ValidationFailed):
    """There is an unfinished job of that key in the queue, and it was asked to do something else."""

    code, title = "job_key_reused", "The key belongs to another job"
    advice = "Use another key, or wait until that job is over."


class PayloadTooBig(ValidationFailed):
    """A payload, a result or an error has more bytes than are kept with a job."""

    code, title = "payload_too_big", "That is too much for a job"
    advice = "Put it into a file or a record, and name that here."


class KindRefused(ValidationFailed):
    """The queue says which kinds of job it takes, and this is none of them."""

    code, title = "kind_refused", "The queue takes no jobs of that kind"
    advice = "`kinds` of the queue says which it takes; an empty list takes all."


class QueueReserved(ValidationFailed):
    """Queues whose name begins with `packmule.` hold the platform's own work."""

    code, title = "queue_reserved", "That queue belongs to the platform"
    advice = "Choose a name that does not begin with packmule."


class QueuePushes(Conflict):
    """The queue sends its jobs to a URL, and nobody claims them."""

    code, title = "queue_pushes", "The jobs of this queue are sent to a URL"
    advice = "Take `push_url` off the queue, or let the worker behind it do them."


class QueueNotPushed(Conflict):
    """The queue sends its jobs nowhere, so that it has no secret."""

    code, title = "queue_not_pushed", "The jobs of this queue are sent nowhere"
    advice = "Set its `push_url` first; the answer holds the secret."


class TimesContradict(ValidationFailed):
    """Times that leave a job no moment to run in."""

    code, title = "times_contradict", "The job could never run"
    advice = "run_at has to come before expires_at, and both before deadline_at."


class DependencyUnknown(NotFound):
    """A job in `after` is not there for the caller."""

    code, title = "dependency_unknown", "A job that is to be waited for is not there"
    advice = "Name unfinished or finished jobs that GET /v1/jobs/{id} answers."


class StepTaken(Conflict):
    """The job has a step of that name that is of another kind: something that it waits for."""

    code, title = "step_taken", "The step is of another kind"
    advice = "A step has one name. GET /v1/jobs/{id}/steps lists those that there are."


class QueueNameTaken(Conflict):
    """The tenant has described that queue already."""

    code, title = "queue_name_taken", "The queue is described already"
    advice = "Change it: PATCH /v1/queues/{queue}."


class ScheduleNameTaken(Conflict):
    """There is a schedule of that name already, in the same organization."""

    code, title = "schedule_name_taken", "There is a schedule of that name already"
    advice = "Choose another name, or change the one that is there."


class CronInvalid(ValidationFailed):
    """That is no cron expression of five fields."""

    code, title = "cron_invalid", "That is no cron expression"
    advice = "Write minute, hour, day of month, month and day of week, such as 30 2 * * 1-5, or @daily."


class CronNeverFires(ValidationFailed):
    """The cron expression names a day that never comes."""

    code, title = "cron_never_fires", "The cron expression never fires"
    advice = "Name days that the months have; 0 0 L * * is the last day of each."


class TimezoneUnknown(ValidationFailed):
    """Time zones are called as in the IANA database."""

    code, title = "timezone_unknown", "There is no such time zone"
    advice = "Take a name such as Europe/Berlin, or UTC."


class ClockAmbiguous(ValidationFailed):
    """A schedule fires by one clock: at the times of a cron expression, at an interval, or once."""

    code, title = "clock_ambiguous", "A schedule has one of cron, every_seconds and at"
    advice = "Send exactly one of them."


class ScheduleOver(ValidationFailed):
    """The one time of a schedule has passed, so that it would never fire."""

    code, title = "schedule_over", "The time of the schedule is over"
    advice = "Give it another `at` (PATCH /v1/schedules/{id}), or run it now (POST …/run)."
