//! Who writes to which upload session, where one process alone works on the database: no row needs
//! to say so then, and with the process all holders end.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use uuid::Uuid;

/// The sessions that requests of this process hold. Cheap to clone.
#[derive(Clone, Default)]
pub(super) struct Holders(Arc<Mutex<HashSet<Uuid>>>);

/// Holds a session until it is dropped.
pub(super) struct Holder {
    holders: Holders,
    id: Uuid,
}

impl Holders {
    /// None if another request holds it.
    pub fn hold(&self, id: Uuid) -> Option<Holder> {
        self.lock().insert(id).then(|| Holder { holders: self.clone(), id })
    }

    fn lock(&self) -> MutexGuard<'_, HashSet<Uuid>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Holder {
    fn drop(&mut self) {
        self.holders.lock().remove(&self.id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_request_holds_a_session_until_it_ends() {
        let (holders, id) = (Holders::default(), Uuid::new_v4());
        let holder = holders.hold(id);
        assert!(holder.is_some() && holders.hold(id).is_none());
        assert!(holders.hold(Uuid::new_v4()).is_some());
        drop(holder);
        assert!(holders.hold(id).is_some());
    }
}
