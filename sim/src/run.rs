//! One run: from an empty installation to the end of its days.

use std::collections::BTreeMap;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use model::job::JobId;
use model::point::PointId;
use model::vault::Vault;
use rules::schedule::Calendar;

use crate::audit::Audit;
use crate::chance::Chance;
use crate::defect::Defect;
use crate::town::{Town, lock};

/// How many events of a failure are told; all that are remembered, with `{:#}`.
const TOLD: usize = 80;

/// What a run is to be.
#[derive(Debug, Clone)]
pub struct Scenario {
    /// Everything else follows from it.
    pub seed: u64,
    /// How long it is.
    pub days: u32,
    /// How many guests there are.
    pub vms: usize,
    /// How many vaults there are.
    pub vaults: usize,
    /// At how many times of day policies begin. The fewer, the more begins at once.
    pub times_of_day: u64,
    /// So many minutes pass at least before the engine looks again at what is due.
    pub minutes_between_looks: i64,
    /// The size of their first disks, in cells of 16 KiB.
    pub cells: u64,
    /// One call of a port in so many goes wrong; none, where there is no such number.
    pub trouble: Option<u64>,
    /// Between two acts of the operator pass so many hours on average.
    pub hours_between_acts: u64,
    /// Between two looks at everything pass so many days.
    pub days_between_audits: u32,
    /// How many points are compared at the end, at most.
    pub compared_at_end: usize,
    /// What is wrong with a port.
    pub defect: Option<Defect>,
}

impl Scenario {
    /// A month of five guests with all kinds of trouble.
    pub const fn short(seed: u64) -> Self {
        Self {
            seed,
            days: 30,
            vms: 5,
            vaults: if seed.is_multiple_of(3) { 2 } else { 1 },
            times_of_day: 48,
            minutes_between_looks: 0,
            cells: 16,
            trouble: Some(400),
            hours_between_acts: 12,
            days_between_audits: 3,
            compared_at_end: usize::MAX,
            defect: None,
        }
    }

    /// A year of fifty guests with some trouble.
    pub const fn year(seed: u64) -> Self {
        Self {
            days: 365,
            vms: 50,
            vaults: 4,
            times_of_day: 4,
            minutes_between_looks: 180,
            trouble: Some(5000),
            days_between_audits: 30,
            compared_at_end: 2000,
            ..Self::short(seed)
        }
    }

    /// Whether starts are spread, as they usually are; a step takes twice as long then.
    pub const fn starts_spread(&self) -> bool {
        self.seed.is_multiple_of(2)
    }

    /// The same with something wrong with a port.
    pub fn with(self, defect: Defect) -> Self {
        Self { defect: Some(defect), ..self }
    }
}

/// What happened in a run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// Backups that ended well.
    pub backups: u64,
    /// Backups that did not, by their codes.
    pub failed: BTreeMap<&'static str, u64>,
    /// Acts of the operator.
    pub acts: u64,
    /// How often the process ended.
    pub deaths: u64,
    /// Calls that went wrong.
    pub mishaps: u64,
    /// Points at the end.
    pub points: usize,
    /// Points compared with what was on the disks.
    pub compared: usize,
    /// The same for runs in which the same happened.
    pub digest: u64,
}

/// Something was as it must never be.
#[derive(Debug)]
pub struct Failure {
    /// The run.
    pub scenario: Scenario,
    /// What was wrong.
    pub what: String,
    /// What had happened before, oldest first.
    pub events: Vec<String>,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "seed {}: {}", self.scenario.seed, self.what)?;
        writeln!(f, "what happened before, oldest first:")?;
        let told = if f.alternate() { self.events.len() } else { TOLD.min(self.events.len()) };
        for event in &self.events[self.events.len() - told..] {
            writeln!(f, "  {event}")?;
        }
        write!(
            f,
            "run it again: HOLDFAST_SEED={} cargo test --release --locked -p sim --test seeds",
            self.scenario.seed
        )
    }
}

/// Runs a scenario to its end.
///
/// # Errors
///
/// An invariant was broken, or something panicked.
pub fn run(scenario: &Scenario) -> Result<Report, Box<Failure>> {
    let town = Town::new(scenario);
    let mut sim = Sim::new(Arc::clone(&town));
    let ran = catch_unwind(AssertUnwindSafe(|| sim.run()));
    let what = match ran {
        Ok(()) => town.process.broken(),
        Err(panic) => Some(match town.process.broken() {
            Some(broken) => broken,
            None => format!("a panic: {}", words(panic.as_ref())),
        }),
    };
    let report = sim.report();
    town.stop();
    match what {
        None => Ok(report),
        Some(what) => {
            let events = town.process.events();
            Err(Box::new(Failure { scenario: scenario.clone(), what, events }))
        }
    }
}

fn words(panic: &(dyn std::any::Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("without words")
}

/// A restore that was begun, and is to be looked at when it has ended.
pub(crate) struct Restoring {
    pub vault: Vault,
    pub job: JobId,
    pub point: PointId,
    pub directory: PathBuf,
}

/// A run on its way.
pub(crate) struct Sim {
    pub town: Arc<Town>,
    pub chance: Chance,
    pub vaults: Vec<Vault>,
    pub restoring: Vec<Restoring>,
    pub audit: Audit,
    pub acts: u64,
    /// When something is due by the policies there are.
    calendars: Vec<Calendar>,
    end: Timestamp,
}

impl Sim {
    fn new(town: Arc<Town>) -> Self {
        let days = SignedDuration::from_hours(24 * i64::from(town.scenario.days));
        Self {
            chance: Chance::new(town.scenario.seed, "sim"),
            vaults: Vec::new(),
            restoring: Vec::new(),
            audit: Audit::default(),
            acts: 0,
            calendars: Vec::new(),
            end: town.clock.shows() + days,
            town,
        }
    }

    fn report(&self) -> Report {
        let watch = lock(&self.town.watch);
        Report {
            backups: watch.good,
            failed: watch.bad.clone(),
            acts: self.acts,
            deaths: self.town.process.deaths(),
            mishaps: self.town.process.mishaps(),
            points: self.audit.points(),
            compared: self.audit.compared,
            digest: self.town.process.digest(),
        }
    }

    fn is_broken(&self) -> bool {
        self.town.process.broken().is_some()
    }

    fn run(&mut self) {
        self.set_up();
        let between = SignedDuration::from_hours(24).saturating_mul(
            i32::try_from(self.town.scenario.days_between_audits).unwrap_or(i32::MAX),
        );
        let clock = Arc::clone(&self.town.clock);
        // Days of the operator, whatever the clock says.
        let mut act_at = self.next_act(clock.shows());
        let mut audit_at = clock.shows() + between;
        while clock.shows() < self.end && !self.is_broken() {
            let now = clock.shows();
            let looks = now + SignedDuration::from_mins(self.town.scenario.minutes_between_looks);
            let due = self.next_due(now).max(looks).min(act_at).min(audit_at).min(self.end);
            clock.reach(due + SignedDuration::from_secs(1));
            self.guests_write();
            if act_at <= due {
                let ahead = self.act();
                (act_at, audit_at) = (act_at + ahead, audit_at + ahead);
                self.end += ahead;
                act_at = self.next_act(clock.shows().max(act_at));
            }
            self.step();
            if audit_at <= due {
                self.rest(false);
                audit_at = clock.shows() + between;
            }
        }
        if !self.is_broken() {
            self.rest(true);
        }
    }

    fn next_act(&mut self, from: Timestamp) -> Timestamp {
        let hours = 2 * self.town.scenario.hours_between_acts * 60;
        let minutes = i64::try_from(self.chance.below(hours)).expect("small") + 1;
        from + SignedDuration::from_mins(minutes)
    }

    /// When something is due next.
    fn next_due(&self, now: Timestamp) -> Timestamp {
        let due = self.calendars.iter().filter_map(|calendar| calendar.next_after(now)).min();
        due.unwrap_or(now + SignedDuration::from_hours(24))
    }

    /// Reads again what is due when.
    pub fn read_calendars(&mut self) {
        let ledger = &self.town.ledger;
        let policies = self.vaults.iter().filter_map(|vault| ledger.policies(vault.id).ok());
        self.calendars = policies.flatten().map(|policy| Calendar::of(&policy)).collect();
    }

    fn set_up(&mut self) {
        self.town.start();
        self.town.add_other_host();
        self.town.turn();
        for number in 0..self.town.scenario.vaults {
            self.create_vault(number);
        }
        for at in 0..self.town.scenario.vms {
            self.enable(at);
        }
        self.read_calendars();
        self.town.turn();
        self.audit.begin(&self.town);
        self.town.process.set_calm(false);
    }

    fn guests_write(&mut self) {
        let mut guests = lock(&self.town.guests);
        for guest in &mut guests.all {
            if self.chance.once_in(3) {
                guest.write(&self.town.hosts[guest.host], &mut self.chance);
            }
        }
    }

    /// What is due begins, and what has begun is carried out, or the process dies meanwhile.
    pub fn step(&mut self) {
        if self.town.process.is_alive() {
            self.town.turn();
            self.town.drain();
        }
        if self.town.process.is_alive() && self.town.scenario.starts_spread() {
            self.town.clock.pass(SignedDuration::from_secs(31));
            self.town.turn();
            self.town.drain();
        }
        if !self.town.process.is_alive() {
            self.town.stop();
            // It may stay away for a while.
            if self.chance.once_in(3) {
                let hours = i64::try_from(self.chance.below(72)).expect("small");
                self.town.clock.pass(SignedDuration::from_hours(hours));
            }
            self.town.start();
        }
    }

    /// Nothing goes wrong for a while, and everything is looked at.
    fn rest(&mut self, is_end: bool) {
        self.town.process.set_calm(true);
        let down = self.town.set_reachable();
        if is_end {
            self.town.stop();
            self.town.start();
        }
        let mut quiet = 0;
        for _ in 0..100 {
            // As long as missed runs are spread over.
            self.town.clock.pass(SignedDuration::from_secs(301));
            let before = self.town.begun();
            self.step();
            quiet = if self.town.begun() == before { quiet + 1 } else { 0 };
            if quiet == 3 {
                break;
            }
        }
        if quiet < 3 {
            self.town.process.break_off("there is no end to what begins".to_owned());
        }
        if !self.is_broken() {
            self.look_at_restored();
            self.audit.look(&self.town, is_end);
        }
        self.town.set_down(&down);
        self.town.process.set_calm(false);
    }
}
