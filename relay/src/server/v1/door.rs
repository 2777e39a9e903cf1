//! At which address a request has come in, and so who may send it.

/// The door that a request has come through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Door {
    /// `--listen`: users, and the backend. Pages bring the credentials of users.
    Public,
    /// `--listen-ops`: who has an API key. The only page is the operators' own, of the same host.
    Operators,
}
