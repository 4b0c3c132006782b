//! Alerts: who is told what, once, also after a restart. Method as in `watching.rs`; targets keep
//! what they are sent, or refuse it.

mod house;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use engine::{Alerting, Notify, Suppression, Window};
use jiff::Timestamp;
use model::alert::{Kind, Notice};

use house::{AtBegin, House};

/// A target that remembers what it took.
#[derive(Clone, Default)]
struct Target {
    took: Arc<Mutex<Vec<String>>>,
    refuses: Arc<AtomicBool>,
}

impl Target {
    fn took(&self) -> Vec<String> {
        self.took.lock().expect("not poisoned").clone()
    }

    /// What it took, once it took so many; no more come for a while.
    #[track_caller]
    fn once(&self, count: usize) -> Vec<String> {
        for _ in 0..1000 {
            if self.took().len() >= count {
                break;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        std::thread::sleep(Duration::from_millis(1500));
        let took = self.took();
        assert_eq!(took.len(), count, "{took:?}");
        took
    }

    fn alerting(&self, suppressions: Vec<Suppression>) -> Alerting {
        Alerting { targets: vec![Box::new(self.clone())], suppressions }
    }
}

impl Notify for Target {
    fn name(&self) -> &str {
        "ops"
    }

    fn wants(&self, kind: Kind) -> bool {
        kind != Kind::ObjectiveMissed
    }

    fn at_once(&self) -> usize {
        1
    }

    fn send(&self, notices: &[Notice]) -> Result<(), String> {
        if self.refuses.load(Ordering::SeqCst) {
            return Err("it is away".to_owned());
        }
        let told =
            |notice: &Notice| format!("{}: {}", notice.event.name(), notice.alert.condition.title);
        self.took.lock().expect("not poisoned").extend(notices.iter().map(told));
        Ok(())
    }
}

fn at(text: &str) -> Timestamp {
    text.parse().expect("a timestamp")
}

const RAISED: &str = "raised: Backup of 'web' failed";
const RESOLVED: &str = "resolved: Backup of 'web' failed";

#[test]
fn a_failing_item_is_told_once_and_once_when_it_is_well_again() {
    let target = Target::default();
    let house = House::alerting(target.alerting(Vec::new()));
    let (vault, _) = house.protected();
    for _ in 0..2 {
        house.at_next_begin(AtBegin::Panic);
        house.backup(&vault);
        house.pass(90);
    }
    assert_eq!(target.once(1), [RAISED]);
    house.pass(90);
    assert_eq!(target.once(1), [RAISED], "it lasts");
    house.backup(&vault);
    house.pass(90);
    assert_eq!(target.once(2), [RAISED, RESOLVED]);
}

#[test]
fn what_was_raised_is_delivered_after_a_restart() {
    let target = Target::default();
    target.refuses.store(true, Ordering::SeqCst);
    let house = House::alerting(target.alerting(Vec::new()));
    let (vault, _) = house.protected();
    house.at_next_begin(AtBegin::Panic);
    house.backup(&vault);
    house.pass(90);
    for _ in 0..1000 {
        if house.engine.ledger().notices().expect("read").iter().any(|it| it.tries > 0) {
            break;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    let notices = house.engine.ledger().notices().expect("read");
    assert_eq!(notices.iter().map(|notice| notice.tries).collect::<Vec<_>>(), [1]);
    assert_eq!(target.took(), [""; 0]);

    target.refuses.store(false, Ordering::SeqCst);
    let house = house.restart_alerting(target.alerting(Vec::new()));
    assert_eq!(target.took(), [""; 0], "it is not time to try again yet");
    house.pass(60);
    assert_eq!(target.once(1), [RAISED]);
    assert_eq!(house.engine.ledger().notices().expect("read"), []);
}

#[test]
fn nothing_is_told_in_a_silence_but_what_still_stands_behind_it() {
    let target = Target::default();
    let window =
        Window::Once { from: at("2026-11-23T00:00:00Z"), until: at("2026-11-23T12:00:00Z") };
    let silence = Suppression { kinds: Vec::new(), vaults: Vec::new(), window };
    let house = House::alerting(target.alerting(vec![silence]));
    let (vault, _) = house.protected();
    house.at_next_begin(AtBegin::Panic);
    house.backup(&vault);
    house.pass(90);
    assert_eq!(target.once(0), [""; 0]);
    assert_eq!(house.engine.ledger().open_alerts().expect("read").len(), 1, "it is known");
    house.set_clock("2026-11-23T12:00:00Z");
    assert_eq!(target.once(1), [RAISED]);
}

#[test]
fn a_target_that_is_in_the_settings_no_more_gets_nothing_more() {
    let target = Target::default();
    target.refuses.store(true, Ordering::SeqCst);
    let house = House::alerting(target.alerting(Vec::new()));
    let (vault, _) = house.protected();
    house.at_next_begin(AtBegin::Panic);
    house.backup(&vault);
    house.pass(90);
    let house = house.restart_alerting(Alerting::default());
    for _ in 0..1000 {
        if house.engine.ledger().notices().expect("read").is_empty() {
            return;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    panic!("its notices stay");
}
