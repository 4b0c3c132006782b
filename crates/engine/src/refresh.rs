//! Fresh looks at all hosts, which somebody asked for and waits for.
//!
//! Discovery looks by itself; a client that has just made a machine asks for a look now and polls
//! until it is over. What is known of such looks is kept in memory: after a restart there is
//! nothing to wait for, because every host is looked at anew.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use model::fault::{Code, Fault};
use model::vault::Vault;
use uuid::Uuid;

use crate::Engine;

/// How many looks are remembered: far more than are waited for at once.
const REMEMBERED: usize = 256;

/// One look that was asked for.
struct Refresh {
    id: Uuid,
    vault: Uuid,
    over: Arc<AtomicBool>,
}

/// The looks that were asked for.
#[derive(Default)]
pub(crate) struct Refreshes {
    /// Behind a mutex because requests come from many threads; nothing is called while it is held.
    all: Mutex<VecDeque<Refresh>>,
}

impl Refreshes {
    fn with<T>(&self, act: impl FnOnce(&mut VecDeque<Refresh>) -> T) -> T {
        act(&mut self.all.lock().expect("nothing panics while it holds the looks"))
    }
}

/// Says that a look is over, also where it panicked.
struct Over(Arc<AtomicBool>);

impl Drop for Over {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

impl Engine {
    /// Begins a look at all hosts, and gives it a name to ask for it by.
    ///
    /// # Errors
    ///
    /// No thread could be started.
    pub fn refresh(&self, vault: &Vault) -> Result<Uuid, Fault> {
        let id = model::seed::new_uuid(self.world.seed.as_ref());
        let over = Arc::new(AtomicBool::new(false));
        let refresh = Refresh { id, vault: vault.id, over: Arc::clone(&over) };
        self.world.refreshes.with(|all| {
            all.push_back(refresh);
            if all.len() > REMEMBERED {
                all.pop_front();
            }
        });
        let world = Arc::clone(&self.world);
        let look = move || {
            let _over = Over(over);
            world.hosts.look();
        };
        self.world.tasks.start("refresh", Box::new(look)).map_err(|error| {
            Fault::new(Code::Internal, format!("No thread could be started: {error}."))
        })?;
        Ok(id)
    }

    /// Whether a look that was asked for in this vault is over; `None` where nobody asked for it.
    pub fn is_refreshed(&self, vault: &Vault, id: Uuid) -> Option<bool> {
        self.world.refreshes.with(|all| {
            let found = all.iter().find(|it| it.id == id && it.vault == vault.id);
            found.map(|it| it.over.load(Ordering::SeqCst))
        })
    }
}
