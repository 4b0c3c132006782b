//! What operators do, and what befalls hosts, guests, the clock and the process.

use std::fs;
use std::sync::atomic::Ordering;

use engine::{Engine, ImageFormat, JobQuery, PointQuery, RestoreRequest, Wish};
use jiff::SignedDuration;
use model::fault::{Code, Fault};
use model::item::{Item, ProtectionState};
use model::job::Status;
use model::vault::Vault;

use crate::guests::is_content;
use crate::policies;
use crate::run::{Restoring, Sim};
use crate::town::lock;

impl Sim {
    /// Something happens. By how much the clock was set forward by it.
    pub fn act(&mut self) -> SignedDuration {
        self.acts += 1;
        self.come_back();
        self.see_vaults();
        self.replace_vaults();
        match self.chance.below(34) {
            0..=3 => self.back_up(),
            4 => self.cancel(),
            5 | 6 => self.stop_or_resume(),
            7 | 8 => self.delete_or_undelete(),
            9 => self.change_policy(),
            10 => self.change_protection(),
            11 | 12 => self.restore(),
            13 => self.go(),
            14 => self.crash_guest(),
            15 | 16 => self.host_down(),
            17 => return self.set_clock(),
            18..=20 => {
                let calls = 1 + self.chance.below(60);
                self.town.process.note(|| format!("the process will die in {calls} calls"));
                self.town.process.dies_after(calls);
            }
            21 => {
                self.town.process.note(|| "the process is killed".to_owned());
                self.town.stop();
                self.town.start();
            }
            22..=25 => self.confirm(),
            26 => self.change_immutability(),
            27 => self.delete_vault(),
            28..=30 => self.undelete_vault(),
            // As many as keep most of them protected.
            _ => {
                for _ in 0..1 + self.town.scenario.vms / 10 {
                    let at = self.chance.place(self.town.scenario.vms);
                    self.enable(at);
                }
            }
        }
        SignedDuration::ZERO
    }

    /// Asks something of the engine, and notes what became of it.
    pub fn ask<T>(&self, what: &str, ask: impl FnOnce(&Engine) -> Result<T, Fault>) -> Option<T> {
        let process = &self.town.process;
        let mishaps = process.mishaps();
        match ask(&self.town.engine()) {
            Ok(value) => {
                process.note(|| what.to_owned());
                Some(value)
            }
            Err(fault) => {
                let told = format!("{what}: {}: {}", fault.code.name(), fault.message);
                let is_quiet = process.is_alive() && process.mishaps() == mishaps;
                if fault.code == Code::Internal && is_quiet {
                    process.break_off(format!("a bug: {told}"));
                }
                process.note(|| told);
                None
            }
        }
    }

    /// One of the vaults in sight.
    pub fn vault(&mut self) -> Option<Vault> {
        self.chance.one_of(&self.vaults).cloned()
    }

    fn item(&mut self) -> Option<(Vault, Item)> {
        let vault = self.vault()?;
        let items = self.town.ledger.items(Some(vault.id)).expect("the ledger itself is well");
        let item = self.chance.one_of(&items)?.clone();
        Some((vault, item))
    }

    /// Protects a guest in some vault.
    pub fn enable(&mut self, at: usize) {
        let Some(vault) = self.vault() else { return };
        let name = format!("vm{at}");
        let policy = self.policy_name();
        self.ask(&format!("{name} is enabled in {}: {policy}", vault.name), |engine| {
            engine.enable(&vault, "holdfast", &name, &policy)
        });
    }

    fn policy_name(&mut self) -> String {
        match self.chance.below(6) {
            4 => "DefaultPolicy".to_owned(),
            5 => "EnhancedPolicy".to_owned(),
            number => format!("policy{number}"),
        }
    }

    fn back_up(&mut self) {
        let Some((_, item)) = self.item() else { return };
        let days = i64::try_from(self.chance.below(100)).expect("small");
        let until = self.town.clock.shows() + SignedDuration::from_hours(24 * days);
        let until = self.chance.once_in(2).then_some(until);
        // Twice, now and then: an impatient operator.
        for _ in 0..1 + self.chance.below(2) {
            self.ask(&format!("back up {} now", item.vm_name), |engine| {
                engine.backup_now(&item, until)
            });
        }
    }

    fn cancel(&mut self) {
        self.back_up();
        let query = JobQuery { unfinished: true, ..JobQuery::default() };
        let jobs = self.town.ledger.jobs(query).expect("the ledger itself is well");
        let Some(job) = self.chance.one_of(&jobs).cloned() else { return };
        let vault = self.vaults.iter().find(|vault| vault.id == job.vault);
        if let Some(vault) = vault {
            self.ask(&format!("cancel {}", job.id), |engine| engine.cancel(vault, job.id));
        }
    }

    /// Changes how an item is protected.
    pub fn change(&mut self, what: &str, vault: &Vault, item: Item, wish: &Wish) {
        let name = item.vm_name.clone();
        self.ask(&format!("{what} {name}"), |engine| engine.change(vault, item, wish));
    }

    fn stop_or_resume(&mut self) {
        let Some((vault, item)) = self.item() else { return };
        if item.state == ProtectionState::ProtectionStopped {
            let wish = Wish::Protect { policy: self.policy_name(), disks: None };
            self.change("resume", &vault, item, &wish);
        } else if self.chance.once_in(2) {
            self.change("stop", &vault, item, &Wish::Stop);
        }
    }

    fn delete_or_undelete(&mut self) {
        let Some((vault, item)) = self.item() else { return };
        if item.deletion.is_some() {
            self.change("undelete", &vault, item, &Wish::Undelete);
        } else if self.chance.once_in(3) {
            self.change("delete", &vault, item, &Wish::Delete);
        }
    }

    fn change_policy(&mut self) {
        let Some(vault) = self.vault() else { return };
        let name = format!("policy{}", self.chance.below(4));
        let times = self.town.scenario.times_of_day;
        let policy = policies::any(&mut self.chance, times, vault.id, &name);
        let what = format!("{name} of {} is now {:?}", vault.name, policy.schedule);
        self.ask(&what, |engine| engine.put_policy(&vault, policy));
        self.read_calendars();
    }

    fn change_protection(&mut self) {
        let Some((vault, item)) = self.item() else { return };
        let wish = Wish::Protect { policy: self.policy_name(), disks: None };
        self.change("another policy for", &vault, item, &wish);
    }

    fn restore(&mut self) {
        let Some((vault, item)) = self.item() else { return };
        let points = self.town.ledger.points(PointQuery::of(item.id));
        let points = points.expect("the ledger itself is well");
        let Some(point) = self.chance.one_of(&points).map(|point| point.id) else { return };
        let directory = self.town.restores().join(format!("{}", self.acts));
        let wanted = RestoreRequest::to_directory(&directory, ImageFormat::Raw);
        let what = format!("restore {point} of {}", item.vm_name);
        if let Some(job) = self.ask(&what, |engine| engine.restore(&item, point, wanted)) {
            self.restoring.push(Restoring { vault, job, point, directory });
        }
    }

    /// Compares what was restored with what was on the disks.
    pub fn look_at_restored(&mut self) {
        for restoring in std::mem::take(&mut self.restoring) {
            let job = self.town.ledger.job(restoring.job).expect("the ledger itself is well");
            let has_gone = |vault| matches!(self.town.ledger.deleted_vault(vault), Ok(Some(_)));
            if job.is_none() && !has_gone(restoring.vault.id) {
                let what = format!("job {} of {} is gone", restoring.job, restoring.vault.name);
                self.town.process.break_off(what);
            }
            let is_done = job.is_some_and(|job| job.status == Status::Completed);
            if is_done && !self.is_restored(&restoring) {
                let what = format!("point {} was not restored as it was", restoring.point);
                self.town.process.break_off(what);
            }
            if restoring.directory.exists() {
                fs::remove_dir_all(&restoring.directory).expect("it is ours");
            }
        }
    }

    fn is_restored(&self, restoring: &Restoring) -> bool {
        let guests = lock(&self.town.guests);
        let Some(taken) = guests.taken.get(&restoring.point) else { return false };
        let Some(guest) = guests.all.iter().find(|guest| guest.uuid == taken.vm) else {
            return false;
        };
        taken.disks.iter().all(|(target, cells)| {
            let file = restoring.directory.join(format!("{}-{target}.raw", guest.name));
            fs::read(file).is_ok_and(|bytes| is_content(cells, 0, &bytes))
        })
    }

    /// A guest is removed from its host.
    fn go(&mut self) {
        let at = self.chance.place(self.town.scenario.vms);
        let mut guests = lock(&self.town.guests);
        let guest = &mut guests.all[at];
        if guest.is_there {
            self.town.process.note(|| format!("{} is gone", guest.name));
            // For a few days, or for so long that its points grow old.
            guest.stays_away = if self.chance.once_in(2) { 40 } else { 4 };
            guest.vanish(&self.town.hosts[guest.host]);
        }
    }

    /// What was away comes back: hosts, and guests with empty disks.
    fn come_back(&mut self) {
        for (at, site) in self.town.sites.iter().enumerate() {
            if self.chance.once_in(2) && site.is_down.swap(false, Ordering::SeqCst) {
                self.town.process.note(|| format!("host {at} is up"));
            }
        }
        let mut guests = lock(&self.town.guests);
        for guest in guests.all.iter_mut().filter(|guest| !guest.is_there) {
            if self.chance.once_in(guest.stays_away) {
                let host = &self.town.hosts[guest.host];
                self.town.process.note(|| format!("{} is back", guest.name));
                guest.appear(host);
                guest.write(host, &mut self.chance);
            }
        }
    }

    /// A guest's process is killed, and it is started again or not.
    fn crash_guest(&mut self) {
        let at = self.chance.place(self.town.scenario.vms);
        let guests = lock(&self.town.guests);
        let guest = &guests.all[at];
        let host = &self.town.hosts[guest.host];
        if guest.is_there {
            self.town.process.note(|| format!("{} crashes", guest.name));
            host.crash(guest.uuid).expect("it is there");
            self.town.process.mishap();
            if self.chance.once_in(2) {
                use fabric::Host;
                // It may still be read.
                let _ = host.start(guest.uuid);
            }
        }
    }

    fn host_down(&mut self) {
        let at = self.chance.place(self.town.sites.len());
        self.town.sites[at].is_down.store(true, Ordering::SeqCst);
        self.town.process.mishap();
        self.town.process.note(|| format!("host {at} is down"));
    }

    fn set_clock(&mut self) -> SignedDuration {
        let hours = match self.chance.below(4) {
            0 => 24 * i64::try_from(1 + self.chance.below(20)).expect("small"),
            1 => i64::try_from(1 + self.chance.below(5)).expect("small"),
            _ => -i64::try_from(1 + self.chance.below(72)).expect("small"),
        };
        let by = SignedDuration::from_hours(hours);
        self.town.process.note(|| format!("the clock is set by {hours} h"));
        self.town.clock.pass(by);
        if hours < 0 {
            lock(&self.town.watch).clock_was_set_back();
        }
        by
    }
}
