//! What Azure has no noun for: `Holdfast.Fabric`.

use api::arm::deleted_vault::DeletionPlan;
use api::arm::host::{Host, HostRequest};
use api::arm::principal::{Principal, PrincipalRequest};
use api::arm::retention::{Clock, ConfirmRequest, PointVerdict, Retention};
use api::arm::status::Status;
use api::arm::store::{Store, StoreRequest};
use api::openapi::Operation;
use serde_json::json;

use super::{delete, get, post, put};

macro_rules! retention {
    ($rest:literal) => {
        concat!(
            "/subscriptions/{subscription}/resourceGroups/{group}",
            "/providers/Microsoft.RecoveryServices/vaults/{vault}",
            "/providers/Holdfast.Fabric/retention/default",
            $rest
        )
    };
}

macro_rules! principal {
    ($rest:literal) => {
        concat!(
            "/subscriptions/{subscription}/providers/Holdfast.Fabric/principals/{principal}",
            $rest
        )
    };
}

pub(super) fn operations() -> Vec<Operation> {
    let mut operations = vec![
        get("Hosts_List", subscription!("/providers/Holdfast.Fabric/hosts"), "The hosts.")
            .lists::<Host>(),
        put(
            "Hosts_Create",
            group!("/providers/Holdfast.Fabric/hosts/{host}"),
            "Registers a libvirt connection. The host gets a name of its own.",
        )
        .takes::<HostRequest>(json!({
            "location": "local",
            "properties": { "uri": "qemu:///system" },
        }))
        .gives::<Host>(201)
        .refuses(&[409]),
        get(
            "Principals_List",
            subscription!("/providers/Holdfast.Fabric/principals"),
            "The principals: programs that may get tokens.",
        )
        .lists::<Principal>(),
        get("Principals_Get", principal!(""), "A principal.").gives::<Principal>(200),
        put(
            "Principals_Create",
            principal!(""),
            "Makes a principal, without any role. Its secret is in the answer, this once.",
        )
        .may_take::<PrincipalRequest>(json!({}))
        .gives::<Principal>(200)
        .gives::<Principal>(201)
        .refuses(&[409]),
        post(
            "Principals_ResetSecret",
            principal!("/resetSecret"),
            "Gives a principal a new secret, told this once; the old one is of no use at once.",
        )
        .gives::<Principal>(200),
        delete("Principals_Delete", principal!(""), "Deletes a principal with its roles.")
            .empty(200)
            .empty(204)
            .refuses(&[409]),
    ];
    operations.push(Operation::plain(
        "Metrics_Get",
        "/metrics",
        "Figures for Prometheus, in its text format 0.0.4.",
    ));
    operations.push(
        get(
            "Status_Get",
            subscription!("/providers/Holdfast.Fabric/status"),
            "How the installation does, as far as the caller may see it.",
        )
        .gives::<Status>(200),
    );
    operations.push(
        get(
            "DeletionPlans_Get",
            vault!("/providers/Holdfast.Fabric/deletionPlans/default"),
            "What keeps a vault from being deleted, each thing with the commands that remove it.",
        )
        .gives::<DeletionPlan>(200),
    );
    operations.extend(stores());
    operations.extend(retention());
    operations
}

fn retention() -> Vec<Operation> {
    vec![
        get("Retention_Get", retention!(""), "How retention stands in a vault.")
            .gives::<Retention>(200),
        get(
            "Retention_ListPoints",
            retention!("/points"),
            "What retention says of each point now: a dry run, which changes nothing.",
        )
        .filtered()
        .lists::<PointVerdict>(),
        post(
            "Retention_Run",
            retention!("/run"),
            "Asks for a turn of retention, with a collection of space.",
        )
        .empty(202),
        post(
            "Retention_Confirm",
            retention!("/confirm"),
            "Confirms the plan that waits: its points are let go of for good.",
        )
        .may_take::<ConfirmRequest>(json!({}))
        .gives::<Retention>(200),
        post(
            "Retention_ConfirmClock",
            subscription!("/providers/Holdfast.Fabric/retention/default/confirmClock"),
            "Says that the clock is right as it is, whatever speaks against it.",
        )
        .gives::<Clock>(200),
    ]
}

fn stores() -> Vec<Operation> {
    vec![
        get(
            "Stores_List",
            subscription!("/providers/Holdfast.Fabric/stores"),
            "The staging stores.",
        )
        .lists::<Store>(),
        get("Stores_Get", group!("/providers/Holdfast.Fabric/stores/{store}"), "A staging store.")
            .gives::<Store>(200),
        put(
            "Stores_Create",
            group!("/providers/Holdfast.Fabric/stores/{store}"),
            "Adds a staging store.",
        )
        .takes::<StoreRequest>(json!({
            "location": "local",
            "properties": { "directory": "/srv/restored" },
        }))
        .gives::<Store>(200)
        .gives::<Store>(201)
        .refuses(&[409]),
        delete(
            "Stores_Delete",
            group!("/providers/Holdfast.Fabric/stores/{store}"),
            "Forgets a staging store. Its files stay.",
        )
        .empty(200)
        .empty(204)
        .refuses(&[409]),
    ]
}
