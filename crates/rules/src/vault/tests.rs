use jiff::Timestamp;
use model::item::{Deletion, DiskSelection, Item, ProtectionState};
use model::vault::{SoftDelete, SoftDeletedVault, VaultName, VaultSettings};
use uuid::Uuid;

use super::*;

fn vault(settings: VaultSettings) -> Vault {
    Vault {
        id: Uuid::from_u128(1),
        name: VaultName::new("v1").expect("valid"),
        resource_group: "rg".to_owned(),
        region: "north".to_owned(),
        redundancy: Redundancy::GeoRedundant,
        settings,
        tags: Tags::new(),
        created_at: Timestamp::UNIX_EPOCH,
        changed_at: Timestamp::UNIX_EPOCH,
    }
}

const THERE: Standing = Standing::There { has_items: false };

/// What becomes of a vault with these settings.
fn outcome(settings: VaultSettings, standing: Standing, change: Change) -> Result<Vault, Code> {
    changed(&vault(settings), standing, change).map_err(|fault| fault.code)
}

#[test]
fn a_change_that_names_nothing_changes_nothing() {
    let before = vault(VaultSettings::default());
    assert_eq!(changed(&before, THERE, Change::default()), Ok(before));
}

#[test]
fn soft_delete_is_switched_until_it_is_always_on() {
    use SoftDeleteState::{AlwaysOn, Disabled, Enabled};
    for (standing, now, wanted, expected) in [
        (Standing::New, AlwaysOn, Disabled, Ok(Disabled)),
        (Standing::New, AlwaysOn, Enabled, Ok(Enabled)),
        (THERE, Disabled, Enabled, Ok(Enabled)),
        (THERE, Enabled, Disabled, Ok(Disabled)),
        (THERE, Enabled, AlwaysOn, Ok(AlwaysOn)),
        (THERE, AlwaysOn, AlwaysOn, Ok(AlwaysOn)),
        (THERE, AlwaysOn, Enabled, Ok(AlwaysOn)),
        (THERE, AlwaysOn, Disabled, Err(Code::SoftDeleteAlwaysOn)),
    ] {
        let mut settings = VaultSettings::default();
        settings.soft_delete.state = now;
        let change = Change { soft_delete: Some(wanted), ..Change::default() };
        let told = outcome(settings, standing, change).map(|it| it.settings.soft_delete.state);
        assert_eq!(told, expected, "{standing:?} {now:?} {wanted:?}");
    }
    let change = Change { enhanced_security: Some(Disabled), ..Change::default() };
    let refused = outcome(VaultSettings::default(), THERE, change);
    assert_eq!(refused, Err(Code::SoftDeleteAlwaysOn));
}

#[test]
fn deleted_data_can_be_brought_back_for_14_to_180_days() {
    let off = SoftDelete { state: SoftDeleteState::Disabled, ..SoftDelete::default() };
    let (on, off) =
        (VaultSettings::default(), VaultSettings { soft_delete: off, ..VaultSettings::default() });
    for (settings, days, expected) in [
        (on, 14, Ok(14)),
        (on, 180, Ok(180)),
        (on, 13, Err(Code::BadRequest)),
        (on, 181, Err(Code::BadRequest)),
        (on, 0, Err(Code::BadRequest)),
        (on, -1, Err(Code::BadRequest)),
        (on, i64::MAX, Err(Code::BadRequest)),
        (off, 0, Ok(14)),
        (off, 30, Ok(30)),
        (off, 13, Err(Code::BadRequest)),
    ] {
        let change = Change { soft_delete_days: Some(days), ..Change::default() };
        let told = outcome(settings, THERE, change).map(|vault| vault.settings.soft_delete.days);
        assert_eq!(told, expected, "{days}");
    }
}

#[test]
fn immutability_is_locked_in_two_steps_and_for_ever() {
    use Immutability::{Disabled, Locked, Unlocked};
    let refused = Err(Code::VaultCannotChange);
    for (standing, now, wanted, expected) in [
        (Standing::New, Disabled, Unlocked, Ok(Unlocked)),
        (Standing::New, Disabled, Locked, refused),
        (THERE, Disabled, Locked, refused),
        (THERE, Disabled, Unlocked, Ok(Unlocked)),
        (THERE, Unlocked, Disabled, Ok(Disabled)),
        (THERE, Unlocked, Locked, Ok(Locked)),
        (THERE, Locked, Locked, Ok(Locked)),
        (THERE, Locked, Unlocked, refused),
        (THERE, Locked, Disabled, refused),
    ] {
        let settings = VaultSettings { immutability: now, ..VaultSettings::default() };
        let change = Change { immutability: Some(wanted), ..Change::default() };
        let told = outcome(settings, standing, change).map(|vault| vault.settings.immutability);
        assert_eq!(told, expected, "{standing:?} {now:?} {wanted:?}");
    }
}

#[test]
fn what_is_permanently_disabled_stays_so() {
    use CrossSubscriptionRestore::{Disabled, Enabled, PermanentlyDisabled};
    for (now, wanted, allowed) in [
        (Enabled, Disabled, true),
        (Disabled, Enabled, true),
        (Disabled, PermanentlyDisabled, true),
        (PermanentlyDisabled, PermanentlyDisabled, true),
        (PermanentlyDisabled, Disabled, false),
        (PermanentlyDisabled, Enabled, false),
    ] {
        let settings =
            VaultSettings { cross_subscription_restore: now, ..VaultSettings::default() };
        let change = Change { cross_subscription_restore: Some(wanted), ..Change::default() };
        let told = outcome(settings, THERE, change);
        assert_eq!(told.is_ok(), allowed, "{now:?} {wanted:?}");
    }
}

#[test]
fn redundancy_changes_only_while_nothing_is_protected() {
    let change = |redundancy| Change { redundancy: Some(redundancy), ..Change::default() };
    let with_items = Standing::There { has_items: true };
    let settings = VaultSettings::default();
    let local = change(Redundancy::LocallyRedundant);
    assert_eq!(outcome(settings, with_items, local.clone()), Err(Code::VaultCannotChange));
    let told = outcome(settings, THERE, local).map(|vault| vault.redundancy);
    assert_eq!(told, Ok(Redundancy::LocallyRedundant));
    // Clients send back what they read.
    assert!(outcome(settings, with_items, change(Redundancy::GeoRedundant)).is_ok());
}

#[test]
fn what_nothing_stands_behind_is_refused_by_name() {
    let unsupported = vec!["crossRegionRestore 'Enabled'".to_owned()];
    let change = Change { unsupported, ..Change::default() };
    let fault = changed(&vault(VaultSettings::default()), THERE, change).expect_err("refused");
    assert_eq!(fault.code, Code::VaultSettingNotSupported);
    assert!(fault.message.contains("crossRegionRestore 'Enabled'"), "{fault}");
}

fn item(number: u128, deleted: bool) -> Item {
    let at = Timestamp::UNIX_EPOCH;
    Item {
        id: Uuid::from_u128(number),
        vault: Uuid::from_u128(1),
        vm: Uuid::from_u128(number),
        vm_name: format!("web{number}"),
        vm_resource_group: "rg".to_owned(),
        policy: None,
        state: ProtectionState::ProtectionStopped,
        deletion: deleted.then_some(Deletion { at, until: at, purging: false }),
        disks: DiskSelection::All,
        last_backup: None,
        chain: None,
        created_at: at,
    }
}

fn contents(items: &[Item], unended_jobs: usize, points: usize) -> Contents<'_> {
    Contents { items, unended_jobs, points }
}

/// A vault whose deleted data can be brought back for 33 days, or where that is off.
fn kept_for_33_days(on: bool) -> Vault {
    let mut vault = vault(VaultSettings::default());
    vault.settings.soft_delete.days = 33;
    if !on {
        vault.settings.soft_delete.state = SoftDeleteState::Disabled;
    }
    vault
}

/// The code and the words of a refusal.
fn refusal<T: std::fmt::Debug>(verdict: Result<T, Fault>) -> (Code, String) {
    let fault = verdict.expect_err("refused");
    (fault.code, fault.message)
}

/// Azure's two texts. Clients look for a part of the first one.
const EXISTING: &str = "Vault cannot be deleted as there are existing resources within the vault. Please ensure there \
     are no backup items, protected servers, or backup management servers associated with this \
     vault. Unregister the following containers associated with this vault before proceeding for \
     deletion";
const SOFT_DELETED: &str = "Recovery Services vault cannot be deleted as there are backup items in soft deleted state in \
     the vault. The soft deleted items are permanently deleted after 33 days of delete operation. \
     Please try vault deletion after the backup items are permanently deleted and there is no item \
     in soft deleted state left in the vault.";

#[test]
fn a_vault_goes_for_good_when_nothing_is_in_it_and_out_of_sight_with_soft_deleted_items() {
    for (items, on, expected) in [
        (vec![], true, Ending::ForGood),
        (vec![], false, Ending::ForGood),
        (vec![item(1, true), item(2, true)], true, Ending::SoftDeleted),
    ] {
        let told = may_delete(&kept_for_33_days(on), contents(&items, 0, 0));
        assert_eq!(told, Ok(expected), "{} {on}", items.len());
    }
}

#[test]
fn a_vault_with_items_is_refused_in_azures_words_and_names_them() {
    let vault = kept_for_33_days(true);
    let (code, message) =
        refusal(may_delete(&vault, contents(&[item(1, false), item(2, true)], 0, 9)));
    assert_eq!(code, Code::VaultNotEmpty);
    assert_eq!(message, format!("{EXISTING} : virtual machine 'web1'."));
    let many: Vec<Item> = (1..=7).map(|number| item(number, false)).collect();
    let (_, message) = refusal(may_delete(&vault, contents(&many, 0, 0)));
    assert!(message.ends_with("'web5', 2 more."), "{message}");
    let (code, message) = refusal(may_delete(&vault, contents(&[item(1, true)], 1, 0)));
    assert!(code == Code::VaultNotEmpty && message.starts_with(EXISTING), "{message}");
}

#[test]
fn soft_deleted_items_keep_a_vault_without_soft_delete_and_one_that_is_out_of_sight() {
    let items = [item(1, true)];
    for refused in [
        refusal(may_delete(&kept_for_33_days(false), contents(&items, 0, 1))),
        refusal(may_purge(&kept_for_33_days(true), contents(&items, 0, 1))),
    ] {
        assert_eq!(refused, (Code::VaultHoldsData, SOFT_DELETED.to_owned()));
    }
    assert_eq!(may_purge(&kept_for_33_days(true), contents(&[], 0, 0)), Ok(()));
}

#[test]
fn a_vault_whose_repository_holds_points_of_nobody_is_kept() {
    let vault = kept_for_33_days(true);
    for refused in [
        refusal(may_delete(&vault, contents(&[], 0, 2))),
        refusal(may_purge(&vault, contents(&[], 0, 2))),
    ] {
        assert_eq!(refused.0, Code::VaultHoldsData);
        assert!(refused.1.contains("2 recovery points"), "{}", refused.1);
        assert!(!refused.1.contains("existing resources within the vault"), "{}", refused.1);
    }
}

#[test]
fn a_vault_out_of_sight_is_gone_with_the_last_of_its_items() {
    let until = |number, second| {
        let until = Timestamp::from_second(second).expect("in range");
        let deletion = Some(Deletion { at: Timestamp::UNIX_EPOCH, until, purging: false });
        Item { deletion, ..item(number, true) }
    };
    let items = [until(1, 50), until(2, 90), until(3, 70)];
    assert_eq!(purge_time(Timestamp::UNIX_EPOCH, &items).as_second(), 90);
    assert_eq!(purge_time(Timestamp::UNIX_EPOCH, &[]), Timestamp::UNIX_EPOCH);
}

#[test]
fn vaults_out_of_sight_that_share_a_name_are_told_apart() {
    let named = |number, name: &str, region: &str| SoftDeletedVault {
        vault: Vault {
            id: Uuid::from_u128(number),
            name: VaultName::new(name).expect("valid"),
            region: region.to_owned(),
            ..vault(VaultSettings::default())
        },
        deleted_at: Timestamp::UNIX_EPOCH,
    };
    let vaults = [named(1, "v1", "north"), named(2, "v1", "south"), named(3, "v2", "north")];
    assert_eq!(names_out_of_sight(&vaults), ["v1", "v1", "v2"]);
    let vaults = [named(1, "v1", "north"), named(2, "V1", "north")];
    let expected =
        ["v1-00000000-0000-0000-0000-000000000001", "V1-00000000-0000-0000-0000-000000000002"];
    assert_eq!(names_out_of_sight(&vaults), expected);
}
