//! The cluster's certificates: one authority, from which every server and client certificate
//! comes. Who holds its key is an administrator of the cluster.

mod authority;
mod private_file;
mod subject;

pub use authority::{Authority, Credentials, PkiError};
pub use private_file::write_private;
pub use subject::{
    ADMIN_GROUP, MEMBERS_GROUP, SERVICE_NAMES, Subject, admin_client, hollow_client, member,
};
