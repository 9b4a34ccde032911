//! Connections that are open and not in use. The engine bounds how many there can be.

use parking_lot::Mutex;

/// Connections that are open and not in use. One that is taken and not given back is closed: after
/// an error, and when a query was given up on.
#[derive(Debug)]
pub(super) struct Pool<C>(Mutex<Vec<C>>);

impl<C> Pool<C> {
    pub(super) fn new() -> Self {
        Self(Mutex::new(Vec::new()))
    }

    /// One that was used last and is still good.
    pub(super) fn take(&self, is_good: impl Fn(&C) -> bool) -> Option<C> {
        let mut idle = self.0.lock();
        while let Some(connection) = idle.pop() {
            if is_good(&connection) {
                return Some(connection);
            }
        }
        None
    }

    pub(super) fn give(&self, connection: C) {
        self.0.lock().push(connection);
    }
}
