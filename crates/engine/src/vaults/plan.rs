//! What keeps a vault from being deleted, and what to do about it.

use ledger::port::JobQuery;
use model::fault::Fault;
use model::job::Job;
use model::vault::Vault;
use rules::vault::plan::{self, Plan, PlanFacts, RunningJob};
use uuid::Uuid;

use crate::Engine;
use crate::faults::OrFault;

/// How many recovery points of nobody a plan names: there may be very many.
const STRAYS_MAX: usize = 100;

impl Engine {
    /// What keeps the vault from being deleted, each thing with the commands that remove it. Where
    /// it holds items, its repository is not looked into: theirs are the points in it.
    ///
    /// # Errors
    ///
    /// The ledger failed.
    pub fn deletion_plan(&self, vault: &Vault) -> Result<Plan, Fault> {
        let world = &self.world;
        let items = self.items(vault)?;
        let newest = self.newest_points(&items)?;
        let held = items.iter().zip(newest).filter(|(_, newest)| newest.is_some());
        let with_points: Vec<Uuid> = held.map(|(item, _)| item.id).collect();
        let query = JobQuery { vault: Some(vault.id), unfinished: true, ..JobQuery::default() };
        let job = |job: Job| RunningJob {
            id: job.id,
            operation: job.operation,
            cancellable: self.may_cancel(&job),
        };
        let jobs: Vec<RunningJob> =
            world.ledger.jobs(query).or_fault()?.into_iter().map(job).collect();
        let directory = world.config.repository_dir(&vault.region, vault.id);
        let mut inside = Inside::default();
        if items.is_empty() && directory.exists() {
            inside = self.look_inside(vault);
        }
        Ok(plan::plan(
            vault,
            PlanFacts {
                items: &items,
                with_points: &with_points,
                jobs: &jobs,
                strays: &inside.points,
                writers: &inside.writers,
                unreadable: inside.unreadable.as_ref(),
                repository: &directory.to_string_lossy(),
                key_file: &world.config.key_file(vault.id).to_string_lossy(),
                now: world.clock.now(),
            },
        ))
    }

    fn look_inside(&self, vault: &Vault) -> Inside {
        let repositories = &self.world.repositories;
        match repositories.contents(&vault.region, vault.id, vault.name.as_str()) {
            Ok(contents) => Inside {
                writers: contents
                    .sessions
                    .into_iter()
                    .map(|session| (session.id.to_string(), session.actor))
                    .collect(),
                ..self.points_inside(vault, contents.points)
            },
            Err(fault) => Inside { unreadable: Some(fault), ..Inside::default() },
        }
    }

    fn points_inside(&self, vault: &Vault, count: usize) -> Inside {
        if count == 0 {
            return Inside::default();
        }
        let points = self.world.repositories.of(vault);
        match points.and_then(|repository| repository.points().or_fault()) {
            Ok(points) => {
                let ids = points.into_iter().map(|point| point.id).take(STRAYS_MAX);
                Inside { points: ids.collect(), ..Inside::default() }
            }
            Err(fault) => Inside { unreadable: Some(fault), ..Inside::default() },
        }
    }
}

/// What is in a repository that should be empty.
#[derive(Default)]
struct Inside {
    points: Vec<model::point::PointId>,
    writers: Vec<(String, String)>,
    unreadable: Option<Fault>,
}
