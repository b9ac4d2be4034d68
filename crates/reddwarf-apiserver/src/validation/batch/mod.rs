//! Jobs and cron jobs.

mod cron_job;
mod failure_policy;
mod indexes;
mod job;
mod job_status;
mod job_update;
mod schedule;
mod success_policy;

pub use cron_job::{cron_job, cron_job_update};
pub use job::job;
pub use job_status::job_status;
pub use job_update::job_update;
