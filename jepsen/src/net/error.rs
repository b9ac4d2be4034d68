//! Why there is no network of our own.

use std::io;

/// Why namespaces, devices or the switch cannot be made or changed.
#[derive(Debug, thiserror::Error)]
pub enum NetError {
    /// A program is needed and cannot be run.
    #[error("cannot run `{program}`; it is in the package {package}")]
    Program {
        /// Its name.
        program: &'static str,
        /// Who has it.
        package: &'static str,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// A program said no.
    #[error("`{command}` failed: {said}")]
    Command {
        /// With its arguments.
        command: String,
        /// What it printed.
        said: String,
    },
    /// A namespace cannot be entered.
    #[error("cannot enter the network namespace {name}")]
    Enter {
        /// Its name.
        name: String,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// A TUN device cannot be made.
    #[error("cannot make the TUN device {name}")]
    Device {
        /// Its name.
        name: String,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// All subnets are taken.
    #[error("no subnet of 10.213.0.0/16 is free")]
    NoSubnet,
    /// More members than addresses.
    #[error("{members} members are more than {max}")]
    TooMany {
        /// How many were asked for.
        members: usize,
        /// How many there may be.
        max: usize,
    },
    /// The switch cannot run.
    #[error("cannot start the switch")]
    Switch(#[source] io::Error),
    /// No end has this name.
    #[error("the network has no end named {0}")]
    UnknownEnd(String),
}
