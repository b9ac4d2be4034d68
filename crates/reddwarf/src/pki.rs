//! The cluster's certificates: one authority, from which every server and client certificate
//! comes. Who holds its key is an administrator of the cluster.

mod authority;
mod fingerprint;
mod leaf;
mod private_file;
mod request;
mod subject;
mod succession;
mod validity;

pub use authority::{Authority, Credentials, PkiError};
pub use fingerprint::{fingerprint, with_fingerprint};
pub use leaf::Leaf;
pub use private_file::write_private;
pub use request::CertificateRequest;
pub use subject::{
    ADMIN_GROUP, MEMBERS_GROUP, SERVICE_NAMES, Subject, admin_client, hollow_client, member,
};
pub use succession::settle;
pub use validity::Validity;
