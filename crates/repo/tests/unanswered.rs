//! Log entries whose puts get no answer: whoever wrote one finds out what became of it, and says
//! "failed" only of what will never exist. Without retries below, so that one lost answer is all
//! the writer gets.

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use model::units::MIB;
use repo::objects::{Attempt, Faulty, Memory, Mishap, ObjectStore, Operation};
use repo::{RepoError, Repository};
use support::{TestDisk, World, assert_restores, full, noise, point};

/// The number of a log entry, and what becomes of the first put of it.
const OPEN: u64 = 1;
const COMMIT: u64 = 2;

fn disk() -> TestDisk {
    let mut disk = TestDisk::new(2 * MIB);
    disk.write(0, &noise(1, MIB as usize));
    disk
}

struct Scene {
    inner: Arc<Memory>,
    deliver: Box<dyn Fn()>,
    repo: Repository,
}

impl Scene {
    /// A repository on a store where the first put of an entry meets `mishap`, and where nothing is
    /// answered after it if it is `silent`.
    fn new(entry: u64, mishap: Mishap, silent: bool) -> Self {
        let inner = Arc::new(Memory::new());
        let met = AtomicBool::new(false);
        let name = format!("log/{entry:020}");
        let script = move |attempt: Attempt<'_>| {
            if attempt.operation == Operation::Put && attempt.name == name {
                let first = !met.swap(true, Ordering::SeqCst);
                return (first || silent).then_some(if first { mishap } else { Mishap::TimesOut });
            }
            (silent && met.load(Ordering::SeqCst)).then_some(Mishap::TimesOut)
        };
        let store = Arc::new(Faulty::new(Arc::clone(&inner), script));
        let repo = World::new(Arc::clone(&store) as Arc<dyn ObjectStore>, 1).init();
        Self { inner, deliver: Box::new(move || store.deliver()), repo }
    }

    fn elsewhere(&self) -> Repository {
        let store = Arc::clone(&self.inner) as Arc<dyn ObjectStore>;
        World::new(store, 2).open().expect("a repository")
    }
}

#[test]
fn a_commit_that_landed_unanswered_is_no_failure() {
    for mishap in [Mishap::AnswerLost, Mishap::DoneButFails] {
        let scene = Scene::new(COMMIT, mishap, false);
        full(&scene.repo, 1, &mut disk()).expect("the writer finds its entry");
        assert_restores(&scene.elsewhere(), 1, &disk());
        assert_eq!(scene.repo.sessions().expect("sessions"), []);
    }
}

#[test]
fn a_commit_that_was_reported_failed_can_never_land() {
    for mishap in [Mishap::Late, Mishap::Fails, Mishap::Full] {
        let scene = Scene::new(COMMIT, mishap, false);
        full(&scene.repo, 1, &mut disk()).expect_err("the fence was first");
        (scene.deliver)();
        let elsewhere = scene.elsewhere();
        assert_eq!(elsewhere.points().expect("points"), [], "{mishap:?}");
        assert_eq!(elsewhere.sessions().expect("sessions"), [], "{mishap:?}");
        full(&scene.repo, 2, &mut disk()).expect("a new backup works");
        assert_restores(&elsewhere, 2, &disk());
    }
}

#[test]
fn a_writer_that_cannot_find_out_says_so() {
    for (mishap, exists) in
        [(Mishap::AnswerLost, true), (Mishap::Late, true), (Mishap::TimesOut, false)]
    {
        let scene = Scene::new(COMMIT, mishap, true);
        let told = full(&scene.repo, 1, &mut disk());
        assert!(matches!(told, Err(RepoError::Unsettled { .. })), "{mishap:?}: {told:?}");
        (scene.deliver)();
        let elsewhere = scene.elsewhere();
        assert_eq!(elsewhere.points().expect("points").len(), usize::from(exists), "{mishap:?}");
        // The session tells it from outside, and a fence settles it.
        let open = elsewhere.sessions().expect("sessions");
        assert_eq!(open.len(), usize::from(!exists), "{mishap:?}");
        for session in open {
            elsewhere.fence(session.id).expect("it is open");
        }
        full(&elsewhere, 2, &mut disk()).expect("a new backup works");
    }
}

#[test]
fn a_session_that_opened_unanswered_is_ended() {
    let scene = Scene::new(OPEN, Mishap::AnswerLost, false);
    full(&scene.repo, 1, &mut disk()).expect_err("it did not begin");
    assert_eq!(scene.elsewhere().sessions().expect("sessions"), []);
    full(&scene.repo, 2, &mut disk()).expect("a new backup works");
    assert_eq!(scene.elsewhere().points().expect("points")[0].id, point(2));
}
