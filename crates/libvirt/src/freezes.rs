//! Frozen guests, and the promise that none stays frozen.
//!
//! ```text
//!            arm                      release by the worker, in time
//!  (none) ─────────▶ Held(deadline) ─────────────────────────────────▶ Thawing ──▶ (none)
//!                       │                                                │ thaw failed
//!                       │ deadline passed, or the parent went away       ▼
//!                       └───────────────────────────────────────────▶ Pursued ──▶ (none)
//! ```
//!
//! # Invariants
//!
//! - **H1. A guest is in the table from before its freeze is asked for** until its agent says that
//!   it is thawed, or it is powered off. So a freeze that timed out here but came true in the
//!   guest later is thawed too.
//! - **H2. The deadline is kept by a thread that waits for nothing else**: neither for libvirt nor
//!   for the parent.
//! - **H3. Only a freeze that was held until [`Freezes::release`] counts as one.**

use std::collections::HashMap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use api::helper::DomainState;

use crate::ffi::{Domain, Result};
use crate::hypervisor::{Hypervisor, is_gone};

/// How long a thaw is tried. Behind it, nothing but a guest that was stopped or a dead agent is
/// left, and an agent that comes back starts with thawed file systems.
const PURSUIT_MAX: Duration = Duration::from_secs(600);

/// How long libvirt waits for the agent's answer to one thaw, in seconds.
const THAW_ANSWER_S: i32 = 5;

/// Pause between two tries to thaw: far below the 10 s after which guests must write again.
const PURSUIT_PAUSE: Duration = Duration::from_millis(250);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Held { deadline: Instant },
    Thawing,
    Pursued,
}

/// The table of frozen guests, by domain UUID.
pub struct Freezes {
    hypervisor: Arc<Hypervisor>,
    table: Mutex<HashMap<String, Phase>>,
    changed: Condvar,
}

impl Freezes {
    /// An empty table, with its watchdog running.
    pub fn watched(hypervisor: Arc<Hypervisor>) -> Arc<Self> {
        let table = Mutex::new(HashMap::new());
        let freezes = Arc::new(Self { hypervisor, table, changed: Condvar::new() });
        let watched = Arc::clone(&freezes);
        thread::spawn(move || watched.watch());
        freezes
    }

    /// Promises that `domain` is thawed at `deadline`. False where an earlier freeze of it is not
    /// over: then it must not be frozen again.
    pub fn arm(&self, domain: &str, deadline: Instant) -> bool {
        let mut table = self.lock();
        if table.contains_key(domain) {
            return false;
        }
        table.insert(domain.to_owned(), Phase::Held { deadline });
        self.changed.notify_all();
        true
    }

    /// Takes the thaw over from the watchdog; false where that was quicker.
    pub fn release(&self, domain: &str) -> bool {
        let mut table = self.lock();
        match table.get_mut(domain) {
            Some(phase @ Phase::Held { .. }) => {
                *phase = Phase::Thawing;
                true
            }
            _ => false,
        }
    }

    /// The guest is known to be thawed.
    pub fn forget(&self, domain: &str) {
        self.lock().remove(domain);
        self.changed.notify_all();
    }

    /// Thaws `domain` in the background, again and again until it is certain.
    pub fn pursue(self: &Arc<Self>, domain: &str) {
        let before = self.lock().insert(domain.to_owned(), Phase::Pursued);
        if before != Some(Phase::Pursued) {
            self.spawn_pursuit(domain.to_owned());
        }
    }

    /// Thaws everything in the background, at once.
    pub fn pursue_all(self: &Arc<Self>) {
        let domains: Vec<String> = self.lock().keys().cloned().collect();
        for domain in domains {
            self.pursue(&domain);
        }
    }

    /// Waits until no guest is frozen, at most until `deadline`; whether that was reached.
    pub fn wait_until_none(&self, deadline: Instant) -> bool {
        let mut table = self.lock();
        while !table.is_empty() {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            table =
                self.changed.wait_timeout(table, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        true
    }

    fn watch(self: &Arc<Self>) {
        let mut table = self.lock();
        loop {
            let now = Instant::now();
            let deadlines = table.iter().filter_map(|(domain, phase)| match phase {
                Phase::Held { deadline } => Some((*deadline, domain.clone())),
                _ => None,
            });
            table = match deadlines.min() {
                Some((deadline, domain)) if deadline <= now => {
                    table.insert(domain.clone(), Phase::Pursued);
                    log!("domain {domain}: the freeze reached its deadline, thawing");
                    self.spawn_pursuit(domain);
                    table
                }
                Some((deadline, _)) => {
                    let waited = self.changed.wait_timeout(table, deadline - now);
                    waited.unwrap_or_else(PoisonError::into_inner).0
                }
                None => self.changed.wait(table).unwrap_or_else(PoisonError::into_inner),
            };
        }
    }

    fn spawn_pursuit(self: &Arc<Self>, domain: String) {
        let freezes = Arc::clone(self);
        thread::spawn(move || {
            let until = Instant::now() + PURSUIT_MAX;
            while Instant::now() < until && !freezes.thawed_for_sure(&domain) {
                thread::sleep(PURSUIT_PAUSE);
            }
            freezes.forget(&domain);
        });
    }

    fn thawed_for_sure(&self, domain: &str) -> bool {
        let tried = self.hypervisor.domain(domain).and_then(|domain| {
            if domain.state()? == DomainState::Off {
                return Ok(true);
            }
            // Whatever the thaw says, the agent is asked how it stands.
            let _ = thaw(&domain);
            is_thawed(&domain)
        });
        match tried {
            Ok(thawed) => thawed,
            Err(error) => {
                log!("domain {domain}: not thawed yet: {error}");
                is_gone(&error)
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Phase>> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Freezes a guest; libvirt waits for its answer for about `budget`. How many file systems.
pub fn freeze(domain: &Domain, budget: Duration) -> Result<u32> {
    let seconds = i32::try_from(budget.as_millis().div_ceil(1000).max(1)).unwrap_or(60);
    with_agent_timeout(domain, seconds, Domain::freeze)
}

/// Thaws a guest, once. How many file systems.
pub fn thaw(domain: &Domain) -> Result<u32> {
    with_agent_timeout(domain, THAW_ANSWER_S, Domain::thaw)
}

/// Whether the guest's agent says that nothing is frozen.
pub fn is_thawed(domain: &Domain) -> Result<bool> {
    let answer = domain.agent(r#"{"execute":"guest-fsfreeze-status"}"#, THAW_ANSWER_S)?;
    let answer: serde_json::Value = serde_json::from_str(&answer).unwrap_or_default();
    Ok(answer["return"] == "thawed")
}

/// libvirt keeps this time limit per domain and offers no way to ask for it, so its default is
/// put back: to wait for ever.
fn with_agent_timeout<T>(
    domain: &Domain,
    seconds: i32,
    call: impl Fn(&Domain) -> Result<T>,
) -> Result<T> {
    domain.set_agent_timeout(seconds)?;
    let result = call(domain);
    let usual = virt_sys::VIR_DOMAIN_AGENT_RESPONSE_TIMEOUT_BLOCK;
    domain
        .set_agent_timeout(usual)
        .or_else(|error| if is_gone(&error) { Ok(()) } else { Err(error) })?;
    result
}
