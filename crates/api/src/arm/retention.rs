//! Retention: how it stands in a vault, what it says of each point, and what an operator confirms.

use jiff::Timestamp;
use model::point::PointId;
use model::retention::{ClockSight, Plan as ModelPlan, Upkeep as ModelUpkeep};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::error::Error;
use super::{Resource, time};

/// The resource type of a vault's retention.
pub const KIND: &str = "Holdfast.Fabric/retention";
/// The resource type of what retention says of a point.
pub const POINT_KIND: &str = "Holdfast.Fabric/retention/points";

/// How retention stands in a vault.
pub type Retention = Resource<RetentionProperties>;

/// How retention stands in a vault.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RetentionProperties {
    /// The plan that is not carried out before somebody confirms it.
    pub waiting_plan: Option<WaitingPlan>,
    /// What is known of the clock.
    pub clock: Clock,
    /// When the vault's points were last judged.
    pub judged_at: Option<String>,
    /// When points were last let go of.
    pub forgot_at: Option<String>,
    /// How many points retention has let go of so far.
    pub forgotten_points: u64,
    /// The last collection of space.
    pub collection: Option<Collection>,
    /// Sizes of all that collections have deleted so far, in bytes.
    pub freed_bytes: u64,
    /// What stood in the way the last time.
    pub problem: Option<Error>,
}

/// A plan that waits.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct WaitingPlan {
    /// Its id, which confirms it.
    pub id: String,
    /// `Waiting`, or `Confirmed` until it is carried out.
    pub state: String,
    /// When it was made.
    pub made_at: String,
    /// How many points it lets go of.
    pub points: usize,
    /// Why it waits.
    pub reason: Option<Error>,
}

/// What is known of the clock.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Clock {
    /// Whether it is trusted with deletions.
    pub trusted: bool,
    /// The latest moment at which it was trusted.
    pub last_trusted: Option<String>,
    /// Why it is not trusted.
    pub problem: Option<Error>,
}

/// What a collection of space did. Sizes in bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "SpaceCollection")]
pub struct Collection {
    /// When it was.
    pub collected_at: String,
    /// Sizes of all that was deleted.
    pub freed_bytes: u64,
    /// Sizes of what goes when its grace is over.
    pub later_bytes: u64,
    /// What points need.
    pub needed_bytes: u64,
    /// Sizes of the packs that hold it.
    pub live_bytes: u64,
    /// Sizes of packs that were written anew because they were mostly dead.
    pub repacked_bytes: u64,
}

/// What retention says of a point.
pub type PointVerdict = Resource<PointVerdictProperties>;

/// What retention says of a point.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PointVerdictProperties {
    /// The protected virtual machine.
    pub friendly_name: String,
    /// The moment whose state the point holds.
    pub recovery_point_time: String,
    /// `Keep` or `Release`.
    pub verdict: String,
    /// The rule that keeps it, or that kept it last.
    pub rule: String,
    /// The rule in words.
    pub reason: String,
    /// When the rule lets go of it; `null` where no date says so.
    pub until: Option<String>,
}

/// What a client sends to confirm a plan.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ConfirmRequest {
    /// The plan that was looked at; whichever waits, where it is missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan_id: Option<String>,
}

/// The id of the retention of the vault with this ARM id.
pub fn id(vault_id: &str) -> String {
    format!("{vault_id}/providers/{KIND}/default")
}

/// Renders how retention stands in the vault with this ARM id.
pub fn render(
    vault_id: &str,
    upkeep: &ModelUpkeep,
    waiting: Option<&ModelPlan>,
    clock: &ClockSight,
) -> Retention {
    let properties = RetentionProperties {
        waiting_plan: waiting.map(waiting_plan),
        clock: render_clock(clock),
        judged_at: upkeep.judged_at.map(time::moment),
        forgot_at: upkeep.forgot_at.map(time::moment),
        forgotten_points: upkeep.forgotten,
        collection: upkeep.collected_at.map(|at| collection(at, upkeep)),
        freed_bytes: upkeep.freed_bytes,
        problem: upkeep.fault.as_ref().map(Error::of),
    };
    Resource::new(id(vault_id), "default", KIND, properties)
}

/// Renders what is known of the clock.
pub fn render_clock(sight: &ClockSight) -> Clock {
    Clock {
        trusted: sight.doubt.is_none(),
        last_trusted: sight.seen.map(time::moment),
        problem: sight.doubt.as_ref().map(Error::of),
    }
}

fn waiting_plan(plan: &ModelPlan) -> WaitingPlan {
    WaitingPlan {
        id: plan.id.to_string(),
        state: plan.state.name().to_owned(),
        made_at: time::moment(plan.made_at),
        points: plan.steps.len(),
        reason: plan.waits.as_ref().map(Error::of),
    }
}

fn collection(at: Timestamp, upkeep: &ModelUpkeep) -> Collection {
    let done = &upkeep.collection;
    Collection {
        collected_at: time::moment(at),
        freed_bytes: done.freed_bytes,
        later_bytes: done.later_bytes,
        needed_bytes: done.needed_bytes,
        live_bytes: done.live_bytes,
        repacked_bytes: done.repacked_bytes,
    }
}

/// A point, and what retention says of it.
#[derive(Debug, Clone)]
pub struct Told<'a> {
    /// The point.
    pub point: PointId,
    /// The moment whose state it holds.
    pub taken_at: Timestamp,
    /// The protected virtual machine.
    pub vm_name: &'a str,
    /// Whether it may go now.
    pub released: bool,
    /// The rule's name.
    pub rule: &'a str,
    /// The rule in words.
    pub reason: String,
    /// When the rule lets go of it.
    pub until: Option<Timestamp>,
}

/// Renders what the retention of the vault with this ARM id says of a point.
pub fn render_point(vault_id: &str, told: Told<'_>) -> PointVerdict {
    let name = told.point.to_string();
    let properties = PointVerdictProperties {
        friendly_name: told.vm_name.to_owned(),
        recovery_point_time: time::moment(told.taken_at),
        verdict: if told.released { "Release" } else { "Keep" }.to_owned(),
        rule: told.rule.to_owned(),
        reason: told.reason,
        until: told.until.map(time::moment),
    };
    Resource::new(format!("{}/points/{name}", id(vault_id)), name, POINT_KIND, properties)
}
