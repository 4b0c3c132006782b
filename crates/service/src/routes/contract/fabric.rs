//! What Azure has no noun for: `Holdfast.Fabric`.

use api::arm::host::{Host, HostRequest};
use api::openapi::Operation;
use serde_json::json;

use super::{get, put};

pub(super) fn operations() -> Vec<Operation> {
    vec![
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
    ]
}
