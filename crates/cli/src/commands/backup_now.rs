//! `holdfast backup-now`.

use api::arm::item::{BackupRequest, BackupRequestProperties};
use jiff::civil::Date;

use super::{Service, job};
use crate::args::ItemArg;
use crate::client::Method;
use crate::failure::Failure;
use crate::find;
use crate::output::Reply;

/// Which item, and for how long the point is kept.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The item.
    #[command(flatten)]
    item: ItemArg,
    /// Keep the point through this whole day (UTC) [default: 30 days from now]
    #[arg(long, value_name = "YYYY-MM-DD")]
    retain_until: Option<Date>,
    /// Wait until the job has ended
    #[arg(long)]
    wait: bool,
}

impl Args {
    /// Carries the command out.
    pub fn run(self, service: &Service) -> Result<Reply, Failure> {
        let (vault, item) = find::item(&service.client, &self.item)?;
        let properties = BackupRequestProperties {
            object_type: Some("IaasVMBackupRequest".to_owned()),
            recovery_point_expiry_time_in_utc: self.retain_until.map(end_of_day),
        };
        let path = format!("{}/backup", item.view.id);
        let started = service.client.operate(Method::Post, &path, &BackupRequest { properties })?;
        job::started(service, &vault.view, started, self.wait)
    }
}

/// The last second of a UTC day: whoever keeps a point until then has kept it through the day, and
/// whoever rounds up to whole days comes to the same day.
fn end_of_day(day: Date) -> String {
    format!("{day}T23:59:59Z")
}
