//! What a job's rendering computes: progress, the time left, and what can be done to it.

use model::job::JobId;

use super::*;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).expect("in range")
}

fn job(operation: Operation, status: Status) -> ModelJob {
    let id = "69211027-0000-4000-8000-000000000000".parse::<JobId>().expect("a UUID");
    let disk = job::DiskProgress {
        target: "vda".to_owned(),
        total_bytes: 4 * GIB,
        done_bytes: GIB,
        ..job::DiskProgress::default()
    };
    ModelJob {
        vault: id.0,
        item: id.0,
        id,
        operation,
        status,
        started_at: at(1000),
        ended_at: None,
        point: None,
        retain_until: None,
        tasks: vec![ModelTask { status, ..ModelTask::new(job::TRANSFER_TO_VAULT) }],
        disks: vec![disk],
        properties: Vec::new(),
        warnings: Vec::new(),
        error: None,
    }
}

fn info(job: &ModelJob) -> ExtendedInfo {
    render("/v", None, job, at(1010)).properties.extended_info.expect("details have it")
}

#[test]
fn a_running_transfer_tells_how_far_it_is_and_how_long_it_takes() {
    let info = info(&job(Operation::Backup, Status::InProgress));
    assert_eq!(info.progress_percentage, 25.0);
    assert_eq!(info.estimated_remaining_duration.as_deref(), Some("PT30S"));
    let told = info.tasks_list[0].task_execution_details.as_deref();
    assert_eq!(told, Some("1 GBs / 4 GBs Transferred"));
}

#[test]
fn what_came_before_the_transfer_says_nothing_of_the_time_left() {
    let mut job = job(Operation::Backup, Status::InProgress);
    job.tasks[0].begun_at = Some(at(1008));
    assert_eq!(info(&job).estimated_remaining_duration.as_deref(), Some("PT6S"));
}

#[test]
fn a_disk_tells_what_was_gone_through_had_changed_was_held_already_and_was_stored() {
    let mut job = job(Operation::Backup, Status::InProgress);
    let disk = &mut job.disks[0];
    (disk.scanned_bytes, disk.changed_bytes) = (3 * GIB, 4 * GIB);
    (disk.new_bytes, disk.stored_bytes) = (GIB / 4, GIB / 8);
    let told = info(&job).holdfast.disks.remove(0);
    assert_eq!((told.scanned_bytes, told.changed_bytes), (3 * GIB, 4 * GIB));
    assert_eq!((told.deduplicated_bytes, told.stored_bytes), (GIB / 4 * 3, GIB / 8));
}

#[test]
fn before_the_first_byte_nobody_knows_how_long_it_takes() {
    let mut job = job(Operation::Backup, Status::InProgress);
    job.disks[0].done_bytes = 0;
    assert_eq!(info(&job).estimated_remaining_duration, None);
}

#[test]
fn only_running_backups_and_restores_can_be_cancelled() {
    for (operation, status, cancellable) in [
        (Operation::Backup, Status::InProgress, true),
        (Operation::Restore, Status::InProgress, true),
        (Operation::ConfigureBackup, Status::InProgress, false),
        (Operation::Backup, Status::Cancelling, false),
        (Operation::Backup, Status::Completed, false),
    ] {
        let rendered = render("/v", None, &job(operation, status), at(1010));
        let expected = cancellable.then(|| vec![CANCELLABLE]);
        assert_eq!(rendered.properties.actions_info, expected, "{operation:?} {status:?}");
    }
}

#[test]
fn a_restore_says_what_kind_it_is() {
    let mut disks = job(Operation::Restore, Status::InProgress);
    assert_eq!(info(&disks).internal_property_bag["restoreLocationType"], "RestoreDisks");
    let create = ModelTask::new(job::CREATE_VM);
    disks.tasks.push(create);
    assert_eq!(info(&disks).internal_property_bag["restoreLocationType"], "AlternateLocation");
}

#[test]
fn an_entry_of_a_list_leaves_the_details_out() {
    let entry = render_entry("/v", None, &job(Operation::Backup, Status::InProgress), at(1010));
    assert_eq!(entry.properties.extended_info, None);
    assert_eq!(entry.properties.duration, "PT10S");
}
