//! A hypervisor: in memory, behind a process that may die and a connection that may fail. While a
//! capture is open, other things happen.

use std::collections::{BTreeSet, HashMap};
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crossbeam_channel::Receiver;
use fabric::fake::FakeHost;
use fabric::nbd::NbdError;
use fabric::{
    Capture, CapturePlan, Counters, DiskReader, Domain, Evidence, FabricError, Finish, Host,
    HostEvent, Method, Network, NewDomain, RecoverScope, Sink,
};
use model::units::Extent;
use uuid::Uuid;

use crate::defect::Defect;
use crate::guests::Guests;
use crate::process::{Call, Process};

/// What else happens while a call is under way.
pub type Meanwhile = dyn Fn() + Send + Sync;

/// What is known of a host beside the host itself. It outlives the process.
#[derive(Default)]
pub struct Site {
    /// Whether it cannot be reached.
    pub is_down: AtomicBool,
    /// What a defective hypervisor has forgotten, by machine and disk.
    forgotten: Mutex<HashMap<(Uuid, String), BTreeSet<Extent>>>,
}

/// A host as the engine gets it.
#[derive(Clone)]
pub struct SimHost {
    /// The host.
    pub inner: FakeHost,
    /// What else is known of it.
    pub site: Arc<Site>,
    /// The process that calls it.
    pub process: Arc<Process>,
    /// What is on the disks.
    pub guests: Arc<Mutex<Guests>>,
    /// What it does wrong.
    pub defect: Option<Defect>,
    /// What else happens.
    pub meanwhile: Arc<Meanwhile>,
}

impl SimHost {
    fn call<T>(
        &self,
        call: Call,
        name: &str,
        act: impl FnOnce() -> Result<T, FabricError>,
    ) -> Result<T, FabricError> {
        let down = |message: &str| FabricError::HypervisorDown { message: message.to_owned() };
        if self.site.is_down.load(Ordering::SeqCst) {
            self.process.mishap();
            return Err(down("the host is down"));
        }
        let what = format_args!("host: {name}");
        let answer = self.process.call(call, what, None, act, || down("the connection broke"));
        if let Err(FabricError::DomainGone { .. }) = &answer {
            self.process.mishap();
        }
        answer
    }
}

impl Host for SimHost {
    fn inventory(&self) -> Result<Vec<Domain>, FabricError> {
        self.call(Call::Looks, "inventory", || self.inner.inventory())
    }

    fn networks(&self) -> Result<Vec<Network>, FabricError> {
        self.call(Call::Looks, "networks", || self.inner.networks())
    }

    fn domain(&self, domain: Uuid) -> Result<Domain, FabricError> {
        self.call(Call::Looks, "domain", || self.inner.domain(domain))
    }

    fn events(&self) -> Receiver<HostEvent> {
        // Nobody listens: Engine::turn looks.
        crossbeam_channel::never()
    }

    fn begin_capture(&self, plan: &CapturePlan) -> Result<Box<dyn Capture>, FabricError> {
        (self.meanwhile)();
        let begun = self.call(Call::Changes, "begin", || {
            let capture = self.inner.begin_capture(plan)?;
            let mut guests = self.guests.lock().unwrap_or_else(PoisonError::into_inner);
            guests.take(plan.point, plan.domain);
            Ok(capture)
        });
        self.process.note(|| match &begun {
            Ok(capture) => format!(
                "point {} of {} is taken: {:?}",
                plan.point,
                plan.domain,
                capture.evidence().disks.iter().map(|disk| &disk.method).collect::<Vec<_>>()
            ),
            Err(error) => format!("point {} of {} is not taken: {error}", plan.point, plan.domain),
        });
        match begun {
            Ok(capture) => {
                let host = self.clone();
                let domain = plan.domain;
                Ok(Box::new(SimCapture { capture: Some(capture), host, domain }))
            }
            Err(error) => {
                if !self.process.is_alive() {
                    // The hypervisor may grant it although nobody is there any more.
                    let _ = self.inner.leave_job(plan.domain);
                }
                Err(error)
            }
        }
    }

    fn recover(&self, scope: &RecoverScope) -> Result<Vec<String>, FabricError> {
        self.call(Call::Changes, "recover", || self.inner.recover(scope))
    }

    fn end_left_over(
        &self,
        domain: Uuid,
        scope: &RecoverScope,
    ) -> Result<Vec<String>, FabricError> {
        self.call(Call::Changes, "end_left_over", || self.inner.end_left_over(domain, scope))
    }

    fn forget_checkpoint(&self, domain: Uuid, name: &str) -> Result<(), FabricError> {
        let forget = || self.inner.forget_checkpoint(domain, name);
        self.call(Call::Changes, "forget_checkpoint", forget)
    }

    fn agent(&self, domain: Uuid, command: &str, limit: Duration) -> Result<String, FabricError> {
        self.call(Call::Looks, "agent", || self.inner.agent(domain, command, limit))
    }

    fn define(&self, source_xml: &str, new: &NewDomain) -> Result<Vec<String>, FabricError> {
        self.call(Call::Changes, "define", || self.inner.define(source_xml, new))
    }

    fn start(&self, domain: Uuid) -> Result<(), FabricError> {
        self.call(Call::Changes, "start", || self.inner.start(domain))
    }

    fn destroy(&self, domain: Uuid) -> Result<(), FabricError> {
        self.call(Call::Changes, "destroy", || self.inner.destroy(domain))
    }

    fn undefine(&self, domain: Uuid) -> Result<(), FabricError> {
        self.call(Call::Changes, "undefine", || self.inner.undefine(domain))
    }

    fn wait_for_agent(&self, domain: Uuid, limit: Duration) -> Result<(), FabricError> {
        self.call(Call::Looks, "wait_for_agent", || self.inner.wait_for_agent(domain, limit))
    }
}

struct SimCapture {
    capture: Option<Box<dyn Capture>>,
    host: SimHost,
    domain: Uuid,
}

impl SimCapture {
    fn capture(&self) -> &dyn Capture {
        self.capture.as_deref().expect("it is there until it is finished")
    }

    /// What a hypervisor does that does not merge a discarded bitmap into the one before.
    fn forget(&self) {
        if self.host.defect != Some(Defect::DiscardForgets) {
            return;
        }
        let mut forgotten = self.host.site.forgotten.lock().unwrap_or_else(PoisonError::into_inner);
        for disk in &self.capture().evidence().disks {
            if matches!(disk.method, Method::Incremental { .. })
                && let Ok(mut reader) = self.capture().disk(&disk.target)
                && let Ok(extents) = reader.extents()
            {
                let key = (self.domain, disk.target.clone());
                forgotten.entry(key).or_default().extend(extents);
            }
        }
    }
}

impl Capture for SimCapture {
    fn evidence(&self) -> &Evidence {
        self.capture().evidence()
    }

    fn disk(&self, target: &str) -> Result<Box<dyn DiskReader>, FabricError> {
        let reader = self.host.call(Call::Looks, "disk", || self.capture().disk(target))?;
        let disks = &self.evidence().disks;
        let disk = disks.iter().find(|disk| disk.target == target);
        Ok(Box::new(SimReader {
            reader,
            host: self.host.clone(),
            domain: self.domain,
            target: target.to_owned(),
            is_incremental: disk
                .is_some_and(|disk| matches!(disk.method, Method::Incremental { .. })),
        }))
    }

    fn check(&self) -> Result<(), FabricError> {
        self.host.call(Call::Looks, "check", || self.capture().check())
    }

    fn finish(mut self: Box<Self>, how: Finish) -> Result<Vec<String>, FabricError> {
        if how == Finish::Discard {
            self.forget();
        } else {
            let mut forgotten =
                self.host.site.forgotten.lock().unwrap_or_else(PoisonError::into_inner);
            forgotten.retain(|(domain, _), _| *domain != self.domain);
        }
        let capture = self.capture.take().expect("it is finished once");
        self.host.call(Call::Changes, "finish", || capture.finish(how))
    }
}

struct SimReader {
    reader: Box<dyn DiskReader>,
    host: SimHost,
    domain: Uuid,
    target: String,
    is_incremental: bool,
}

impl DiskReader for SimReader {
    fn size(&self) -> u64 {
        self.reader.size()
    }

    fn extents(&mut self) -> Result<Vec<Extent>, FabricError> {
        let extents = self.host.call(Call::Looks, "extents", || self.reader.extents())?;
        match self.host.defect {
            Some(Defect::NothingIsDirty) if self.is_incremental => Ok(Vec::new()),
            Some(Defect::DiscardForgets) if self.is_incremental => {
                let forgotten =
                    self.host.site.forgotten.lock().unwrap_or_else(PoisonError::into_inner);
                let gone = forgotten.get(&(self.domain, self.target.clone()));
                let is_gone = |it: &Extent| gone.is_some_and(|gone| gone.contains(it));
                Ok(extents.into_iter().filter(|it| !is_gone(it)).collect())
            }
            _ => Ok(extents),
        }
    }

    fn read(&mut self, ranges: &[Extent], sink: Sink<'_>) -> Result<ControlFlow<()>, FabricError> {
        (self.host.meanwhile)();
        let target = &self.target;
        let failed = || FabricError::Read { target: target.clone(), source: NbdError::Broken };
        // What is read before the connection breaks has been read.
        self.host.process.call(Call::Looks, "host: read", None, || Ok(()), failed)?;
        if self.host.defect == Some(Defect::SnapshotIsTorn) {
            let now = self.host.inner.image(self.domain, target)?;
            for range in ranges {
                if sink(range.start, &now.read(*range)).is_break() {
                    return Ok(ControlFlow::Break(()));
                }
            }
            return Ok(ControlFlow::Continue(()));
        }
        self.reader.read(ranges, sink)
    }

    fn counters(&self) -> Counters {
        self.reader.counters()
    }
}
