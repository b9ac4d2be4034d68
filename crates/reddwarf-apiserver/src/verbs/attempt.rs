//! Optimistic read, compute, propose: again while the state moves underneath.

use super::Exchange;
use crate::errors::{propose_error, read_error};
use crate::stale::Stale;
use reddwarf_core::{ProposeError, Rejection, Status, View};

/// Attempts before a request that keeps losing to others gives up.
pub(crate) const ATTEMPTS_MAX: u32 = 16;

/// Why an attempt did not succeed.
pub enum Failure {
    /// The state that was read forbids it; a newer state may not.
    Refused(Box<Status>),
    /// The same, as the write names a version that is not the newest.
    Stale(Stale),
    /// What was proposed did not become a commit.
    Proposal(ProposeError),
}

impl From<Box<Status>> for Failure {
    fn from(status: Box<Status>) -> Self {
        Failure::Refused(status)
    }
}

impl From<Stale> for Failure {
    fn from(stale: Stale) -> Self {
        Failure::Stale(stale)
    }
}

impl From<ProposeError> for Failure {
    fn from(error: ProposeError) -> Self {
        Failure::Proposal(error)
    }
}

/// The attempts of one write.
///
/// The first computes on this member's newest state without asking anyone. Only a refusal (or a
/// write that changes nothing) makes it confirm by a read barrier that this state is the
/// group's, before the client is told.
pub struct Attempts {
    made: u32,
    confirmed: bool,
    view: View,
}

impl Attempts {
    /// Begins with this member's newest state.
    pub fn begin(x: &Exchange<'_>) -> Self {
        Attempts { made: 0, confirmed: false, view: x.server.store().view() }
    }

    /// The state on which to compute.
    pub fn view(&self) -> View {
        self.view.clone()
    }

    /// Prepares another attempt, or gives the failure that the client is told.
    ///
    /// # Errors
    /// That failure.
    pub async fn again(&mut self, x: &Exchange<'_>, failure: Failure) -> Result<(), Box<Status>> {
        self.made += 1;
        match failure {
            Failure::Proposal(error @ ProposeError::Rejected(Rejection::Precondition { .. }))
                if self.made < ATTEMPTS_MAX =>
            {
                tracing::debug!(%error, attempt = self.made, "computing again on a newer state");
                self.view = x.server.store().view();
                self.confirmed = false;
                Ok(())
            }
            Failure::Proposal(error) => Err(propose_error(error)),
            Failure::Refused(status) => match self.confirm(x).await? {
                true => Err(status),
                false => Ok(()),
            },
            Failure::Stale(stale) => match self.confirm(x).await? {
                true => Err(stale.told(x).await),
                false => Ok(()),
            },
        }
    }

    /// Whether the state computed on is the group's newest; when it is not, another attempt
    /// computes on what is.
    ///
    /// # Errors
    /// No quorum confirmed it.
    pub async fn confirm(&mut self, x: &Exchange<'_>) -> Result<bool, Box<Status>> {
        if self.confirmed {
            return Ok(true);
        }
        let store = x.server.store();
        store.read_barrier().await.map_err(read_error)?;
        let newest = store.view();
        self.confirmed = true;
        let same = newest.revision == self.view.revision;
        self.view = newest;
        Ok(same)
    }
}
