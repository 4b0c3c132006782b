use jiff::Timestamp;
use model::item::{Deletion, DiskSelection, Item, ProtectionState};
use model::vault::{SoftDelete, VaultName, VaultSettings};
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
        deletion: deleted.then_some(Deletion { at, until: at }),
        disks: DiskSelection::All,
        last_backup: None,
        chain: None,
        created_at: at,
    }
}

/// The code and the words of the refusal to delete a vault with these contents.
fn refusal(items: &[Item], unended_jobs: usize, points: usize) -> Option<(Code, String)> {
    let mut vault = vault(VaultSettings::default());
    vault.settings.soft_delete.days = 33;
    let contents = Contents { items, unended_jobs, points };
    may_delete(&vault, contents).err().map(|fault| (fault.code, fault.message))
}

const FORCE: &str = "cannot be deleted as there are existing resources within the vault";

#[test]
fn a_vault_is_deleted_when_nothing_is_in_it() {
    assert_eq!(refusal(&[], 0, 0), None);
}

#[test]
fn a_vault_with_items_is_refused_in_the_words_that_clients_look_for() {
    let (code, message) = refusal(&[item(1, false), item(2, true)], 0, 9).expect("refused");
    assert_eq!(code, Code::VaultNotEmpty);
    assert!(message.contains(FORCE) && message.contains("'web1'"), "{message}");
    assert!(!message.contains("'web2'"), "{message}");
    let many: Vec<Item> = (1..=7).map(|number| item(number, false)).collect();
    let (_, message) = refusal(&many, 0, 0).expect("refused");
    assert!(message.contains("'web5', 2 more"), "{message}");
    let (code, message) = refusal(&[], 1, 0).expect("refused");
    assert!(code == Code::VaultNotEmpty && message.contains(FORCE), "{message}");
}

#[test]
fn a_vault_with_soft_deleted_items_says_for_how_long() {
    let (code, message) = refusal(&[item(1, true)], 0, 1).expect("refused");
    assert_eq!(code, Code::VaultHoldsData);
    assert!(message.contains("soft deleted state") && message.contains("33 days"), "{message}");
    assert!(!message.contains(FORCE), "{message}");
}

#[test]
fn a_vault_whose_repository_holds_points_of_nobody_is_kept() {
    let (code, message) = refusal(&[], 0, 2).expect("refused");
    assert_eq!(code, Code::VaultHoldsData);
    assert!(message.contains("2 recovery points") && !message.contains(FORCE), "{message}");
}
