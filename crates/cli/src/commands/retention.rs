//! `holdfast retention`: which points are kept, and why; and what waits for a word.

use std::time::Duration;

use api::arm::item::Item;
use api::arm::retention::{Clock, ConfirmRequest, PointVerdict, Retention};
use api::arm::vault::Vault;
use clap::{Args, Subcommand};
use model::arm_id;
use serde_json::{Value, json};

use super::Service;
use crate::args::VaultArg;
use crate::client::{Client, Method, Seen, documents, segment};
use crate::failure::Failure;
use crate::find;
use crate::output::{Column, Reply, blocks, facts, table};
use crate::text;

/// How long to wait between two looks at whether a turn is done.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How often that is looked at before the command ends; the turn goes on.
const LOOKS_MAX: u32 = 3600;

/// What can be done with retention.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Show which recovery points stay and which go, and by which rule; changes nothing
    Plan {
        /// Which vaults.
        #[command(flatten)]
        vaults: Vaults,
        /// Only this protected virtual machine
        #[arg(long, value_name = "VM", requires = "vault")]
        item: Option<String>,
    },
    /// Let go of what is past its date and collect its space now, not within the hour
    Run {
        /// Which vaults.
        #[command(flatten)]
        vaults: Vaults,
    },
    /// Confirm a plan that waits, or that the clock is right
    Confirm {
        /// The vault whose plan is confirmed
        #[arg(long, value_name = "VAULT", required_unless_present = "clock")]
        vault: Option<String>,
        /// The vault's resource group, where several have a vault of this name
        #[arg(long, value_name = "GROUP")]
        resource_group: Option<String>,
        /// The plan that was looked at: no other one is confirmed
        #[arg(long, value_name = "PLAN", requires = "vault")]
        plan: Option<String>,
        /// Confirm that the service's clock is right as it is
        #[arg(long, conflicts_with = "vault")]
        clock: bool,
    },
}

/// Names one vault, or all.
#[derive(Debug, Clone, Args)]
pub struct Vaults {
    /// The vault; without it, all of them
    #[arg(long, value_name = "VAULT")]
    vault: Option<String>,
    /// The vault's resource group, where several have a vault of this name
    #[arg(long, value_name = "GROUP")]
    resource_group: Option<String>,
}

impl Vaults {
    fn find(&self, client: &Client) -> Result<Vec<Seen<Vault>>, Failure> {
        match &self.vault {
            Some(name) => Ok(vec![find::vault(client, &vault_arg(name, &self.resource_group))?]),
            None => {
                let path = arm_id::subscription(client.subscription());
                client.list(&format!("{path}/providers/{}", find::VAULTS))
            }
        }
    }
}

impl Command {
    /// Carries the command out.
    pub fn run(self, service: &Service) -> Result<Reply, Failure> {
        let client = &service.client;
        match self {
            Self::Plan { vaults, item } => plan(client, &vaults, item.as_deref()),
            Self::Run { vaults } => run(client, &vaults),
            Self::Confirm { vault: Some(vault), resource_group, plan, .. } => {
                confirm(client, &vault_arg(&vault, &resource_group), plan)
            }
            Self::Confirm { .. } => confirm_clock(client),
        }
    }
}

fn vault_arg(name: &str, group: &Option<String>) -> VaultArg {
    VaultArg { vault: name.to_owned(), resource_group: group.clone() }
}

fn path_of(vault: &Vault) -> String {
    api::arm::retention::id(&vault.id)
}

/// What a vault's retention says.
struct Told {
    vault: String,
    status: Seen<Retention>,
    points: Vec<Seen<PointVerdict>>,
}

fn plan(client: &Client, vaults: &Vaults, item: Option<&str>) -> Result<Reply, Failure> {
    let mut told = Vec::new();
    for vault in vaults.find(client)? {
        let path = path_of(&vault.view);
        let points = match item {
            None => client.list(&format!("{path}/points"))?,
            Some(name) => {
                // One that is not protected is told as everywhere; a list of it would be empty.
                let named = |item: &Seen<Item>| {
                    item.view.properties.friendly_name.eq_ignore_ascii_case(name)
                };
                let items: Vec<Seen<Item>> =
                    client.list(&format!("{}/backupProtectedItems", vault.view.id))?;
                if !items.iter().any(named) {
                    let vault = &vault.view.name;
                    let message = format!("The vault '{vault}' protects no '{name}'.");
                    return Err(Failure::not_found(message));
                }
                let filter = segment(&format!("friendlyName eq '{name}'"));
                client.list(&format!("{path}/points?$filter={filter}"))?
            }
        };
        let status = client.get(&path)?;
        told.push(Told { vault: vault.view.name, status, points });
    }
    let document: Value = told.iter().map(to_document).collect();
    let lines: Vec<String> = told.iter().map(describe).collect();
    let human = match lines.is_empty() {
        true => "There is no vault.".to_owned(),
        false => blocks(&lines),
    };
    Ok(Reply::done(document, human))
}

fn released(points: &[Seen<PointVerdict>]) -> usize {
    points.iter().filter(|point| point.view.properties.verdict == "Release").count()
}

fn to_document(told: &Told) -> Value {
    json!({
        "vault": told.vault,
        "points": documents(&told.points),
        "totals": { "points": told.points.len(), "released": released(&told.points) },
        "retention": told.status.document,
    })
}

fn describe(told: &Told) -> String {
    let columns = [
        Column::Text("Virtual machine"),
        Column::Text("Point"),
        Column::Text("Taken"),
        Column::Text("Verdict"),
        Column::Text("Until"),
        Column::Text("Rule"),
    ];
    let row = |point: &Seen<PointVerdict>| {
        let said = &point.view.properties;
        vec![
            said.friendly_name.clone(),
            point.view.name.clone(),
            text::time(&said.recovery_point_time),
            if said.verdict == "Release" { "goes" } else { "stays" }.to_owned(),
            said.until.as_deref().map(text::time).unwrap_or_default(),
            said.reason.clone(),
        ]
    };
    let rows = told.points.iter().map(row).collect();
    let totals = format!(
        "Vault {}: {} points, {} of them may go.",
        told.vault,
        told.points.len(),
        released(&told.points)
    );
    blocks(&[table(&columns, rows, ""), totals, standing(&told.status.view)])
}

/// What an operator should know besides.
fn standing(retention: &Retention) -> String {
    let said = &retention.properties;
    let mut lines = Vec::new();
    if let Some(plan) = &said.waiting_plan {
        let why = plan.reason.as_ref().map(|reason| text::printable(&reason.message));
        lines.push(format!(
            "Plan {} lets go of {} points and {}. {}",
            text::printable(&plan.id),
            plan.points,
            match plan.state.as_str() {
                "Confirmed" => "is confirmed",
                _ => "waits for a confirmation",
            },
            why.unwrap_or_default()
        ));
    }
    // What a plan waits for is told with it.
    let waits = said.waiting_plan.as_ref().and_then(|plan| plan.reason.as_ref());
    let problem = said.clock.problem.as_ref().or(said.problem.as_ref());
    if let Some(problem) = problem.filter(|problem| waits != Some(*problem)) {
        lines.push(format!("Problem: {}", text::printable(&problem.message)));
    }
    lines.join("\n").trim_end().to_owned()
}

fn run(client: &Client, vaults: &Vaults) -> Result<Reply, Failure> {
    let vaults = vaults.find(client)?;
    let judged =
        |vault: &Vault| -> Result<Seen<Retention>, Failure> { client.get(&path_of(vault)) };
    let mut done = Vec::new();
    for vault in &vaults {
        let before = judged(&vault.view)?;
        client.post(&format!("{}/run", path_of(&vault.view)))?;
        let mut after = judged(&vault.view)?;
        for _ in 0..LOOKS_MAX {
            if after.view.properties.judged_at != before.view.properties.judged_at {
                break;
            }
            client.pause(LOOK_EVERY);
            after = judged(&vault.view)?;
        }
        let forgotten = |seen: &Seen<Retention>| seen.view.properties.forgotten_points;
        let gone = forgotten(&after).saturating_sub(forgotten(&before));
        done.push((vault.view.name.clone(), gone, after));
    }
    let human: Vec<String> = done
        .iter()
        .map(|(vault, gone, after)| {
            blocks(&[outcome(vault, *gone, &after.view), standing(&after.view)])
        })
        .collect();
    let document: Value = done.iter().map(|(_, _, after)| after.document.clone()).collect();
    Ok(Reply::done(document, blocks(&human)))
}

fn outcome(vault: &str, gone: u64, retention: &Retention) -> String {
    let said = &retention.properties;
    let collected = said.collection.as_ref();
    facts(&[
        ("Vault", vault.to_owned()),
        ("Points that went", gone.to_string()),
        ("Space freed", collected.map(|did| text::bytes(did.freed_bytes)).unwrap_or_default()),
        (
            "When graces are over",
            collected.map(|did| text::bytes(did.later_bytes)).unwrap_or_default(),
        ),
        ("Judged", said.judged_at.as_deref().map(text::time).unwrap_or_default()),
    ])
}

fn confirm(client: &Client, vault: &VaultArg, plan: Option<String>) -> Result<Reply, Failure> {
    let vault = find::vault(client, vault)?;
    let path = path_of(&vault.view);
    let before: Seen<Retention> = client.get(&path)?;
    let body = ConfirmRequest { plan_id: plan };
    client.operate(Method::Post, &format!("{path}/confirm"), &body)?;
    let points = before.view.properties.waiting_plan.as_ref().map_or(0, |plan| plan.points);
    let human = format!(
        "Confirmed: {points} points of vault {} go now, if nothing has changed.",
        vault.view.name
    );
    Ok(Reply::done(before.document, human))
}

fn confirm_clock(client: &Client) -> Result<Reply, Failure> {
    let subscription = arm_id::subscription(client.subscription());
    let path =
        format!("{subscription}/providers/{}/default/confirmClock", api::arm::retention::KIND);
    let clock: Seen<Clock> = client.action(&path)?;
    let now = clock.view.last_trusted.as_deref().map(text::time).unwrap_or_default();
    Ok(Reply::done(clock.document, format!("Confirmed: it is {now}.")))
}
